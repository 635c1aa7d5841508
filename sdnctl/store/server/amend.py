"""The rows that an upgrade makes or changes, ready to be written.

A row that it made has no UUID yet: that follows from its id, as for every record, and API servers are its writers.
"""

from collections.abc import Iterator
from typing import Any

from sdnctl.model.upgrade import Rows
from sdnctl.store.ovsdb.rights import API, WRITER
from sdnctl.store.ovsdb.schema import row_uuid

Row = dict[str, Any]


def identified(rows: Rows) -> Rows:
    """The same rows, those that were made with a UUID and a writer."""
    return {name: [row if "_uuid" in row else _identified(name, row) for row in there] for name, there in rows.items()}


def _identified(name: str, row: Row) -> Row:
    return {**row, "_uuid": ["uuid", row_uuid(name, row["id"])], WRITER: API}


def amendments(before: Rows, after: Rows) -> Iterator[Row]:
    """Operations (RFC 7047, 5.2) that make of some rows what an upgrade made of them.

    A column is changed only where it still holds what the upgrade saw.
    """
    for name, there in identified(after).items():
        known = {row["_uuid"][1]: row for row in before.get(name, [])}
        for row in there:
            uuid = row["_uuid"][1]
            columns = {column: value for column, value in row.items() if not column.startswith("_")}
            if uuid not in known:
                yield {"op": "insert", "table": name, "uuid": uuid, "row": columns}
                continue
            changed = {column: value for column, value in columns.items() if known[uuid].get(column) != value}
            if changed:
                seen = [[column, "==", known[uuid][column]] for column in changed]
                where = [["_uuid", "==", row["_uuid"]], *seen]
                yield {"op": "update", "table": name, "where": where, "row": changed}
