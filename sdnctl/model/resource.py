"""A resource is what a tenant owns or a host reports: one frozen record, described once, here.

From the description come the store's schema, the serialisers, the reference checks and the indexes.  Fields are of
five kinds: plain ones, ``ref`` (the id of another resource), ``number`` (allocated from a pool and stored, because it
reaches the wire), ``label`` (names, bookkeeping: a change of it makes no flow run again) and ``id``.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Literal, TypeVar, dataclass_transform, get_type_hints

T = TypeVar("T")
Kind = Literal["id", "plain", "ref", "number", "label"]
OnDelete = Literal["restrict", "cascade", "clear"]
Index = tuple[str, ...]
Reach = Literal["", "region", "host", "vpc"]
_MISSING: Any = dataclasses.MISSING


@dataclass(frozen=True, slots=True)
class FieldMeta:
    """One field: its type as annotated, its kind, and what its kind needs to know."""

    name: str
    type: Any
    kind: Kind
    target: str = ""
    on_delete: OnDelete = "restrict"
    optional: bool = False
    pool: str = ""
    low: int = 0
    high: int = 0
    secret: bool = False


@dataclass(frozen=True)
class Meta:
    """Everything the machine knows of a resource class.

    ``index_of`` maps an index to a function that lists a record's values under it (several when a field of the index
    is a tuple).  ``identity`` gives the part of a record whose change is felt: everything but the labels.  ``reach``
    says which of its records a host's controller holds, and by which field that is told (``reach_field``);
    ``contested``, that hosts take them over from each other.  ``leads`` names two fields: who follows what the first
    holds follows what the second holds too.  ``check`` is the class's own method of that name, if it has one: it raises
    ValueError for a record that makes no sense, and is asked when a row of the store is read that a host reported.
    """

    cls: type
    name: str
    prefix: str
    fields: Mapping[str, FieldMeta]
    indexes: tuple[Index, ...]
    report: bool
    local: bool
    reach: Reach
    plugged: bool
    contested: bool
    leads: tuple[str, str] | None
    check: Callable[[Any], None] | None
    index_of: Mapping[Index, Callable[[Any], tuple[Any, ...]]]
    identity: Callable[[Any], Any]

    @property
    def reach_field(self) -> str:
        """The field that holds the host or VPC by which a controller chooses: named like its reach, or the id."""
        return self.reach if self.reach in self.fields else "id"

    @cached_property
    def refs(self) -> tuple[FieldMeta, ...]:
        """The fields that name other resources."""
        return tuple(f for f in self.fields.values() if f.kind == "ref")

    @cached_property
    def numbers(self) -> tuple[FieldMeta, ...]:
        """The fields whose values are allocated from a pool."""
        return tuple(f for f in self.fields.values() if f.kind == "number")


_REGISTRY: dict[str, Meta] = {}
PLUGGED = "*plugged*"
"""The target of a reference to whatever class is plugged in (see ``resource``), by no name of its own."""


def field(default: Any = _MISSING) -> Any:
    """A plain field; optional ones are empty (``""``, ``0``, ``()``), never None, and say so by a default."""
    return dataclasses.field(default=default, metadata={"kind": "plain"})


def secret() -> Any:
    """A text that is stored sealed, where the region has a key for that (see ``store.seal``)."""
    return dataclasses.field(metadata={"kind": "plain", "secret": True})


def label(default: Any = "") -> Any:
    """A field whose change re-runs nothing: names, tags, times."""
    if isinstance(default, dict):
        return dataclasses.field(default_factory=dict, metadata={"kind": "label"})
    return dataclasses.field(default=default, metadata={"kind": "label"})


def ref(target: str, *, default: Any = _MISSING, on_delete: OnDelete = "restrict") -> Any:
    """The id of a ``target`` resource (several when the field is a tuple of str); a default ``""`` makes it optional.

    ``on_delete`` says what deleting the target does: refuse, delete this one too, or clear the field.
    """
    extra = {"target": target, "on_delete": on_delete, "optional": default is not _MISSING}
    return dataclasses.field(default=default, metadata={"kind": "ref", **extra})


def number(pool: str, low: int, high: int) -> Any:
    """A number that reaches the wire, allocated from ``pool`` (``low`` to ``high``) and stored.

    Fields of several classes may share a pool: then no two of their records have the same number.  They must agree on
    its bounds.  A number that was given up is given again once every host has confirmed that it let go.
    """
    return dataclasses.field(metadata={"kind": "number", "pool": pool, "low": low, "high": high})


def _indexer(index: Index, multi: str | None) -> Callable[[Any], tuple[Any, ...]]:
    """A function from a record to its values under ``index``; a one-field index has plain values, not tuples."""
    values = attrgetter(*index)
    if multi is None:
        return lambda record: (values(record),)
    if len(index) == 1:
        return values  # the field itself, a tuple

    def expand(record: Any) -> tuple[Any, ...]:
        return tuple(
            tuple(element if name == multi else getattr(record, name) for name in index)
            for element in getattr(record, multi)
        )

    return expand


def _describe(
    cls: type,
    prefix: str,
    indexes: tuple[Index, ...],
    report: bool,
    local: bool,
    reach: Reach,
    plugged: bool,
    contested: bool,
    leads: tuple[str, str] | None,
) -> Meta:
    hints = get_type_hints(cls)
    fields: dict[str, FieldMeta] = {}
    for item in dataclasses.fields(cls):
        given = dict(item.metadata) or {"kind": "id" if item.name == "id" else "plain"}
        fields[item.name] = FieldMeta(item.name, hints[item.name], **given)
    if leads is not None and not fields.keys() >= set(leads):
        raise TypeError(f"{cls.__name__}: leads {leads} names no field")
    index_of = _indexes(cls, fields, indexes, leads)
    felt = [f.name for f in fields.values() if f.kind != "label"]
    return Meta(
        cls,
        cls.__name__,
        prefix,
        MappingProxyType(fields),
        tuple(index_of),
        report,
        local,
        reach,
        plugged,
        contested,
        leads,
        getattr(cls, "check", None),
        MappingProxyType(index_of),
        attrgetter(*felt),
    )


def _indexes(
    cls: type, fields: Mapping[str, FieldMeta], indexes: tuple[Index, ...], leads: tuple[str, str] | None
) -> dict[Index, Callable[[Any], tuple[Any, ...]]]:
    """The indexes of a class with the function of each: those that are given, and one for each number and reference."""
    found: dict[Index, Callable[[Any], tuple[Any, ...]]] = {}
    numbers = tuple((f.name,) for f in fields.values() if f.kind == "number")
    refs = tuple((f.name,) for f in fields.values() if f.kind == "ref")
    for index in (*indexes, *numbers, *refs, *_led(leads)):
        unknown = [name for name in index if name not in fields]
        if unknown:
            raise TypeError(f"{cls.__name__}: index {index} names no field {unknown[0]!r}")
        multi = [name for name in index if getattr(fields[name].type, "__origin__", None) is tuple]
        if len(multi) > 1:
            raise TypeError(f"{cls.__name__}: index {index} has two fields of many values")
        found[index] = _indexer(index, multi[0] if multi else None)
    return found


def _led(leads: tuple[str, str] | None) -> tuple[Index, ...]:
    """The index by which the records are found that lead on from something that is followed."""
    return ((leads[0],),) if leads is not None else ()


def _check_pools(described: Meta) -> None:
    for item in described.numbers:
        for other, theirs in sharers(item.pool):
            if other.name != described.name and (theirs.low, theirs.high) != (item.low, item.high):
                raise TypeError(f"{described.name}.{item.name}: pool {item.pool!r} has other bounds in {other.name}")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field, secret, label, ref, number))
def resource(
    *,
    prefix: str = "",
    indexes: tuple[Index, ...] = (),
    report: bool = False,
    local: bool = False,
    reach: Reach = "",
    plugged: bool = False,
    contested: bool = False,
    leads: tuple[str, str] | None = None,
) -> Callable[[type[T]], type[T]]:
    """Declare a resource class; every ``ref`` and ``number`` field is indexed by itself.

    ``report`` marks what hosts write (no sequence number is spent on it), ``local`` what lives in one controller's
    memory only.  ``reach`` says what a host's controller holds of it: nothing, all of the ``region``, what is of the
    ``host``, or what is of a ``vpc`` that the host has a port of.  ``plugged`` marks the class whose ids are the
    ``iface-id`` of a switch's Interface rows.  ``contested`` marks reports that one host takes over from another, dead
    or not; where certificates tell hosts apart, API servers write them as hosts ask (``api.arbiter``).
    ``leads=("vpc", "remote_vpc")`` says that a host that follows one VPC for its own ports follows the other too, one
    hop far.  Raises TypeError when an index names an unknown field, a pool has other bounds elsewhere, or the name is
    taken.
    """

    def declare(cls: type[T]) -> type[T]:
        made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
        known = _REGISTRY.get(made.__name__)
        if known is not None and known.cls.__module__ != made.__module__:
            raise TypeError(f"resource {made.__name__} is declared in {known.cls.__module__} and {made.__module__}")
        described = _describe(made, prefix, indexes, report, local, reach, plugged, contested, leads)
        _check_pools(described)
        _REGISTRY[made.__name__] = described
        return made

    return declare


def meta(cls: type) -> Meta:
    """The description of a resource class; KeyError when it is none."""
    return _REGISTRY[cls.__name__]


def resources() -> dict[str, type]:
    """Every declared resource class by name, sorted; complete once ``feature.discover()`` has run."""
    return {name: _REGISTRY[name].cls for name in sorted(_REGISTRY)}


def named(name: str) -> type:
    """The resource class of that name; KeyError when no imported module declares it."""
    return _plugged() if name == PLUGGED else _REGISTRY[name].cls


def _plugged() -> type:
    for described in _REGISTRY.values():
        if described.plugged:
            return described.cls
    raise KeyError(PLUGGED)


def referrers(target: str) -> Iterator[tuple[Meta, FieldMeta]]:
    """Each (resource, field) that may hold the id of a ``target``."""
    for described in _REGISTRY.values():
        for item in described.refs:
            if item.target == target or (item.target == PLUGGED and _REGISTRY[target].plugged):
                yield described, item


def sharers(pool: str) -> Iterator[tuple[Meta, FieldMeta]]:
    """Each (resource, field) whose numbers come from a pool."""
    for described in _REGISTRY.values():
        for item in described.numbers:
            if item.pool == pool:
                yield described, item
