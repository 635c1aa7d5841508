"""Settling of a member that serves: bring the store's schema up to date, open its doors, give the rights.

It asks its own server through the local socket, where root has all rights; any member may do it, and again.
"""

import json
from functools import partial
from typing import Any

from sdnctl.base.errors import StoreError
from sdnctl.store.ovsdb import rights, schema
from sdnctl.store.server import convert
from sdnctl.store.server.fill import fill, in_chunks
from sdnctl.store.server.member import Member
from sdnctl.store.server.upgrades import upgrades

PATIENCE_S = 30


def settle(member: Member) -> list[str]:
    """Do it; what was done, in words.  StoreError when the server does not answer, or must not be converted."""
    tables = schema.tables()
    _client("--timeout", str(PATIENCE_S), "wait", f"unix:{member.socket}", schema.DATABASE, "connected")
    done = []
    wanted = member.data / "store.schema"
    wanted.write_text(schema.schema_text(tables))
    old = _outdated(member, schema.schema(tables))
    if old is not None:
        _client("convert", f"unix:{member.socket}", str(wanted))
        done.append(f"converted to the schema {schema.VERSION}")
    fill(partial(_transact, member), tables, old)
    if member.pki is not None:
        done += _open(member, tables)
    return done


def _outdated(member: Member, wanted: convert.Schema) -> convert.Schema | None:
    """The schema that is served, when it is older than the wanted one."""
    served: convert.Schema = json.loads(_client("get-schema", f"unix:{member.socket}", schema.DATABASE))
    if convert.numbers(served["version"]) >= convert.numbers(wanted["version"]):
        return None
    steps = convert.due(served["version"], wanted["version"], upgrades())
    dropped = {name for step in steps for name in step.drops}
    lost = [name for name in convert.losses(served, wanted) if name not in dropped]
    if lost:
        raise StoreError(f"converting the store {served['version']} would lose {', '.join(lost)}")
    return served


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


def _transact(member: Member, operations: list[Any]) -> list[Any]:
    answers = in_chunks(operations, lambda text: _client("transact", f"unix:{member.socket}", text))
    for answer in answers:
        if answer and "error" in answer:
            raise StoreError(f"the store refuses its own member: {answer['error']}: {answer.get('details', '')}")
    return answers


def _client(*arguments: str) -> str:
    """Run ovsdb-client(1); see ``convert.run``."""
    return convert.run("ovsdb-client", *arguments, timeout=2 * PATIENCE_S)
