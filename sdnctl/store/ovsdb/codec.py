"""The codec between a record's values and the columns of the store.

======================  ===============  =======================================================================
field type              column           empty value and why
======================  ===============  =======================================================================
str, Literal[...]       string           ``""``
int, bool, float        integer ...      ``0``, ``false``, ``0.0``
Ip4, Mac, Cidr          string           ``""`` is 0 (a Cidr: 0.0.0.0/0, or the field's empty default)
tuple[X, ...]           string (JSON)    ``""`` is ``()``; an OVSDB set would lose the order
dict[str, str]          map              ``{}``
======================  ===============  =======================================================================

Every column has exactly one value (or is a map), so the server omits empty ones from what it sends, and a field that a
conversion adds reads as its empty value.  References are plain strings: ``Txn`` checks them inside the serialised
transaction, whereas strong OVSDB references would prescribe an order of inserts and collect what nothing refers to.
"""

import json
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from socket import AF_INET, inet_pton
from sys import intern
from typing import Any, Literal, get_args, get_origin

from sdnctl.base.addresses import Cidr, Ip4, Mac
from sdnctl.model.resource import FieldMeta, Meta, meta
from sdnctl.store.ovsdb.seal import Seal

Json = Any
Row = dict[str, Json]
UNREADABLE = (ValueError, KeyError, TypeError, RecursionError, OSError)
"""The errors of reading a row that no program of ours wrote; OSError: not an address."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its OVSDB type (RFC 7047 section 3.2), both directions, and what an absent value means."""

    name: str
    type: Json
    encode: Callable[[Any], Json]
    decode: Callable[[Json], Any]
    empty: Any
    is_map: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A resource class as a table."""

    cls: type
    name: str
    columns: Mapping[str, Column]
    empty: Mapping[str, Any]
    decoders: tuple[tuple[str, Callable[[Json], Any]], ...]  # of the columns that are not read as they are
    check: Callable[[Any], None] | None = None

    def row(self, record: Any, but: Any = None) -> Row:
        """The columns of ``record``; only those that differ from the record ``but`` when that is given."""
        made = {}
        for name, column in self.columns.items():
            value = getattr(record, name)
            if but is None:
                if value != column.empty:
                    made[name] = column.encode(value)
            elif value != getattr(but, name):
                made[name] = column.encode(value)
        return made

    def defaults(self) -> Row:
        """The columns whose default in the model is not the empty value."""
        given = {item.name: item.default for item in fields(self.cls) if item.default is not MISSING}
        return {name: self.columns[name].encode(v) for name, v in given.items() if v != self.columns[name].empty}

    def whole(self, record: Any) -> Row:
        """All columns of ``record``."""
        return {name: column.encode(getattr(record, name)) for name, column in self.columns.items()}

    def record(self, row: Row) -> Any:
        """The record of a complete row (absent columns are empty); one of ``UNREADABLE`` when it makes none."""
        values = {**self.empty, **row}
        for name, decode in self.decoders:
            if name in row:
                values[name] = decode(row[name])
        return self._made(values)

    def _made(self, values: dict[str, Any]) -> Any:
        made = self.cls(**values)
        if self.check is not None:
            self.check(made)
        return made

    def changed(self, record: Any, row: Row) -> Any:
        """The record after an update2 ``modify``: new values, but differences for maps (ovsdb-server(7) 4.1.14)."""
        values = {name: getattr(record, name) for name in self.columns}
        for name, raw in row.items():
            column = self.columns[name]
            values[name] = patched(values[name], column.decode(raw)) if column.is_map else column.decode(raw)
        return self._made(values)

    def patched(self, before: Row, row: Row) -> Row:
        """A row after an update2 ``modify``, in the store's own values."""
        made = dict(before)
        for name, raw in row.items():
            if self.columns[name].is_map:
                known = _decode_map(before.get(name, _NO_PAIRS))
                made[name] = _encode_map(patched(known, _decode_map(raw)))
            else:
                made[name] = raw
        return made


def patched(old: dict[str, str], difference: dict[str, str]) -> dict[str, str]:
    """A map after a difference: an equal pair is removed, another one is added or replaced."""
    made = dict(old)
    for key, value in difference.items():
        if made.get(key) == value:
            del made[key]
        else:
            made[key] = value
    return made


def table(cls: type, seal: Seal | None = None) -> Table:
    """The table of a resource class; TypeError for a field that no column can hold.  ``seal`` closes secret fields."""
    described = meta(cls)
    defaults = {item.name: item.default for item in fields(cls) if item.default is not MISSING}
    columns = {name: _column(described, item, defaults, seal) for name, item in described.fields.items()}
    empty = {name: column.empty for name, column in columns.items()}
    decoders = tuple((name, column.decode) for name, column in columns.items() if column.decode is not _same)
    check = described.check if described.report else None
    return Table(cls, described.name, columns, empty, decoders, check)


def _column(described: Meta, item: FieldMeta, defaults: Mapping[str, Any], seal: Seal | None) -> Column:
    where = f"{described.name}.{item.name}"
    kind, encode, decode, empty = _scalar(item.type, where)
    origin = get_origin(item.type)
    if item.secret and seal is not None:
        return Column(item.name, kind, seal.close, seal.open, empty)
    if origin is dict:
        return Column(item.name, _MAP, _encode_map, _decode_map, {}, is_map=True)
    if item.type is Cidr:
        default = defaults.get(item.name, empty)
        empty = empty if default else default  # a field may say () or None for "no block"
        decode = _decode_address(Cidr.parse, empty)
    if kind == "string" and origin is not tuple and item.kind != "label" and item.type not in (Ip4, Mac, Cidr):
        decode = intern  # ids and references recur in thousands of rows: one string serves all of them
    return Column(item.name, kind, encode, decode, empty)


def _scalar(kind: Any, where: str) -> tuple[str, Callable[[Any], Json], Callable[[Json], Any], Any]:
    origin = get_origin(kind)
    if kind is str or (origin is Literal and all(isinstance(choice, str) for choice in get_args(kind))):
        return "string", _same, _same, ""
    if kind in _PLAIN:
        return _PLAIN[kind]
    if origin is tuple:
        return _tuple(get_args(kind), where)
    if origin is dict and get_args(kind) == (str, str):
        return "map", _encode_map, _decode_map, {}
    raise TypeError(f"{where}: the store has no column for {kind}")


def _tuple(arguments: tuple[Any, ...], where: str) -> tuple[str, Callable[[Any], Json], Callable[[Json], Any], Any]:
    if len(arguments) != 2 or arguments[1] is not Ellipsis or get_origin(arguments[0]) is not None:
        raise TypeError(f"{where}: only tuple[X, ...] of a plain type X can be stored")
    _, encode, decode, _ = _scalar(arguments[0], where)

    def to_text(values: tuple[Any, ...]) -> str:
        return _dump([encode(value) for value in values]) if values else ""

    if arguments[0] is str:
        decode = intern
    elif arguments[0] is int:
        decode = _whole

    def from_text(text: str) -> tuple[Any, ...]:
        return tuple(map(decode, _listed(text))) if text else ()

    return "string", to_text, from_text, ()


_scan: Callable[[str], tuple[Any, int]] = json.JSONDecoder().raw_decode
_dump: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":")).encode


def _listed(text: str) -> list[Any]:
    made, end = _scan(text)
    if type(made) is not list or end != len(text):
        raise ValueError(f"{text[:64]!r} is no list")
    return made


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise ValueError(f"{value!r:.64} is no whole number")
    return value


def _same(value: Any) -> Any:
    return value


def _ip4(text: str) -> Ip4:
    return Ip4(int.from_bytes(inet_pton(AF_INET, text)))  # what Ip4.parse accepts, in a fifth of the time


def _mac(text: str) -> Mac:
    number = int(text.replace(":", ""), 16)
    if number >> 48 or len(text) != _MAC_LENGTH:
        raise ValueError(f"{text[:64]!r} is not a MAC address")
    return Mac(number)


def _encode_address(show: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: show(value) if value else ""


def _decode_address(parse: Callable[[str], Any], empty: Any) -> Callable[[str], Any]:
    return lambda text: parse(text) if text else empty


def _encode_map(value: dict[str, str]) -> Json:
    return ["map", [[key, value[key]] for key in sorted(value)]]


def _decode_map(raw: Json) -> dict[str, str]:
    return {key: value for key, value in raw[1]}  # noqa: C416  (mypy knows the shape of a comprehension)


_MAC_LENGTH = len("fa:16:3e:00:00:01")
_NO_PAIRS: Json = ["map", []]
_MAP: Json = {"key": "string", "value": "string", "min": 0, "max": "unlimited"}
_ANY = Cidr(Ip4(0), 0)
_PLAIN: Mapping[Any, tuple[str, Callable[[Any], Json], Callable[[Json], Any], Any]] = types.MappingProxyType(
    {
        int: ("integer", int, _same, 0),
        bool: ("boolean", bool, _same, False),
        float: ("real", float, float, 0.0),
        Ip4: ("string", _encode_address(Ip4.__str__), _decode_address(_ip4, Ip4(0)), Ip4(0)),
        Mac: ("string", _encode_address(Mac.__str__), _decode_address(_mac, Mac(0)), Mac(0)),
        Cidr: ("string", _encode_address(Cidr.__str__), _decode_address(Cidr.parse, _ANY), _ANY),
    }
)
