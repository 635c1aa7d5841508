"""The part of the region that a replica holds: everything, or the records that meet one of some clauses."""

from collections.abc import Iterable, Mapping
from typing import Any

from sdnctl.model.resource import meta
from sdnctl.store.ovsdb.codec import Column, Json, Table
from sdnctl.store.state import Change, Clause, Interest, Region

Conditions = list[Any]
Chosen = frozenset[Clause] | None
_STRING = ""  # what OVSDB keeps in a string column that nobody wrote to (RFC 7047 section 5.2.1)


class Selection:
    """An Interest in a form that compares quickly; ``number`` is that of the ``Store.follow`` that asked for it.

    The Region row is always wanted, since it tells the sequence number.
    """

    __slots__ = ("_chosen", "all", "number")

    def __init__(self, interest: Interest | None, number: int = 0) -> None:
        """None is everything.  ValueError when a clause names a field that its class does not have."""
        self.number = number
        self.all = interest is None
        self._chosen: dict[str, Chosen] = {meta(Region).name: None}
        for cls, clauses in (interest or {}).items():
            described = meta(cls)
            chosen = None if clauses is None else frozenset(clauses)
            for field, _ in chosen or ():
                if field not in described.fields:
                    raise ValueError(f"{described.name} has no field {field!r} to follow it by")
            if cls is not Region:
                self._chosen[described.name] = chosen

    def of(self, name: str) -> Chosen:
        """The clauses of a class; None when all its records are wanted."""
        return None if self.all else self._chosen.get(name, frozenset())

    def wants(self, record: Any) -> bool:
        """True when a record is wanted."""
        chosen = self.of(meta(type(record)).name)
        return chosen is None or any(getattr(record, field) == value for field, value in chosen)

    def covers(self, cls: type, id: str) -> bool:
        """True when the record of that id is wanted if it is there, whatever else it says."""
        chosen = self.of(meta(cls).name)
        return chosen is None or ("id", id) in chosen

    def conditions(self, table: Table) -> Conditions:
        """The ``where`` of a table (ovsdb-server(7) 4.1.12): clauses are or-ed, a boolean is a clause too."""
        chosen = self.of(table.name)
        if chosen is None:
            return [True]
        return [[field, "==", raw] for field, value in chosen for raw in _written(table.columns[field], value)] or [
            False
        ]

    def differences(self, other: "Selection", tables: Mapping[str, Table]) -> dict[str, Conditions]:
        """The tables that ``other`` wants differently, with the conditions that this one has for them."""
        return {name: self.conditions(table) for name, table in tables.items() if self.of(name) != other.of(name)}

    def seen(self, changes: Iterable[Change], before: "Selection | None" = None) -> list[Change]:
        """Changes as somebody sees them who holds the wanted records only: some come, some go, some are nothing.

        ``before`` is what was wanted until then, when it was something else.
        """
        if self.all and before is None:
            return list(changes)
        made = []
        for change in changes:
            old = change.old if change.old is not None and (before or self).wants(change.old) else None
            new = change.new if change.new is not None and self.wants(change.new) else None
            if old is not new:
                made.append(Change(change.cls, change.id, old, new))
        return made


def _written(column: Column, value: Any) -> list[Json]:
    """The stored forms of a value: an insert leaves an empty one out, and OVSDB keeps its own default then."""
    raw = column.encode(value)
    unwritten = value == column.empty and column.type == "string" and raw != _STRING
    return [raw, _STRING] if unwritten else [raw]
