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

NEW = (
    "SecurityGroup",
    "GroupRule",
    "GroupProfile",
    "NetworkAcl",
    "AclRule",
    "AclSubnet",
    "PrefixList",
    "VpcPrefixes",
    "Unsealed",
)
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
    for name in ("RetiredNumber", *NEW):
        del tables[name]
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


def test_a_conversion_that_ended_before_the_new_columns_were_filled_is_finished(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What others have written meanwhile stays; a member that is settled again does it once."""
    text = json.loads(convert.run("ovsdb-client", "get-schema", f"unix:{member.socket}", schema.DATABASE))
    del text["tables"]["Host"]["columns"]["mtu"]
    less = member.data / "less.schema"
    less.write_text(json.dumps(text))
    convert.run("ovsdb-client", "convert", f"unix:{member.socket}", str(less))
    asked(member, *({"op": "insert", "table": "Host", "row": {"id": id}} for id in ("hv1", "hv2")))

    def dies(*arguments: Any) -> None:
        raise StoreError("the power went")

    with monkeypatch.context() as patched:
        patched.setattr("sdnctl.store.server.settle.fill", dies)
        with pytest.raises(StoreError, match="the power went"):
            settle(member)
    asked(member, {"op": "update", "table": "Host", "where": [["id", "==", "hv2"]], "row": {"mtu": 9000}})
    assert settle(member) == ["finished an earlier conversion"]
    assert {row["id"]: row["mtu"] for row in rows(member, "Host")} == {"hv1": 1500, "hv2": 9000}
    assert settle(member) == []


def without_groups(member: Member) -> None:
    """Two VPCs as the last release left them; interfaces of one of them name groups that there never were."""
    for name in "ab":
        vpc = {"id": f"vpc-{name}", "account": "acct-a", "key": ord(name), "created": 5.0}
        asked(member, {"op": "insert", "table": "Vpc", "row": vpc})
    for number in (1, 2):
        port = {"id": f"port-{number}", "account": "acct-a", "vpc": "vpc-a", "key": number, "addresses": '["10.0.0.5"]'}
        asked(member, {"op": "insert", "table": "NetworkInterface", "row": port | {"security_groups": '["sg-1"]'}})


def test_a_store_that_serves_gets_default_groups_and_keeps_what_others_write_meanwhile(member: Member) -> None:
    without_groups(member)
    settle(member)
    groups = {row["vpc"]: row for row in rows(member, "SecurityGroup")}
    assert groups.keys() == {"vpc-a", "vpc-b"} and all(row["default"] and row["bit"] == -1 for row in groups.values())
    made = rows(member, "GroupRule")
    assert sorted((rule["group"], rule["direction"], rule["action"], rule["cidr"]) for rule in made) == sorted(
        (group["id"], direction, "allow", "") for group in groups.values() for direction in ("in", "out")
    )
    (profile,) = rows(member, "GroupProfile")
    assert (profile["vpc"], profile["name"], profile["key"]) == ("vpc-a", groups["vpc-a"]["id"], 1)
    assert [row["security_groups"] for row in rows(member, "NetworkInterface")] == ["", ""]
    everything = {name: rows(member, name) for name in ("SecurityGroup", "GroupRule", "GroupProfile")}
    assert {row["writer"] for there in everything.values() for row in there} == {"api"}
    assert settle(member) == [] and everything == {name: rows(member, name) for name in everything}


def test_default_groups_are_finished_after_an_interruption(member: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    without_groups(member)

    def dies(*arguments: Any) -> None:
        raise StoreError("the power went")

    with monkeypatch.context() as patched:
        patched.setattr("sdnctl.store.server.settle.fill", dies)
        with pytest.raises(StoreError, match="the power went"):
            settle(member)
    rule, *_ = rows(member, "GroupRule")
    asked(member, {"op": "delete", "table": "GroupRule", "where": [["_uuid", "==", rule["_uuid"]]]})
    group = next(row for row in rows(member, "SecurityGroup") if row["vpc"] == "vpc-b")
    named = {"op": "update", "table": "SecurityGroup", "where": [["id", "==", group["id"]]], "row": {"name": "ours"}}
    asked(member, named)
    assert settle(member) == ["finished an earlier conversion"]
    assert len(rows(member, "GroupRule")) == 4 and len(rows(member, "SecurityGroup")) == 2
    assert "ours" in {row["name"] for row in rows(member, "SecurityGroup")}
    assert [row["key"] for row in rows(member, "GroupProfile")] == [1]
