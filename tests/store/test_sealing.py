"""Secrets that an earlier program stored unsealed go on working: they are sealed once the store is converted."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sdnctl.api.sealing import seal_noted
from sdnctl.model.account import AccessKey, Account, OperatorToken
from sdnctl.model.unreadable import Unreadable, Unsealed
from sdnctl.region import pki
from sdnctl.store.ovsdb import schema
from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.store.ovsdb.seal import MARK, Seal
from sdnctl.store.server import convert
from sdnctl.store.server.member import Member
from sdnctl.store.server.settle import settle
from tests.product import CLASSES
from tests.store.cluster import free_port
from tests.store.test_settle import NEW, asked, rows
from tests.waiting import eventually


def landed() -> dict[str, Any]:
    """The schema 1.2.0, as far as secrets are concerned."""
    made: dict[str, Any] = json.loads(schema.schema_text(schema.tables(CLASSES), "1.2.0"))
    for name in NEW:
        del made["tables"][name]
    return made


@pytest.fixture
def member() -> Iterator[Member]:
    """The only member of a store with certificates that a program of 1.2.0 left; its keys lie as they were made."""
    with tempfile.TemporaryDirectory(prefix="sdnctl-seal-") as directory:
        place = Path(directory)
        pki.init(place / "ca")
        for name, role in (("store", "store"), ("api", "api")):
            pki.issue(place / "ca", name, role, place / f"{name}.pki")
        listen, raft = (f"127.0.0.1:{free_port()}" for _ in range(2))
        made = Member(place / "data", listen, raft, (), place / "store.pki")
        made.data.mkdir()
        old = made.data / "old.schema"
        old.write_text(json.dumps(landed()))
        convert.tool("create-cluster", str(made.database), str(old), made._address(made.raft))
        links = made.links()
        assert links is not None
        links.start()
        with subprocess.Popen(made.argv(), stderr=subprocess.DEVNULL, env=made.environment) as process:
            eventually(made.socket.exists)
            convert.run("ovsdb-client", "wait", f"unix:{made.socket}", schema.DATABASE, "connected", timeout=20)
            yield made
            process.terminate()
        links.close()


def stored(member: Member) -> None:
    """The rows of an earlier program: one key unsealed, one sealed, and the operator's token unsealed."""
    seal = Seal.of(member.data.parent / "api.pki")
    assert seal is not None
    secrets = {"JDC_OLD": "plain-secret", "JDC_SEALED": seal.close("sealed-secret")}
    account = {"op": "insert", "table": "Account", "row": {"id": "acct-1", "name": "one", "writer": "api"}}
    keys = [
        {
            "op": "insert",
            "table": "AccessKey",
            "row": {"id": id, "account": "acct-1", "secret": secret, "writer": "api"},
        }
        for id, secret in secrets.items()
    ]
    token = {"op": "insert", "table": "OperatorToken", "row": {"id": "operator", "token": "tok-1", "writer": "api"}}
    assert not any("error" in answer for answer in asked(member, account, *keys, token))


def opened(member: Member) -> OvsdbStore:
    """The store as an API server has it."""
    return OvsdbStore(f"ssl:{member.listen}", classes=CLASSES, pki=member.data.parent / "api.pki", timeout=20)


def secrets(member: Member) -> dict[str, str]:
    """The secrets as they are stored."""
    keys = {row["id"]: row["secret"] for row in rows(member, "AccessKey")}
    return keys | {row["id"]: row["token"] for row in rows(member, "OperatorToken")}


def test_old_secrets_are_sealed_after_the_conversion_and_later_ones_stay_aside(member: Member) -> None:
    stored(member)
    settle(member)
    assert len(rows(member, "Unsealed")) == 2
    store = opened(member)
    with store.read() as state:
        assert sorted(state.all(AccessKey)) == ["JDC_SEALED"] and len(state.all(Unreadable)) == 2
    intruder = {"id": "JDC_EVIL", "account": "acct-1", "secret": "known-to-a-stranger", "writer": "api"}
    asked(member, {"op": "insert", "table": "AccessKey", "row": intruder})
    eventually(lambda: len(store.state.all(Unreadable)) == 3)
    seal_noted(store)
    eventually(lambda: len(store.state.all(Unreadable)) == 1)
    with store.read() as state:
        found = {key.id: key.secret for key in state.all(AccessKey).values()}
        assert found == {"JDC_OLD": "plain-secret", "JDC_SEALED": "sealed-secret"}
        token = state.get(OperatorToken, "operator")
        assert token is not None and token.token == "tok-1" and state.get(Account, "acct-1") is not None
        assert not state.all(Unsealed)
    kept = secrets(member)
    assert [id for id, secret in kept.items() if not secret.startswith(MARK)] == ["JDC_EVIL"]
    sequence = store.state.sequence
    seal_noted(store)
    assert store.state.sequence == sequence and secrets(member) == kept
    store.close()


def test_a_conversion_that_is_done_again_notes_nothing_twice(member: Member) -> None:
    stored(member)
    before = member.data / "store.schema.before"
    settle(member)
    before.write_text(json.dumps(landed()))
    settle(member)
    assert len(rows(member, "Unsealed")) == 2 and not before.exists()


def test_a_store_that_is_up_to_date_notes_nothing(member: Member) -> None:
    settle(member)
    stored(member)
    settle(member)
    assert rows(member, "Unsealed") == []
