"""ICMP errors to an interface whose security groups let nothing in, about connections that are not, or another's."""

from collections.abc import Iterator

from scapy.layers.inet import ICMP, IP, TCP, UDP

from tests.packet.attacks import OUTSIDE, SERVERS, Ground, Sent, Who, attempt, ether, frame

KINDS = ((3, 1), (3, 3), (3, 4), (11, 0), (12, 0))
"""Host and port unreachable, too large, the hop limit is over, a wrong header."""


def _quoted(at: Ground, by: str, to: str, layer: object, **more: int) -> IP:
    """The packet of somebody that an error is about."""
    made: IP = IP(src=at[by].ip, dst=to if "." in to else at[to].ip, **more) / layer
    return made


def _errors(at: Ground, by: str, to: str, mark: bytes, quoted: IP, reason: str = "group") -> Iterator[Sent]:
    for kind, code in KINDS:
        error = ICMP(type=kind, code=code, nexthopmtu=600 if code == 4 else 0) / quoted
        yield Sent(by, frame(at[by], at[to], mark, error), reason=reason)


def _outside(at: Ground, to: str, mark: bytes, quoted: IP, reason: str) -> Iterator[Sent]:
    for kind, code in KINDS:
        error = ICMP(type=kind, code=code, nexthopmtu=600 if code == 4 else 0) / quoted
        yield Sent(OUTSIDE, frame(*at.from_outside(to), mark, error), reason=reason)


@attempt
def about_no_connection(at: Ground, mark: bytes) -> Iterator[Sent]:
    """About a datagram and a segment that he has not sent, from the one it was for and from a third."""
    for layer in (UDP(sport=4711, dport=53), TCP(sport=4711, dport=80)):
        for by in ("mallory", "far"):
            yield from _errors(at, by, "shut", mark, _quoted(at, "shut", "far", layer))


@attempt
def about_no_connection_from_outside(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The same from the internet."""
    quoted = IP(src=at.public("shut"), dst=SERVERS[0]) / UDP(sport=4711, dport=53)
    yield from _outside(at, "shut", mark, quoted, "group")


@attempt
def about_his_connection_by_a_third(at: Ground, mark: bytes) -> Iterator[Sent]:
    """About a connection that he has, from one who has no part in it, to both its ends."""
    ports = at.ports()
    at.asked("shut", "far", ports)
    yield from _errors(at, "mallory", "shut", mark, _quoted(at, "shut", "far", UDP(sport=ports[0], dport=ports[1])))
    yield from _errors(at, "mallory", "far", mark, _quoted(at, "far", "shut", UDP(sport=ports[1], dport=ports[0])))


@attempt
def about_his_tcp_connection_by_a_third(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The same about TCP."""
    ports = at.ports()
    at.connected("shut", "far", ports)
    yield from _errors(at, "mallory", "shut", mark, _quoted(at, "shut", "far", TCP(sport=ports[0], dport=ports[1])))
    yield from _errors(at, "mallory", "far", mark, _quoted(at, "far", "shut", TCP(sport=ports[1], dport=ports[0])))


@attempt
def about_the_connection_of_another(at: Ground, mark: bytes) -> Iterator[Sent]:
    """About a connection that there is, to one who has no part in it."""
    ports = at.ports()
    at.asked("mallory", "far", ports)
    for by, packet in (("mallory", ("mallory", "far")), ("far", ("mallory", "far"))):
        quoted = _quoted(at, *packet, UDP(sport=ports[0], dport=ports[1]))
        yield from _errors(at, by, "shut", mark, quoted)


@attempt
def about_the_connection_of_another_from_outside(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The same from the internet: as he sent it, and as if the receiver had."""
    ports = at.ports()
    at.asked("mallory", OUTSIDE, ports)
    layer = UDP(sport=ports[0], dport=ports[1])
    yield from _outside(at, "shut", mark, IP(src=at.public("mallory"), dst=SERVERS[0]) / layer, "foreign-quote")
    yield from _outside(at, "shut", mark, IP(src=at.public("shut"), dst=SERVERS[0]) / layer, "group")


@attempt
def about_other_ports_of_his_connection(at: Ground, mark: bytes) -> Iterator[Sent]:
    """About the peer of a connection that he has, but other ports, or another protocol, from that peer."""
    ports = at.ports()
    at.asked("shut", "far", ports)
    for layer in (UDP(sport=ports[0], dport=54), UDP(sport=4711, dport=ports[1]), TCP(sport=ports[0], dport=ports[1])):
        yield from _errors(at, "far", "shut", mark, _quoted(at, "shut", "far", layer))


@attempt
def about_a_later_fragment(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The peer of a connection quotes a fragment without ports."""
    ports = at.ports()
    at.asked("shut", "far", ports)
    layer = UDP(sport=ports[0], dport=ports[1])
    yield from _errors(at, "far", "shut", mark, _quoted(at, "shut", "far", layer, frag=100))


@attempt
def about_too_little(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The peer of a connection quotes its IP header alone, or half of one."""
    ports = at.ports()
    at.asked("shut", "far", ports)
    bare = bytes(IP(src=at["shut"].ip, dst=at["far"].ip, proto=17, len=20))
    for kind, code in KINDS:
        for quoted in (bare, bare[:12]):
            said = IP(src=at["far"].ip, dst=at["shut"].ip) / ICMP(type=kind, code=code) / quoted
            marked = ether(at["far"].mac, at["shut"].mac, said) + mark  # behind the packet, as padding
            yield Sent("far", marked, reason="group")


@attempt
def a_wrong_checksum(at: Ground, mark: bytes) -> Iterator[Sent]:
    """About a connection that there is, from its peer."""
    ports = at.ports()
    at.asked("shut", "far", ports)
    quoted = _quoted(at, "shut", "far", UDP(sport=ports[0], dport=ports[1]))
    for kind, code in KINDS:
        error = ICMP(type=kind, code=code, chksum=0xDEAD) / quoted
        yield Sent("far", frame(at["far"], at["shut"], mark, error), reason="group")


@attempt
def about_an_error(at: Ground, mark: bytes) -> Iterator[Sent]:
    """An error about an error about a connection that there is."""
    ports = at.ports()
    at.asked("shut", "far", ports)
    inner = ICMP(type=3, code=3) / _quoted(at, "far", "shut", UDP(sport=ports[1], dport=ports[0]))
    yield from _errors(at, "far", "shut", mark, _quoted(at, "shut", "far", inner))


@attempt
def what_else_icmp_quotes(at: Ground, mark: bytes) -> Iterator[Sent]:
    """Source quench and redirect, about no connection."""
    quoted = _quoted(at, "shut", "far", UDP(sport=4711, dport=53))
    for kind in (4, 5):
        layer = ICMP(type=kind, gw=at["mallory"].ip) / quoted
        for by in ("mallory", "far"):
            yield Sent(by, frame(at[by], at["shut"], mark, layer), reason="invalid")
        yield Sent(OUTSIDE, frame(*at.from_outside("shut"), mark, layer), reason="neighbours-only")


@attempt
def in_the_routers_name(at: Ground, mark: bytes) -> Iterator[Sent]:
    """About a connection that there is, as if the router had met it."""
    ports = at.ports()
    at.asked("shut", "far", ports)
    quoted = _quoted(at, "shut", "far", UDP(sport=ports[0], dport=ports[1]))
    for kind, code in KINDS:
        lie = frame(Who(at["mallory"].mac, "10.0.0.1"), at["shut"], mark, ICMP(type=kind, code=code) / quoted)
        yield Sent("mallory", lie, reason="spoofed-ip")
