"""An Ethernet frame: sender, receiver, and the headers of the ARP or IPv4 packet in it.

Ethernet II, ARP (RFC 826), IPv4 (RFC 791), ICMP (RFC 792), UDP (RFC 768); addresses are ints in host order.
"""

import struct
from dataclasses import dataclass

from sdnctl.base.addresses import Ip4, Mac

BROADCAST = Mac(0xFFFF_FFFF_FFFF)
ETH_TYPE_IP = 0x0800
ETH_TYPE_ARP = 0x0806
ETH_HEADER = 14
IP_HEADER = 20
ICMP = 1
TCP = 6
UDP = 17
ARP_REQUEST = 1
ARP_REPLY = 2

_ARP = struct.Struct("!HHBBH6sI6sI")
_IP = struct.Struct("!BBHHHBBHII")
_DONT_FRAGMENT = 0x4000
_OFFSET_MASK = 0x1FFF
_TTL = 64


@dataclass(frozen=True, slots=True)
class Arp:
    """An ARP message: a question for `tpa` by `spa` (op 1), or the answer that `spa` is at `sha` (op 2)."""

    op: int
    sha: Mac
    spa: Ip4
    tha: Mac
    tpa: Ip4


@dataclass(frozen=True, slots=True)
class Ip:
    """An IPv4 header and where things are in the frame: `header` <= `payload` <= `end`, in bytes from its start."""

    src: Ip4
    dst: Ip4
    proto: int
    ttl: int
    fragment: int
    """The offset of this fragment in the whole packet, in bytes; 0 for a whole packet or a first fragment."""
    header: int
    payload: int
    end: int


@dataclass(frozen=True, slots=True)
class Icmp:
    """An ICMP message's type and code."""

    type: int
    code: int


@dataclass(frozen=True, slots=True)
class Udp:
    """A datagram's ports."""

    src: int
    dst: int


@dataclass(frozen=True, slots=True)
class Packet:
    """A frame as far as it could be read; a part that is not there or broken is None."""

    eth_dst: Mac
    eth_src: Mac
    eth_type: int
    arp: Arp | None = None
    ip: Ip | None = None
    icmp: Icmp | None = None
    udp: Udp | None = None


def parse(frame: bytes) -> Packet:
    """Read a frame; ValueError when there is not even an Ethernet header."""
    if len(frame) < ETH_HEADER:
        raise ValueError(f"a frame of {len(frame)} bytes has no Ethernet header")
    addresses = Mac(int.from_bytes(frame[:6], "big")), Mac(int.from_bytes(frame[6:12], "big"))
    eth_type = int.from_bytes(frame[12:14], "big")
    if eth_type == ETH_TYPE_ARP:
        return Packet(*addresses, eth_type, arp=_parse_arp(frame))
    ip = parse_ip(frame, ETH_HEADER) if eth_type == ETH_TYPE_IP else None
    if ip is None or ip.fragment:
        return Packet(*addresses, eth_type, ip=ip)
    if ip.proto == ICMP and ip.end - ip.payload >= 8:
        return Packet(*addresses, eth_type, ip=ip, icmp=Icmp(frame[ip.payload], frame[ip.payload + 1]))
    if ip.proto == UDP and ip.end - ip.payload >= 8:
        return Packet(*addresses, eth_type, ip=ip, udp=Udp(*struct.unpack_from("!HH", frame, ip.payload)))
    return Packet(*addresses, eth_type, ip=ip)


def _parse_arp(frame: bytes) -> Arp | None:
    if len(frame) < ETH_HEADER + _ARP.size:
        return None
    hardware, protocol, *lengths, op, sha, spa, tha, tpa = _ARP.unpack_from(frame, ETH_HEADER)
    if (hardware, protocol, lengths) != (1, ETH_TYPE_IP, [6, 4]):
        return None
    return Arp(op, Mac(int.from_bytes(sha, "big")), Ip4(spa), Mac(int.from_bytes(tha, "big")), Ip4(tpa))


def parse_ip(data: bytes, start: int) -> Ip | None:
    """The IPv4 header at `start`, None when it is none; of a packet cut short (a quote in an error), what is there."""
    if len(data) < start + IP_HEADER or data[start] >> 4 != 4:
        return None
    first, _, total, _, fragment, ttl, proto, _, src, dst = _IP.unpack_from(data, start)
    length = 4 * (first & 15)
    if length < IP_HEADER or total < length:
        return None
    end = min(start + total, len(data))
    offset = 8 * (fragment & _OFFSET_MASK)
    return Ip(Ip4(src), Ip4(dst), proto, ttl, offset, start, min(start + length, end), end)


def checksum(data: bytes, start: int = 0) -> int:
    """The Internet checksum (RFC 1071) of these bytes, `start` being a sum to begin with."""
    padded = data + bytes(len(data) & 1)
    total: int = start + sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(src: int, dst: int, eth_type: int, payload: bytes) -> bytes:
    """An Ethernet frame without padding or checksum, as a switch port takes it."""
    return dst.to_bytes(6, "big") + src.to_bytes(6, "big") + eth_type.to_bytes(2, "big") + payload


def ipv4(src: int, dst: int, proto: int, payload: bytes, *, tos: int = 0) -> bytes:
    """An IPv4 packet that is never fragmented and needs no identification (RFC 6864)."""
    fields = (0x45, tos, IP_HEADER + len(payload), 0, _DONT_FRAGMENT, _TTL, proto)
    header = _IP.pack(*fields, 0, src, dst)
    return _IP.pack(*fields, checksum(header), src, dst) + payload


def _arp(op: int, eth_dst: int, sha: int, spa: int, tha: int, tpa: int) -> bytes:
    body = _ARP.pack(1, ETH_TYPE_IP, 6, 4, op, sha.to_bytes(6, "big"), spa, tha.to_bytes(6, "big"), tpa)
    return ethernet(sha, eth_dst, ETH_TYPE_ARP, body)


def arp_request(eth_src: int, spa: int, tpa: int, eth_dst: int = BROADCAST) -> bytes:
    """Ask everyone, or one machine, who has the address `tpa`."""
    return _arp(ARP_REQUEST, eth_dst, eth_src, spa, 0, tpa)


def arp_reply(mac: int, ip: int, to_mac: int, to_ip: int) -> bytes:
    """Tell one host that `ip` is at `mac`."""
    return _arp(ARP_REPLY, to_mac, mac, ip, to_mac, to_ip)


def gratuitous_arp(mac: int, ip: int) -> bytes:
    """Tell everyone that `ip` is now at `mac` (an announcement, RFC 5227 section 3)."""
    return _arp(ARP_REQUEST, BROADCAST, mac, ip, 0, ip)
