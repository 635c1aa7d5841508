"""Fragments whose datagram was never whole go nowhere: the switch lets them on with whoever's packet comes next."""

import os
import time
from collections.abc import Iterator

import pytest
from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from topologies import frames
from topologies.cloud import Cloud
from topologies.drops import Drops
from topologies.flood import Flood
from topologies.internet import SERVER
from topologies.process import wait_until
from topologies.scenarios import Account, Instance, Interface, Scenario, Subnet, Vpc, machine

OUTSIDE = "203.0.113.1"
FIRST, SECOND, VICTIM = "192.168.0.20", "192.168.0.21", "10.0.0.10"
DATAGRAMS, PARTS = 100, 4
WAITS_S = 15
AT_ID = (18, 2)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """A tenant with two machines, one without source check, and another tenant's with a public address."""
    second = Instance("second", (Interface("front", SECOND, source_check=False),))
    tenants = (
        ("forger", "192.168.0.0", (machine("first", "front", FIRST), second)),
        ("victim", "10.0.0.0", (machine("victim", "front", VICTIM, 200),)),
    )
    vpcs = {name: Vpc("net", f"{net}/16", (Subnet("front", f"{net}/24"),), some) for name, net, some in tenants}
    with Cloud() as made:
        made.build(Scenario("late", tuple(Account(name, (vpc,)) for name, vpc in vpcs.items())))
        assert made.guests["victim"].reaches(SERVER, 10)
        yield made


def parts(mark: bytes, number: int) -> list[Packet]:
    """The fragments of a datagram to the victim's private address."""
    whole = IP(src=FIRST, dst=VICTIM, id=number) / UDP(sport=9, dport=9, chksum=0) / (mark * 375)
    return list(fragment(whole, 1000))


def test_fragments_that_waited_too_long_reach_no_other_tenant(cloud: Cloud) -> None:
    """In two zones lie parts that make a datagram together, while the victim gets fragments from outside."""
    first, second, victim = (cloud.guests[name] for name in ("first", "second", "victim"))
    gateway, mark = cloud.internet.gateway, os.urandom(8)
    (router,) = frames.who_has(first, "192.168.0.1", FIRST)
    (uplink,) = frames.who_has(gateway, cloud.public("victim"), OUTSIDE, "public")
    ether = Ether(src=gateway.mac("public"), dst=uplink)
    wave = bytes(ether / IP(src=OUTSIDE, dst=cloud.public("victim"), flags="MF") / UDP(dport=9) / bytes(800))
    with victim.sniff() as wire:
        for number in range(1, DATAGRAMS + 1):
            for sender, part in zip((first, second, first, first), parts(mark, number), strict=True):
                sender.send(bytes(Ether(src=sender.mac(), dst=router) / part))
        time.sleep(WAITS_S)
        watched = Drops(cloud, "victim", 15)
        # Each packet that passes connection tracking lets one on that has waited too long.
        with Flood(gateway, wave, AT_ID, rate=1000, interface="public"):
            assert wait_until(lambda: dropped(cloud, "unfinished") >= DATAGRAMS * PARTS, 30, 0.5)
        assert not wire.received(lambda frame: mark in frame)
        assert not watched.ended(), "the victim is not told of what is not its own"


def dropped(cloud: Cloud, reason: str) -> int:
    """Packets that the region has dropped for a reason."""
    return int(cloud.cli("status")["drops"].get(reason, 0))
