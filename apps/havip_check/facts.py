"""The packets of a check, and the member that is to become the master of a HaVip by itself, and why.

A check is a ping, or the first packet of a TCP connection.  It comes from an address of the network itself, which is on
no interface and in no route; the member's security groups and its subnet's ACL do not see it.
"""

import struct
from typing import NamedTuple

from apps.eni.facts import plugged_in
from apps.havip.facts import MEMBER, Master, master_of
from apps.havip.model import HOST_DOWN, ILL, NO_MASTER, HaVip, HaVipMember, MemberHealth
from apps.havip_check.model import Probe, Watched
from apps.holder.facts import DEAD_AFTER, LOOK_SECONDS, dead
from apps.vpc.model import ROUTER_MAC
from sdnctl.base.addresses import Ip4
from sdnctl.model.host import Binding, LocalPeer
from sdnctl.packet import checksum, ipv4, parse, tcp_segment
from sdnctl.packet.frame import ETH_TYPE_IP, ICMP, TCP, ethernet
from sdnctl.program.feature import View

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
LOOK_MS = round(LOOK_SECONDS * 1000)
DEAD_MS = 300 + DEAD_AFTER * LOOK_MS
"""The time in which a host that is reached no more is found dead: by BFD, and the looks after that."""


class Successor(NamedTuple):
    """A member of this host that takes a HaVip over from the port ``before``; ``began`` is 0 where nobody knows."""

    port: str
    turn: int
    cause: str
    before: str
    began: float = 0.0
    detected_ms: int = 0


def waits(havip: str) -> str:
    """The id of this host's claim while it waits for the host of a HaVip's master."""
    return f"havip/{havip}"


def members(havip: str, view: View) -> list[HaVipMember]:
    """The members of a HaVip, in the order in which they were associated."""
    found = (view.get(HaVipMember, id) for id in view.by(HaVipMember, ("havip",), havip))
    return sorted((one for one in found if one is not None), key=lambda one: (one.created, one.id))


def first_well(havip: str, master: str, here: str, view: View) -> str:
    """The port of the first member beside the master that is well, on a host that can be reached; "" for none."""
    return next((one.port for one in members(havip, view) if one.port != master and _well(one, here, view)), "")


def _well(one: HaVipMember, here: str, view: View) -> bool:
    health, known = view.get(MemberHealth, one.id), view.get(Binding, one.port)
    if health is None or not health.healthy or known is None or known.host != health.host:
        return False
    peer = view.get(LocalPeer, known.host)
    return known.host == here or peer is None or peer.up


def health_of(havip: str, port: str, view: View) -> MemberHealth | None:
    """The health of the member that a port is, None while nobody knows."""
    for id in view.by(HaVipMember, MEMBER, (havip, port)):
        return view.get(MemberHealth, id)
    return None


def successor(havip: HaVip, here: str, view: View) -> Successor | None:
    """The member of this host that is to take a HaVip over now, None while there is none, or no reason."""
    master = view.derived(master_of, havip.id)
    port = first_well(havip.id, master.port, here, view)
    if not port or plugged_in(port, view) is None:
        return None
    if not master.port:
        return Successor(port, master.turn, NO_MASTER, "", _now(havip.id, port, view))
    health = health_of(havip.id, master.port, view)
    if health is not None and not health.healthy:
        return Successor(port, master.turn, ILL, master.port, health.seen, health.silent_ms)
    if dead(waits(havip.id), host_of(master, view), master.turn, view):
        began = _now(havip.id, port, view) - DEAD_MS / 1000
        return Successor(port, master.turn, HOST_DOWN, master.port, max(began, 0.0), DEAD_MS)
    return None


def _now(havip: str, port: str, view: View) -> float:
    """The time by the answers of a member on this host, as well as looks tell it; 0 before the first answer."""
    for id in view.by(HaVipMember, MEMBER, (havip, port)):
        probe = view.get(Probe, id)
        if probe is not None and probe.seen:
            return probe.seen + probe.silent * LOOK_SECONDS
    return 0.0


def host_of(master: Master, view: View) -> str:
    """The host that a master is on."""
    known = view.get(Binding, master.port)
    return known.host if known is not None else ""


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
    window = WINDOW if flags & SYN else 0
    return tcp_segment((PROBER, _source(number)), (watched.address, watched.number), place, flags, window)
