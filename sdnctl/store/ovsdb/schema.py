"""The shape of the stored region: one table a resource, generated from the model, with a version of its own.

Rule of versions: adding a resource or a field is a *minor* step and converts by itself (the new column takes the
field's default); anything else (removing, renaming, another type) is a *major* step and needs a function in
an ``Upgrade`` that says what becomes of the data.
"""

import json
import uuid
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

from sdnctl.model.resource import meta, resources
from sdnctl.store.ovsdb import rights
from sdnctl.store.ovsdb.codec import Table, table
from sdnctl.store.ovsdb.seal import Seal

DATABASE = "sdnctl"
VERSION = "1.3.0"
COMMIT = "Commit"
COMMIT_COLUMNS = {"attempt": "string", "sequence": "integer"}


def tables(classes: Iterable[type] | None = None, seal: Seal | None = None) -> dict[str, Table]:
    """Every stored resource as a table, by name; ``classes`` default to all that are declared and not local.

    ``seal`` closes and opens secret fields.
    """
    wanted = resources().values() if classes is None else classes
    return {meta(cls).name: table(cls, seal) for cls in wanted if not meta(cls).local}


def schema(stored: Mapping[str, Table], version: str = VERSION) -> dict[str, Any]:
    """The database schema (RFC 7047 section 3.2) of these tables.

    All are root tables: nothing is collected for want of a reference.  ``Commit`` remembers who made the latest
    sequence numbers, so that a process whose connection broke can learn what became of its commit.  Why every row has
    a ``writer``, and what else is there, is told in ``rights``.
    """
    made: dict[str, Any] = {
        name: {
            "columns": {column.name: {"type": column.type} for column in described.columns.values()},
            "indexes": [["id"]],
            "isRoot": True,
        }
        for name, described in stored.items()
    }
    columns = {name: {"type": kind} for name, kind in COMMIT_COLUMNS.items()}
    made[COMMIT] = {"columns": columns, "isRoot": True}
    for described in made.values():
        described["columns"] |= {name: {"type": kind} for name, kind in rights.WHO_TYPES.items()}
    return {"name": DATABASE, "version": version, "tables": made | rights.shape()}


def schema_text(stored: Mapping[str, Table], version: str = VERSION) -> str:
    """The same as the text of a schema file; equal models give equal text."""
    return json.dumps(schema(stored, version), indent=1, sort_keys=True)


def row_number(name: str, id: str) -> int:
    """The row of a record, as a 128-bit number: it follows from the id, so nobody has to remember the pairs."""
    return int.from_bytes(blake2b(f"{name}/{id}".encode(), digest_size=16).digest())


def row_uuid(name: str, id: str) -> str:
    """The same as the UUID that the database knows the row by.

    ovsdb-server takes the UUID of an insert since 2.13 (ovsdb-server(7) 5.2.1); looking a row up by UUID is a hash
    lookup there, by any other column a scan of the table.
    """
    return str(uuid.UUID(int=row_number(name, id)))


def missing(stored: Mapping[str, Table], served: dict[str, Any]) -> str | None:
    """The first table or column that the schema of a server lacks; None when it has all this program needs."""
    there: dict[str, Any] = served.get("tables", {})
    wanted: dict[str, dict[str, Any]] = {
        name: {column.name: column.type for column in described.columns.values()} for name, described in stored.items()
    }
    for name, columns in (wanted | {COMMIT: COMMIT_COLUMNS}).items():
        if name not in there:
            return name
        for column, kind in columns.items():
            if column not in there[name]["columns"]:
                return f"{name}.{column}"
            if canonical(there[name]["columns"][column]["type"]) != canonical(kind):
                return f"{name}.{column} of the type {kind}"
        for who in rights.WHO:
            if who not in there[name]["columns"]:
                return f"{name}.{who}"
    return None


def canonical(kind: Any) -> Any:
    """An OVSDB type in one spelling: a server may answer ``{"key": "string"}`` for ``"string"``."""
    if isinstance(kind, str):
        kind = {"key": kind}
    return {"min": 1, "max": 1, **{k: _base(v) if k in ("key", "value") else v for k, v in kind.items()}}


def _base(kind: Any) -> Any:
    """The type of a column's keys or values in one spelling; some say more than a name (RFC 7047, 3.2, base-type)."""
    return {"type": kind} if isinstance(kind, str) else kind
