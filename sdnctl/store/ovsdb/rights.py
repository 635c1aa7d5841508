"""Rights in the store: an agent writes its own host's rows, an API server everything (ovsdb-server(5), RBAC).

Every client that comes by TLS has one role, and is known by the name in its certificate.  A row may be written by whom
one of its columns names.  Rows that hosts report name their host; and every row has a column ``writer`` that can say
nothing but "api" (or nothing), so an agent can neither insert intent nor pass for the API in a row of its own.  What
hosts take over from each other API servers write, as hosts ask them to (``api.arbiter``).  The services that the region
has once are "services": they may write the classes that they declare, by a column ``deputy`` that is used in those
tables only.
"""

import uuid
from collections.abc import Iterator, Mapping, Set
from typing import Any

from sdnctl.model.resource import Meta, meta
from sdnctl.store.ovsdb.codec import Table

DOORS, CONNECTION, ROLE, PERMISSION = "Doors", "Connection", "RBAC_Role", "RBAC_Permission"
WRITER, API = "writer", "api"
DEPUTY, SERVICES = "deputy", "services"
OWN = frozenset({"Lease", "ServiceHealth"})
"""The classes that every service writes, whatever it declares: that it has the turn, and how it does."""
NAME = "region"
REGION = "Region"
Operation = dict[str, Any]

WHO = {WRITER: API, DEPUTY: SERVICES}
"""The columns of every row that say who may write it, and their values."""
WHO_TYPES = {name: {"key": {"type": "string", "enum": ["set", ["", who]]}} for name, who in WHO.items()}


def shape() -> dict[str, Any]:
    """The tables that ovsdb-server itself reads: where it listens, and the rights of a role."""
    text, texts = {"type": "string"}, {"type": {"key": "string", "min": 0, "max": "unlimited"}}
    pairs = {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}}
    connection = {
        "target": text,
        "role": text,
        "max_backoff": {"type": {"key": "integer", "min": 0, "max": 1}},
        "inactivity_probe": {"type": {"key": "integer", "min": 0, "max": 1}},
        "is_connected": {"type": "boolean", "ephemeral": True},
        "status": pairs | {"ephemeral": True},
    }
    doors = {"key": {"type": "uuid", "refTable": CONNECTION}, "min": 0, "max": "unlimited"}
    permissions = {
        "key": "string",
        "value": {"type": "uuid", "refTable": PERMISSION, "refType": "weak"},
        "min": 0,
        "max": "unlimited",
    }
    permission = {"table": text, "authorization": texts, "insert_delete": {"type": "boolean"}, "update": texts}
    return {
        DOORS: {"columns": {"connections": {"type": doors}}, "isRoot": True, "maxRows": 1},
        CONNECTION: {"columns": connection, "indexes": [["target"]]},
        ROLE: {"columns": {"name": text, "permissions": {"type": permissions}}, "isRoot": True, "indexes": [["name"]]},
        PERMISSION: {"columns": permission, "isRoot": True},
    }


def authorization(of: Meta, delegated: Set[str] = OWN) -> list[str]:
    """The columns of a table that may name who writes a row; ``delegated`` are the tables of the region's services."""
    deputies = [DEPUTY] if of.name in delegated else []
    if not of.report:
        return [WRITER, *deputies]
    if of.contested:
        return [WRITER, *deputies]
    return ["host" if "host" in of.fields else "id", WRITER, *deputies]


def changeable(table: Table) -> list[str]:
    """The columns of a row that may change: not those that say whose it is, or a host could make a row another's."""
    of = meta(table.cls)
    fixed = {"id", "host"} if of.report and not of.contested else set()
    return [name for name in table.columns if name not in fixed]


def grant(
    tables: Mapping[str, Table], others: Mapping[str, list[str]], targets: list[str], delegated: Set[str] = frozenset()
) -> Iterator[Operation]:
    """The operations that make the rights and the doors what they should be; ``others`` are tables without a class.

    ``targets`` are added to where the members listen already.  ``delegated`` are the classes that the region's services
    may write: for intent they must be able to count transactions as well.
    """
    given_on = OWN | delegated
    if delegated:
        given_on |= {REGION, *others}
    for name in sorted(given_on & {*tables, *others}):
        # Rows from before there were services.
        yield {"op": "update", "table": name, "where": [[DEPUTY, "!=", SERVICES]], "row": {DEPUTY: SERVICES}}
    yield {"op": "delete", "table": ROLE, "where": []}
    yield {"op": "delete", "table": PERMISSION, "where": []}
    rows = {name: (authorization(meta(table.cls), given_on), changeable(table)) for name, table in tables.items()}
    rows |= {name: ([WRITER, *([DEPUTY] if name in given_on else [])], columns) for name, columns in others.items()}
    given = []
    for name, (columns, written) in sorted(rows.items()):
        made = f"may_{name}"
        row = {"table": name, "authorization": _set(columns), "insert_delete": True, "update": _set(written)}
        yield {"op": "insert", "table": PERMISSION, "uuid-name": made, "row": row}
        given.append([name, ["named-uuid", made]])
    yield {"op": "insert", "table": ROLE, "row": {"name": NAME, "permissions": ["map", given]}}
    for number, target in enumerate(targets):
        door = f"door_{number}"
        yield {"op": "insert", "table": CONNECTION, "uuid-name": door, "row": {"target": target, "role": NAME}}
        insert = ["connections", "insert", ["named-uuid", door]]
        yield {"op": "mutate", "table": DOORS, "where": [], "mutations": [insert]}


def make_doors() -> Operation:
    """The operation that makes the one row that says where members listen."""
    return {"op": "insert", "table": DOORS, "uuid": str(uuid.UUID(int=1)), "row": {}}


def _set(values: list[str]) -> list[Any]:
    return ["set", values]
