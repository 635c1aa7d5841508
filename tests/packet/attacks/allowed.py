"""What security groups let pass: the same packets as in the attempts, without the lie in them."""

from collections.abc import Callable, Iterator

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption, fragment
from scapy.layers.ipsec import ESP
from scapy.layers.l2 import GRE
from scapy.layers.sctp import SCTP, SCTPChunkInit
from scapy.packet import Raw

from tests.packet.attacks import MEMBERS_PORT, OUTSIDE, WEB_PORT, Ground, Sent, ether, frame

SYN = TCP(sport=40100, dport=WEB_PORT, flags="S")
TO_MEMBERS = UDP(sport=40100, dport=MEMBERS_PORT)
OPTION = IPOption(b"\x94\x04\x00\x50")


def a_port(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A port that is open to everybody, with options too."""
    yield Sent("mallory", frame(at["mallory"], at["web"], mark, SYN))
    yield Sent("mallory", frame(at["mallory"], at["web"], mark, SYN, options=[OPTION]))
    yield Sent(OUTSIDE, frame(*at.from_outside("web"), mark, SYN))


def a_member(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A port that is open to members."""
    yield Sent("member", frame(at["member"], at["web"], mark, TO_MEMBERS))


def a_member_of_the_other_tenant(at: Ground, mark: bytes) -> Iterator[Sent]:
    """All that is open to the other tenant's."""
    yield Sent("depot", frame(at["depot"], at["till"], mark, TO_MEMBERS))


def fragments(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A datagram in three pieces, the last one first; each has the mark."""
    whole = IP(src=at["member"].ip, dst=at["web"].ip, id=900) / TO_MEMBERS / Raw(mark * 149)
    for one in reversed(fragment(whole, 800)):
        yield Sent("member", ether(at["member"].mac, at["web"].mac, one))


def protocols(at: Ground, mark: bytes) -> Iterator[Sent]:
    """Every protocol, where all is open."""
    for layer in (GRE() / IP() / TCP(), ESP(spi=1, seq=1), SCTP(sport=9, dport=9) / SCTPChunkInit(), ICMP(type=8)):
        yield Sent("mallory", frame(at["mallory"], at["mute"], mark, layer))
    yield Sent("mallory", frame(at["mallory"], at["mute"], mark, b"", proto=253))


def an_answer(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The answer of the one who was asked, to one who lets in nothing, and an error about the question."""
    ports = at.ports()
    at.asked("shut", "far", ports)
    yield Sent("far", frame(at["far"], at["shut"], mark, UDP(sport=ports[1], dport=ports[0])))
    question = IP(src=at["shut"].ip, dst=at["far"].ip) / UDP(sport=ports[0], dport=ports[1])
    yield Sent("far", frame(at["far"], at["shut"], mark, ICMP(type=3, code=3) / question))


def an_answer_from_outside(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The same from the internet."""
    ports = at.ports()
    at.asked("shut", OUTSIDE, ports)
    yield Sent(OUTSIDE, frame(*at.from_outside("shut"), mark, UDP(sport=ports[1], dport=ports[0])))


def a_segment(at: Ground, mark: bytes) -> Iterator[Sent]:
    """Of a TCP connection, to the one who began it."""
    ports = at.ports()
    at.connected("shut", "far", ports)
    yield Sent("far", frame(at["far"], at["shut"], mark, TCP(sport=ports[1], dport=ports[0], flags="PA")))


ALLOWED: dict[str, tuple[Callable[[Ground, bytes], Iterator[Sent]], str]] = {
    "a port": (a_port, "web"),
    "a member": (a_member, "web"),
    "a member of the other tenant": (a_member_of_the_other_tenant, "till"),
    "fragments": (fragments, "web"),
    "protocols": (protocols, "mute"),
    "an answer": (an_answer, "shut"),
    "an answer from outside": (an_answer_from_outside, "shut"),
    "a segment": (a_segment, "shut"),
}
"""By what it is: the frames, and who gets each of them."""
