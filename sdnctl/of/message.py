"""Messages between controller and switch beside the rules themselves: bundles, questions, answers, packets.

All messages are OpenFlow 1.4 (section 7.3); a reply is the whole message, header included. A question with many answers
comes back in several replies: `more_follow` tells.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sdnctl.of.actions import ANY, NICIRA, Action
from sdnctl.of.fields import IN_PORT, METADATA, REG, TUN_DST, XREG
from sdnctl.of.flow import NO_BUFFER, VERSION
from sdnctl.of.oxm import oxms

HELLO = 0
ERROR = 1
ECHO_REQUEST = 2
ECHO_REPLY = 3
EXPERIMENTER = 4
SET_CONFIG = 9
PACKET_IN = 10
PACKET_OUT = 13
MULTIPART_REQUEST = 18
MULTIPART_REPLY = 19
BARRIER_REQUEST = 20
BARRIER_REPLY = 21
SET_ASYNC = 28
BUNDLE_CONTROL = 33
BUNDLE_ADD = 34
SET_CONTROLLER_ID = 20
CT_FLUSH_ZONE = 29
FRAG_NX_MATCH = 3

ALL_TABLES = 0xFF
ALL_METERS = 0xFFFFFFFF
FLOW_STATS = 1
GROUP_DESC = 7
METER_STATS = 9
METER_CONFIG = 10
REPLY_MORE = 1

OPEN = 0
COMMIT = 4
DISCARD = 6
ATOMIC_ORDERED = 3

TABLE_MISS = 1 << 0
APPLY_ACTION = 1 << 1
ACTION_SET = 1 << 3
GROUP_BUCKET = 1 << 4
FROM_PACKET_OUT = 1 << 5
PACKET_INS = TABLE_MISS | APPLY_ACTION | ACTION_SET | GROUP_BUCKET | FROM_PACKET_OUT

_HEADER = struct.Struct("!BBHI")
_BUNDLE_ADD = struct.Struct("!BBHIIHH")
_FLOW_STATS = struct.Struct("!HBxIIHHHHH2xQQQ")
_FIRST_ENTRY = 16

Octets = bytes
"""Beside a field that is called `bytes`."""


@dataclass(frozen=True, slots=True)
class FlowStats:
    """A rule that a switch has, and what it counted."""

    table: int
    priority: int
    cookie: int
    packets: int
    bytes: int
    key: Octets
    instructions: Octets


@dataclass(frozen=True, slots=True)
class PacketInMessage:
    """A packet that a flow sent to the controller, and the registers, ``metadata`` and ``tun_dst`` it had then."""

    reason: int
    table: int
    cookie: int
    in_port: int
    registers: dict[int, int]
    data: bytes
    metadata: int = 0
    tunnel: int = 0


def _message(kind: int, xid: int, body: bytes = b"") -> bytes:
    return _HEADER.pack(VERSION, kind, 8 + len(body), xid) + body


def hello(xid: int) -> bytes:
    """The first message of a connection: this side speaks OpenFlow 1.4."""
    return _message(HELLO, xid)


def echo_reply(request: bytes) -> bytes:
    """The answer to "are you there?"."""
    return bytes((VERSION, ECHO_REPLY)) + request[2:]


def barrier(xid: int) -> bytes:
    """A request that is answered when everything before it is done."""
    return _message(BARRIER_REQUEST, xid)


def bundle(messages: Sequence[bytes], bundle_id: int, xid0: int) -> list[bytes]:
    """The messages as one transaction, all or none, in this order: open (xid0), each message, commit (xid0 + 1).

    Every message keeps its own xid, by which the switch reports an error in it. The reply to the commit has xid0 + 1.
    Open vSwitch is atomic about what it cannot do, not about what it cannot read: a message that it refuses when added
    (a goto backwards) is left out and the rest committed. Whoever wants none of it then sends all but the last and a
    barrier, and on an error before its reply `bundle_control(DISCARD, ...)` instead of the last.
    """
    framed = [bundle_control(OPEN, bundle_id, xid0)]
    pack, size = _BUNDLE_ADD.pack, _BUNDLE_ADD.size
    for message in messages:
        xid = int.from_bytes(message[4:8], "big")
        framed.append(pack(VERSION, BUNDLE_ADD, size + len(message), xid, bundle_id, 0, ATOMIC_ORDERED) + message)
    framed.append(bundle_control(COMMIT, bundle_id, xid0 + 1))
    return framed


def bundle_control(step: int, bundle_id: int, xid: int) -> bytes:
    """OPEN, COMMIT or DISCARD a bundle."""
    return _message(BUNDLE_CONTROL, xid, struct.pack("!IHH", bundle_id, step, ATOMIC_ORDERED))


def set_async(xid: int, packet_in: int = PACKET_INS) -> bytes:
    """Ask for these packet-in reasons (bits) only; the connection gets no flow-removed, port-status or other news.

    On a bridge's management socket nothing at all is sent until this and `set_config` were.
    """
    wanted = {1: packet_in, 3: 0, 5: 0, 7: 0, 9: 0, 11: 0}
    properties = b"".join(struct.pack("!HHI", kind, 8, mask) for kind, mask in wanted.items())
    return _message(SET_ASYNC, xid, properties)


def set_config(xid: int, miss_send_len: int = 0xFFFF) -> bytes:
    """Set the bytes of a packet that matched nothing which the controller gets; 0xffff: all, and no buffering.

    First fragments have their ports then, and not only whole packets (OFPC_FRAG_NX_MATCH, nicira-ext.h).
    """
    return _message(SET_CONFIG, xid, struct.pack("!HH", FRAG_NX_MATCH, miss_send_len))


def packet_out(data: bytes, in_port: int, actions: Sequence[Action], xid: int) -> bytes:
    """Have the switch do the actions with this frame, as if it had come in at `in_port`."""
    joined = b"".join(actions)
    return _message(PACKET_OUT, xid, struct.pack("!IIH6x", NO_BUFFER, in_port, len(joined)) + joined + data)


def ct_flush_zone(zone: int, xid: int) -> bytes:
    """Have connection tracking forget every connection of a zone (NXT_CT_FLUSH_ZONE, nicira-ext.h)."""
    return _message(EXPERIMENTER, xid, struct.pack("!II6xH", NICIRA, CT_FLUSH_ZONE, zone))


def set_controller_id(number: int, xid: int) -> bytes:
    """Take the packets that ``actions.to_program(number)`` sends, and no others (NXT_SET_CONTROLLER_ID)."""
    return _message(EXPERIMENTER, xid, struct.pack("!II6xH", NICIRA, SET_CONTROLLER_ID, number))


def _multipart(kind: int, xid: int, body: bytes = b"") -> bytes:
    return _message(MULTIPART_REQUEST, xid, struct.pack("!HH4x", kind, 0) + body)


def flow_stats_request(xid: int, cookie: int = 0, mask: int = 0, table: int = ALL_TABLES) -> bytes:
    """Ask for the flows whose cookie is `cookie` under `mask`."""
    everything = struct.pack("!HH4x", 1, 4)
    body = struct.pack("!B3xII4xQQ", table, ANY, ANY, cookie, mask) + everything
    return _multipart(FLOW_STATS, xid, body)


def meter_config_request(xid: int, meter: int = ALL_METERS) -> bytes:
    """Ask what meters there are."""
    return _multipart(METER_CONFIG, xid, struct.pack("!I4x", meter))


def meter_stats_request(xid: int, meter: int = ALL_METERS) -> bytes:
    """Ask what meters have counted."""
    return _multipart(METER_STATS, xid, struct.pack("!I4x", meter))


def group_desc_request(xid: int) -> bytes:
    """Ask what groups there are."""
    return _multipart(GROUP_DESC, xid)


def kind_of(message: bytes) -> int:
    """The type in a message's header."""
    return message[1]


def xid_of(message: bytes) -> int:
    """The transaction id in a message's header."""
    return int.from_bytes(message[4:8], "big")


def more_follow(reply: bytes) -> bool:
    """True when a multipart reply is not the last to its request."""
    return bool(reply[11] & REPLY_MORE)


def is_about_meters(reply: bytes) -> bool:
    """True when a multipart reply has what meters have counted."""
    return int.from_bytes(reply[8:10], "big") == METER_STATS


def cookies_of(reply: bytes) -> Iterator[tuple[int, bytes]]:
    """(cookie, key) of every flow in one reply to `flow_stats_request`; actions are not looked at."""
    offset, end, number = _FIRST_ENTRY, len(reply), int.from_bytes
    while offset < end:
        match = offset + 48
        length = number(reply[match + 2 : match + 4], "big") + 7 & ~7
        key = reply[offset + 2 : offset + 3] + reply[offset + 12 : offset + 14] + reply[match : match + length]
        yield number(reply[offset + 24 : offset + 32], "big"), key
        offset += number(reply[offset : offset + 2], "big")


def flows_of(reply: bytes) -> Iterator[FlowStats]:
    """Every flow in one reply to `flow_stats_request`, with its counters and instructions."""
    offset = _FIRST_ENTRY
    for cookie, key in cookies_of(reply):
        length, table, _, _, priority, *_, packets, volume = _FLOW_STATS.unpack_from(reply, offset)
        instructions = reply[offset + 48 + len(key) - 3 : offset + length]
        yield FlowStats(table, priority, cookie, packets, volume, key, instructions)
        offset += length


def packet_in_of(message: bytes) -> PacketInMessage:
    """A packet-in read (OFPT_PACKET_IN): registers that are not mentioned are 0."""
    reason, table, cookie = struct.unpack_from("!14xBBQ", message)
    length = int.from_bytes(message[26:28], "big")
    in_port = metadata = tunnel = 0
    registers = {}
    for field, value, _ in oxms(message[28 : 24 + length]):
        if field is IN_PORT:
            in_port = value
        elif field is METADATA:
            metadata = value
        elif field is TUN_DST:
            tunnel = value
        elif field in REG:
            registers[REG.index(field)] = value
        elif field in XREG:
            pair = 2 * XREG.index(field)
            registers |= {pair: value >> 32, pair + 1: value & 0xFFFFFFFF}
    data = message[24 + (length + 7 & ~7) + 2 :]
    return PacketInMessage(reason, table, cookie, in_port, registers, data, metadata, tunnel)
