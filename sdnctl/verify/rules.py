"""The flows and groups of one switch as a walk reads them: decoded once, and found by what is known of a packet."""

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from sdnctl.of import actions as a
from sdnctl.of.fields import CONJ_ID, CT_STATE, IP_DST, OxmField
from sdnctl.of.flow import Flow
from sdnctl.of.group import Group
from sdnctl.of.oxm import known_field, oxms, tlvs
from sdnctl.verify.header import Header, known, place, whole

_BUCKET_HEAD = 16
_STACK_PUSH, _STACK_POP = 27, 28


class Slice(NamedTuple):
    """Some bits of a field, from ``start`` on."""

    field: OxmField
    start: int
    width: int


class Write(NamedTuple):
    """Bits of a field become a number; under a mask where it has one."""

    field: OxmField
    start: int
    width: int
    value: int
    mask: int = -1


class Copy(NamedTuple):
    """Bits of a field become those of another."""

    source: Slice
    target: Slice


class Out(NamedTuple):
    """Out of a port; ``port`` is a number or a reserved one."""

    port: int


class Program(NamedTuple):
    """To a program beside the switch."""

    number: int


class Again(NamedTuple):
    """Looked up in a table, and back."""

    table: int


class Hand(NamedTuple):
    """To a group."""

    group: int


class Larger(NamedTuple):
    """A bit says that the packet has more bytes than ``size``."""

    size: int
    target: Slice


class Choose(NamedTuple):
    """Bits become whatever the switch chooses: a hash."""

    target: Slice


class Hop(NamedTuple):
    """The hop limit, one less or a number."""

    limit: int | None


class Stack(NamedTuple):
    """Bits onto the stack, or off it."""

    push: bool
    what: Slice


class Clause(NamedTuple):
    """One clause of a conjunction is met."""

    number: int
    clause: int
    clauses: int


class Nat(NamedTuple):
    """The address, and port if any, that a connection's source or destination is translated to; None: as it was."""

    source: bool
    address: int | None
    port: int | None = None


class Track(NamedTuple):
    """Through connection tracking, and on in ``table``."""

    commit: bool
    zone: int | Slice
    table: int | None
    nat: Nat | None
    marks: tuple[Write, ...]


class Committed(NamedTuple):
    """A translation that connections of a zone may have got, with their marks.

    ``to`` is the destination that they had before, None where that may be any.
    """

    nat: Nat
    marks: tuple[Write, ...]
    to: int | None


class Untrack(NamedTuple):
    """Nothing is known of the connection any more."""


class Untag(NamedTuple):
    """The VLAN tag is off."""


Action = (
    Write | Copy | Out | Program | Again | Hand | Larger | Choose | Hop | Stack | Clause | Track | Untrack | Untag | Nat
)


class Rule(NamedTuple):
    """One flow: ``match`` has (field, mask, value), every field at its place in the switch."""

    table: int
    priority: int
    cookie: int
    match: tuple[tuple[OxmField, int, int], ...]
    actions: tuple[Action, ...]
    goto: int | None

    @property
    def does(self) -> tuple[object, ...]:
        """The flow's deed, to be compared: two kinds of actions with the same numbers are equal as tuples."""
        return tuple((type(action), action) for action in self.actions), self.goto


@lru_cache(1 << 16)
def rule(flow: Flow) -> Rule:
    """A flow decoded; ValueError for an action that is none of ours."""
    found: dict[OxmField, tuple[int, int]] = {}
    length = int.from_bytes(flow.match[2:4], "big")
    for field, value, mask in oxms(flow.match[4:length]):
        home, shift = place(field)
        bits = (field.limit if mask is None else mask) << shift & home.limit
        old_mask, old_value = found.get(home, (0, 0))
        found[home] = old_mask | bits, old_value | value << shift & bits
    actions: tuple[Action, ...] = ()
    goto = None
    for kind, tlv in tlvs(flow.instructions):
        if kind == a.APPLY_ACTIONS:
            actions += tuple(decoded(tlv[8:]))
        elif kind == a.GOTO_TABLE:
            goto = tlv[4]
        elif kind != a.METER:
            raise ValueError(f"instruction {kind} is none of ours")
    match = tuple((field, *pair) for field, pair in found.items())
    return Rule(flow.table, flow.priority, flow.cookie, match, actions, goto)


def buckets(group: Group) -> list[tuple[Action, ...]]:
    """The ways through a group."""
    return [tuple(decoded(each[_BUCKET_HEAD:])) for each in group.buckets]


def decoded(data: bytes) -> Iterator[Action]:
    """The actions of a list; ValueError for one that is none of ours."""
    for kind, tlv in tlvs(data):
        if kind == a.EXPERIMENTER:
            yield _extension(tlv[8] << 8 | tlv[9], tlv[10:])
        else:
            yield _standard(kind, tlv[4:])


def _standard(kind: int, body: bytes) -> Action:
    if kind == a.OUTPUT:
        return Out(int.from_bytes(body[:4], "big"))
    if kind == a.POP_VLAN:
        return Untag()
    if kind == a.GROUP:
        return Hand(int.from_bytes(body[:4], "big"))
    if kind == a.SET_NW_TTL:
        return Hop(body[0])
    if kind == a.DEC_NW_TTL:
        return Hop(None)
    if kind == a.SET_FIELD:
        return _set(body)
    raise ValueError(f"action {kind} is none of ours")


def _set(body: bytes) -> Write:
    ((field, value, mask),) = oxms(body[: 4 + body[3]])
    return Write(field, 0, field.width, value, -1 if mask is None else mask)


def _part(where: int, header: int) -> Slice:
    """Bits as OpenFlow extensions write them: offset and number of bits, less one, in 16 bits."""
    return Slice(known_field(header), where >> 6, (where & 63) + 1)


def _extension(kind: int, body: bytes) -> Action:
    if kind == a.REG_LOAD:
        where, header, value = struct.unpack_from("!HIQ", body)
        return Write(*_part(where, header), value)
    if kind == a.REG_LOAD2:
        return _set(body)
    if kind == a.REG_MOVE:
        count, low, high, source, target = struct.unpack_from("!HHHII", body)
        return Copy(Slice(known_field(source), low, count), Slice(known_field(target), high, count))
    if kind == a.CHECK_PKT_LARGER:
        size, bit, header = struct.unpack_from("!HHI", body)
        return Larger(size, Slice(known_field(header), bit, 1))
    if kind == a.MULTIPATH:
        where, header = struct.unpack_from("!14xHI", body)
        return Choose(_part(where, header))
    if kind == a.CT:
        return _track(body)
    if kind in (_STACK_PUSH, _STACK_POP):
        offset, header, count = struct.unpack_from("!HIH", body)
        return Stack(kind == _STACK_PUSH, Slice(known_field(header), offset, count))
    return _plain(kind, body)


def _plain(kind: int, body: bytes) -> Action:
    if kind == a.RESUBMIT_TABLE:
        return Again(body[2])
    if kind == a.TO_CONTROLLER:
        return Program(int.from_bytes(body[2:4], "big"))
    if kind == a.CT_CLEAR:
        return Untrack()
    if kind == a.CONJUNCTION:
        clause, clauses, number = struct.unpack_from("!BBI", body)
        return Clause(number, clause, clauses)
    if kind == a.NAT:
        return _nat(body)
    raise ValueError(f"extension action {kind} is none of ours")


def _nat(body: bytes) -> Nat:
    flags, present = struct.unpack_from("!2xHH", body)
    if not flags and not present:
        return Nat(True, None)
    ports = a.NAT_PORT_MIN | a.NAT_PORT_MAX
    if present not in (a.NAT_IPV4_MIN, a.NAT_IPV4_MIN | ports):
        raise ValueError("a walk follows translation to one IPv4 address, and one port, only")
    port, last = struct.unpack_from("!HH", body, 10) if present & ports else (None, None)
    if port != last:
        raise ValueError("a walk follows no translation to a range of ports")
    return Nat(bool(flags & a.NAT_SRC), int.from_bytes(body[6:10], "big"), port)


def _track(body: bytes) -> Track:
    flags, source, where, table = struct.unpack_from("!HIHB", body)
    nested = list(decoded(body[14:]))
    nat = next((one for one in nested if isinstance(one, Nat)), None)
    marks = tuple(one for one in nested if isinstance(one, Write))
    if len(marks) + (nat is not None) < len(nested):
        raise ValueError("a walk follows no other action inside ct than nat and those that set a mark")
    zone = _part(where, source) if source else where
    return Track(bool(flags & a.CT_COMMIT), zone, None if table == a.NO_TABLE else table, nat, marks)


Exact = tuple[tuple[OxmField, int], ...]
"""The fields that some rules match, each with its mask."""


class Table:
    """The rules of one table, those first that could match."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.clauses: dict[int, list[tuple[Rule, Clause]]] = defaultdict(list)
        self._kinds: dict[Exact, list[Rule]] = defaultdict(list)
        self._found: dict[tuple[Exact, Exact], dict[tuple[int, ...], list[Rule]]] = {}
        for one in rules:
            met = [action for action in one.actions if isinstance(action, Clause)]
            for clause in met:
                self.clauses[clause.number].append((one, clause))
            if not met:
                self._kinds[tuple((field, mask) for field, mask, _ in one.match if field is not CONJ_ID)].append(one)

    def could_match(self, header: Header) -> list[Rule]:
        """The rules that nothing known of a packet speaks against, the most urgent first."""
        found: list[Rule] = []
        for kind, rules in self._kinds.items():
            sure = [(pair, value) for pair in kind if (value := known(whole(header, pair[0]))) is not None]
            if not sure:
                found += rules
                continue
            name = tuple(pair for pair, _ in sure)
            index = self._found.get((kind, name))
            if index is None:
                index = self._found[kind, name] = _indexed(rules, name)
            found += index.get(tuple(value & mask for (_, mask), value in sure), ())
        found.sort(key=lambda one: -one.priority)
        return found


def _indexed(rules: list[Rule], name: Exact) -> dict[tuple[int, ...], list[Rule]]:
    made: dict[tuple[int, ...], list[Rule]] = defaultdict(list)
    for one in rules:
        values = {(field, mask): value for field, mask, value in one.match}
        made[tuple(values[pair] for pair in name)].append(one)
    return made


class Switch:
    """One host's tables and groups, and its ports by number: whose each is."""

    def __init__(
        self, name: str, rules: Iterable[Rule], groups: Iterable[Group], ports: Mapping[int, str], *, end: int = 0
    ) -> None:
        """``end`` is the address of its end of the tunnels, 0 without any."""
        by_table: dict[int, list[Rule]] = defaultdict(list)
        for one in rules:
            by_table[one.table].append(one)
        self.name = name
        self.tables = {number: Table(rules) for number, rules in by_table.items()}
        self.groups = {group.id: buckets(group) for group in groups}
        self.ports = dict(ports)
        self.numbers = {owner: number for number, owner in ports.items()}
        self.end = end
        self.marks = tuple(_committed(by_table.values()))
        self.translations = _translations(by_table.values())
        """By zone."""
        self.noted = _noted(by_table.values())
        """The marks that connections may have, by zone of a number: any of them."""
        self.stateful = any(
            field is CT_STATE for rules in by_table.values() for one in rules for field, *_ in one.match
        )


def _committed(tables: Iterable[list[Rule]]) -> Iterator[Write]:
    """The marks that connections get when they are committed in a zone that a field holds."""
    for rules in tables:
        for one in rules:
            for action in one.actions:
                if isinstance(action, Track) and action.nat is None and not isinstance(action.zone, int):
                    yield from action.marks


def _noted(tables: Iterable[list[Rule]]) -> dict[int, tuple[tuple[Write, ...], ...]]:
    """The marks with which connections are committed untranslated in a zone of a number."""
    found: dict[int, set[tuple[Write, ...]]] = defaultdict(set)
    for one in (one for rules in tables for one in rules):
        for action in one.actions:
            if isinstance(action, Track) and action.marks and action.nat is None and isinstance(action.zone, int):
                found[action.zone].add(action.marks)
    return {zone: tuple(sorted(known, key=repr)) for zone, known in found.items()}


def _translations(tables: Iterable[list[Rule]]) -> dict[int, tuple[Committed, ...]]:
    """The translations that connections get when they are committed, by zone."""
    found: dict[int, set[Committed]] = defaultdict(set)
    for one in (one for rules in tables for one in rules):
        to = next((value for field, mask, value in one.match if field is IP_DST and mask == IP_DST.limit), None)
        for action in one.actions:
            if isinstance(action, Track) and action.commit and action.nat is not None and isinstance(action.zone, int):
                found[action.zone].add(Committed(action.nat, action.marks, None if action.nat.source else to))
    return {zone: tuple(sorted(known, key=repr)) for zone, known in found.items()}
