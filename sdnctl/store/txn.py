"""A transaction: what somebody wants changed, checked as a whole before anything changes.

It reads through its own writes, keeps every reference intact (refuse, cascade or clear, as the model says), allocates
numbers and addresses from what is free, and ends as a list of changes that a store commits or drops.
"""

import secrets
from collections.abc import Callable, Hashable, Iterable, Mapping, Set
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from sdnctl.base.errors import IntentError
from sdnctl.model.resource import FieldMeta, Index, Meta, meta, named, referrers
from sdnctl.model.tally import Sums, Tally
from sdnctl.store.numbers import Hints, Numbers
from sdnctl.store.state import Change

R = TypeVar("R")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_GONE: Any = object()


class Records(Protocol):
    """The readings that a State, a Moment and a transaction have in common."""

    @property
    def sequence(self) -> int:
        """The sequence number of the last transaction."""

    def get(self, cls: type[R], id: str) -> R | None:
        """The record, or None."""

    def many(self, cls: type[R], ids: Iterable[str]) -> list[R]:
        """The records with these ids."""

    def by(self, cls: type, index: Index, value: Any) -> Set[str]:
        """The ids under an index value."""

    def total(self, tally: Tally, value: Hashable) -> int:
        """The sum over the records under a value."""

    def all(self, cls: type[R]) -> Mapping[str, R]:
        """Every record of a class."""


class Txn:
    """Intended writes on top of a State, or of another transaction; not shared between threads."""

    def __init__(
        self, state: Records, hints: Hints, now: float, holds: Callable[[type, str], bool] = lambda cls, id: True
    ) -> None:
        """``now`` is the time in seconds since the epoch that everything in this transaction agrees on.

        ``holds`` tells of a record whether the state would have it if it existed.  A reference to one that it would
        not is noted in ``assumed`` as (field, class, id), for the store to check.
        """
        self._state = state
        self._holds = holds
        self.assumed: list[tuple[str, type, str]] = []
        self._hints = hints
        self._writes: dict[tuple[type, str], Any] = {}  # in the order in which they were first made
        self._written: dict[type, dict[str, Any]] = {}  # the same by class, so that each is found without the others
        self._indexes: dict[type, dict[Index, dict[Any, set[str]]]] = {}  # of what is written, as far as asked for
        self._shifts: dict[type, dict[Tally, Sums]] = {}  # by what is written, as far as asked for
        self.now = now
        self.sequence = state.sequence + 1
        self._numbers = Numbers(self)
        self._given: set[tuple[str, int]] = set()

    def get(self, cls: type[R], id: str) -> R | None:
        """The record as this transaction sees it, or None."""
        written = self._writes.get((cls, id), _GONE)
        if written is _GONE:
            return self._state.get(cls, id)
        return written  # type: ignore[no-any-return]

    def many(self, cls: type[R], ids: Iterable[str]) -> list[R]:
        """The records with these ids, in order, less those that are not there."""
        written, known = self._written.get(cls), self._state.all(cls)
        if not written:
            return self._state.many(cls, ids)
        found = (written[id] if id in written else known.get(id) for id in ids)
        return [record for record in found if record is not None]

    def by(self, cls: type, index: Index, value: Any) -> Set[str]:
        """The ids under an index value, own writes included (see ``State.by``)."""
        known = self._state.by(cls, index, value)
        written = self._written.get(cls)
        if not written:
            return known
        found = set(known)
        found.difference_update(written)
        return found | self._index(cls, index, written).get(value, set())

    def _index(self, cls: type, index: Index, written: dict[str, Any]) -> dict[Any, set[str]]:
        """An index of what is written, made when it is first asked for."""
        tables = self._indexes.setdefault(cls, {})
        table = tables.get(index)
        if table is None:
            values_of = meta(cls).index_of[index]
            table = tables[index] = {}
            for id, record in written.items():
                for value in values_of(record) if record is not None else ():
                    table.setdefault(value, set()).add(id)
        return table

    def total(self, tally: Tally, value: Hashable) -> int:
        """The sum over the records under a value, own writes included (see ``State.total``)."""
        known, written = self._state.total(tally, value), self._written.get(tally.of)
        if not written:
            return known
        tallies = self._shifts.setdefault(tally.of, {})
        if tally not in tallies:
            tallies[tally] = {}
            for id, record in written.items():
                tally.shift(tallies[tally], self._state.get(tally.of, id), record)
        return known + tallies[tally].get(value, 0)

    def _write(self, cls: type, id: str, record: Any) -> None:
        """Note a record as it is to be, None for none."""
        for tally, sums in self._shifts.get(cls, {}).items():
            tally.shift(sums, self.get(cls, id), record)
        written = self._written.setdefault(cls, {})
        before = written.get(id)
        self._writes[cls, id] = written[id] = record
        for index, table in self._indexes.get(cls, {}).items():
            values_of = meta(cls).index_of[index]
            for value in values_of(before) if before is not None else ():
                table[value].discard(id)
            for value in values_of(record) if record is not None else ():
                table.setdefault(value, set()).add(id)

    def all(self, cls: type[R]) -> Mapping[str, R]:
        """Every record of a class; prefer ``by``, this copies when the transaction wrote any."""
        written = self._written.get(cls)
        if not written:
            return self._state.all(cls)
        merged = {**self._state.all(cls), **written}
        return {id: record for id, record in merged.items() if record is not None}

    @property
    def before(self) -> Records:
        """The state on which this transaction stands, without its own writes."""
        return self._state

    def put(self, record: Any) -> None:
        """Write a record, new or changed; a reference to nothing raises IntentError naming the field."""
        described = meta(type(record))
        for item in described.refs:
            self._check(described, item, getattr(record, item.name))
        self._write(type(record), record.id, record)

    def _check(self, described: Meta, item: FieldMeta, value: Any) -> None:
        for id in value if isinstance(value, tuple) else (value,):
            if id == "" and item.optional:
                continue
            target = named(item.target)
            if self.get(target, id) is not None:
                continue
            where = f"{described.name}.{item.name}"
            if (target, id) in self._writes or self._holds(target, id):
                raise IntentError.missing(where, f"{target.__name__} {id!r}")
            self.assumed.append((where, target, id))

    def delete(self, cls: type, id: str) -> None:
        """Remove a record and settle what refers to it, as each reference's ``on_delete`` says."""
        if self.get(cls, id) is None:
            return
        for other, item in referrers(cls.__name__):
            for holder in sorted(self.by(other.cls, (item.name,), id)):
                self._settle(cls, id, other, item, holder)
        known = self._state.get(cls, id)
        self._write(cls, id, None)
        for item in meta(cls).numbers if known is not None else ():
            value = getattr(known, item.name)
            self._numbers.retire(item.pool, value)
            self._hints.freed(item.pool, value)

    def _settle(self, cls: type, id: str, other: Meta, item: FieldMeta, holder: str) -> None:
        if item.on_delete == "cascade":
            self.delete(other.cls, holder)
        elif item.on_delete == "clear":
            record: Any = self.get(other.cls, holder)
            value = getattr(record, item.name)
            left = tuple(v for v in value if v != id) if isinstance(value, tuple) else ""
            self._write(other.cls, holder, replace(record, **{item.name: left}))
        else:
            raise IntentError.precondition(None, f"{cls.__name__} {id} is still used by {other.name} {holder}")

    def new_id(self, cls: type) -> str:
        """A fresh id of the form ``prefix-`` and ten of [a-z0-9]."""
        return f"{meta(cls).prefix}-" + "".join(secrets.choice(_ALPHABET) for _ in range(10))

    def allocate(self, cls: type, field: str) -> int:
        """The lowest free number of the field's pool, as far as the hint knows; IntentError when none is left."""
        item = meta(cls).fields[field]
        used = self._numbers.used(item.pool)

        def not_free(number: int) -> bool:
            # A record takes several numbers of a pool before it is written.
            return (item.pool, number) in self._given or used(number)

        taken = self._hints.take(item.pool, item.low, item.high, not_free)
        if taken is None:
            raise IntentError(None, f"no free {item.pool} is left", 429, "QUOTA_EXCEEDED")
        self._given.add((item.pool, taken))
        return taken

    def pick(self, pool: Any, low: int, high: int, used: Callable[[int], bool]) -> int | None:
        """A number between ``low`` and ``high`` that is not ``used``, next after the last one picked from ``pool``."""
        return self._hints.take(pool, low, high, used)

    def absorb(self, later: "Txn") -> None:
        """Take in the writes of a transaction that was made on top of this one."""
        for (cls, id), record in later._writes.items():
            self._write(cls, id, record)

    def changes(self) -> list[Change]:
        """The changes to commit, each record once; writes that change nothing are left out."""
        made = []
        for (cls, id), record in self._writes.items():
            known = self._state.get(cls, id)
            if known != record:
                made.append(Change(cls, id, known, record))
        return made
