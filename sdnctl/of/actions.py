"""Actions and instructions: send a packet on, change it, count it against a rate, look it up in another table.

Every function returns one finished TLV in network order: an `Action` (OpenFlow 1.4, section 7.2.5, or an extension
of ovs-actions(7)) or an `Instruction` (section 7.2.4). They are bytes, so they join, hash and compare as they are.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache

from sdnctl.of.fields import IN_PORT as IN_PORT_FIELD
from sdnctl.of.fields import Field, OxmField, RegisterField

IN_PORT = 0xFFFFFFF8
CONTROLLER = 0xFFFFFFFD
LOCAL = 0xFFFFFFFE
ANY = 0xFFFFFFFF
NO_BUFFER = 0xFFFF

NICIRA = 0x2320
OUTPUT = 0
POP_VLAN = 18
GROUP = 22
SET_NW_TTL = 23
DEC_NW_TTL = 24
SET_FIELD = 25
EXPERIMENTER = 0xFFFF
REG_MOVE = 6
REG_LOAD = 7
MULTIPATH = 10
RESUBMIT_TABLE = 14
TO_CONTROLLER = 20
REG_LOAD2 = 33
CONJUNCTION = 34
CT = 35
NAT = 36
CT_CLEAR = 43
CHECK_PKT_LARGER = 49

GOTO_TABLE = 1
APPLY_ACTIONS = 4
METER = 6

RESUBMIT_SAME_PORT = 0xFFF8
SYMMETRIC_L3L4_UDP = 3
MODULO_N = 0
NO_TABLE = 0xFF
ACTION_REASON = 1
CT_COMMIT = 1
CT_FORCE = 2
NAT_SRC = 1
NAT_DST = 2
NAT_PERSISTENT = 4
NAT_HASH = 8
NAT_RANDOM = 16
NAT_IPV4_MIN = 1
NAT_IPV4_MAX = 2
NAT_IPV6_MIN = 4
NAT_IPV6_MAX = 8
NAT_PORT_MIN = 16
NAT_PORT_MAX = 32

_CACHED = 1 << 10
"""Enough for what recurs in many flows; what belongs to one port or address is not worth its place."""


class Action(bytes):
    """One action, padded to 8 bytes."""

    __slots__ = ()


class Instruction(bytes):
    """One instruction of a flow that is not the list of actions: goto or meter."""

    __slots__ = ()


def pad8(data: bytes) -> bytes:
    """The data, zeros added up to a multiple of 8 bytes."""
    return data + bytes(-len(data) % 8)


def _action(kind: int, body: bytes) -> Action:
    padded = bytes(4) + body
    padded = pad8(padded)[4:]
    return Action(struct.pack("!HH", kind, 4 + len(padded)) + padded)


def _nicira(subtype: int, body: bytes) -> Action:
    return _action(EXPERIMENTER, struct.pack("!IH", NICIRA, subtype) + body)


def _writable(field: Field) -> None:
    if not field.home.writable:
        raise ValueError(f"{field} can be matched, not changed")


def _fits(what: object, value: int, bits: int) -> int:
    if value < 0 or value >> bits:
        raise ValueError(f"{what}: {value:#x} does not fit {bits} bits")
    return value


def _slice(field: Field, offset: int, nbits: int) -> int:
    """A part of a field as OpenFlow extensions write it: offset and number of bits, less one, in 16 bits."""
    if offset < 0 or not 0 < nbits <= 64 or offset + nbits > field.width:
        raise ValueError(f"{field}: no bits {offset}..{offset + nbits - 1} of at most 64 at a time")
    return field.shift + offset << 6 | nbits - 1


@lru_cache(_CACHED)
def output(port: int, max_len: int = NO_BUFFER) -> Action:
    """Send the packet out of a port; `max_len` bytes of it (0xffff: all) when the port is CONTROLLER."""
    return _action(OUTPUT, struct.pack("!IH6x", _fits("port", port, 32), max_len))


@lru_cache
def to_program(number: int) -> Action:
    """Send the whole packet to the program that has this controller number (NXAST_CONTROLLER, ovs-actions(7)).

    A program takes a number by ``message.set_controller_id``; while none has it the packet is lost.
    """
    return _nicira(TO_CONTROLLER, struct.pack("!HHBx", NO_BUFFER, _fits("controller", number, 16), ACTION_REASON))


@lru_cache(_CACHED)
def set_field(field: Field, value: int) -> Action:
    """Overwrite a whole field (OFPAT_SET_FIELD), or the bits that a field has of a register (NXAST_REG_LOAD).

    Raises ValueError when the value does not fit or the field is read-only.
    """
    frame = _set_field_frame(field)
    if frame is None:
        return load(field, value)
    head, width, length, padding = frame
    if value < 0 or value >> width:
        raise ValueError(f"{field}: {value:#x} does not fit {width} bits")
    return Action(head + value.to_bytes(length, "big") + padding)


@lru_cache(_CACHED)
def _set_field_frame(field: Field) -> tuple[bytes, int, int, bytes] | None:
    """The bytes before the value, its bits and bytes, and the padding after it; None for a part of a register."""
    if isinstance(field, RegisterField):
        return _set_field_frame(field.home) if field.whole else None
    if field is IN_PORT_FIELD:
        raise ValueError("in_port can be loaded, not set: load(IN_PORT, 0) lets a packet leave where it came in")
    _writable(field)
    empty = _action(SET_FIELD, field.header.to_bytes(4, "big") + bytes(field.length))
    return empty[:8], field.width, field.length, empty[8 + field.length :]


@lru_cache(_CACHED)
def load(field: Field, value: int, ofs: int = 0, nbits: int | None = None) -> Action:
    """Overwrite `nbits` bits of a field from bit `ofs` up (NXAST_REG_LOAD), by default all from there.

    More than 64 bits at once take the masked form (NXAST_REG_LOAD2), or are the whole field and set.
    """
    nbits = field.width - ofs if nbits is None else nbits
    _writable(field)
    _fits(field, value, nbits)
    if nbits > 64 and isinstance(field, OxmField):
        whole = nbits == field.width
        return set_field(field, value) if whole else _load_masked(field, value << ofs, (1 << nbits) - 1 << ofs)
    return _nicira(REG_LOAD, struct.pack("!HIQ", _slice(field, ofs, nbits), field.header, value))


def _load_masked(field: OxmField, value: int, mask: int) -> Action:
    pair = _fits(field, value, field.width).to_bytes(field.length, "big") + mask.to_bytes(field.length, "big")
    return _nicira(REG_LOAD2, field.masked_header.to_bytes(4, "big") + pair)


@lru_cache(_CACHED)
def move(src: Field, dst: Field, nbits: int | None = None, src_ofs: int = 0, dst_ofs: int = 0) -> Action:
    """Copy bits from one field to another (NXAST_REG_MOVE), by default as many as both have from there."""
    if nbits is None:
        nbits = min(src.width - src_ofs, dst.width - dst_ofs)
    _writable(dst)
    if min(nbits - 1, src_ofs, dst_ofs) < 0 or src_ofs + nbits > src.width or dst_ofs + nbits > dst.width:
        raise ValueError(f"move of {nbits} bits from {src}[{src_ofs}] to {dst}[{dst_ofs}]")
    offsets = src.shift + src_ofs, dst.shift + dst_ofs
    return _nicira(REG_MOVE, struct.pack("!HHHII", nbits, *offsets, src.header, dst.header))


@lru_cache
def pop_vlan() -> Action:
    """Take the outermost VLAN tag off (OFPAT_POP_VLAN)."""
    return _action(POP_VLAN, b"")


@lru_cache
def dec_ttl() -> Action:
    """Count the packet's TTL down; at 0 it goes no further (RFC 791)."""
    return _action(DEC_NW_TTL, b"")


@lru_cache
def set_ttl(ttl: int) -> Action:
    """Set the packet's TTL (IPv4) or hop limit (IPv6)."""
    return _action(SET_NW_TTL, struct.pack("!B3x", _fits("ttl", ttl, 8)))


@lru_cache
def multipath(links: int, dst: Field, basis: int = 0) -> Action:
    """Write a number below ``links`` into a register, the same for both directions of a connection (NXAST_MULTIPATH).

    The hash is over both addresses, the protocol and both ports of TCP or UDP.
    """
    if not 1 <= links <= 0x10000:
        raise ValueError(f"multipath has 1 to 65536 links, not {links}")
    _fits(dst, links - 1, dst.width)
    spread = struct.pack("!HH2xHHI2x", SYMMETRIC_L3L4_UDP, basis, MODULO_N, links - 1, 0)
    return _nicira(MULTIPATH, spread + struct.pack("!HI", _slice(dst, 0, dst.width), dst.header))


@lru_cache(_CACHED)
def group(number: int) -> Action:
    """Hand the packet to a group."""
    return _action(GROUP, struct.pack("!I", _fits("group", number, 32)))


@lru_cache
def resubmit(table: int) -> Action:
    """Look the packet up in a table and come back to go on with the next action (NXAST_RESUBMIT_TABLE)."""
    return _nicira(RESUBMIT_TABLE, struct.pack("!HB3x", RESUBMIT_SAME_PORT, _fits("table", table, 8)))


@lru_cache(_CACHED)
def check_pkt_larger(size: int, field: Field, bit: int) -> Action:
    """Set one bit of a field to whether the packet has more than `size` bytes, Ethernet header included."""
    body = struct.pack("!HHI6x", _fits("size", size, 16), _slice(field, bit, 1) >> 6, field.header)
    return _nicira(CHECK_PKT_LARGER, body)


@lru_cache(_CACHED)
def conjunction(number: int, clause: int, clauses: int) -> Action:
    """This flow satisfies clause `clause` (from 1) of the `clauses` of a conjunction (ovs-fields(7), conj_id)."""
    if not 1 <= clause <= clauses or not 2 <= clauses <= 64:
        raise ValueError(f"conjunction {number}: no clause {clause} of {clauses}")
    return _nicira(CONJUNCTION, struct.pack("!BBI", clause - 1, clauses, _fits("conjunction", number, 32)))


Zone = int | tuple[Field, int, int]
"""A connection tracking zone: its number, or 16 bits of a field as (field, lowest bit, number of bits)."""


def ct(
    *,
    commit: bool = False,
    force: bool = False,
    zone: Zone = 0,
    table: int | None = None,
    nat: Action | None = None,
    actions: Sequence[Action] = (),
    alg: int = 0,
) -> Action:
    """Pass the packet through connection tracking and go on in `table` (NXAST_CT, ovs-actions(7)).

    `actions` change ct_mark or ct_label of a committed connection; `alg` is the helper's port (21: FTP).
    Raises ValueError for a commit with a nat that has no address: reusing the ports of such a connection aborts
    ovs-vswitchd 3.1 on the userspace datapath (docs/platform, conntrack.c:1063).
    """
    return _ct(commit, force, zone, NO_TABLE if table is None else table, nat, tuple(actions), alg)


@lru_cache(_CACHED)
def _ct(
    commit: bool, force: bool, zone: Zone, table: int, nat_action: Action | None, actions: tuple[Action, ...], alg: int
) -> Action:
    if force and not commit:
        raise ValueError("ct: force goes with commit only")
    if actions and not commit:
        raise ValueError("ct: mark and label are set on commit only")
    if commit and nat_action is not None and not nat_action[15] & 0x0F:
        raise ValueError("ct: commit with a nat that has no address")
    if isinstance(zone, int):
        source, where = 0, zone
    else:
        source, where = zone[0].header, _slice(*zone)
    flags = (CT_COMMIT if commit else 0) | (CT_FORCE if force else 0)
    nested = b"".join(actions if nat_action is None else (nat_action, *actions))
    return _nicira(CT, struct.pack("!HIHB3xH", flags, source, where, table, alg) + nested)


@lru_cache
def ct_clear() -> Action:
    """Forget what connection tracking said of this packet."""
    return _nicira(CT_CLEAR, b"")


@lru_cache(_CACHED)
def nat(
    src: int | tuple[int, int] | None = None,
    dst: int | tuple[int, int] | None = None,
    ports: tuple[int, int] | None = None,
    *,
    ipv6: bool = False,
    persistent: bool = False,
    hashed: bool = False,
    random: bool = False,
) -> Action:
    """Translate the connection's source or destination, inside `ct` (NXAST_NAT); with neither, as already decided.

    An address may be a range (first, last); `ports` is the range to choose from.
    """
    if src is not None and dst is not None:
        raise ValueError("nat: source or destination, not both")
    address = src if dst is None else dst
    if address is None and (ports or persistent or hashed or random):
        raise ValueError("nat: ports and choices need an address")
    kind = 0 if address is None else NAT_SRC if dst is None else NAT_DST
    flags = kind | persistent * NAT_PERSISTENT | hashed * NAT_HASH | random * NAT_RANDOM
    present, data = _nat_addresses(address, ipv6)
    if ports is not None:
        present |= NAT_PORT_MIN | NAT_PORT_MAX
        data += struct.pack("!HH", *ports)
    return _nicira(NAT, struct.pack("!2xHH", flags, present) + data)


def _nat_addresses(address: int | tuple[int, int] | None, ipv6: bool) -> tuple[int, bytes]:
    """The flags of the addresses that are present, and the addresses."""
    if address is None:
        return 0, b""
    first, last = address if isinstance(address, tuple) else (address, None)
    length, low, high = (16, NAT_IPV6_MIN, NAT_IPV6_MAX) if ipv6 else (4, NAT_IPV4_MIN, NAT_IPV4_MAX)
    data = first.to_bytes(length, "big")
    return (low, data) if last is None else (low | high, data + last.to_bytes(length, "big"))


@lru_cache
def goto(table: int) -> Instruction:
    """Go on in a later table (OFPIT_GOTO_TABLE)."""
    return Instruction(struct.pack("!HHB3x", GOTO_TABLE, 8, _fits("table", table, 8)))


@lru_cache(_CACHED)
def meter(number: int) -> Instruction:
    """Drop the packet when this meter's rate is exceeded (OFPIT_METER), before any action."""
    return Instruction(struct.pack("!HHI", METER, 8, _fits("meter", number, 32)))
