"""Fragments that hide, or rewrite, what the rules of a security group look at."""

from collections.abc import Iterator

from scapy.layers.inet import IP, TCP, UDP, fragment
from scapy.packet import Packet, Raw

from tests.packet.attacks import WEB_PORT, Ground, Sent, Who, attempt, ether

CLOSED = 22
SMALL, WHOLE = 8, 800
"""Bytes: of a fragment that cuts the header of TCP, and of one that the switch takes."""
SENDERS = ("mallory", "far")


def _segment(source: Who, target: Who, port: int, data: bytes) -> bytes:
    """A TCP segment with its header, as bytes."""
    made = IP(src=source.ip, dst=target.ip) / TCP(sport=40000, dport=port, flags="S") / Raw(data)
    return bytes(IP(bytes(made)).payload)


def _piece(at: Ground, by: str, to: str, number: int, body: bytes, offset: int, more: bool, proto: int = 6) -> bytes:
    """A fragment with this part of a datagram, which begins at ``offset`` bytes."""
    header = IP(src=at[by].ip, dst=at[to].ip, id=number, proto=proto, frag=offset // 8, flags="MF" if more else 0)
    return ether(at[by].mac, at[to].mac, header / Raw(body))


def _padded(mark: bytes, size: int) -> bytes:
    return (mark * (size // len(mark) + 1))[:size]


@attempt
def a_first_one_that_cuts_the_header(at: Ground, mark: bytes) -> Iterator[Sent]:
    """Ports in the first fragment, flags in the second (RFC 1858), to an open port and to a closed one."""
    for number, port in ((101, WEB_PORT), (102, CLOSED)):
        for by in SENDERS:
            whole = _segment(at[by], at["web"], port, mark)
            yield Sent(by, _piece(at, by, "web", number, whole[:SMALL], 0, True))
            yield Sent(by, _piece(at, by, "web", number, whole[SMALL:], SMALL, False))


@attempt
def a_first_one_without_ports(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A first fragment with nothing in it, and the whole segment behind it."""
    for by in SENDERS:
        whole = _segment(at[by], at["web"], CLOSED, mark)
        yield Sent(by, _piece(at, by, "web", 103, b"", 0, True))
        yield Sent(by, _piece(at, by, "web", 103, whole, SMALL, False))


@attempt
def a_second_beginning(at: Ground, mark: bytes) -> Iterator[Sent]:
    """Two first fragments of one segment: one to an open port, one to a closed one, in either order."""
    for by in SENDERS:
        for number, order in ((104, (WEB_PORT, CLOSED)), (105, (CLOSED, WEB_PORT))):
            for port in order:
                data = _padded(mark, WHOLE) if port == CLOSED else bytes(WHOLE)
                yield Sent(by, _piece(at, by, "web", number, _segment(at[by], at["web"], port, data)[:WHOLE], 0, True))
            yield Sent(by, _piece(at, by, "web", number, bytes(WHOLE), WHOLE, False))


@attempt
def one_that_overlaps_the_header(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A later fragment that lies over the flags and all that follows (RFC 3128)."""
    for by in SENDERS:
        whole = _segment(at[by], at["web"], WEB_PORT, bytes(WHOLE))
        lie = _segment(at[by], at["web"], CLOSED, _padded(mark, WHOLE))
        yield Sent(by, _piece(at, by, "web", 106, whole[:WHOLE], 0, True))
        yield Sent(by, _piece(at, by, "web", 106, lie[SMALL : SMALL + WHOLE], SMALL, True))
        yield Sent(by, _piece(at, by, "web", 106, bytes(WHOLE), WHOLE, False))


@attempt
def later_ones_alone(at: Ground, mark: bytes) -> Iterator[Sent]:
    """Of TCP, UDP and a protocol without ports, to one that lets in a TCP port and to one that lets in nothing."""
    for proto in (6, 17, 1, 47):
        for to in ("web", "shut"):
            for by in SENDERS:
                body = _padded(mark, WHOLE)
                yield Sent(by, _piece(at, by, to, 200 + proto, body, WHOLE, True, proto))
                yield Sent(by, _piece(at, by, to, 200 + proto, body, 2 * WHOLE, False, proto))


@attempt
def later_ones_from_outside(at: Ground, mark: bytes) -> Iterator[Sent]:
    """To an elastic IP, of a datagram of which nobody has seen the beginning."""
    source, target = at.from_outside("web")
    for proto in (6, 17):
        header = IP(src=source.ip, dst=target.ip, id=300 + proto, proto=proto, frag=100)
        yield Sent("outside", ether(source.mac, target.mac, header / Raw(_padded(mark, WHOLE))))


@attempt
def a_datagram_to_a_closed_port(at: Ground, mark: bytes) -> Iterator[Sent]:
    """Whole, in fragments: its later ones have no port, and a rule allows a port of that protocol."""
    for by in SENDERS:
        for layer, number in ((TCP(sport=9, dport=CLOSED, flags="S"), 401), (UDP(sport=9, dport=7000), 402)):
            whole: Packet = IP(src=at[by].ip, dst=at["web"].ip, id=number) / layer / Raw(_padded(mark, 3 * WHOLE))
            for one in fragment(whole, WHOLE):
                yield Sent(by, ether(at[by].mac, at["web"].mac, one))


@attempt
def behind_an_honest_datagram(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A datagram to an open port has passed: one more fragment has its number."""
    for by in SENDERS:
        whole = IP(src=at[by].ip, dst=at["web"].ip, id=500) / TCP(sport=9, dport=WEB_PORT, flags="S") / bytes(3 * WHOLE)
        for one in fragment(whole, WHOLE):
            yield Sent(by, ether(at[by].mac, at["web"].mac, one))
        yield Sent(by, _piece(at, by, "web", 500, _padded(mark, WHOLE), WHOLE, True))
