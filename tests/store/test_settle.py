"""A clustered store of the last release is converted while it serves: nothing that nobody tells anew is lost."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sdnctl.base.errors import StoreError
from sdnctl.model import records
from sdnctl.store.ovsdb import schema
from sdnctl.store.server import convert
from sdnctl.store.server.member import Member
from sdnctl.store.server.settle import settle
from tests.store.cluster import free_port
from tests.waiting import eventually

NUMBERS = {"ElasticIp": ("out_meter", "in_meter", "meter"), "Vpc": ("meter",)}


def last_release() -> dict[str, Any]:
    """The schema 1.1.0, as far as it differs from today's."""
    records.load()
    made: dict[str, Any] = json.loads(schema.schema_text(schema.tables(), "1.1.0"))
    tables = made["tables"]
    for name, columns in NUMBERS.items():
        for column in columns:
            del tables[name]["columns"][column]
    tables["ElasticIp"]["columns"]["key"] = {"type": "integer"}
    tables["EipHolder"] = tables["ActiveGateway"] = tables.pop("Holder")
    del tables["RetiredNumber"]
    return made


@pytest.fixture
def member() -> Iterator[Member]:
    """The only member of a cluster, serving what the last release left."""
    with tempfile.TemporaryDirectory(prefix="sdnctl-settle-") as directory:
        made = Member(Path(directory), f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}")
        old = made.data / "old.schema"
        old.write_text(json.dumps(last_release()))
        convert.tool("create-cluster", str(made.database), str(old), f"tcp:{made.raft}")
        with subprocess.Popen(made.argv(), stderr=subprocess.DEVNULL) as process:
            eventually(made.socket.exists)
            convert.run("ovsdb-client", "wait", f"unix:{made.socket}", schema.DATABASE, "connected", timeout=20)
            yield made
            process.terminate()


def asked(member: Member, *operations: dict[str, Any]) -> list[dict[str, Any]]:
    """The results of operations."""
    text = json.dumps([schema.DATABASE, *operations])
    found: list[dict[str, Any]] = json.loads(convert.run("ovsdb-client", "transact", f"unix:{member.socket}", text))
    return found


def rows(member: Member, table: str) -> list[dict[str, Any]]:
    """Every row of a table."""
    (found,) = asked(member, {"op": "select", "table": table, "where": []})
    return list(found["rows"])


def test_numbers_are_given_and_nothing_else_is_lost(member: Member) -> None:
    eips = [{"id": f"fip-{n}", "address": f"203.0.113.{n}", "key": n} for n in (1, 2, 3)]
    asked(member, *({"op": "insert", "table": "ElasticIp", "row": eip} for eip in eips))
    asked(member, {"op": "insert", "table": "Vpc", "row": {"id": "vpc-a", "key": 7}})
    assert settle(member) == [f"converted to the schema {schema.VERSION}"]
    found = rows(member, "ElasticIp")
    assert sorted((row["id"], row["address"]) for row in found) == [(e["id"], e["address"]) for e in eips]
    (vpc,) = rows(member, "Vpc")
    numbers = [row[column] for row in found for column in NUMBERS["ElasticIp"]] + [vpc["meter"]]
    assert len(set(numbers)) == 10 and min(numbers) > 0 and vpc["key"] == 7
    assert settle(member) == [] and rows(member, "ElasticIp") == found, "settling again changes nothing"


def test_what_no_upgrade_gives_up_is_kept(member: Member) -> None:
    text = json.loads(convert.run("ovsdb-client", "get-schema", f"unix:{member.socket}", schema.DATABASE))
    text["tables"]["Precious"] = {"columns": {"id": {"type": "string"}}}
    more = member.data / "more.schema"
    more.write_text(json.dumps(text))
    convert.run("ovsdb-client", "convert", f"unix:{member.socket}", str(more))
    with pytest.raises(StoreError, match="would lose Precious"):
        settle(member)
