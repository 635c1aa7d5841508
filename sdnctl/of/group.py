"""One of several ways for a packet: a backend of a load balancer, or all ports of a network.

Groups have no cookie, so what a switch has and what it should have are compared by value (OpenFlow 1.4, sections
7.3.4.3 and 7.3.5.10).
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sdnctl.of.actions import ANY, Action
from sdnctl.of.flow import VERSION

ADD = 0
MODIFY = 1
DELETE = 2
GROUP_MOD = 15
KINDS = ("all", "select", "indirect")
"""By their number on the wire (OFPGT_*)."""
_REPLY_HEADER = 16


@dataclass(frozen=True, slots=True)
class Group:
    """`kind`: "all" buckets get a copy, "select" one of them, "indirect" the only one."""

    id: int
    kind: str
    buckets: tuple[bytes, ...]


def bucket(actions: Sequence[Action], weight: int = 0) -> bytes:
    """One way through a group; `weight` is its share in a select group (there at least 1), else 0."""
    joined = b"".join(actions)
    return struct.pack("!HHII4x", 16 + len(joined), weight, ANY, ANY) + joined


def group_mod(command: int, group: Group, xid: int) -> bytes:
    """The message that adds, modifies or deletes a group; ValueError for a kind that is none."""
    if group.kind not in KINDS:
        raise ValueError(f"group {group.id}: no kind {group.kind!r}")
    kind = KINDS.index(group.kind)
    body = b"" if command == DELETE else b"".join(group.buckets)
    return struct.pack("!BBHIHBxI", VERSION, GROUP_MOD, 16 + len(body), xid, command, kind, group.id) + body


def groups_of(reply: bytes) -> Iterator[Group]:
    """The groups in one reply to `group_desc_request`; a foreign one of another kind is called by its number."""
    offset = _REPLY_HEADER
    while offset < len(reply):
        length, kind, number = struct.unpack_from("!HBxI", reply, offset)
        name = KINDS[kind] if kind < len(KINDS) else str(kind)
        yield Group(number, name, tuple(_buckets(reply, offset + 8, offset + length)))
        offset += length


def _buckets(reply: bytes, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        length = int.from_bytes(reply[start : start + 2], "big")
        yield reply[start : start + length]
        start += length
