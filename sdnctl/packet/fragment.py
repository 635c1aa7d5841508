"""Fragmentation of an IPv4 packet as a router does it (RFC 791, 3.2; RFC 1812, 5.2.6)."""

import struct

from sdnctl.packet.frame import ETH_HEADER, IP_HEADER, checksum, parse

_DONT, _MORE, _OFFSET = 0x4000, 0x2000, 0x1FFF
_COPIED = 0x80
_END, _NOTHING = 0, 1
"""Options of one byte (RFC 791, 3.1)."""


def cut(frame: bytes, room: int) -> list[bytes] | None:
    """The packet of a frame as frames of at most ``room`` bytes each, Ethernet header not counted.

    They are about equally large: connection tracking takes no small fragment but the last of a datagram.  A fragment
    may be cut further.  None for what may not be cut (don't fragment), is no whole IPv4 packet, or when ``room`` does
    not take 8 bytes beside the header.
    """
    ip = parse(frame).ip if len(frame) >= ETH_HEADER else None
    if ip is None:
        return None
    total, identification, flags = struct.unpack_from("!HHH", frame, ip.header + 2)
    step = room - (ip.payload - ip.header) & ~7
    if flags & _DONT or ip.header + total > len(frame) or step < 8:
        return None
    first = frame[ip.header : ip.payload]
    later = _copied(first)
    body = frame[ip.payload : ip.header + total]
    parts = -(-len(body) // step) or 1
    step = min(step, -(-len(body) // parts) + 7 & ~7) or step
    made = []
    for start in range(0, max(len(body), 1), step):
        part = body[start : start + step]
        more = _MORE if start + step < len(body) else flags & _MORE
        place = (flags & _OFFSET) + start // 8
        made.append(
            frame[: ip.header] + _header(later if start else first, len(part), identification, more | place) + part
        )
    return made


def _header(like: bytes, length: int, identification: int, flags: int) -> bytes:
    new = bytearray(like)
    struct.pack_into("!HHH", new, 2, len(new) + length, identification, flags)
    new[10:12] = bytes(2)
    new[10:12] = checksum(bytes(new)).to_bytes(2, "big")
    return bytes(new)


def _copied(header: bytes) -> bytes:
    """The header of a later fragment: of the options only those that are to be in all (RFC 791, 3.1)."""
    kept, at = b"", IP_HEADER
    while at < len(header) and header[at] != _END:
        length = 1 if header[at] == _NOTHING else header[at + 1] if at + 1 < len(header) else 0
        if length < 1 or at + length > len(header) or (header[at] != _NOTHING and length < 2):
            break
        if header[at] & _COPIED:
            kept += header[at : at + length]
        at += length
    kept += bytes(-len(kept) % 4)
    return bytes([0x40 | (IP_HEADER + len(kept)) // 4]) + header[1:IP_HEADER] + kept
