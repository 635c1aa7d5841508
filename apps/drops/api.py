"""Tenants watch, for a while, why packets of one of their network interfaces are dropped."""

from collections import Counter
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from apps.drops.facts import reasons
from apps.drops.model import DropCount, DropWatch
from apps.eni.model import NetworkInterface
from sdnctl.api import quota
from sdnctl.api.access import Reader, Writer
from sdnctl.api.listing import Listing, answer, reference
from sdnctl.api.operations import operation
from sdnctl.api.schema import Id, Json, Request, Whole, iso

PATH, ITEM = "/regions/{regionId}/dropWatches/", "/regions/{regionId}/dropWatches/{dropWatchId}"
LONGEST_S, USUAL_S = 600, 60
quota.declare("dropWatch", 4, lambda view, _: len(_running(view)))
KEYS = {"dropWatchIds": reference("id"), "networkInterfaceId": reference("port"), "vpcId": reference("vpc")}


class NewWatch(Request):
    """A network interface whose drops are to be counted, and for how many seconds from now."""

    networkInterfaceId: Id
    seconds: Annotated[Whole, Field(ge=1, le=LONGEST_S)] = USUAL_S


class OneWatch(Request):
    """A watch over drops."""

    dropWatchId: Id


@operation("vpc", "describeDropWatches", "GET", PATH, Listing)
def describe_drop_watches(request: Listing, view: Reader) -> Json:
    """The caller's watches over drops, with what they have counted."""
    return answer(request, view, DropWatch, KEYS, "dropWatches", show)


@operation("vpc", "createDropWatch", "POST", PATH, NewWatch)
def create_drop_watch(request: NewWatch, txn: Writer) -> Json:
    """Count why packets of a network interface are dropped, or go on counting where that is done already."""
    port = txn.own(NetworkInterface, request.networkInterfaceId, "networkInterfaceId")
    until = txn.now + request.seconds
    for ended in [watch for watch in txn.mine(DropWatch) if watch.until <= txn.now]:
        txn.delete(DropWatch, ended.id)
    for known in txn.of(DropWatch, ("port",), port.id):
        txn.put(replace(known, until=max(known.until, until)))
        return {"dropWatchId": known.id}
    quota.admit(txn, "dropWatch", 1)
    id = txn.new_id(DropWatch)
    txn.put(DropWatch(id=id, account=port.account, vpc=port.vpc, port=port.id, until=until, created=txn.now))
    return {"dropWatchId": id}


@operation("vpc", "describeDropWatch", "GET", ITEM, OneWatch)
def describe_drop_watch(request: OneWatch, view: Reader) -> Json:
    """One watch over drops, with what it has counted."""
    return {"dropWatch": show(view, view.own(DropWatch, request.dropWatchId, "dropWatchId"))}


@operation("vpc", "deleteDropWatch", "DELETE", ITEM, OneWatch)
def delete_drop_watch(request: OneWatch, txn: Writer) -> Json:
    """End a watch before its time."""
    txn.delete(DropWatch, txn.own(DropWatch, request.dropWatchId, "dropWatchId").id)
    return {}


def _running(view: Reader) -> list[DropWatch]:
    return [watch for watch in view.mine(DropWatch) if watch.until > view.now]


def show(view: Reader, watch: DropWatch) -> Json:
    """A watch as the API shows it; `counting` once the switch of a host that has the interface's VPC counts for it.

    The directions are the interface's own: `out` is what it sent, `in` what was for it, whichever host dropped that.
    """
    counts = view.region.many(DropCount, view.region.by(DropCount, ("watch",), watch.id))
    total: Counter[str] = Counter()
    for one in counts:
        total.update({name: int(packets) for name, packets in one.packets.items()})
    return {
        "dropWatchId": watch.id,
        "networkInterfaceId": watch.port,
        "vpcId": watch.vpc,
        "counting": bool(counts),
        "drops": [_line(name, packets) for name, packets in sorted(total.items())],
        "createdTime": iso(watch.created),
        "expiredTime": iso(watch.until),
        "ended": watch.until <= view.now,
    }


def _line(told: str, packets: int) -> Json:
    direction, name = told.split(" ", 1)
    reason = reasons().get(name)
    said = {"meaning": reason.text, "remedy": reason.remedy} if reason is not None else {"meaning": "", "remedy": ""}
    return {"direction": direction, "reason": name, "packets": packets, **said}
