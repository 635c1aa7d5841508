"""The router of a VPC: hops counted, ping answered, errors told to the sender; traced and with real frames."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from apps.routing.model import Route
from apps.vpc.model import Subnet
from sdnctl.base.addresses import Cidr
from sdnctl.store import Change
from tests.apps.live import Live, only, same
from tests.apps.words import DHCP, ROUTER, SOMEBODY, Case, Cases, Said, ip, running, told
from tests.build import Network


def network() -> Network:
    """Two subnets and an interface with an elastic IP, beside another VPC with the same addresses."""
    net = Network()
    net.uplink()
    for name in ("a", "b"):
        vpc = net.vpc(name, "10.0.0.0/16")
        web, data = net.subnet(vpc, f"{name}-web", "10.0.1.0/24"), net.subnet(vpc, f"{name}-data", "10.0.2.0/24")
        net.port(web, f"{name}1", "10.0.1.10")
        net.port(data, f"{name}2", "10.0.2.10")
    net.eip("b3", "203.0.113.10", net.port(web, "b3", "10.0.1.13"))
    return net


@pytest.fixture(scope="module")
def lab() -> Iterator[Live]:
    """One switch for all cases here."""
    with running(network()) as made:
        yield made


UDP_PORT = "udp,udp_src=40000,udp_dst=33434"
ITSELF = "dropped: router-itself"
CASES: Cases = {
    "ping to the router": ("a1", ip("10.0.1.1"), "to a1"),
    "ping to the DHCP server": ("a1", ip("10.0.1.2"), "to a1"),
    "ping to another subnet's router": ("a1", ip("10.0.2.1"), "to a1"),
    "ping to the router, last hop": ("a1", ip("10.0.1.1", ttl=1), "to a1"),
    "echo reply to the router": ("a1", ip("10.0.1.1", "icmp,icmp_type=0"), ITSELF),
    "TCP to the router": ("a1", ip("10.0.1.1", "tcp,tcp_dst=22"), ITSELF),
    "BGP by another protocol": ("a1", ip("10.0.1.1", "ip,nw_proto=89"), ITSELF),
    "UDP to the router": ("a1", ip("10.0.1.1", UDP_PORT), "asks ask_unreachable"),
    "UDP to another subnet's router": ("a1", ip("10.0.2.1", UDP_PORT), "asks ask_unreachable"),
    "UDP to the DHCP server": ("a1", ip("10.0.1.2", UDP_PORT), "asks ask_unreachable"),
    "DHCP to the router is no DHCP": ("a1", ip("10.0.1.1", DHCP), "asks ask_unreachable"),
    "one hop left, same subnet": ("b1", ip("10.0.1.13", ttl=1), "to b3"),
    "no hop left, same subnet": ("b1", ip("10.0.1.13", ttl=0), "to b3"),
    "two hops left, across subnets": ("a1", ip("10.0.2.10", ttl=2), "to a2"),
    "one hop left, across subnets": ("a1", ip("10.0.2.10", ttl=1), "asks ask_expired"),
    "no hop left, across subnets": ("a1", ip("10.0.2.10", ttl=0), "asks ask_expired"),
    "one hop left, to the internet": ("b3", ip(SOMEBODY, ttl=1), "asks ask_expired"),
    "one hop left, to the internet, without elastic IP": ("a1", ip(SOMEBODY, ttl=1), "asks ask_expired"),
    "to the internet": ("b3", ip(SOMEBODY), "to internet"),
    "to the internet, without elastic IP": ("a1", ip(SOMEBODY), "dropped: no-elastic-ip"),
    "to the subnet of another VPC's router": ("a1", ip("10.0.1.13"), "dropped: no-such-address"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_trace(lab: Live, case: Case) -> None:
    """Each case as its table says."""
    told(lab, case)


def frame(lab: Live, to: str, payload: Packet, ttl: int = 64, sender: str = "a1") -> Packet:
    """An honest packet to the router's MAC address."""
    header = IP(src=lab.address(sender), dst=to, ttl=ttl, id=77)
    return Ether(src=lab.mac(sender), dst=ROUTER) / header / payload


@pytest.mark.parametrize("payload", [UDP(sport=5, dport=6), TCP(sport=5, dport=6, flags="S"), ICMP(id=1, seq=2)])
def test_across_subnets_the_router_takes_a_hop(lab: Live, payload: Packet) -> None:
    """TTL one less, from the router's MAC to the receiver's; nothing else changes."""
    sent = frame(lab, "10.0.2.10", payload / Raw(b"across"))
    expected = Ether(src=ROUTER, dst=lab.mac("a2")) / IP(src="10.0.1.10", dst="10.0.2.10", ttl=63, id=77)
    same(only(lab.send("a1", sent), "a2"), expected / payload / Raw(b"across"))


def test_within_the_subnet_nothing_changes_but_the_receivers_mac(lab: Live) -> None:
    """No router in between, whatever MAC address the sender aimed at."""
    payload = UDP(sport=5, dport=6) / Raw(b"within")
    header = IP(src="10.0.1.10", dst="10.0.1.13", id=9)
    left = lab.send("b1", Ether(src=lab.mac("b1"), dst=ROUTER) / header / payload)
    same(only(left, "b3"), Ether(src=lab.mac("b1"), dst=lab.mac("b3")) / header / payload)


@pytest.mark.parametrize("router", ["10.0.1.1", "10.0.1.2", "10.0.2.1"])
def test_router_answers_ping(lab: Live, router: str) -> None:
    """The echo comes back from the router with all that was in it, checksums right."""
    data = Raw(b"0123456789" * 10)
    left = lab.send("a1", frame(lab, router, ICMP(type=8, id=3, seq=4) / data, ttl=5))
    back = Ether(src=ROUTER, dst=lab.mac("a1")) / IP(src=router, dst="10.0.1.10", ttl=64, id=77)
    same(only(left, "a1"), back / ICMP(type=0, id=3, seq=4) / data)


def error(lab: Live, sent: Packet, kind: int, code: int, source: str) -> Packet:
    """The router's error about a packet: the quote is the packet as it was sent."""
    header = IP(src=source, dst="10.0.1.10", ttl=64, tos=0xC0, id=0, flags="DF")
    return Ether(src=ROUTER, dst=lab.mac("a1")) / header / ICMP(type=kind, code=code) / Raw(bytes(sent[IP])[:548])


@pytest.mark.parametrize("ttl", [0, 1])
@pytest.mark.parametrize("to", ["10.0.2.10", SOMEBODY, "10.0.9.9"])
def test_time_exceeded_comes_from_the_senders_router(lab: Live, ttl: int, to: str) -> None:
    """Traceroute sees the router by this (RFC 792)."""
    sent = frame(lab, to, UDP(sport=5, dport=33434) / Raw(b"x" * 900), ttl)
    found = only(lab.send("a1", sent), "a1")
    expected = error(lab, sent, 11, 0, "10.0.1.1")
    expected[IP].flags, expected[IP].id = Ether(found)[IP].flags, Ether(found)[IP].id
    same(found, expected)


@pytest.mark.parametrize("to", ["10.0.1.1", "10.0.1.2", "10.0.2.1"])
def test_port_unreachable_comes_from_the_router_asked(lab: Live, to: str) -> None:
    """Traceroute to the router ends with this (RFC 1122, 4.1.3.1)."""
    sent = frame(lab, to, UDP(sport=5, dport=33434) / Raw(b"probe"))
    found = only(lab.send("a1", sent), "a1")
    expected = error(lab, sent, 3, 3, to)
    expected[IP].flags, expected[IP].id = Ether(found)[IP].flags, Ether(found)[IP].id
    same(found, expected)


def test_no_error_about_an_error_or_a_later_fragment(lab: Live) -> None:
    """RFC 1812, 4.3.2.7: such a packet ends in silence."""
    quote = IP(src="10.0.2.10", dst="10.0.1.10") / UDP(sport=1, dport=2)
    assert lab.send("a1", frame(lab, "10.0.2.10", ICMP(type=3, code=3) / quote, ttl=1)) == {}
    fragment = frame(lab, "10.0.2.10", Raw(b"rest"), ttl=1)
    fragment[IP].frag, fragment[IP].proto = 100, 17
    assert lab.send("a1", fragment) == {}


def test_a_route_table_without_internet(lab: Live) -> None:
    """Without the route there is none; a longer prefix alone leads only there; all is as before when it is back."""
    internet = lab.engine.state.get(Route, "route-b-internet")
    assert internet is not None
    lab.take(Change(Route, internet.id, internet, None))
    told(lab, ("b3", ip(SOMEBODY), "dropped: no-route"))
    told(lab, ("b3", ip("10.0.2.10"), "to b2"))
    narrow = replace(internet, id="route-narrow", prefix=Cidr.parse("198.51.100.0/24"))
    lab.take(Change(Route, narrow.id, None, narrow))
    told(lab, ("b3", ip(SOMEBODY), "to internet"))
    told(lab, ("b3", ip("8.8.8.8"), "dropped: no-route"))
    lab.take(Change(Route, narrow.id, narrow, None), Change(Route, internet.id, None, internet))
    told(lab, ("b3", ip("8.8.8.8"), "to internet"))


def test_local_beats_every_route(lab: Live) -> None:
    """A route for a part of the VPC's own prefix changes nothing within the VPC."""
    internet = lab.engine.state.get(Route, "route-b-internet")
    assert internet is not None
    inner = replace(internet, id="route-inner", prefix=Cidr.parse("10.0.2.10/32"))
    lab.take(Change(Route, inner.id, None, inner))
    told(lab, ("b3", ip("10.0.2.10"), "to b2"))
    told(lab, ("b3", ip("10.0.9.9"), "dropped: no-subnet"))
    lab.take(Change(Route, inner.id, inner, None))


def test_subnet_moved_away(lab: Live) -> None:
    """A subnet that is gone leaves no router and no neighbours."""
    subnet = lab.engine.state.get(Subnet, "subnet-a-data")
    assert subnet is not None
    lab.take(Change(Subnet, subnet.id, subnet, None))
    gone: list[tuple[Said, str]] = [(ip("10.0.2.1"), "dropped: no-subnet"), (ip("10.0.2.10"), "dropped: no-subnet")]
    for packet, verdict in gone:
        told(lab, ("a1", packet, verdict))
    lab.take(Change(Subnet, subnet.id, None, subnet))
    told(lab, ("a1", ip("10.0.2.10"), "to a2"))
