"""Ethernet frames as a guest might send them, honest or forged, and how to recognise them again."""

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet, Raw

from topologies.station import Station

BROADCAST = "ff:ff:ff:ff:ff:ff"
ZERO = "00:00:00:00:00:00"


def udp(
    source: tuple[str, str], target: tuple[str, str], mark: bytes, *, ttl: int = 64, vlan: int = 0, port: int = 9
) -> bytes:
    """A UDP datagram between two (MAC, IP) pairs that carries `mark`; port 9 discards (RFC 863)."""
    ether: Packet = Ether(src=source[0], dst=target[0])
    if vlan:
        ether = ether / Dot1Q(vlan=vlan)
    return bytes(ether / IP(src=source[1], dst=target[1], ttl=ttl) / UDP(sport=40000, dport=port) / Raw(mark))


def echo(source: tuple[str, str], target: tuple[str, str], mark: bytes, ttl: int = 64) -> bytes:
    """An ICMP echo request that carries `mark`."""
    header = IP(src=source[1], dst=target[1], ttl=ttl) / ICMP(type=8, id=77, seq=1)
    return bytes(Ether(src=source[0], dst=target[0]) / header / Raw(mark))


def arp(
    operation: int,
    sender: tuple[str, str],
    target: tuple[str, str],
    *,
    ether_source: str = "",
    ether_target: str = BROADCAST,
) -> bytes:
    """ARP: 1 asks, 2 answers (RFC 826). The Ethernet addresses may differ from those inside."""
    inside = ARP(op=operation, hwsrc=sender[0], psrc=sender[1], hwdst=target[0], pdst=target[1])
    return bytes(Ether(src=ether_source or sender[0], dst=ether_target) / inside)


def ip(frame: bytes) -> IP | None:
    """The IPv4 packet in a frame, or None."""
    found = Ether(frame).getlayer(IP)
    return found if isinstance(found, IP) else None


def is_arp(frame: bytes, operation: int = 0, sender: str = "", target: str = "") -> bool:
    """Is it ARP, of this operation, said by this address, about that one?"""
    found = Ether(frame).getlayer(ARP) if frame[12:14] == b"\x08\x06" else None
    if found is None:
        return False
    return operation in (0, found.op) and sender in ("", found.psrc) and target in ("", found.pdst)


def who_has(guest: Station, address: str, me: str, interface: str = "eth0", seconds: float = 0.5) -> list[str]:
    """Ask by ARP who has `address`, as `me` ("0.0.0.0" for a probe, RFC 5227): the MACs that answered."""
    mac = guest.mac(interface)
    with guest.sniff(interface) as wire:
        guest.send(arp(1, (mac, me), (ZERO, address)), interface=interface)
        wire.wait(lambda frame: is_arp(frame, 2, address), seconds)
        return [Ether(frame)[ARP].hwsrc for frame in wire.received(lambda frame: is_arp(frame, 2, address))]
