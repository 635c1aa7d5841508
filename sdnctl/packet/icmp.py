"""Errors that travel back to a sender: "no way there", "too big", "lost in a loop".

An error quotes the packet it is about (RFC 792, RFC 1812 section 4.3.2), so on its way through a translated address the
quote is translated too (RFC 5508). Quotes may be cut anywhere; checksums are adjusted by what changed (RFC 1624), so a
packet that was damaged before stays recognisable as such.
"""

import struct

from sdnctl.packet.frame import (
    BROADCAST,
    ETH_TYPE_IP,
    ICMP,
    IP_HEADER,
    TCP,
    UDP,
    Ip,
    Packet,
    checksum,
    ethernet,
    ipv4,
    parse,
    parse_ip,
)

UNREACHABLE = 3
SOURCE_QUENCH = 4
REDIRECT = 5
TIME_EXCEEDED = 11
PARAMETER_PROBLEM = 12
FRAGMENTATION_NEEDED = 4
"""The code of UNREACHABLE that carries an MTU (RFC 1191)."""

ERRORS = frozenset({UNREACHABLE, SOURCE_QUENCH, REDIRECT, TIME_EXCEEDED, PARAMETER_PROBLEM})

_LIMIT = 576
_ICMP_HEADER = 8
_INTERNETWORK_CONTROL = 0xC0
_IP_CHECKSUM = 10
_TRANSPORT_CHECKSUM = {TCP: 16, UDP: 6}


def icmp_error(original: bytes, kind: int, code: int, src_ip: int, eth_src: int, mtu: int = 0) -> bytes | None:
    """The error to send back about a frame, from `src_ip` at `eth_src` to its sender.

    `mtu` (bytes) goes with UNREACHABLE / FRAGMENTATION_NEEDED. None for a frame no error may be sent about: an ICMP
    error, a later fragment, a broadcast or multicast, a sender that is not one host (RFC 1812, 4.3.2.7).
    """
    packet = parse(original)
    ip = packet.ip
    if ip is None or not _may_cause_error(original, packet, ip):
        return None
    quote = original[ip.header : min(ip.end, ip.header + _LIMIT - IP_HEADER - _ICMP_HEADER)]
    message = struct.pack("!BBHHH", kind, code, 0, 0, mtu) + quote
    message = message[:2] + checksum(message).to_bytes(2, "big") + message[4:]
    return ethernet(
        eth_src, packet.eth_src, ETH_TYPE_IP, ipv4(src_ip, ip.src, ICMP, message, tos=_INTERNETWORK_CONTROL)
    )


def _may_cause_error(frame: bytes, packet: Packet, ip: Ip) -> bool:
    if packet.eth_dst >> 40 & 1 or packet.eth_src >> 40 & 1 or packet.eth_src == BROADCAST:
        return False
    if ip.proto == ICMP and (ip.payload >= ip.end or frame[ip.payload] in ERRORS):
        return False
    one_sender = 0 < ip.src >> 24 < 224 and ip.src >> 24 != 127
    return one_sender and ip.dst >> 28 < 14 and not ip.fragment


def nat_icmp_error(
    frame: bytes,
    *,
    outer_src: int | None = None,
    outer_dst: int | None = None,
    inner_src: int | None = None,
    inner_dst: int | None = None,
) -> bytes | None:
    """An ICMP error with other addresses, in its own header (outer) and in the packet it quotes (inner).

    All checksums are right afterwards if they were before: both IP headers', ICMP's, and the quoted TCP or UDP one
    where the quote has it. None when the frame is no ICMP error with an IPv4 header quoted.
    """
    ip, inner = parse(frame).ip, quoted(frame)
    if ip is None or inner is None:
        return None
    start = inner.header
    new = bytearray(frame)
    _readdress(new, inner, inner_src, inner_dst)
    _adjust_transport(new, frame, inner)
    _adjust(new, ip.payload + 2, frame[start : inner.end], bytes(new[start : inner.end]))
    _readdress(new, ip, outer_src, outer_dst)
    return bytes(new)


def quoted(frame: bytes) -> Ip | None:
    """The header of the packet that an ICMP error quotes; None when the frame is no such error."""
    packet = parse(frame)
    if packet.ip is None or packet.icmp is None or packet.icmp.type not in ERRORS:
        return None
    return parse_ip(frame[: packet.ip.end], packet.ip.payload + _ICMP_HEADER)


def _readdress(frame: bytearray, ip: Ip, src: int | None, dst: int | None) -> None:
    """Put the addresses into an IP header and adjust its checksum."""
    at = slice(ip.header + 12, ip.header + 20)
    old = bytes(frame[at])
    frame[at] = struct.pack("!II", ip.src if src is None else src, ip.dst if dst is None else dst)
    _adjust(frame, ip.header + _IP_CHECKSUM, old, bytes(frame[at]))


def _adjust_transport(frame: bytearray, before: bytes, inner: Ip) -> None:
    """Adjust the quoted TCP or UDP checksum, which covers the addresses, where there is one."""
    if inner.proto not in _TRANSPORT_CHECKSUM or inner.fragment:
        return
    at = inner.header + 4 * (before[inner.header] & 15) + _TRANSPORT_CHECKSUM[inner.proto]
    none_given = inner.proto == UDP and before[at : at + 2] == bytes(2)
    if at + 2 > inner.end or none_given:
        return
    addresses = slice(inner.header + 12, inner.header + 20)
    _adjust(frame, at, before[addresses], bytes(frame[addresses]))
    if inner.proto == UDP and frame[at : at + 2] == bytes(2):
        frame[at : at + 2] = b"\xff\xff"


def _adjust(frame: bytearray, at: int, old: bytes, new: bytes) -> None:
    """Make the checksum at `at` right for `new` in the place of `old`: HC' = ~(~HC + ~m + m') (RFC 1624, eqn. 3)."""
    was = int.from_bytes(frame[at : at + 2], "big")
    removed = bytes(byte ^ 0xFF for byte in old)
    padding = b"\xff" * (len(old) & 1)
    changed = (~was & 0xFFFF) + (~checksum(removed + padding) & 0xFFFF)
    frame[at : at + 2] = checksum(new, changed).to_bytes(2, "big")
