"""What a sender writes into its packets costs the switch no lookup a packet: each class of port has a bound.

The datapath keeps one flow (a megaflow) for all packets that are alike in what the tables looked at.  Where a table
looks at all of what a sender may choose, each packet is new to it: an upcall, and a flow more.  One port sends 20 000
packets a second, random in what it may choose; counted are the flows in the datapath and the packets new to it.
"""

import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether

from topologies import frames
from topologies.cloud import Cloud
from topologies.flood import Flood
from topologies.hypervisor import Hypervisor
from topologies.scenarios import BACK, FRONT, Account, Instance, Interface, Scenario, Vpc, machine
from topologies.station import Station

RATE = 20_000
SECONDS = 2.5
ENOUGH = 5000
"""Packets that must have been sent for a count to say anything."""
ETH_DST, ETH_SRC, TOS, TTL, SRC, DST, SPORT, DPORT = (
    (0, 6),
    (6, 6),
    (15, 1),
    (22, 1),
    (26, 4),
    (30, 4),
    (34, 2),
    (36, 2),
)
LOW_DST = (32, 2)
Layer = Callable[..., Any]


def scenario() -> Scenario:
    """A machine with a public address, one that may send as anyone, and three appliances."""
    anyone = [("open", "front", "10.0.0.20"), *((f"nfv{n}", "back", f"10.0.1.1{n}") for n in range(3))]
    machines = (
        machine("vm", "front", "10.0.0.10", 100),
        *(Instance(name, (Interface(subnet, at, source_check=False),)) for name, subnet, at in anyone),
    )
    return Scenario("megaflows", (Account("solo", (Vpc("net", "10.0.0.0/16", (FRONT, BACK), machines),)),))


class Place(NamedTuple):
    """Where a frame begins: the sender's station and MAC address, and the MAC address that it is for."""

    station: Station
    interface: str
    mac: str
    address: str
    towards: str


class Cost(NamedTuple):
    """The flows in the datapath at most, the packets new to it, and the packets sent."""

    flows: int
    upcalls: int
    sent: int


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as made:
        made.build(scenario())
        owner, vpc = made.tenants["solo"], made.ids["solo", "net"]
        table = owner.vpc("createRouteTable", vpcId=vpc, routeTableName="custom")["routeTableId"]
        hops = [{"nextHopType": "instance", "nextHopId": made.instances[f"nfv{n}"]} for n in (1, 2)]
        rules = [{"addressPrefix": "172.16.0.0/12", "priority": 100, **hop} for hop in hops]
        rules.append({"addressPrefix": "0.0.0.0/0", "priority": 100, "nextHopType": "internet"})
        owner.vpc("addRouteTableRules", routeTableId=table, routeTableRuleSpecs=rules)
        subnets = [made.ids["solo", "net", name] for name in ("front", "back")]
        owner.vpc("associateRouteTable", routeTableId=table, subnetIds=subnets)
        made.cli("wait", "--timeout", "20")
        assert made.guests["vm"].reaches("10.0.1.10", 10)
        for name in ("vm", "open", "nfv0", "nfv1", "nfv2"):
            # Whoever gets a flood answers nobody: the kernel's one neighbour table is everybody's.
            made.guests[name].run("ip", "route", "replace", "blackhole", "default")
        yield made


@pytest.fixture(scope="module")
def places(cloud: Cloud) -> dict[str, Place]:
    found = {}
    for name, address in (("vm", "10.0.0.10"), ("open", "10.0.0.20")):
        guest = cloud.guests[name]
        (router,) = frames.who_has(guest, "10.0.0.1", address)
        found[name] = Place(guest, "eth0", guest.mac(), address, router)
    outside = cloud.internet.gateway
    (uplink,) = frames.who_has(outside, cloud.public("vm"), "203.0.113.1", "public")
    found["outside"] = Place(outside, "public", outside.mac("public"), "198.51.100.10", uplink)
    return found


def switch_counts(host: Hypervisor) -> tuple[int, int]:
    """The flows in the datapath now, and the packets that were new to it so far."""
    said = host.appctl("dpctl/show")
    flows, missed = re.search(r"flows: (\d+)", said), re.search(r"missed:(\d+)", said)
    assert flows is not None and missed is not None
    return int(flows[1]), int(missed[1])


def cost(host: Hypervisor, place: Place, frame: bytes, *varied: tuple[int, int]) -> Cost:
    """What a flood of this frame, random in these places, costs the switch."""
    host.appctl("revalidator/purge")
    host.appctl("dpctl/flush-conntrack")  # what an interface may open is bounded too: each case has all of it
    _, before = switch_counts(host)
    most = 0
    with Flood(place.station, frame, *varied, rate=RATE, interface=place.interface) as flood:
        first = flood.sent()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(0.25)
            most = max(most, switch_counts(host)[0])
        sent = flood.sent() - first
    return Cost(most, switch_counts(host)[1] - before, sent)


def datagram(place: Place, to: str, layer: Layer = UDP) -> bytes:
    return bytes(Ether(src=place.mac, dst=place.towards) / IP(src=place.address, dst=to) / layer(sport=40000, dport=53))


class Case(NamedTuple):
    """A flood: the sender, what is random in it, and the flows and upcalls that it may cost."""

    sender: str
    to: str
    layer: Layer
    varied: tuple[tuple[int, int], ...]
    bound: int


ACK = partial(TCP, flags="A")
"""TCP that begins nothing: its ports are looked at where the rules let it begin a connection."""
ECMP, VPC, OUT, EIP = "172.16.1.1", "10.0.0.0", "8.8.8.8", "eip"
CASES = {
    "tcp over equal routes": Case("open", ECMP, TCP, (SRC, LOW_DST, SPORT, DPORT), 1000),
    "udp over equal routes": Case("open", ECMP, UDP, (SRC, SPORT, DPORT), 6000),
    "udp over equal routes to a service": Case("open", ECMP, UDP, (SRC, LOW_DST, SPORT), 4000),
    # 254 hop limits, each for 17 kinds of sources: those that are near an address that is nobody's.
    "hop limits over equal routes": Case("open", ECMP, TCP, (SRC, TOS, TTL, SPORT, DPORT), 6000),
    "own address over equal routes": Case("vm", ECMP, UDP, (SPORT, DPORT), 6000),
    "any source to the internet": Case("open", OUT, UDP, (SRC, SPORT, DPORT), 1000),
    "any source to a neighbour": Case("open", "10.0.1.10", UDP, (SRC, SPORT, DPORT), 1000),
    "any destination outside": Case("vm", OUT, UDP, (DST, SPORT, DPORT), 2000),
    "any destination in the vpc": Case("vm", VPC, UDP, (LOW_DST, SPORT, DPORT), 2000),
    "any source and destination in the vpc": Case("open", VPC, UDP, (SRC, LOW_DST, SPORT, DPORT), 2000),
    "forged addresses": Case("vm", ECMP, UDP, (SRC, SPORT, DPORT), 1000),
    "forged mac addresses": Case("vm", ECMP, UDP, (ETH_SRC, SPORT, DPORT), 1000),
    "forged mac addresses to a neighbour": Case("vm", VPC, UDP, (ETH_SRC, LOW_DST, SPORT, DPORT), 3000),
    "any mac address, routed": Case("open", ECMP, UDP, (ETH_SRC, SRC, SPORT, DPORT), 3000),
    "any mac address to a neighbour": Case("open", "10.0.0.10", UDP, (ETH_SRC, SRC, SPORT, DPORT), 2000),
    "udp to an elastic ip": Case("outside", EIP, UDP, (SRC, SPORT, DPORT), 500),
    "tcp to an elastic ip": Case("outside", EIP, TCP, (SRC, SPORT, DPORT), 500),
    "hop limits to an elastic ip": Case("outside", EIP, TCP, (TTL, TOS, SPORT, DPORT), 1000),
    "tcp that begins nothing, to a neighbour": Case("open", "10.0.1.10", ACK, (SRC, SPORT, DPORT), 1000),
    "tcp that begins nothing, over equal routes": Case("open", ECMP, ACK, (SRC, LOW_DST, SPORT, DPORT), 4000),
    "tcp that begins nothing, to an elastic ip": Case("outside", EIP, ACK, (SRC, SPORT, DPORT), 500),
    "any destination from outside": Case("outside", EIP, UDP, (SRC, DST, SPORT, DPORT), 5000),
}


@pytest.mark.parametrize("name", CASES)
def test_a_flood_costs_no_lookup_a_packet(cloud: Cloud, places: dict[str, Place], name: str) -> None:
    case = CASES[name]
    to = cloud.public("vm") if case.to == EIP else case.to
    place = places[case.sender]
    got = cost(cloud.host, place, datagram(place, to, case.layer), *case.varied)
    print(f"{name}: {got}")
    assert got.sent > ENOUGH
    assert got.flows < case.bound and got.upcalls < case.bound, got
