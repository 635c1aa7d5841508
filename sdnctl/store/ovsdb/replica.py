"""A replica of the store in this process: the records, and the row of the database that each of them is."""

from collections.abc import Iterator, Mapping

from sdnctl.store import Change, State
from sdnctl.store.ovsdb.codec import Row, Table
from sdnctl.store.ovsdb.schema import row_number, row_uuid

Updates = dict[str, dict[str, dict[str, Row]]]


class Replica:
    """A State that follows ``update3`` messages (ovsdb-server(7) 4.1.14, 4.1.16); changed by one thread only."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self.state = State()
        self.tables = tables
        self._ids: dict[str, dict[int, str]] = {name: {} for name in tables}
        self._foreign: dict[tuple[str, str], str] = {}

    def uuid(self, name: str, id: str) -> str:
        """The row of a record: by rule, unless somebody else's tool inserted it."""
        return self._foreign.get((name, id)) or row_uuid(name, id)

    def read(self, updates: Updates, whole: bool) -> list[Change]:
        """The changes that an update makes, not applied yet; with ``whole`` what it does not mention is gone.

        Raises ValueError when the update does not fit what is known.  ``updates`` is emptied on the way, so that a
        large load does not stay in memory twice.
        """
        gone: list[Change] = []
        made: list[Change] = []
        for name, table in self.tables.items():
            rows = updates.pop(name, {})
            if whole:
                self._ids[name] = {}
            while rows:
                key, update = rows.popitem()
                change = self._change(table, key, update)
                if change is not None:
                    (made if change.new is not None else gone).append(change)
            if whole:
                gone.extend(self._vanished(table))
        return gone + made  # a foreign row may give its id to one of ours: first out, then in

    def _vanished(self, table: Table) -> Iterator[Change]:
        present = set(self._ids[table.name].values())
        known: Mapping[str, object] = self.state.all(table.cls)
        for id, record in known.items():
            if id not in present:
                self._foreign.pop((table.name, id), None)
                yield Change(table.cls, id, record, None)

    def _removed(self, table: Table, number: int) -> Change:
        id = self._ids[table.name].pop(number)
        self._foreign.pop((table.name, id), None)
        return Change(table.cls, id, self.state.get(table.cls, id), None)

    def _change(self, table: Table, key: str, update: dict[str, Row]) -> Change | None:
        ((kind, row),) = update.items()
        number = _number(key)
        if kind in ("initial", "insert"):
            record = table.record(row)
            if number not in self._ids[table.name]:
                self._learn(table, key, number, record.id)
            old = self.state.get(table.cls, record.id)
            return Change(table.cls, record.id, old, record) if old != record else None
        if number not in self._ids[table.name]:
            raise ValueError(f"the store speaks of an unknown row of {table.name}")
        if kind == "delete":
            return self._removed(table, number)
        id = self._ids[table.name][number]
        old = self.state.get(table.cls, id)
        return Change(table.cls, id, old, table.changed(old, row))

    def _learn(self, table: Table, key: str, number: int, id: str) -> None:
        self._ids[table.name][number] = id
        if number == row_number(table.name, id):
            self._foreign.pop((table.name, id), None)
        else:
            self._foreign[table.name, id] = key


def _number(key: str) -> int:
    return int(key.replace("-", ""), 16)  # 48 bytes instead of 85, for every row there is
