"""A segment of TCP that makes its receiver say where its connection is."""

import struct

from sdnctl.packet.frame import ETH_TYPE_IP, checksum, ethernet, ipv4

TCP = 6
_HEADER = struct.Struct("!HHIIBBHHH")
_ACK, _WORDS, _WINDOW = 0x10, 5 << 4, 0xFFFF


def tcp_probe(eth: tuple[int, int], src: tuple[int, int], dst: tuple[int, int], sequence: int) -> bytes:
    """The frame of an empty ACK, which its receiver answers unless ``sequence`` is right (RFC 9293, 3.10.7.4).

    ``eth`` are the MAC addresses of sender and receiver, ``src`` and ``dst`` their addresses and ports.
    """
    fields = (src[1], dst[1], sequence, 0, _WORDS, _ACK, _WINDOW)
    pseudo = struct.pack("!IIHH", src[0], dst[0], TCP, _HEADER.size)
    total = checksum(pseudo + _HEADER.pack(*fields, 0, 0))
    return ethernet(*eth, ETH_TYPE_IP, ipv4(src[0], dst[0], TCP, _HEADER.pack(*fields, total, 0)))
