"""A replica of the store in this process: the records, and the row of the database that each of them is.

A row that a host reported and that cannot be read is put aside (``Unreadable``): it counts as not there, until it is
written anew or deleted.  Intent that cannot be read is an error: without it nothing else could be believed.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import structlog

from sdnctl.model.resource import meta
from sdnctl.model.unreadable import Unreadable
from sdnctl.store import Change, State
from sdnctl.store.ovsdb.codec import UNREADABLE, Row, Table
from sdnctl.store.ovsdb.codec import table as plain_table
from sdnctl.store.ovsdb.schema import row_number, row_uuid
from sdnctl.store.ovsdb.seal import Unsealed

Updates = dict[str, dict[str, dict[str, Row]]]
log = structlog.get_logger("store")


class Replica:
    """A State that follows ``update3`` messages (ovsdb-server(7) 4.1.14, 4.1.16); changed by one thread only."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self.state = State()
        self.tables = tables
        self._ids: dict[str, dict[int, str]] = {name: {} for name in tables}
        self._foreign: dict[tuple[str, str], str] = {}
        self._aside: dict[str, dict[int, Row]] = {name: {} for name in tables}  # rows that cannot be read

    def uuid(self, name: str, id: str) -> str:
        """The row of a record: by rule, unless somebody else's tool inserted it."""
        return self._foreign.get((name, id)) or row_uuid(name, id)

    def is_aside(self, name: str, uuid: str) -> bool:
        """True when there is such a row, though no record, since it cannot be read."""
        return _number(uuid) in self._aside[name]

    def unsealed(self, name: str, uuid: str) -> Any:
        """The record of a row that is put aside, read without a seal; None when there is none, or it makes none."""
        row = self._aside[name].get(_number(uuid))
        try:
            return plain_table(self.tables[name].cls).record(row) if row is not None else None
        except UNREADABLE:
            return None

    def read(self, updates: Updates, whole: bool) -> list[Change]:
        """The changes that an update makes, not applied yet; with ``whole`` what it does not mention is gone.

        Raises ValueError when the update does not fit what is known, or one of ``codec.UNREADABLE`` for intent that
        cannot be read.  ``updates`` is emptied on the way, so that a large load does not stay in memory twice.
        """
        gone: list[Change] = []
        made: list[Change] = []
        for name, table in self.tables.items():
            rows = updates.pop(name, {})
            if whole:
                self._ids[name], self._aside[name] = {}, {}
            while rows:
                key, update = rows.popitem()
                for change in self._changes(table, key, update):
                    (made if change.new is not None else gone).append(change)
            if whole:
                gone.extend(self._vanished(table))
        return gone + made  # a foreign row may give its id to one of ours: first out, then in

    def _vanished(self, table: Table) -> Iterator[Change]:
        aside = self._aside[table.name]
        present = {id for number, id in self._ids[table.name].items() if number not in aside}
        known: Mapping[str, object] = self.state.all(table.cls)
        for id, record in known.items():
            if id not in present:
                self._foreign.pop((table.name, id), None)
                yield Change(table.cls, id, record, None)
        for id, one in self.state.all(Unreadable).items():
            if one.table == table.name and _number(one.row) not in aside:
                yield Change(Unreadable, id, one, None)

    def _changes(self, table: Table, key: str, update: dict[str, Row]) -> Iterator[Change]:
        ((kind, row),) = update.items()
        number = _number(key)
        id = self._ids[table.name].get(number)
        if kind in ("initial", "insert"):
            if id is None:
                self._learn(table, key, number, row.get("id", ""))
            yield from self._made(table, number, row)
        elif id is None:
            raise ValueError(f"the store speaks of an unknown row of {table.name}")
        elif kind == "delete":
            yield from self._removed(table, number)
        elif number in self._aside[table.name]:
            yield from self._made(table, number, table.patched(self._aside[table.name][number], row))
        else:
            yield from self._modified(table, number, row)

    def _made(self, table: Table, number: int, row: Row) -> Iterator[Change]:
        """The changes by a row that is known as a whole."""
        id = self._ids[table.name][number]
        old = self.state.get(table.cls, id)
        try:
            record = table.record(row)
        except UNREADABLE as error:
            yield from self._put_aside(table, number, row, error)
            return
        yield from self._back(table, number)
        if old != record:
            yield Change(table.cls, id, old, record)

    def _modified(self, table: Table, number: int, row: Row) -> Iterator[Change]:
        id = self._ids[table.name][number]
        old = self.state.get(table.cls, id)
        try:
            record = table.changed(old, row)
        except UNREADABLE as error:
            yield from self._put_aside(table, number, table.patched(table.whole(old), row), error)
            return
        yield Change(table.cls, id, old, record)

    def _removed(self, table: Table, number: int) -> Iterator[Change]:
        id = self._ids[table.name].pop(number)
        self._foreign.pop((table.name, id), None)
        yield from self._back(table, number)
        old = self.state.get(table.cls, id)
        if old is not None:
            yield Change(table.cls, id, old, None)

    def _put_aside(self, table: Table, number: int, row: Row, error: Exception) -> Iterator[Change]:
        """Take a report that cannot be read out of what is known; the error is raised again when it is intent.

        A secret that is not sealed is no intent: whoever wrote it has not the key.
        """
        if not meta(table.cls).report and not isinstance(error, Unsealed):
            raise error
        self._aside[table.name][number] = row
        id = self._ids[table.name][number]
        uuid = str(UUID(int=number))
        host = row.get("host", "") if "host" in table.columns else id
        said = f"{type(error).__name__}: {error}"
        found = Unreadable(
            id=f"{table.name}/{uuid}", table=table.name, row=uuid, record=id, host=host, error=said[:200]
        )
        known, old = self.state.get(Unreadable, found.id), self.state.get(table.cls, id)
        if old is not None:
            yield Change(table.cls, id, old, None)
        if found != known:
            log.error("a report cannot be read", table=table.name, row=uuid, record=id, host=host, error=found.error)
            yield Change(Unreadable, found.id, known, found)

    def _back(self, table: Table, number: int) -> Iterator[Change]:
        """A row that was put aside is read again, or gone."""
        self._aside[table.name].pop(number, None)
        known = self.state.get(Unreadable, f"{table.name}/{UUID(int=number)}") if self.state.all(Unreadable) else None
        if known is not None:
            yield Change(Unreadable, known.id, known, None)

    def _learn(self, table: Table, key: str, number: int, id: str) -> None:
        self._ids[table.name][number] = id
        if number == row_number(table.name, id):
            self._foreign.pop((table.name, id), None)
        else:
            self._foreign[table.name, id] = key


def _number(key: str) -> int:
    return int(key.replace("-", ""), 16)  # 48 bytes instead of 85, for every row there is
