"""The packets of a check: a ping, or the first packet of a TCP connection, and what answers it.

They come from an address of the network itself, which is on no interface and in no route; the member's security groups
and its subnet's ACL do not see them.
"""

import struct

from apps.havip_check.model import Watched
from apps.vpc.model import ROUTER_MAC
from sdnctl.base.addresses import Ip4
from sdnctl.packet import checksum, ipv4, parse
from sdnctl.packet.frame import ETH_TYPE_IP, ICMP, TCP, ethernet

PROBER = Ip4.parse("169.254.169.110")
"""The sender of all probes."""
PING, TCP_CHECK = "Icmp", "Tcp"
ECHO_REQUEST, ECHO_REPLY = 8, 0
NUMBERS = 1 << 16
FIN, SYN, RST, ACK = 1, 2, 4, 16
SOURCE_PORT = 32_768
"""Connections are opened from the 16384 ports from here on in turn, so that none meets an earlier one."""
PORTS = 1 << 14
WINDOW = 1024


def question(watched: Watched, number: int) -> bytes:
    """The frame that asks a member."""
    if watched.kind == PING:
        return _frame(watched, ICMP, _echo(number))
    return _frame(watched, TCP, _segment(watched, number, SYN))


def goodbye(watched: Watched, number: int) -> bytes | None:
    """The frame that ends what a question began, None where there is nothing to end."""
    return _frame(watched, TCP, _segment(watched, number, RST)) if watched.kind == TCP_CHECK else None


def answers(watched: Watched, number: int, frame: bytes) -> bool | None:
    """True when a frame answers that question, False when it refuses, None when it is about something else."""
    packet = parse(frame)
    ip = packet.ip
    if ip is None or ip.fragment or (ip.src, ip.dst) != (watched.address, PROBER):
        return None
    if watched.kind == PING:
        there = packet.icmp is not None and packet.icmp.type == ECHO_REPLY
        return True if there and struct.unpack_from("!HH", frame, ip.payload + 4) == _named(number) else None
    if ip.proto != TCP or ip.end - ip.payload < 20:
        return None
    source, target, _, ack, _, flags = struct.unpack_from("!HHIIBB", frame, ip.payload)
    if (source, target, ack) != (watched.number, _source(number), number + 1):
        return None
    return None if flags & ~(SYN | RST | ACK) else not flags & RST


def _frame(watched: Watched, proto: int, payload: bytes) -> bytes:
    return ethernet(ROUTER_MAC, watched.mac, ETH_TYPE_IP, ipv4(PROBER, watched.address, proto, payload))


def _named(number: int) -> tuple[int, int]:
    """The identifier and sequence number of a ping."""
    return number >> 16 & 0xFFFF, number & 0xFFFF


def _source(number: int) -> int:
    return SOURCE_PORT + number % PORTS


def _echo(number: int) -> bytes:
    head = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, *_named(number))
    return head[:2] + checksum(head).to_bytes(2, "big") + head[4:]


def _segment(watched: Watched, number: int, flags: int) -> bytes:
    """The segment that opens a connection, or ends it right after the answer (RFC 9293)."""
    place = number if flags & SYN else number + 1
    fields = (_source(number), watched.number, place, 0, 5 << 4, flags, WINDOW if flags & SYN else 0)
    body = struct.pack("!HHIIBBHHH", *fields, 0, 0)
    pseudo = struct.pack("!IIBBH", PROBER, watched.address, 0, TCP, len(body))
    return body[:16] + checksum(pseudo + body).to_bytes(2, "big") + body[18:]
