"""ARP in somebody else's name: nobody hears it, and nobody's table changes."""

from collections.abc import Iterator

from scapy.layers.l2 import ARP, Dot1Q
from scapy.packet import Raw

from tests.packet.attacks import BROADCAST, ROUTER, ROUTER_IP, Ground, Sent, attempt, ether

ZERO = "00:00:00:00:00:00"


def _said(at: Ground, mark: bytes, by: str, ip: str, *, op: int = 2, inside: str = "", to: str = "near") -> Sent:
    """ARP to a victim, and about him, that ``ip`` is at the sender's MAC address or at ``inside``."""
    mac = at[by].mac
    said = ARP(op=op, hwsrc=inside or mac, psrc=ip, hwdst=at[to].mac if op == 2 else ZERO, pdst=at[to].ip)
    return Sent(by, ether(mac, at[to].mac, said, Raw(mark)))


@attempt
def an_answer_as_the_router(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The router is said to be here, to a neighbour and to the other tenant."""
    for to in ("near", "far", "pal", "depot"):
        yield _said(at, mark, "mallory", ROUTER_IP, to=to)


@attempt
def an_answer_as_the_neighbour(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A neighbour is said to be here."""
    yield _said(at, mark, "mallory", at["far"].ip)
    yield _said(at, mark, "mallory", at["near"].ip, to="far")


@attempt
def an_answer_as_itself(at: Ground, mark: bytes) -> Iterator[Sent]:
    """An answer that nobody asked for, to a neighbour and to the other tenant, who has that address himself."""
    for to in ("near", "pal", "shop"):
        yield _said(at, mark, "mallory", at["mallory"].ip, to=to)


@attempt
def a_question_as_the_router(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A question teaches who is asked as well as an answer does."""
    yield _said(at, mark, "mallory", ROUTER_IP, op=1)


@attempt
def a_question_as_the_neighbour(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The same in a neighbour's name."""
    yield _said(at, mark, "mallory", at["far"].ip, op=1)


@attempt
def the_routers_announcement(at: Ground, mark: bytes) -> Iterator[Sent]:
    """Gratuitous ARP to everybody that the router has moved, as question and as answer (RFC 5944, 4.6)."""
    for op in (1, 2):
        said = ARP(op=op, hwsrc=at["mallory"].mac, psrc=ROUTER_IP, hwdst=BROADCAST, pdst=ROUTER_IP)
        yield Sent("mallory", ether(at["mallory"].mac, BROADCAST, said, Raw(mark)))


@attempt
def the_neighbours_announcement(at: Ground, mark: bytes) -> Iterator[Sent]:
    """Gratuitous ARP to everybody that a neighbour has moved."""
    for op in (1, 2):
        said = ARP(op=op, hwsrc=at["mallory"].mac, psrc=at["near"].ip, hwdst=BROADCAST, pdst=at["near"].ip)
        yield Sent("mallory", ether(at["mallory"].mac, BROADCAST, said, Raw(mark)))


@attempt
def another_mac_address_inside(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The own IP address is said to be at a neighbour's MAC address."""
    for op in (1, 2):
        yield _said(at, mark, "mallory", at["mallory"].ip, op=op, inside=at["far"].mac)


@attempt
def a_probe_in_anothers_name(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A probe for the neighbour's address from another MAC address, which makes him give it up (RFC 5227)."""
    yield _said(at, mark, "mallory", "0.0.0.0", op=1, inside=at["far"].mac)


@attempt
def the_other_tenants_address(at: Ground, mark: bytes) -> Iterator[Sent]:
    """An address that only the other tenant has is said to be here."""
    yield _said(at, mark, "mallory", at["depot"].ip)


@attempt
def the_router_unchecked(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The router is said to be here, with the source check off."""
    for op in (1, 2):
        yield _said(at, mark, "free", ROUTER_IP, op=op)
        yield _said(at, mark, "free", ROUTER_IP, op=op, inside=ROUTER)


@attempt
def the_neighbour_unchecked(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A neighbour is said to be here, with the source check off."""
    for op in (1, 2):
        yield _said(at, mark, "free", at["far"].ip, op=op)


@attempt
def another_mac_address_inside_unchecked(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The own IP address is said to be at a neighbour's MAC address, with the source check off."""
    yield _said(at, mark, "free", at["free"].ip, inside=at["far"].mac)


@attempt
def behind_a_tag(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The router is said to be here, tagged with VLAN 7 and with priority only."""
    for vlan in (7, 0):
        said = ARP(op=2, hwsrc=at["mallory"].mac, psrc=ROUTER_IP, hwdst=at["near"].mac, pdst=at["near"].ip)
        yield Sent("mallory", ether(at["mallory"].mac, at["near"].mac, Dot1Q(vlan=vlan), said, Raw(mark)))


@attempt
def reverse(at: Ground, mark: bytes) -> Iterator[Sent]:
    """Reverse ARP, both of its operations (RFC 903), and the inverse one (RFC 2390)."""
    for kind, op in ((0x8035, 3), (0x8035, 4), (0x0806, 3), (0x0806, 8), (0x0806, 9)):
        said = ARP(op=op, hwsrc=at["mallory"].mac, psrc=ROUTER_IP, hwdst=at["near"].mac, pdst=at["near"].ip)
        yield Sent("mallory", ether(at["mallory"].mac, at["near"].mac, said, Raw(mark), kind=kind))


@attempt
def of_odd_lengths(at: Ground, mark: bytes) -> Iterator[Sent]:
    """ARP whose lengths are not those of Ethernet and IPv4, which a check could overlook."""
    for hwlen, plen in ((6, 16), (8, 4), (0, 4), (6, 0)):
        said = bytes(ARP(op=2, hwsrc=at["mallory"].mac, psrc=ROUTER_IP, hwdst=at["near"].mac, pdst=at["near"].ip))
        said = said[:4] + bytes((hwlen, plen)) + said[6:]
        yield Sent("mallory", ether(at["mallory"].mac, at["near"].mac, Raw(said), Raw(mark), kind=0x0806))
