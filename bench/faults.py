"""Benchmark of victims: how long one tenant waits for a change, a DHCP answer and a call, while another one storms.

    python -m bench.faults [storm ...]      all of them by default, some 6 s each

Needs root.  Two tenants have equal networks on two hosts.  The loud one floods with packets that ask the controller
something, changes rules of a table of 25 pairs of equal routes, compares many values in lists, or writes as often as
it can, at its default quotas; the calm one does what anybody does, one after the other.
"""

import contextlib
import multiprocessing
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from jdcloud_sdk.services.common.models.Filter import Filter

from bench.table import quantile, show
from topologies.flood import Flood
from topologies.floods import INSIDE, OUTSIDE, flooder, prepare
from topologies.pair import Pair
from topologies.questions import discover
from topologies.station import Station
from topologies.tenant import ApiError, Tenant
from topologies.wires import raw_socket

STORM_S = 5.0
"""The time for which the calm tenant is watched in each storm."""
SETTLE_S = 1.0
MOST_S = 1.0
"""A change or an answer that takes longer is a fault."""
PATIENCE_S = 30.0
PAIRS, INSTANCES, CALLERS = 25, 1000, 8
VALUES = 90
RULE = {"nextHopType": "elastic_network_interface", "priority": 100}
Act = Callable[[int], object]


class Keys(NamedTuple):
    """The keys of a tenant, as another process needs them."""

    endpoint: str
    region: str
    access: str
    secret: str


class Delays(NamedTuple):
    """Seconds that the calm tenant waited, for each of what it did."""

    changes: list[float]
    answers: list[float]
    calls: list[float]


# What the loud tenant does, in processes of its own.


def storm(keys: Keys, kind: str, given: Sequence[str], counted: Any) -> None:
    """Call as often as possible for ever; ``counted`` are the calls done and those refused."""
    acts: dict[str, Callable[[Tenant, Sequence[str]], Act]] = {"rules": rules, "filters": filters, "writes": writes}

    def caller(place: int) -> None:
        act = acts[kind](Tenant("loud", *keys), given)
        while True:
            try:
                act(place)
                done = 0
            except ApiError as refused:
                if refused.code != 429:
                    raise
                done = 1
            with counted.get_lock():
                counted[done] += 1

    threads = [threading.Thread(target=caller, args=(n,), daemon=True) for n in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def rules(tenant: Tenant, given: Sequence[str]) -> Act:
    """One rule of the table becomes another, and back."""
    table, rule = given
    return lambda n: tenant.vpc(
        "modifyRouteTableRules",
        routeTableId=table,
        modifyRouteTableRuleSpecs=[{"ruleId": rule, "priority": 100 + int(time.monotonic() * 1e3) % 2}],
    )


def filters(tenant: Tenant, given: Sequence[str]) -> Act:
    """A list that compares many values with each instance."""
    values = [f"bbbbb{n}" for n in range(VALUES - 1)] + ["a"]
    return lambda n: tenant.vm("describeInstances", filters=[Filter("imageId", values, "like") for _ in range(6)])


def writes(tenant: Tenant, given: Sequence[str]) -> Act:
    """Its VPC gets another name."""
    return lambda n: tenant.vpc("modifyVpc", vpcId=given[0], vpcName=f"n{n}-{int(time.monotonic() * 1e3)}")


@contextlib.contextmanager
def stormy(cloud: Pair, kind: str, given: Sequence[str]) -> Iterator[Callable[[], str]]:
    """The loud tenant calls during the block; what it got done is told afterwards."""
    loud = cloud.tenants["loud"]
    keys = Keys(cloud.service.endpoint, loud.region, *loud.keys.values())
    context = multiprocessing.get_context("spawn")
    counted = context.Array("i", 2)
    process = context.Process(target=storm, args=(keys, kind, given, counted), daemon=True)
    process.start()
    began = time.monotonic()
    try:
        yield lambda: "{:.0f} calls a second, {:.0f} refused".format(
            *(count / (time.monotonic() - began) for count in counted[:])
        )
    finally:
        process.terminate()
        process.join()


@contextlib.contextmanager
def flooded(cloud: Pair, name: str) -> Iterator[Callable[[], str]]:
    """The loud tenant, or somebody outside, floods during the block."""
    kind = {one.__name__: one for one in (*INSIDE, *OUTSIDE)}[name]
    frame, *varied = kind(flooder(cloud, "loud"))
    inside = kind in INSIDE
    station: Station = cloud.guests["loud"] if inside else cloud.internet.gateway
    with Flood(station, frame, *varied, interface="eth0" if inside else "public") as flood:
        began, sent = time.monotonic(), flood.sent()
        yield lambda: f"{(flood.sent() - sent) / (time.monotonic() - began):.0f} packets a second"


# What the calm tenant does.


def watched(cloud: Pair) -> Delays:
    """The calm tenant's delays for a while."""
    owner, eip = cloud.owners["calm"], cloud.elastic["calm", "10.0.0.10"]["elasticIpId"]
    found, number = Delays([], [], []), 0
    with contextlib.closing(raw_socket(cloud.guests["calm"].pid, "eth0")) as wire:
        end = time.monotonic() + STORM_S
        while time.monotonic() < end:
            number += 1
            began = time.monotonic()
            found.changes.append(owner.set_bandwidth(eip, 50 + number % 2, PATIENCE_S) - began)
            found.answers.append(offered(wire, cloud.guests["calm"].mac(), 0x7000 + number))
            began = time.monotonic()
            owner.vpc("describeVpcs")
            found.calls.append(time.monotonic() - began)
    return found


def offered(wire: socket.socket, mac: str, number: int) -> float:
    """Seconds from a DHCPDISCOVER to its offer; it is asked again each second, as clients do."""
    began = time.monotonic()
    wire.settimeout(1.0)
    while time.monotonic() < began + PATIENCE_S:
        wire.send(discover(mac, number))
        with contextlib.suppress(TimeoutError):
            while True:
                frame = wire.recv(2048)  # UDP to the client's port, with the number of this question
                if (frame[23:24], frame[36:38], frame[46:50]) == (b"\x11", b"\x00\x44", number.to_bytes(4, "big")):
                    return time.monotonic() - began
    return PATIENCE_S


# All together.


def furnish(cloud: Pair, instances: int = INSTANCES) -> dict[str, Sequence[str]]:
    """Give the loud tenant what it churns and lists; what each kind of calls is about."""
    loud, vpc = cloud.tenants["loud"], cloud.ids["loud", "net"]
    subnet = cloud.ids["loud", "net", "front"]
    hops = [loud.vpc("createNetworkInterface", subnetId=subnet)["networkInterfaceId"] for _ in range(2)]
    table = loud.vpc("createRouteTable", vpcId=vpc, routeTableName="pairs")["routeTableId"]
    for pair in range(PAIRS):
        both = [RULE | {"addressPrefix": f"100.{64 + pair}.0.0/16", "nextHopId": hop} for hop in hops]
        loud.vpc("addRouteTableRules", routeTableId=table, routeTableRuleSpecs=both)
    known = loud.vpc("describeRouteTable", routeTableId=table)["routeTable"]["routeTableRules"]
    rule = next(one["ruleId"] for one in known if one["nextHopType"] != "local")
    made = {"vpcId": vpc, "subnetName": "crowd", "addressPrefix": "10.0.16.0/20"}
    crowd = loud.vpc("createSubnet", **made)["subnetId"]
    spec = {
        "name": "crowd",
        "instanceType": loud.instance_type(),
        "imageId": "a" * 120,
        "primaryNetworkInterface": {"networkInterface": {"subnetId": crowd}},
    }
    while loud.vm("describeInstances")["totalCount"] <= instances - 100:
        with contextlib.suppress(ApiError):  # it is charged for them
            loud.vm("createInstances", instanceSpec=spec, maxCount=100)
        time.sleep(0.2)
    return {"rules": (table, rule), "filters": (), "writes": (vpc,)}


def row(kind: str, told: str, found: Delays) -> list[str]:
    """A row of the table: the median and the worst of each, in milliseconds."""
    return [kind, told, *(f"{quantile(one, 0.5) * 1e3:.0f} / {max(one) * 1e3:.0f}" for one in found)]


def main() -> int:
    """Print the victim's delays in each storm; 1 when a change or an answer took longer than a second."""
    floods = [one.__name__ for one in (*INSIDE, *OUTSIDE)]
    asked = sys.argv[1:] or ["quiet", "rules", "filters", "writes", *floods]
    rows, late = [], []
    with Pair() as cloud:
        prepare(cloud)
        given = furnish(cloud)
        for kind in asked:
            if kind == "quiet":
                made: Any = contextlib.nullcontext(lambda: "")
            else:
                made = stormy(cloud, kind, given[kind]) if kind in given else flooded(cloud, kind)
            with made as told:
                time.sleep(SETTLE_S)
                found = watched(cloud)
                rows.append(row(kind, told(), found))
            if quantile(found.changes, 0.5) > MOST_S or quantile(found.answers, 0.5) > MOST_S:
                late.append(kind)
            time.sleep(SETTLE_S)
    head = ("the loud one", "does", "change, ms: p50 / worst", "DHCP answer", "API call")
    show("The calm one waits", head, rows)
    print(f"\nlonger than {MOST_S:g} s: {', '.join(late) or 'nothing'}")
    return int(bool(late))


if __name__ == "__main__":
    sys.exit(main())
