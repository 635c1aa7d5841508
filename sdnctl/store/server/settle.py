"""Settling of a member that serves: bring the store's schema up to date, open its doors, give the rights.

It asks its own server through the local socket, where root has all rights; any member may do it, and again.
"""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from sdnctl.base.errors import StoreError
from sdnctl.base.paths import write_private
from sdnctl.model.resource import meta
from sdnctl.model.unreadable import Unsealed
from sdnctl.store.ovsdb import rights, schema
from sdnctl.store.ovsdb.codec import Table
from sdnctl.store.ovsdb.seal import MARK
from sdnctl.store.server import convert
from sdnctl.store.server.amend import amendments
from sdnctl.store.server.fill import fill, in_chunks
from sdnctl.store.server.member import Member
from sdnctl.store.server.upgrades import upgrades

PATIENCE_S = 30
SEALED_SINCE = "1.3.0"
"""The schema's version since which a secret that is not sealed is not believed."""


def settle(member: Member) -> list[str]:
    """Do it; what was done, in words.  StoreError when the server does not answer, or must not be converted."""
    tables = schema.tables()
    _client("--timeout", str(PATIENCE_S), "wait", f"unix:{member.socket}", schema.DATABASE, "connected")
    done = []
    wanted = member.data / "store.schema"
    wanted.write_text(schema.schema_text(tables))
    old = _outdated(member, tables)
    # The schema of before is kept until the new columns have their values: a conversion may end between the two.
    before = member.data / "store.schema.before"
    if old is not None:
        if not before.exists():
            write_private(before, json.dumps(old))
        _client("convert", f"unix:{member.socket}", str(wanted))
        done.append(f"converted to the schema {schema.VERSION}")
    elif before.exists():
        done.append("finished an earlier conversion")
    if before.exists():
        old = json.loads(before.read_text())
        _amend(member, old["version"])
        if member.pki is not None and convert.numbers(old["version"]) < convert.numbers(SEALED_SINCE):
            _note_unsealed(member, tables)
    fill(partial(_transact, member), tables, old)
    before.unlink(missing_ok=True)
    if member.pki is not None:
        done += _open(member, tables)
    return done


def _outdated(member: Member, tables: Mapping[str, Table]) -> convert.Schema | None:
    """The schema that is served, when it is older than that of this program, or lacks something of it."""
    wanted = schema.schema(tables)
    served: convert.Schema = json.loads(_client("get-schema", f"unix:{member.socket}", schema.DATABASE))
    newer = convert.numbers(served["version"]) > convert.numbers(wanted["version"])
    if newer or (served["version"] == wanted["version"] and not schema.missing(tables, served)):
        return None
    steps = convert.due(served["version"], wanted["version"], upgrades())
    dropped = {name for step in steps for name in step.drops}
    lost = [name for name in convert.losses(served, wanted) if name not in dropped]
    if lost:
        raise StoreError(f"converting the store {served['version']} would lose {', '.join(lost)}")
    return served


def _amend(member: Member, since: str) -> None:
    """Do what the upgrades since a version do in a store that serves."""
    for step in convert.due(since, schema.VERSION, upgrades()):
        asked = [{"op": "select", "table": name, "where": []} for name in step.serves]
        found = {name: answer["rows"] for name, answer in zip(step.serves, _transact(member, asked), strict=True)}
        _transact(member, list(amendments(found, convert.upgraded(step, found))) if found else [])


def _note_unsealed(member: Member, tables: Mapping[str, Table]) -> None:
    """Note the secrets that lie unsealed in a store of an earlier program, for the API servers (``api.sealing``)."""
    described = {name: [f.name for f in meta(table.cls).fields.values() if f.secret] for name, table in tables.items()}
    secrets = {name: columns for name, columns in described.items() if columns}
    notes = Unsealed.__name__
    asked = [{"op": "select", "table": name, "where": []} for name in (*secrets, notes)]
    *found, known = (answer["rows"] for answer in _transact(member, asked))
    noted = {row["id"] for row in known}
    operations = []
    for (name, columns), rows in zip(secrets.items(), found, strict=True):
        for row in rows:
            id = f"{name}/{row['_uuid'][1]}"
            if id not in noted and any(row[column] and not row[column].startswith(MARK) for column in columns):
                made = {"op": "insert", "table": notes, "uuid": schema.row_uuid(notes, id)}
                operations.append({**made, "row": {"id": id, **rights.WHO}})
    _transact(member, operations)


def _open(member: Member, tables: Any) -> list[str]:
    """Let clients in at this member's address, with the rights that their names give them."""
    ask = [
        {"op": "select", "table": rights.DOORS, "where": [], "columns": ["_uuid"]},
        {"op": "select", "table": rights.CONNECTION, "where": [], "columns": ["target"]},
    ]
    doors, connections = (answer["rows"] for answer in _transact(member, ask))
    known = {row["target"] for row in connections}
    others = {schema.COMMIT: [*schema.COMMIT_COLUMNS]}
    operations = [] if doors else [rights.make_doors()]
    operations += rights.grant(tables, others, [] if member.target in known else [member.target], member.delegated)
    _transact(member, operations)
    return [] if member.target in known else [f"listens at {member.target}"]


def adopt(member: Member) -> None:
    """Have API servers own every row as well: a host may leave out who else may delete what it inserts."""
    wrong = [[rights.WRITER, "!=", rights.API]]
    own = [
        {"op": "update", "table": name, "where": wrong, "row": {rights.WRITER: rights.API}} for name in schema.tables()
    ]
    _transact(member, own)


def _transact(member: Member, operations: list[Any]) -> list[Any]:
    answers = in_chunks(operations, lambda text: _client("transact", f"unix:{member.socket}", text))
    for answer in answers:
        if answer and "error" in answer:
            raise StoreError(f"the store refuses its own member: {answer['error']}: {answer.get('details', '')}")
    return answers


def _client(*arguments: str) -> str:
    """Run ovsdb-client(1); see ``convert.run``."""
    return convert.run("ovsdb-client", *arguments, timeout=2 * PATIENCE_S)
