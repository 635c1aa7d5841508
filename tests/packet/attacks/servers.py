"""A network interface that plays DHCP server or router: RA guard and DHCP-server guard (RFC 6105, RFC 7610)."""

from collections.abc import Iterator

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import DHCP6_Advertise, DHCP6_Reply
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
)
from scapy.packet import Packet, Raw

from tests.packet.attacks import BROADCAST, ROUTER, ROUTER_IP, SERVER_IP, Ground, Sent, attempt, ether

ALL_NODES = "33:33:00:00:00:01"


def _dhcp(at: Ground, mark: bytes, by: str, kind: str, source: str, to: str = "", **more: int) -> Sent:
    """A server's message to a neighbour, by broadcast when ``to`` is ""."""
    chaddr = bytes.fromhex(at["near"].mac.replace(":", ""))
    options = [("message-type", kind), ("router", at["mallory"].ip), ("server_id", source), "end"]
    said = BOOTP(op=2, yiaddr="10.0.0.66", siaddr=source, chaddr=chaddr) / DHCP(options=options)
    ports = UDP(sport=more.get("sport", 67), dport=more.get("dport", 68))
    mac = at[to].mac if to else BROADCAST
    ip = at[to].ip if to else "255.255.255.255"
    return Sent(by, ether(at[by].mac, mac, IP(src=source, dst=ip) / ports / said / Raw(mark)))


@attempt
def an_offer_to_everybody(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A DHCP offer by broadcast, from the own address."""
    yield _dhcp(at, mark, "mallory", "offer", at["mallory"].ip)


@attempt
def an_offer_to_a_neighbour(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A DHCP offer to one neighbour, from the own address, on both hosts and to the other subnet."""
    for to in ("near", "far", "inner"):
        yield _dhcp(at, mark, "mallory", "offer", at["mallory"].ip, to)


@attempt
def an_acknowledgement_as_the_server(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A DHCP acknowledgement from the address of the subnet's server."""
    yield _dhcp(at, mark, "mallory", "ack", SERVER_IP, "near")


@attempt
def a_refusal_to_a_neighbour(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A DHCP refusal makes a client give its address up."""
    yield _dhcp(at, mark, "mallory", "nak", at["mallory"].ip, "near")


@attempt
def the_server_unchecked(at: Ground, mark: bytes) -> Iterator[Sent]:
    """All of these with the source check off, also from the server's own address."""
    for kind in ("offer", "ack", "nak"):
        for source in (at["free"].ip, SERVER_IP):
            yield _dhcp(at, mark, "free", kind, source, "near")
            yield _dhcp(at, mark, "free", kind, source)


@attempt
def a_relays_message(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From the server's port to the server's port, as relays do, and to any other."""
    for dport in (67, 9):
        yield _dhcp(at, mark, "mallory", "ack", at["mallory"].ip, "near", dport=dport)


def _six(at: Ground, mark: bytes, by: str, *layers: Packet, to: str = ALL_NODES, dst: str = "ff02::1") -> Sent:
    made: Packet = IPv6(src="fe80::1", dst=dst, hlim=255)
    for layer in layers:
        made = made / layer
    return Sent(by, ether(at[by].mac, to, made / Raw(mark)))


@attempt
def a_router_advertisement(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A router advertisement of IPv6 to all nodes and to one (RFC 4861), with and without the source check."""
    for by in ("mallory", "free"):
        said = ICMPv6ND_RA() / ICMPv6NDOptSrcLLAddr(lladdr=at[by].mac) / ICMPv6NDOptPrefixInfo(prefix="2001:db8::")
        yield _six(at, mark, by, said)
        yield _six(at, mark, by, said, to=at["near"].mac)


@attempt
def a_router_advertisement_behind_headers(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A router advertisement behind extension headers, which simple guards do not see (RFC 7113)."""
    for header in (IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(), IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt()):
        yield _six(at, mark, "mallory", header, ICMPv6ND_RA())


@attempt
def a_router_advertisement_in_fragments(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A router advertisement whose header is in the second fragment (RFC 6980)."""
    body = bytes(IPv6ExtHdrDestOpt(nh=58) / ICMPv6ND_RA())
    yield _six(at, mark, "mallory", IPv6ExtHdrFragment(nh=60, m=1, offset=0, id=5), Raw(body[:8]))
    yield _six(at, mark, "mallory", IPv6ExtHdrFragment(nh=60, m=0, offset=1, id=5), Raw(body[8:]))


@attempt
def an_answer_of_dhcpv6(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A DHCPv6 server's messages, with and without the source check."""
    for by in ("mallory", "free"):
        for said in (DHCP6_Advertise(), DHCP6_Reply()):
            yield _six(at, mark, by, UDP(sport=547, dport=546), said, to=at["near"].mac, dst="fe80::2")


@attempt
def a_neighbour_advertisement(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A neighbour advertisement that overrides what was known (RFC 4861, 7.2.5), and a solicitation."""
    link = ICMPv6NDOptDstLLAddr(lladdr=at["mallory"].mac)
    yield _six(at, mark, "mallory", ICMPv6ND_NA(tgt="fe80::2", R=1, S=0, O=1) / link)
    own = ICMPv6NDOptSrcLLAddr(lladdr=at["mallory"].mac)
    yield _six(at, mark, "mallory", ICMPv6ND_NS(tgt="fe80::2") / own, to=at["near"].mac)


@attempt
def a_redirect_of_ipv6(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A redirect of IPv6 (RFC 4861, 4.5)."""
    yield _six(at, mark, "mallory", ICMPv6ND_Redirect(tgt="fe80::6", dst="fe80::7"), to=at["near"].mac)


@attempt
def a_redirect_as_the_router(at: Ground, mark: bytes) -> Iterator[Sent]:
    """An ICMP redirect in the router's name, with and without the source check."""
    quoted = IP(src=at["near"].ip, dst="198.51.100.10") / UDP(sport=9, dport=9) / Raw(mark)
    for by in ("mallory", "free"):
        said = IP(src=ROUTER_IP, dst=at["near"].ip) / ICMP(type=5, code=1, gw=at[by].ip) / quoted
        yield Sent(by, ether(at[by].mac, at["near"].mac, said))
        yield Sent(by, ether(at[by].mac, ROUTER, said))


@attempt
def an_advertisement_of_router_discovery(at: Ground, mark: bytes) -> Iterator[Sent]:
    """An ICMP router advertisement (RFC 1256) in the router's name, with and without the source check."""
    for by in ("mallory", "free"):
        said = IP(src=ROUTER_IP, dst=at["near"].ip, ttl=1) / ICMP(type=9) / Raw(mark)
        yield Sent(by, ether(at[by].mac, at["near"].mac, said))
