"""To an interface whose security groups let nothing in, or one port: scans, and what no port is in."""

from collections.abc import Iterator

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption
from scapy.layers.ipsec import ESP
from scapy.layers.l2 import GRE
from scapy.layers.sctp import SCTP, SCTPChunkInit

from tests.packet.attacks import (
    BROADCAST,
    PORT,
    ROUTER_IP,
    SERVER_IP,
    WEB_PORT,
    Ground,
    Sent,
    Who,
    attempt,
    frame,
    from_everywhere,
)

CLOSED = 22
"""A TCP port that no group of `web` allows."""
SCANNED = (22, 80, 443)
SAYS_80 = b"\x94\x04\x00\x50"
"""The option "router alert" (RFC 2113) of value 80: whoever takes it for the ports reads a port that is open."""


def _scan(at: Ground, mark: bytes, flags: str, reason: str) -> Iterator[Sent]:
    for port in SCANNED:
        yield from from_everywhere(at, "shut", mark, TCP(sport=40000, dport=port, flags=flags, seq=7, ack=7), reason)


@attempt
def a_syn_scan(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The first packet of a connection."""
    yield from _scan(at, mark, "S", "group")


@attempt
def an_ack_scan(at: Ground, mark: bytes) -> Iterator[Sent]:
    """As in the middle of a connection."""
    yield from _scan(at, mark, "A", "group")


@attempt
def data_of_no_connection(at: Ground, mark: bytes) -> Iterator[Sent]:
    """Data of a connection that there is not."""
    yield from _scan(at, mark, "PA", "group")


@attempt
def the_end_of_no_connection(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The end of a connection that there is not."""
    yield from _scan(at, mark, "FA", "group")


@attempt
def a_reset_from_nowhere(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A reset of no connection, with and without an acknowledgement."""
    yield from _scan(at, mark, "R", "group")
    yield from _scan(at, mark, "RA", "group")


@attempt
def a_syn_ack_from_nowhere(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The answer to a connection that nobody asked for."""
    yield from _scan(at, mark, "SA", "invalid")


@attempt
def a_null_scan(at: Ground, mark: bytes) -> Iterator[Sent]:
    """No flag at all."""
    yield from _scan(at, mark, "", "invalid")


@attempt
def a_fin_scan(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The end alone."""
    yield from _scan(at, mark, "F", "invalid")


@attempt
def an_xmas_scan(at: Ground, mark: bytes) -> Iterator[Sent]:
    """Flags that never come together."""
    yield from _scan(at, mark, "FPU", "invalid")


@attempt
def a_beginning_that_ends(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A SYN that is a FIN or a reset too."""
    yield from _scan(at, mark, "SF", "invalid")
    yield from _scan(at, mark, "SR", "invalid")


@attempt
def a_wrong_tcp_checksum(at: Ground, mark: bytes) -> Iterator[Sent]:
    """To a port that is closed, and to one that is open."""
    for to, port in (("shut", CLOSED), ("web", WEB_PORT)):
        yield from from_everywhere(at, to, mark, TCP(sport=40000, dport=port, flags="S", chksum=0xDEAD), "invalid")


@attempt
def a_wrong_udp_checksum(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A datagram."""
    yield from from_everywhere(at, "shut", mark, UDP(sport=40000, dport=PORT, chksum=0xDEAD), "invalid")


@attempt
def options_that_look_like_an_open_port(at: Ground, mark: bytes) -> Iterator[Sent]:
    """IP options where the ports are without them."""
    layer = TCP(sport=40000, dport=CLOSED, flags="S")
    for to in ("web", "shut"):
        yield from from_everywhere(at, to, mark, layer, "group", options=[IPOption(SAYS_80)])


@attempt
def port_0(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The port that nobody has, as the receiver's and as the sender's."""
    for layer in (UDP(sport=40000, dport=0), UDP(sport=0, dport=PORT), TCP(sport=40000, dport=0), TCP(sport=0)):
        for to in ("shut", "web"):
            yield from from_everywhere(at, to, mark, layer, "invalid")


@attempt
def a_datagram(at: Ground, mark: bytes) -> Iterator[Sent]:
    """UDP, where nothing is let in and where one TCP port is."""
    for to in ("shut", "web"):
        for port in (WEB_PORT, 53, 67):
            yield from from_everywhere(at, to, mark, UDP(sport=40000, dport=port), "group")


@attempt
def answers_of_well_known_servers(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From the ports of DNS, NTP and a DHCP client: to nobody who asked."""
    for sport, dport in ((53, 40000), (123, 123), (68, 68)):
        yield from from_everywhere(at, "shut", mark, UDP(sport=sport, dport=dport), "group")


@attempt
def icmp_that_asks(at: Ground, mark: bytes) -> Iterator[Sent]:
    """Echo and timestamp."""
    for kind in (8, 13):
        yield from from_everywhere(at, "shut", mark, ICMP(type=kind, id=77), "group")


@attempt
def icmp_that_answers(at: Ground, mark: bytes) -> Iterator[Sent]:
    """An echo reply and a timestamp that nobody asked for."""
    for kind in (0, 14):
        yield from from_everywhere(at, "shut", mark, ICMP(type=kind, id=77), "invalid")


@attempt
def gre(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A tunnel, with an open connection in it."""
    yield from from_everywhere(at, "web", mark, GRE() / IP() / TCP(dport=WEB_PORT), "group")


@attempt
def ip_in_ip(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The same without GRE."""
    yield from from_everywhere(at, "web", mark, IP() / TCP(dport=WEB_PORT), "group", proto=4)


@attempt
def esp(at: Ground, mark: bytes) -> Iterator[Sent]:
    """IPsec."""
    yield from from_everywhere(at, "web", mark, ESP(spi=1, seq=1), "group")


@attempt
def sctp(at: Ground, mark: bytes) -> Iterator[Sent]:
    """SCTP to the number of the open TCP port."""
    yield from from_everywhere(at, "web", mark, SCTP(sport=40000, dport=WEB_PORT) / SCTPChunkInit(), "group")


@attempt
def a_protocol_that_nobody_knows(at: Ground, mark: bytes) -> Iterator[Sent]:
    """TCP under another number (RFC 3692)."""
    yield from from_everywhere(at, "web", mark, TCP(dport=WEB_PORT, flags="S"), "group", proto=253)


@attempt
def to_everybody(at: Ground, mark: bytes) -> Iterator[Sent]:
    """To his MAC address and to everybody's, and to the IP address of everybody, of a group or of a neighbour.

    The neighbour may get what has his IP address.
    """
    for ip in ("255.255.255.255", "10.0.0.255", "224.0.0.1", at["near"].ip):
        for mac in (at["shut"].mac, BROADCAST):
            lie = frame(at["mallory"], Who(mac, ip), mark, UDP(sport=9, dport=PORT))
            yield Sent("mallory", lie, may=("near",) if ip == at["near"].ip else ())


@attempt
def out_where_no_rule_allows_it(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From one that may send to one TCP port."""
    for layer in (TCP(sport=9, dport=CLOSED), UDP(sport=9, dport=443), ICMP(type=8), GRE()):
        yield Sent("mute", frame(at["mute"], at["near"], mark, layer), reason="group")
    for layer in (TCP(sport=443, dport=9, flags="SA"), ICMP(type=0)):
        yield Sent("mute", frame(at["mute"], at["near"], mark, layer), reason="invalid")


@attempt
def out_to_the_router_who_is_a_neighbour(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From one that may not send: to the router's address, which concerns no group, at a neighbour's MAC address."""
    for ip in (ROUTER_IP, SERVER_IP, "10.0.1.1", "10.0.1.2"):
        for to in ("near", "far"):
            yield Sent("mute", frame(at["mute"], Who(at[to].mac, ip), mark, UDP(sport=9, dport=PORT)))
