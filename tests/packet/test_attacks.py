"""Nothing that an interface must not send arrives, and no victim believes it: every attempt, with real packets.

Two tenants with equal addresses on two hosts, with a router, two subnets and elastic IPs.  Each attempt is watched at
every other machine, at the hosts themselves and on the public network; afterwards each victim's ARP table and path
MTUs are what they should be.  Honest packets and what a victim would have believed prove that it would have been seen.
"""

import itertools
import time
from collections.abc import Iterator

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import ARP

from tests.packet.attacks import OUTSIDE, ROUTER, ROUTER_IP, STRANGER, Sent, Who, attempts, ether, scenario, udp
from tests.packet.attacks.lab import BLUE, RED, TIMES, Lab
from topologies.region import UNDERLAY, Region, Spot

ENOUGH = 60
_marks = itertools.count(1)


def mark() -> bytes:
    return b"<attempt %06d>" % next(_marks)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Region((Spot("hv1"), Spot("hv2"))) as region:
        region.build(scenario())
        assert region.waits(20)
        made = Lab(region)
        made.guard()
        for name in (*RED, *BLUE):
            assert region.guests[name].reaches(made[name].ip.rsplit(".", 1)[0] + ".1", 10)
        for name in ("mallory", "shop"):
            assert region.guests[name].reaches("203.0.113.1", 20)
        yield made


HONEST = {
    "a neighbour on the same host": ("mallory", "near"),
    "a neighbour on the other host": ("mallory", "far"),
    "a neighbour in another subnet": ("mallory", "inner"),
    "from an interface without source check": ("free", "near"),
    "back to the attacker": ("near", "mallory"),
    "back to the attacker without source check": ("far", "free"),
    "the other tenant's machines": ("shop", "pal"),
    "the other tenant's machine with an elastic IP": ("pal", "shop"),
    "the other tenant's machine on the other host": ("shop", "depot"),
    "the other tenant's other subnet": ("shop", "vault"),
}


@pytest.mark.parametrize(("sender", "receiver"), HONEST.values(), ids=HONEST)
def test_an_honest_packet_is_seen(lab: Lab, sender: str, receiver: str) -> None:
    """Where it should, and nowhere else."""
    needle = mark()
    to = lab[receiver] if receiver not in ("inner", "vault") else Who(ROUTER, lab[receiver].ip)
    assert lab.try_it(needle, [Sent(sender, udp(lab[sender], to, needle))]) == {receiver: TIMES}


def test_an_honest_packet_is_seen_outside_and_from_there(lab: Lab) -> None:
    """Out to the internet, in to an elastic IP, and at a host."""
    needle = mark()
    sent = Sent("mallory", udp(lab["mallory"], Who(ROUTER, "198.51.100.10"), needle))
    assert lab.try_it(needle, [sent]) == {OUTSIDE: TIMES}
    needle = mark()
    into = udp(Who(lab.gateway.mac, "198.51.100.10"), Who(lab.uplink("hv1"), lab.public("shop")), needle)
    assert lab.try_it(needle, [Sent(OUTSIDE, into)]) == {"shop": TIMES}
    needle = mark()
    for number, name in ((101, "hv1"), (102, "hv2")):
        to = Who(lab.region.hosts[name].mac("br-phy"), f"172.31.0.{number}")
        frame = udp(Who(lab.stations[STRANGER][0].mac(UNDERLAY), "172.31.0.66"), to, needle)
        assert lab.try_it(needle, [Sent(STRANGER, frame)]) == {f"{name} br-phy": TIMES}


def test_a_lie_that_reached_a_victim_would_be_noticed(lab: Lab) -> None:
    """Put on its own wire, past the switch: the ARP table and a path MTU change, and are told from true ones."""
    near, far = lab["near"], lab["far"]
    guest = lab.region.guests["near"]
    assert guest.reaches(far.ip)
    assert lab.believed("near") == [], lab.believed("near")
    said = ARP(op=2, hwsrc=lab["mallory"].mac, psrc=far.ip, hwdst=near.mac, pdst=near.ip)
    quoted = IP(src=near.ip, dst="198.51.100.10") / ICMP(type=0)
    needed = IP(src=ROUTER_IP, dst=near.ip) / ICMP(type=3, code=4, nexthopmtu=600) / quoted
    frames = ether(lab["mallory"].mac, near.mac, said), ether(ROUTER, near.mac, needed)
    time.sleep(1.1)  # Linux does not let an entry change within a second (arp(7), locktime)
    lab.region.hosts["hv1"].send(*frames, interface=guest.nics[0])
    time.sleep(0.2)
    lies = lab.believed("near")
    guest.run("ip", "neigh", "flush", "all")
    guest.run("ip", "route", "flush", "cache")
    assert lies == [f"{far.ip} is at {lab['mallory'].mac}", "mtu 600"], lies
    assert guest.reaches(far.ip) and lab.believed("near") == []


@pytest.mark.parametrize("name", attempts())
def test_it_does_not_arrive(lab: Lab, name: str) -> None:
    """Nor is it dropped for another reason than is promised."""
    needle = mark()
    with lab.later:
        sent = list(attempts()[name](lab, needle))
        assert any(needle in one.frame for one in sent)
        before = lab.drops()
        arrived = lab.try_it(needle, sent)
        assert arrived == {}, arrived
        found, must = lab.counted(before, sent)
        assert found == must
    senders = {one.by for one in sent}
    believed = {victim: lab.believed(victim) for victim in (*RED, *BLUE) if victim not in senders}
    lies = {victim: told for victim, told in believed.items() if told}
    assert lies == {}, lies


def test_there_are_enough_attempts() -> None:
    assert len(attempts()) >= ENOUGH


def test_everybody_still_reaches_whom_he_may(lab: Lab) -> None:
    """After all of it."""
    for sender, receiver in HONEST.values():
        assert lab.region.guests[sender].ping(lab[receiver].ip, count=3) == 3
    for name in ("mallory", "shop"):
        assert lab.region.guests[name].ping("203.0.113.1", count=3) == 3
    assert lab.region.internet.server.ping(lab.public("shop"), count=3) == 3
