"""A replica of everything that was asked for, in memory, with its indexes kept up to date."""

from collections.abc import Hashable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sdnctl.model.resource import Index, field, meta, resource
from sdnctl.model.tally import Sums, Tally

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


class Preserver(Protocol):
    """The receiver of what a state replaces."""

    def keep(self, cls: type, id: str, known: Any) -> None:
        """Take the record, or None, that is about to be replaced."""


class State:
    """Records by class and id, with indexes that are made when first asked for and kept up to date from then on.

    An index value with one member, which is what most have, holds that id itself instead of a set.
    """

    __slots__ = ("_indexes", "_preservers", "_records", "_tallies")

    def __init__(self) -> None:
        self._preservers: tuple[Preserver, ...] = ()
        self._records: dict[type, dict[str, Any]] = {}
        self._indexes: dict[type, dict[Index, dict[Any, str | set[str]]]] = {}
        self._tallies: dict[type, dict[Tally, Sums]] = {}

    def get(self, cls: type[R], id: str) -> R | None:
        """The record, or None."""
        records = self._records.get(cls)
        return records.get(id) if records is not None else None

    def many(self, cls: type[R], ids: Iterable[str]) -> list[R]:
        """The records with these ids, in order, less those that are not there."""
        records = self.all(cls)
        return [records[id] for id in ids if id in records]

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
            table = {}
            records: Mapping[str, Any] = self.all(cls)
            for id, record in records.items():
                for value in values_of(record):
                    _enter(table, value, id)
            tables[index] = table  # now it is whole, for whoever reads without a lock
        return table

    def known_index(self, cls: type, index: Index) -> Mapping[Any, str | set[str]] | None:
        """An index by value, None when nobody has asked for it yet."""
        return self._indexes.get(cls, {}).get(index)

    def total(self, tally: Tally, value: Hashable) -> int:
        """The sum over the records under a value; summed now if nobody asked before, and kept from then on."""
        tallies = self._tallies.setdefault(tally.of, {})
        sums = tallies.get(tally)
        if sums is None:
            sums = tally.summed(self.all(tally.of).values())
            tallies[tally] = sums  # now it is whole, for whoever reads without a lock
        return sums.get(value, 0)

    def all(self, cls: type[R]) -> Mapping[str, R]:
        """Every record of a class by id."""
        return self._records.get(cls, {})

    def hold(self, preserver: Preserver) -> None:
        """From now on leave with ``preserver`` what is replaced, before it is."""
        self._preservers = (*self._preservers, preserver)

    def release(self, preserver: Preserver) -> None:
        """Leave nothing with it any more."""
        self._preservers = tuple(one for one in self._preservers if one is not preserver)

    @property
    def sequence(self) -> int:
        """The sequence number of the last intent transaction in this replica; 0 before the first."""
        region = self.get(Region, REGION)
        return region.sequence if region is not None else 0

    def apply(self, changes: Iterable[Change]) -> None:
        """Take changes in; ``old`` is not looked at."""
        for change in changes:
            self.replace(change.cls, change.id, change.new)

    def replace(self, cls: type, id: str, new: Any) -> list[tuple[Index, Any, bool]]:
        """Put a record in place of what has its id, None to take it away.

        Returns the index values that it came under or left, each with True when the value had members before.
        """
        records = self._records.setdefault(cls, {})
        known = records.get(id)
        for preserver in self._preservers:
            preserver.keep(cls, id, known)
        if new is None:
            records.pop(id, None)
        else:
            records[id] = new
        for tally, sums in self._tallies.get(cls, {}).items():
            tally.shift(sums, known, new)
        moved: list[tuple[Index, Any, bool]] = []
        tables = self._indexes.get(cls)
        if tables is None:
            return moved
        index_of = meta(cls).index_of
        for index, table in tables.items():
            values_of = index_of[index]
            before = values_of(known) if known is not None else ()
            after = values_of(new) if new is not None else ()
            if before == after:
                continue
            for value in before:
                if value not in after:
                    moved.append((index, value, True))
                    _leave(table, value, id)
            for value in after:
                if value not in before:
                    moved.append((index, value, value in table))
                    _enter(table, value, id)
        return moved


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
