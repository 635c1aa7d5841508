"""Frames that are not plain IPv4 or ARP, and frames to everybody."""

from collections.abc import Iterator

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import LLC, STP, Dot1AD, Dot1Q, Dot3, Ether
from scapy.packet import Packet, Raw

from tests.packet.attacks import BROADCAST, PORT, Ground, Sent, attempt, ether


def _inside(at: Ground, mark: bytes, to: str = "near") -> Packet:
    return IP(src=at["mallory"].ip, dst=at[to].ip) / UDP(sport=40000, dport=PORT) / Raw(mark)


@attempt
def tagged(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A datagram in a VLAN, to a neighbour and to the other tenant (IEEE 802.1Q)."""
    for vlan in (1, 7, 4094, 4095):
        yield Sent("mallory", ether(at["mallory"].mac, at["near"].mac, Dot1Q(vlan=vlan), _inside(at, mark)))
        yield Sent("mallory", ether(at["mallory"].mac, at["pal"].mac, Dot1Q(vlan=vlan), _inside(at, mark)))


@attempt
def tagged_twice(at: Ground, mark: bytes) -> Iterator[Sent]:
    """Two tags, the outer one of providers (IEEE 802.1ad) or of customers."""
    for tags in (Dot1Q(vlan=5) / Dot1Q(vlan=6), Dot1AD(vlan=5) / Dot1Q(vlan=6), Dot1AD(vlan=5) / Dot1AD(vlan=6)):
        yield Sent("mallory", ether(at["mallory"].mac, at["near"].mac, tags, _inside(at, mark)))


@attempt
def tagged_behind_a_priority(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A VLAN behind a tag that is taken off, by which one hops from VLAN to VLAN elsewhere."""
    for tags in (Dot1Q(vlan=0) / Dot1Q(vlan=6), Dot1AD(vlan=0) / Dot1Q(vlan=6), Dot1AD(vlan=6) / Dot1Q(vlan=0)):
        yield Sent("mallory", ether(at["mallory"].mac, at["near"].mac, tags, _inside(at, mark)))


@attempt
def spanning_tree(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A bridge that wants to be the root (IEEE 802.1D)."""
    said = LLC(dsap=0x42, ssap=0x42, ctrl=3) / STP(rootid=0, bridgeid=0, bridgemac=at["mallory"].mac) / Raw(mark)
    yield Sent("mallory", bytes(Dot3(src=at["mallory"].mac, dst="01:80:c2:00:00:00") / said))


@attempt
def link_layer_discovery(at: Ground, mark: bytes) -> Iterator[Sent]:
    """LLDP, by which neighbours are told lies about the network (IEEE 802.1AB)."""
    yield Sent("mallory", ether(at["mallory"].mac, "01:80:c2:00:00:0e", Raw(b"\x02\x07\x04" + mark), kind=0x88CC))


@attempt
def link_aggregation(at: Ground, mark: bytes) -> Iterator[Sent]:
    """LACP and pause frames (IEEE 802.3, 802.1AX)."""
    for kind, mac in ((0x8809, "01:80:c2:00:00:02"), (0x8808, "01:80:c2:00:00:01")):
        yield Sent("mallory", ether(at["mallory"].mac, mac, Raw(b"\x00\x01\xff\xff" + mark), kind=kind))


@attempt
def other_protocols(at: Ground, mark: bytes) -> Iterator[Sent]:
    """MPLS, PPPoE, IPX, EAPOL, MACsec, FCoE, AoE, PTP, and one for experiments, to both tenants' machines."""
    for kind in (0x8847, 0x8863, 0x8864, 0x8137, 0x888E, 0x88E5, 0x8906, 0x88A2, 0x88F7, 0x88B5):
        for mac in (at["near"].mac, at["pal"].mac, BROADCAST):
            yield Sent("mallory", ether(at["mallory"].mac, mac, Raw(mark + bytes(46)), kind=kind))


@attempt
def ipv6(at: Ground, mark: bytes) -> Iterator[Sent]:
    """IPv6 to a neighbour and to all, with and without the source check."""
    for by in ("mallory", "free"):
        for mac, to in ((at["near"].mac, "fe80::2"), ("33:33:00:00:00:01", "ff02::1")):
            inside = IPv6(src="fe80::1", dst=to) / UDP(sport=40000, dport=PORT) / Raw(mark)
            yield Sent(by, ether(at[by].mac, mac, inside))


@attempt
def one_protocol_in_the_name_of_another(at: Ground, mark: bytes) -> Iterator[Sent]:
    """IPv6 that says it is IPv4, and IPv4 that says it is IPv6 or ARP."""
    six = bytes(IPv6(src="fe80::1", dst="fe80::2") / UDP(sport=40000, dport=PORT) / Raw(mark))
    four = bytes(_inside(at, mark))
    for kind, data in ((0x0800, six), (0x86DD, four), (0x0806, four)):
        yield Sent("mallory", ether(at["mallory"].mac, at["near"].mac, Raw(data), kind=kind))


@attempt
def lengths_that_are_not_true(at: Ground, mark: bytes) -> Iterator[Sent]:
    """IPv4 whose header or whole is longer than the frame, or shorter than a header."""
    good = bytes(_inside(at, mark))
    for change in ({0: 0x4F}, {0: 0x41}, {2: 0xFF}, {2: 0, 3: 4}):
        bad = bytes(change.get(place, byte) for place, byte in enumerate(good))
        yield Sent("mallory", ether(at["mallory"].mac, at["near"].mac, Raw(bad), kind=0x0800))


@attempt
def broadcast(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A datagram to everybody, by Ethernet address, by IP address, and by both."""
    for mac, ip in ((BROADCAST, "255.255.255.255"), (BROADCAST, "10.0.0.255"), (at["near"].mac, "255.255.255.255")):
        inside = IP(src=at["mallory"].ip, dst=ip) / UDP(sport=40000, dport=PORT) / Raw(mark)
        yield Sent("mallory", bytes(Ether(src=at["mallory"].mac, dst=mac) / inside))
    yield Sent("mallory", ether(at["mallory"].mac, BROADCAST, _inside(at, mark)))


@attempt
def multicast(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A datagram to a group: mDNS, OSPF, VRRP."""
    for mac, ip in (("01:00:5e:00:00:fb", "224.0.0.251"), ("01:00:5e:00:00:05", "224.0.0.5"), ("", "224.0.0.18")):
        inside = IP(src=at["mallory"].ip, dst=ip, ttl=1) / UDP(sport=5353, dport=5353) / Raw(mark)
        yield Sent("mallory", ether(at["mallory"].mac, mac or at["near"].mac, inside))


@attempt
def the_virtual_router(at: Ground, mark: bytes) -> Iterator[Sent]:
    """VRRP as the master of a group, from the own address and from the group's MAC address (RFC 5798)."""
    said = IP(src=at["mallory"].ip, dst="224.0.0.18", ttl=255, proto=112) / Raw(b"\x21\x01\xff\x01\x00\x01" + mark)
    for by in ("mallory", "free"):
        for mac in (at[by].mac, "00:00:5e:00:01:01"):
            yield Sent(by, ether(mac, "01:00:5e:00:00:12", said))
