"""ICMP errors across an elastic IP: what they quote is translated too, so traceroute and path-MTU discovery work."""

from collections.abc import Iterator

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from apps.routing.model import Route
from sdnctl.store import Change
from tests.apps.live import Live, only, same, sound
from tests.apps.test_eip import network
from tests.apps.words import GATEWAY, HOST, ROUTER, SOMEBODY, running

HOP = "192.0.2.1"
"""A router somewhere on the internet."""
FRAGMENTATION_NEEDED = ICMP(type=3, code=4, nexthopmtu=1400)
ERRORS = [ICMP(type=11, code=0), ICMP(type=3, code=3), FRAGMENTATION_NEEDED, ICMP(type=12, code=0, ptr=1)]
PAYLOADS = [UDP(sport=5, dport=6), UDP(sport=5, dport=6, chksum=0), TCP(sport=5, dport=6), ICMP(id=1, seq=2)]


@pytest.fixture(scope="module")
def lab() -> Iterator[Live]:
    """One switch for all cases here; groups would ask for the packets that errors quote (test_security_group.py)."""
    with running(network().ungrouped()) as made:
        yield made


def quote(source: str, to: str, payload: Packet, cut: int = 0) -> Raw:
    """The quote of a packet in an error: all of it, or the first ``cut`` bytes."""
    whole = bytes(IP(src=source, dst=to, ttl=1, id=3) / payload / Raw(b"0123456789"))
    return Raw(whole[:cut] if cut else whole)


def framed(source: str, to: str, via: tuple[str, str], ttl: int = 60) -> Packet:
    """The outer headers."""
    return Ether(src=via[0], dst=via[1]) / IP(src=source, dst=to, ttl=ttl, id=8)


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: f"{e.type}/{e.code}")
@pytest.mark.parametrize("payload", PAYLOADS, ids=["udp", "udp-nosum", "tcp", "icmp"])
@pytest.mark.parametrize("cut", [0, 28, 20])
def test_in(lab: Live, error: Packet, payload: Packet, cut: int) -> None:
    """A router outside complains of a packet that the instance sent; the instance sees what it sent."""
    if cut == 0 or payload is not PAYLOADS[2]:
        sent = framed(HOP, "203.0.113.10", (GATEWAY, HOST)) / error / quote("203.0.113.10", SOMEBODY, payload, cut)
        into = framed(HOP, "10.0.1.10", (ROUTER, lab.mac("a1")), 59)
        expected = into / error / quote("10.0.1.10", SOMEBODY, payload, cut)
        same(only(lab.send("internet", sent), "a1"), expected)


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: f"{e.type}/{e.code}")
@pytest.mark.parametrize("payload", PAYLOADS, ids=["udp", "udp-nosum", "tcp", "icmp"])
def test_out(lab: Live, error: Packet, payload: Packet) -> None:
    """The instance complains of a packet that it got; the sender outside sees what it sent."""
    sent = framed("10.0.1.10", SOMEBODY, (lab.mac("a1"), ROUTER)) / error / quote(SOMEBODY, "10.0.1.10", payload)
    out = framed("203.0.113.10", SOMEBODY, (HOST, GATEWAY), 59) / error / quote(SOMEBODY, "203.0.113.10", payload)
    same(only(lab.send("a1", sent), "internet"), out)


@pytest.mark.parametrize("payload", PAYLOADS, ids=["udp", "udp-nosum", "tcp", "icmp"])
def test_hairpin(lab: Live, payload: Packet) -> None:
    """From one elastic IP to another: the quote is translated twice, and both see their own addresses."""
    error = ICMP(type=3, code=3)
    quoted = quote("203.0.113.10", "10.0.1.10", payload)
    sent = framed("10.0.1.10", "203.0.113.10", (lab.mac("b1"), ROUTER)) / error / quoted
    lab.asked.clear()
    found = only(lab.send("b1", sent), "a1")
    expected = framed("203.0.113.11", "10.0.1.10", (ROUTER, lab.mac("a1")), 59)
    same(found, expected / error / quote("10.0.1.10", "203.0.113.11", payload))
    assert lab.asked == ["ask_quoted_out", "ask_quoted_in"]


def test_a_real_exchange_by_hairpin(lab: Live) -> None:
    """The packet b1 gets from a1 is the one it complains of, and a1 recognises its own, byte for byte but for TTL."""
    original = IP(src="10.0.1.10", dst="203.0.113.11", ttl=9, id=3) / UDP(sport=5, dport=6) / Raw(b"question")
    got = Ether(only(lab.send("a1", Ether(src=lab.mac("a1"), dst=ROUTER) / original), "b1"))
    complaint = framed("10.0.1.10", str(got[IP].src), (lab.mac("b1"), ROUTER)) / ICMP(type=3, code=3)
    back = sound(only(lab.send("b1", complaint / Raw(bytes(got[IP]))), "a1"))
    original.ttl = 8
    assert (back[IP].src, bytes(back[ICMP].payload)) == ("203.0.113.11", bytes(original))


@pytest.mark.parametrize("ttl", [0, 1])
def test_time_exceeded_outside_comes_from_the_elastic_ip(lab: Live, ttl: int) -> None:
    """Traceroute from outside sees the elastic IP as the last router (RFC 792)."""
    sent = Ether(src=GATEWAY, dst=HOST) / IP(src=SOMEBODY, dst="203.0.113.10", ttl=ttl) / UDP(sport=1, dport=33434)
    found = sound(only(lab.send("internet", sent), "internet"))
    assert (found.src, found.dst, found[IP].src, found[IP].dst) == (HOST, GATEWAY, "203.0.113.10", SOMEBODY)
    assert (found[ICMP].type, found[ICMP].code) == (11, 0)
    assert bytes(found[ICMP].payload) == bytes(sent[IP])


def test_no_time_exceeded_for_an_address_of_nobody(lab: Live) -> None:
    """A public address that no elastic IP here has is not this host's to answer for."""
    for to in ("203.0.113.30", "203.0.113.20", "203.0.113.99", "10.0.1.10"):
        sent = Ether(src=GATEWAY, dst=HOST) / IP(src=SOMEBODY, dst=to, ttl=1) / UDP(sport=1, dport=33434)
        assert lab.send("internet", sent) == {}, to


def test_no_time_exceeded_without_a_way_out(lab: Live) -> None:
    """An elastic IP behind a route table that does not lead to the internet says nothing at all."""
    route = lab.engine.state.get(Route, "route-a-internet")
    assert route is not None
    sent = Ether(src=GATEWAY, dst=HOST) / IP(src=SOMEBODY, dst="203.0.113.10", ttl=1) / UDP(sport=1, dport=33434)
    lab.take(Change(Route, route.id, route, None))
    assert lab.send("internet", sent) == {}
    lab.take(Change(Route, route.id, None, route))
    assert lab.send("internet", sent).keys() == {"internet"}


def test_traceroute_out_sees_router_then_the_internet(lab: Live) -> None:
    """TTL 1 is answered by the subnet's router; what leaves with TTL 1 expires at the gateway, whose error arrives."""
    probe = IP(src="10.0.1.10", dst=SOMEBODY, ttl=2, id=7) / UDP(sport=9, dport=33435) / Raw(b"probe")
    first = probe.copy()
    first.ttl = 1
    near = sound(only(lab.send("a1", Ether(src=lab.mac("a1"), dst=ROUTER) / first), "a1"))
    assert (near[IP].src, near[ICMP].type, bytes(near[ICMP].payload)) == ("10.0.1.1", 11, bytes(first))
    gone = Ether(only(lab.send("a1", Ether(src=lab.mac("a1"), dst=ROUTER) / probe), "internet"))
    answer = framed("203.0.113.1", "203.0.113.10", (GATEWAY, HOST)) / ICMP(type=11) / Raw(bytes(gone[IP]))
    far = sound(only(lab.send("internet", answer), "a1"))
    probe.ttl = 1
    assert (far[IP].src, bytes(far[ICMP].payload)) == ("203.0.113.1", bytes(probe))


def test_nonsense_in_an_error_is_dropped_or_passed_but_harms_nobody(lab: Live) -> None:
    """A quote that is none: nothing arrives anywhere else."""
    for rest in (b"", b"\x45", bytes(19), b"\x60" + bytes(40), b"\xff" * 64):
        packet = framed(HOP, "203.0.113.10", (GATEWAY, HOST)) / ICMP(type=3, code=3) / Raw(rest)
        assert set(lab.send("internet", packet)) <= {"a1"}
        packet = framed("10.0.1.10", SOMEBODY, (lab.mac("a1"), ROUTER)) / ICMP(type=3, code=3) / Raw(rest)
        assert set(lab.send("a1", packet)) <= {"internet"}
