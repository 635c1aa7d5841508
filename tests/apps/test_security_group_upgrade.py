"""A region that was stored before security groups were enforced opens with a default group for every VPC."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.eni.model import NetworkInterface
from apps.security_group.facts import default_group
from apps.security_group.model import GroupProfile, GroupRule, SecurityGroup
from apps.security_group.upgrades import default_groups
from apps.vpc.model import Vpc
from sdnctl.model import records
from sdnctl.store import State, Txn
from sdnctl.store.ovsdb import schema
from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.store.ovsdb.schema import row_uuid
from sdnctl.store.server import convert
from sdnctl.store.server.single import Server
from tests.store.test_settle import last_release

VPCS, PORTS = 40, 20
"""More rows than one command of ovsdb-tool takes."""


def old_rows() -> Iterator[dict[str, Any]]:
    """Operations that fill a store of the last release: VPCs, and interfaces in the first that name any group."""
    account = {"id": "acct-a"}
    yield {"op": "insert", "table": "Account", "uuid": row_uuid("Account", "acct-a"), "row": account}
    for n in range(1, VPCS + 1):
        vpc = {"id": f"vpc-{n}", "account": "acct-a", "key": n, "created": float(n)}
        yield {"op": "insert", "table": "Vpc", "uuid": row_uuid("Vpc", vpc["id"]), "row": vpc}
    for n in range(1, PORTS + 1):
        id = f"port-{n}"
        port = {"id": id, "account": "acct-a", "vpc": "vpc-1", "key": n, "mac": "fa:16:3e:00:00:01"}
        asked = {"addresses": '["10.0.0.5"]', "security_groups": '["sg-x","sg-y"]'}
        yield {
            "op": "insert",
            "table": "NetworkInterface",
            "uuid": row_uuid("NetworkInterface", id),
            "row": port | asked,
        }


@pytest.fixture
def store() -> Iterator[OvsdbStore]:
    """The store after this program has opened what the last release left."""
    with tempfile.TemporaryDirectory(prefix="sdnctl-groups-") as directory:
        old = Path(directory) / "old.schema"
        old.write_text(json.dumps(last_release()))
        server = Server(Path(directory))
        convert.tool("create", str(server.database), str(old))
        convert.tool("transact", str(server.database), json.dumps([schema.DATABASE, *old_rows()]))
        assert server.prepare() is not None
        with subprocess.Popen(server.argv(), stderr=subprocess.DEVNULL) as process:
            made = OvsdbStore(server.remote)
            yield made
            made.close()
            process.terminate()


def test_every_vpc_of_a_stored_region_has_a_default_group(store: OvsdbStore) -> None:
    with store.read() as state:
        groups, rules = state.all(SecurityGroup), state.all(GroupRule)
        assert sorted(group.vpc for group in groups.values()) == sorted(state.all(Vpc))
        assert all(group.default and group.name == "default" for group in groups.values())
        assert sorted((rule.group, rule.direction, rule.protocol, str(rule.cidr)) for rule in rules.values()) == sorted(
            (id, direction, "all", "0.0.0.0/0") for id in groups for direction in ("in", "out")
        )
        (profile,) = state.all(GroupProfile).values()
        assert profile.groups == (default_group("vpc-1", state),) and profile.key == 1
        assert {port.security_groups for port in state.all(NetworkInterface).values()} == {()}


def test_the_default_groups_are_changed_like_any_record(store: OvsdbStore) -> None:
    def rename(txn: Txn) -> None:
        for group in txn.all(SecurityGroup).values():
            txn.put(replace(group, name="ours"))

    store.transact(rename)
    with store.read() as state:
        assert {group.name for group in state.all(SecurityGroup).values()} == {"ours"}


def test_what_is_there_already_stays(store: OvsdbStore) -> None:
    """The upgrade is done again on a store that others write meanwhile: their groups and interfaces are theirs."""
    records.load()
    tables = schema.tables()
    with store.read() as state:
        rows = {cls.__name__: _rows(tables, state, cls) for cls in (Vpc, SecurityGroup, GroupRule, GroupProfile)}
        rows["NetworkInterface"] = _rows(tables, state, NetworkInterface)
    assert default_groups.work(rows) == rows
    web = {"id": "sg-web", "account": "acct-a", "vpc": "vpc-1", "default": False}
    ports = [{**rows["NetworkInterface"][0], "security_groups": '["sg-web"]'}, *rows["NetworkInterface"][1:]]
    more = rows | {"SecurityGroup": [*rows["SecurityGroup"], web], "NetworkInterface": ports}
    assert default_groups.work(more) == more


def _rows(tables: Any, state: State, cls: type) -> list[dict[str, Any]]:
    return [tables[cls.__name__].whole(record) for record in state.all(cls).values()]
