"""A replica of everything that was asked for, in memory, with its indexes kept up to date."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, TypeVar

from sdnctl.model.resource import Index, field, meta, resource

R = TypeVar("R")
EMPTY: frozenset[str] = frozenset()
REGION = "region"


@resource()
class Region:
    """The one row that orders all intent: every transaction adds one to ``sequence``."""

    id: str
    sequence: int = field(default=0)


@dataclass(frozen=True, slots=True)
class Change:
    """One record before and after; ``None`` where there was or is none."""

    cls: type
    id: str
    old: Any
    new: Any


Clause = tuple[str, Any]
"""A field's name and the value that it must have."""
Interest = Mapping[type, Sequence[Clause] | None]
"""The records of interest, by class: those that meet any of the clauses, all with None; of a class not named, none."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The changes of one commit, and the sequence number that holds from then on.

    ``followed`` is the number of the last ``Store.follow`` whose effect is in this batch or in those before.
    """

    changes: list[Change]
    sequence: int
    followed: int = 0


class State:
    """Records by class and id, with indexes that are made when first asked for and kept up to date from then on.

    An index value with one member, which is what most have, holds that id itself instead of a set.
    """

    __slots__ = ("_indexes", "_records")

    def __init__(self) -> None:
        self._records: dict[type, dict[str, Any]] = {}
        self._indexes: dict[type, dict[Index, dict[Any, str | set[str]]]] = {}

    def get(self, cls: type[R], id: str) -> R | None:
        """The record, or None."""
        records = self._records.get(cls)
        return records.get(id) if records is not None else None

    def by(self, cls: type, index: Index, value: Any) -> Set[str]:
        """The ids under an index value (a plain value for one field, else a tuple); do not change the set."""
        members = self.index(cls, index).get(value)
        if members is None:
            return EMPTY
        return frozenset((members,)) if isinstance(members, str) else members

    def index(self, cls: type, index: Index) -> Mapping[Any, str | set[str]]:
        """An index by value, made now if nobody asked before; KeyError when the model declares no such index."""
        tables = self._indexes.setdefault(cls, {})
        table = tables.get(index)
        if table is None:
            values_of = meta(cls).index_of[index]
            table = tables[index] = {}
            records: Mapping[str, Any] = self.all(cls)
            for id, record in records.items():
                for value in values_of(record):
                    _enter(table, value, id)
        return table

    def indexes(self, cls: type) -> Iterable[Index]:
        """The indexes of a class that somebody has asked for."""
        return self._indexes.get(cls, {}).keys()

    def all(self, cls: type[R]) -> Mapping[str, R]:
        """Every record of a class by id."""
        return self._records.get(cls, {})

    @property
    def sequence(self) -> int:
        """The sequence number of the last intent transaction in this replica; 0 before the first."""
        region = self.get(Region, REGION)
        return region.sequence if region is not None else 0

    def apply(self, changes: Iterable[Change]) -> None:
        """Take changes in; ``old`` is not looked at."""
        for change in changes:
            records = self._records.setdefault(change.cls, {})
            known = records.get(change.id)
            if change.new is None:
                records.pop(change.id, None)
            else:
                records[change.id] = change.new
            for index, table in self._indexes.get(change.cls, {}).items():
                values_of = meta(change.cls).index_of[index]
                before = values_of(known) if known is not None else ()
                after = values_of(change.new) if change.new is not None else ()
                if before != after:
                    for value in before:
                        _leave(table, value, change.id)
                    for value in after:
                        _enter(table, value, change.id)


def _enter(table: dict[Any, str | set[str]], value: Any, id: str) -> None:
    members = table.get(value)
    if members is None:
        table[value] = id
    elif isinstance(members, set):
        members.add(id)
    elif members != id:
        table[value] = {members, id}


def _leave(table: dict[Any, str | set[str]], value: Any, id: str) -> None:
    members = table.get(value)
    if isinstance(members, set):
        members.discard(id)
        if not members:
            del table[value]
    elif members == id:
        del table[value]
