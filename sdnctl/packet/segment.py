"""Segments of TCP without data: one of any kind, and one that makes its receiver say where its connection is."""

import struct

from sdnctl.packet.frame import ETH_TYPE_IP, checksum, ethernet, ipv4

TCP = 6
_HEADER = struct.Struct("!HHIIBBHHH")
_ACK, _WORDS, _WINDOW = 0x10, 5 << 4, 0xFFFF


def tcp_segment(src: tuple[int, int], dst: tuple[int, int], sequence: int, flags: int, window: int) -> bytes:
    """The header of a segment without options and data (RFC 9293, 3.1); it acknowledges 0.

    ``src`` and ``dst`` are addresses and ports, ``flags`` the octet of them, ``window`` bytes.
    """
    fields = (src[1], dst[1], sequence, 0, _WORDS, flags, window)
    pseudo = struct.pack("!IIHH", src[0], dst[0], TCP, _HEADER.size)
    return _HEADER.pack(*fields, checksum(pseudo + _HEADER.pack(*fields, 0, 0)), 0)


def tcp_probe(eth: tuple[int, int], src: tuple[int, int], dst: tuple[int, int], sequence: int) -> bytes:
    """The frame of an empty ACK, which its receiver answers unless ``sequence`` is right (RFC 9293, 3.10.7.4).

    ``eth`` are the MAC addresses of sender and receiver, ``src`` and ``dst`` their addresses and ports.
    """
    segment = tcp_segment(src, dst, sequence, _ACK, _WINDOW)
    return ethernet(*eth, ETH_TYPE_IP, ipv4(src[0], dst[0], TCP, segment))
