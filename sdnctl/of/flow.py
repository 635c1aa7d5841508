"""One rule of the switch: which packets, how urgent, what to do with them.

A flow is bytes from birth: `key` (table, priority, canonical match) says which rule it is, `body` what it does, and the
cookie is a hash of both, so the content of a flow is its name. Equality, difference and provenance are set operations
on integers; reading a switch back needs keys and cookies only.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b

from sdnctl.of.actions import APPLY_ACTIONS, GOTO_TABLE, GROUP, METER, Action, Instruction
from sdnctl.of.fields import FIELDS, Field, OxmField, Value, complete
from sdnctl.of.oxm import oxms

OURS = 0x5D << 56
OURS_MASK = 0xFF << 56

VERSION = 5
FLOW_MOD = 14
ADD = 0
DELETE_STRICT = 4
FLOW_MOD_HEADER = struct.Struct("!BBHIQQBBHHHIIIHH")
NO_BUFFER = 0xFFFFFFFF
ANY = 0xFFFFFFFF
ALL_BITS = 0xFFFF_FFFF_FFFF_FFFF
MAX_ACTIONS = 0xF000
"""Bytes of actions in a flow, so that with match and bundle header it fits a message (64 KiB)."""

Match = Mapping[Field, Value]
"""The values that a packet must have: field to value, or to (value, mask); ints in host order."""

_PLAIN_BODY = bytes(8)
"""No timeouts, no flags, no importance: what stands before the instructions in `Flow.body`."""
_METER_HEAD = struct.pack("!HH", METER, 8)
_RANK = {field: place for place, field in enumerate(FIELDS)}
_TYPE_OXM = 1
_APPLY = struct.Struct("!HH4x")


class Flow:
    """A rule as bytes; equal flows have equal cookies."""

    __slots__ = ("body", "cookie", "key")

    cookie: int
    key: bytes
    body: bytes

    def __init__(self, cookie: int, key: bytes, body: bytes) -> None:
        self.cookie = cookie
        self.key = key
        self.body = body

    @property
    def table(self) -> int:
        """The table's number."""
        return self.key[0]

    @property
    def priority(self) -> int:
        """Greater wins among the flows of a table."""
        return int.from_bytes(self.key[1:3], "big")

    @property
    def match(self) -> bytes:
        """The OXM match with its header, padded to 8 bytes."""
        return self.key[3:]

    @property
    def matched(self) -> dict[OxmField, int]:
        """The fields that it matches, with their values."""
        length = int.from_bytes(self.key[5:7], "big")
        return {field: value for field, value, _ in oxms(self.key[7 : 3 + length])}

    @property
    def instructions(self) -> bytes:
        """The instructions, as on the wire."""
        return self.body[len(_PLAIN_BODY) :]

    @property
    def meter(self) -> int:
        """The meter that its packets pass, 0 for none; it is the first instruction (see ``instructions``)."""
        body = self.body
        return int.from_bytes(body[12:16], "big") if body[8:12] == _METER_HEAD else 0

    @property
    def groups(self) -> tuple[int, ...]:
        """The groups that its packets are handed to, in order."""
        body, found = self.body, list[int]()
        for start in _parts(body, len(_PLAIN_BODY), len(body), APPLY_ACTIONS):
            end = start + int.from_bytes(body[start + 2 : start + 4], "big")
            found += (int.from_bytes(body[at + 4 : at + 8], "big") for at in _parts(body, start + 8, end, GROUP))
        return tuple(found)

    def salted(self, number: int) -> "Flow":
        """The same flow under its `number`-th other cookie, for when two flows hash to the same one."""
        digest = blake2b(self.key + self.body, digest_size=7, salt=number.to_bytes(8, "big")).digest()
        return Flow(OURS | int.from_bytes(digest, "big"), self.key, self.body)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Flow):
            return NotImplemented
        return self.cookie == other.cookie and self.key == other.key and self.body == other.body

    def __hash__(self) -> int:
        return hash(self.cookie)

    def __repr__(self) -> str:
        return f"Flow(table={self.table}, priority={self.priority}, cookie={self.cookie:#x})"


def _parts(data: bytes, start: int, end: int, kind: int) -> Iterator[int]:
    """The offsets of those of a kind among instructions or actions (OpenFlow 1.4, 7.2.4 and 7.2.5)."""
    while start < end:
        if data[start] << 8 | data[start + 1] == kind:
            yield start
        start += data[start + 2] << 8 | data[start + 3]


class _Shape:
    """The matched fields and their masks, compiled: the whole key as one number with holes for the values."""

    __slots__ = ("holes", "size", "start", "template")

    def __init__(self, match: Match) -> None:
        full = complete(match)
        masks: dict[OxmField, int] = {}
        fixed: dict[OxmField, int] = {}
        for field, value in full.items():
            masks[field.home] = masks.get(field.home, 0) | _mask(field, value) << field.shift
            if _fixed(field, match):
                fixed[field.home] = _fixed_value(field, value)
        parts, ends = bytearray(), dict[OxmField, int]()
        for home, mask in sorted(masks.items(), key=lambda item: _RANK[item[0]]):
            if mask == 0:
                continue
            exact = mask == home.limit and not home.size
            parts += (home.header if exact else home.masked_header).to_bytes(4, "big") + home.owned
            parts += (fixed.get(home, 0) & mask).to_bytes(home.length, "big")
            ends[home] = 8 * len(parts)
            parts += b"" if exact else mask.to_bytes(home.length, "big")
        raw = struct.pack("!BHHH", 0, 0, _TYPE_OXM, 4 + len(parts)) + parts
        raw += bytes(-(len(parts) + 4) % 8)
        self.size = len(raw)
        self.template = int.from_bytes(raw, "big")
        self.start = 8 * (self.size - 3)
        # Seven bytes stand before the first field: table, priority and the header of the match.
        self.holes = tuple(
            (8 * self.size - 56 - ends.get(field.home, 0) + field.shift, _mask(field, value), ~field.limit)
            for field, value in match.items()
            if not field.decides
        )


def _fixed(field: Field, match: Match) -> bool:
    """True when the value is part of the shape: other fields' prerequisites depend on it, or it was implied."""
    return field.decides or field not in match


def _fixed_value(field: Field, value: Value) -> int:
    number = value[0] if isinstance(value, tuple) else value
    if number & ~field.limit:
        raise ValueError(f"{number:#x} does not fit {field}")
    return number


def _mask(field: Field, value: Value) -> int:
    """The mask as bits of the field; ValueError when the field cannot be matched like that."""
    if not field.home.matchable:
        raise ValueError(f"{field} can be set, not matched")
    mask = value[1] if isinstance(value, tuple) else field.limit
    if mask & ~field.limit or not (field.home.maskable or mask in (0, field.limit)):
        raise ValueError(f"{field} cannot be matched under mask {mask:#x}")
    return mask


_shapes: dict[tuple[Field | Value, ...], _Shape] = {}
"""By the matched fields; behind one stands its value if other fields depend on that, or its mask if it has one."""


def match_key(table: int, priority: int, match: Match) -> bytes:
    """Table, priority and canonical match: what makes two flows the same rule of a switch.

    Raises ValueError when a value does not fit its field or the match contradicts itself.
    """
    parts: list[Field | Value] = []
    values: list[int] = []
    for field, value in match.items():
        parts.append(field)
        if field.decides:
            parts.append(value)
        elif isinstance(value, tuple):
            parts.append(value[1])
            values.append(value[0])
        else:
            values.append(value)
    name = tuple(parts)
    shape = _shapes.get(name)
    if shape is None:
        shape = _shapes[name] = _Shape(match)
    if not (0 <= table < 255 and 0 <= priority <= 0xFFFF):
        raise ValueError(f"no table {table} or no priority {priority}")
    number = shape.template | (table << 16 | priority) << shape.start
    for value, (shift, mask, beyond) in zip(values, shape.holes, strict=True):
        if value & beyond:
            raise ValueError(f"{value:#x} does not fit its field in a match on {', '.join(map(str, match))}")
        number |= (value & mask) << shift
    return number.to_bytes(shape.size, "big")


def instructions(actions: Sequence[Action | Instruction]) -> bytes:
    """The instructions of a flow: its meter, then all actions in one apply-actions, then goto."""
    applied: list[bytes] = []
    before = after = b""
    for action in actions:
        if not isinstance(action, Instruction):
            applied.append(action)
        elif action[1] == GOTO_TABLE:
            after += action
        else:
            before += action
    if len(after) > 8 or len(before) > 8:
        raise ValueError("a flow has at most one goto and one meter")
    if not applied:
        return before + after
    joined = b"".join(applied)
    if len(joined) > MAX_ACTIONS:
        raise ValueError(f"{len(applied)} actions are too many for one flow")
    return before + _APPLY.pack(APPLY_ACTIONS, 8 + len(joined)) + joined + after


def flow(table: int, priority: int, match: Match, actions: Sequence[Action | Instruction]) -> Flow:
    """A rule: in `table`, packets that match and meet none of greater priority have this done; no action drops them.

    Raises ValueError for a match or actions that no switch would take.
    """
    key = match_key(table, priority, match)
    body = _body(tuple(actions))
    digest = blake2b(key + body, digest_size=7).digest()
    return Flow(OURS | int.from_bytes(digest, "big"), key, body)


@lru_cache(1024)
def _body(actions: tuple[Action | Instruction, ...]) -> bytes:
    """The bytes of a flow's instructions; flows that do the same share it, as thousands do towards one host."""
    return _PLAIN_BODY + instructions(actions)


def flow_add(rule: Flow, xid: int) -> bytes:
    """The message that adds the flow, or gives the flow of the same key this body and cookie (OFPFC_ADD)."""
    key, body = rule.key, rule.body
    length = FLOW_MOD_HEADER.size + len(key) - 3 + len(body) - 8
    priority = key[1] << 8 | key[2]
    header = FLOW_MOD_HEADER.pack(
        VERSION, FLOW_MOD, length, xid, rule.cookie, 0, key[0], ADD, 0, 0, priority, NO_BUFFER, ANY, ANY, 0, 0
    )
    return header + key[3:] + body[8:]


def flow_delete_strict(rule: Flow | bytes, cookie: int, xid: int) -> bytes:
    """The message that deletes the flow of this key if it still has this cookie (OFPFC_DELETE_STRICT)."""
    key = rule.key if isinstance(rule, Flow) else rule
    length = FLOW_MOD_HEADER.size + len(key) - 3
    priority = key[1] << 8 | key[2]
    header = FLOW_MOD_HEADER.pack(
        *(VERSION, FLOW_MOD, length, xid, cookie, ALL_BITS, key[0], DELETE_STRICT),
        *(0, 0, priority, NO_BUFFER, ANY, ANY, 0, 0),
    )
    return header + key[3:]
