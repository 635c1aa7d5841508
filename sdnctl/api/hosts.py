"""The operator sees which hosts there are, what each switch has confirmed, and what went wrong where; waits for them;
and has those forgotten that are gone for good.
"""

from collections import Counter
from typing import Annotated

from pydantic import Field

from sdnctl.api.access import Reader, Writer
from sdnctl.api.operations import operator
from sdnctl.api.progress import MOST_S, Held, Progress, alive
from sdnctl.api.schema import Json, Request, Whole, iso
from sdnctl.api.services import services
from sdnctl.base.errors import IntentError
from sdnctl.model.host import NO_SWITCH, Binding, Host, HostStatus, RetiredNumber
from sdnctl.model.unreadable import Unreadable
from sdnctl.store import REGION, Region


class AskWait(Request):
    """Wait until every host has put a transaction into force, the latest one by default; ``timeout`` is in seconds."""

    sequence: Annotated[Whole, Field(ge=0, lt=2**63)] | None = None
    timeout: Annotated[float, Field(ge=0, le=MOST_S, allow_inf_nan=False)] = 0.0


class RemoveHost(Request):
    """Forget a host; ``force`` even if it is alive."""

    host: str
    force: bool = False


class DeleteReport(Request):
    """Delete the row of a table that cannot be read."""

    table: str
    row: str


def show(view: Reader, host: Host) -> Json:
    """A host as the operator sees it; `lag` is how many transactions its switch has still to confirm."""
    status = view.region.get(HostStatus, host.id) or HostStatus(id=host.id, host=host.id)
    return {
        "host": host.id,
        "uplink": host.uplink,
        "encapIp": str(host.encap_ip) if host.encap_ip else "",
        "gateway": host.gateway,
        "applied": status.applied,
        "lag": max(0, sequence(view) - status.applied),
        "flows": status.flows,
        "ports": len(view.region.by(Binding, ("host",), host.id)),
        "peers": dict(sorted(status.peers.items())),
        "errors": [*status.errors, *_silence(status, view.now), *_held_back(status, view)],
        "drops": {reason: int(packets) for reason, packets in sorted(status.drops.items())},
        "seen": iso(status.seen),
        "alive": alive(status, view.now),
    }


def _silence(status: HostStatus, now: float) -> list[str]:
    """The error of a host that does not tell of itself, unless it has said why."""
    if alive(status, now) or not status.seen or NO_SWITCH in status.errors:
        return []
    ago = f"{now - status.seen:.0f} s"
    return [f"it has not told of itself for {ago}: is its agent running there, and does it reach the store?"]


def _held_back(status: HostStatus, view: Reader) -> list[str]:
    """The error of a host that is not alive, while numbers that were given up wait for its switch to let go of them."""
    if alive(status, view.now):
        return []
    waiting = sum(number.sequence > status.applied for number in view.region.all(RetiredNumber).values())
    if not waiting:
        return []
    gone = f"if it is gone for good, remove it: sdnctl host remove {status.id}"
    return [f"its switch may still have what was deleted, so {waiting} numbers are not given again: {gone}"]


def sequence(view: Reader) -> int:
    """The sequence number of the last transaction."""
    region = view.region.get(Region, REGION)
    return region.sequence if region is not None else 0


def hosts(view: Reader) -> list[Json]:
    """All hosts by name."""
    return [show(view, host) for _, host in sorted(view.region.all(Host).items())]


def _drops(listed: list[Json]) -> dict[str, int]:
    """Packets dropped on all hosts by reason, the most first."""
    total: Counter[str] = Counter()
    for host in listed:
        total.update(host["drops"])
    return dict(total.most_common())


def unreadable(view: Reader) -> list[Json]:
    """The rows that hosts reported and nobody can read, by table and row."""
    known = view.region.all(Unreadable)
    found = [known[id] for id in sorted(known)]
    names = ("table", "row", "record", "host", "error")
    return [{name: getattr(one, name) for name in names} for one in found]


@operator("listHosts", "GET", "/hosts", Request)
def list_hosts(request: Request, view: Reader) -> Json:
    """The hosts of the region."""
    return {"hosts": hosts(view)}


@operator("status", "GET", "/status", Request)
def status(request: Request, view: Reader) -> Json:
    """The region at a glance: its sequence number, its hosts and their errors."""
    listed = hosts(view)
    return {
        "region": view.caller.region,
        "sequence": sequence(view),
        "hosts": listed,
        "flows": sum(host["flows"] for host in listed),
        "errors": [f"{host['host']}: {error}" for host in listed for error in host["errors"]],
        "drops": _drops(listed),
        "services": services(view),
        "unreadable": unreadable(view),
    }


@operator("deleteReport", "DELETE", "/reports/{table}/{row}", DeleteReport)
def delete_report(request: DeleteReport, txn: Writer) -> Json:
    """Delete a row that a host reported and nobody can read; the host reports anew what is true."""
    found = txn.region.get(Unreadable, f"{request.table}/{request.row}")
    if found is None:
        raise IntentError.missing("row", f"an unreadable report {request.row[:64]!r} in {request.table[:64]!r}")
    txn.delete(Unreadable, found.id)
    return {"table": found.table, "row": found.row, "record": found.record, "host": found.host}


@operator("wait", "GET", "/wait", AskWait)
def wait(request: AskWait, view: Reader) -> Held:
    """The hosts that have put a transaction into force, once all have that are alive, or after a time."""
    wanted = sequence(view) if request.sequence is None else request.sequence
    return Held(wanted, request.timeout, show_progress, names=True)


def show_progress(found: Progress) -> Json:
    """The progress of the hosts, as the operator sees it."""
    return {
        "sequence": found.sequence,
        "applied": found.applied,
        "confirmed": [status.id for status in found.confirmed],
        "behind": [
            {"host": s.id, "applied": s.applied, "seen": iso(s.seen), "alive": s in found.late} for s in found.behind
        ],
    }


@operator("removeHost", "DELETE", "/hosts/{host}", RemoveHost)
def remove_host(request: RemoveHost, txn: Writer) -> Json:
    """Forget a host that is gone for good, and all that it reported."""
    if txn.region.get(Host, request.host) is None:
        raise IntentError.missing("host", f"Host {request.host[:64]!r}")
    status = txn.region.get(HostStatus, request.host)
    if status is not None and alive(status, txn.now) and not request.force:
        ago = max(0, int(txn.now - status.seen))
        message = f"{request.host} is alive, it told of itself {ago} s ago: stop its agent first, or force the removal"
        raise IntentError.precondition("host", message)
    txn.delete(Host, request.host)
    removed = Counter(change.cls.__name__ for change in txn.txn.changes() if change.new is None)
    return {"host": request.host, "removed": dict(sorted(removed.items()))}
