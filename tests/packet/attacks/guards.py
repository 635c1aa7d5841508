"""What security groups do not judge, ARP, DHCP and the router's word, from and to those who are in some."""

from collections.abc import Iterator

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_RA, IPv6
from scapy.layers.l2 import ARP
from scapy.packet import Raw

from apps.vpc.model import ROUTER_ITSELF_MAC
from tests.packet.attacks import (
    BROADCAST,
    OUTSIDE,
    PORT,
    ROUTER,
    ROUTER_IP,
    SERVER_IP,
    STRANGER,
    Ground,
    Sent,
    Who,
    attempt,
    ether,
    frame,
)

GUARDED = ("mute", "shut", "member")
"""In groups that forbid almost all that goes out, all that comes in, nothing."""
ALL_NODES = "33:33:00:00:00:01"


@attempt
def arp_as_the_router(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The router is said to be here."""
    for by in GUARDED:
        said = ARP(op=2, hwsrc=at[by].mac, psrc=ROUTER_IP, hwdst=at["web"].mac, pdst=at["web"].ip)
        yield Sent(by, ether(at[by].mac, at["web"].mac, said, Raw(mark)), reason="spoofed-arp")


@attempt
def arp_as_a_member(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A member of a group that rules name is said to be here, to everybody."""
    for by in ("mute", "shut"):
        said = ARP(op=1, hwsrc=at[by].mac, psrc=at["member"].ip, pdst=at["member"].ip)
        yield Sent(by, ether(at[by].mac, BROADCAST, said, Raw(mark)), reason="spoofed-arp")


@attempt
def a_dhcp_server(at: Ground, mark: bytes) -> Iterator[Sent]:
    """An offer, to everybody and to one who lets all in."""
    said = BOOTP(op=2, yiaddr="10.0.0.66") / DHCP(options=[("message-type", "offer"), "end"]) / Raw(mark)
    for by in GUARDED:
        for to in (Who(BROADCAST, "255.255.255.255"), at["near"]):
            inside = IP(src=at[by].ip, dst=to.ip) / UDP(sport=67, dport=68) / said
            yield Sent(by, ether(at[by].mac, to.mac, inside), reason="spoofed-dhcp")


@attempt
def a_dhcp_server_outside(at: Ground, mark: bytes) -> Iterator[Sent]:
    """An acknowledgement from the internet, in the name of the server too."""
    layer = UDP(sport=67, dport=68) / BOOTP(op=2, yiaddr="10.0.0.66") / DHCP(options=[("message-type", "ack"), "end"])
    yield Sent(OUTSIDE, frame(*at.from_outside("shut"), mark, layer), reason="group")
    yield Sent(OUTSIDE, frame(*at.from_outside("shut", SERVER_IP), mark, layer))


@attempt
def a_router_of_ipv6(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A router's advertisement, and a neighbour's."""
    header = IPv6(src="fe80::1", dst="ff02::1", hlim=255)
    for by in GUARDED:
        for said, reason in ((ICMPv6ND_RA(), "spoofed-ra"), (ICMPv6ND_NA(tgt="fe80::2"), "unsupported")):
            yield Sent(by, ether(at[by].mac, ALL_NODES, header / said / Raw(mark)), reason=reason)


@attempt
def at_the_routers_own_mac_address(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The router's word concerns no group: from the MAC addresses that it has."""
    for mac in (str(ROUTER_ITSELF_MAC), ROUTER):
        for by in ("mallory", "free", "far"):
            yield Sent(by, frame(Who(mac, at[by].ip), at["shut"], mark, ICMP(type=8)), reason="spoofed-mac")


@attempt
def at_the_routers_own_mac_address_from_outside(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The same on the public network, and in a tunnel of nobody's."""
    source, target = at.from_outside("shut")
    yield Sent(OUTSIDE, frame(Who(str(ROUTER_ITSELF_MAC), source.ip), target, mark, ICMP(type=8)), reason="group")
    host = at.region.hosts["hv1"].mac("br-phy")
    lie = frame(Who(str(ROUTER_ITSELF_MAC), "10.0.0.10"), Who(host, at["shut"].ip), mark, ICMP(type=8))
    yield Sent(STRANGER, lie, may=("hv1 br-phy",))


@attempt
def an_echo_of_the_router(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The router answers what seems to come from the victim: from one who may send in any name."""
    for by in ("free", "mallory"):
        for ip in (ROUTER_IP, SERVER_IP, "10.0.1.1"):
            yield Sent(by, frame(Who(at[by].mac, at["shut"].ip), Who(ROUTER, ip), mark, ICMP(type=8, id=77)))


@attempt
def an_error_of_the_router(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The router tells the victim what became of a packet that the victim has not sent."""
    for by in ("free", "mallory"):
        forged = Who(at[by].mac, at["shut"].ip)
        yield Sent(by, frame(forged, Who(ROUTER, at["inner"].ip), mark, ICMP(type=8, id=77), ttl=1))
        yield Sent(by, frame(forged, Who(ROUTER, "10.0.200.1"), mark, UDP(sport=9, dport=PORT)))
        yield Sent(by, frame(forged, Who(ROUTER, ROUTER_IP), mark, UDP(sport=9, dport=PORT)))
