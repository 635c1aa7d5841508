"""A host may write nonsense into every row of its own: it is put aside, said, and deleted; the region goes on."""

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sdnctl.api.access import Caller, Reader, Writer
from sdnctl.api.hosts import DeleteReport, delete_report, hosts, unreadable
from sdnctl.api.services import services
from sdnctl.model.account import Account
from sdnctl.model.host import Host, HostStatus
from sdnctl.model.resource import meta
from sdnctl.model.unreadable import Unreadable
from sdnctl.store import Txn
from sdnctl.store.ovsdb import schema
from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.store.ovsdb.codec import table
from sdnctl.store.server.single import Server
from tests.product import CLASSES
from tests.store.mirror import Mirror, contents
from tests.store.model import put
from tests.waiting import eventually

REPORTS = sorted((cls for cls in CLASSES if meta(cls).report), key=lambda cls: cls.__name__)
TEXTS = (
    "",
    "x",
    "[",
    '{"a":1}',
    "5",
    '["a",{}]',
    "[[[[" * 20_000,
    "-1",
    "+" + "f" * 16,
    "0x",
    "10.0.0.0/99",
    "é\u200b\U0001f600",
    "x" * 5000,
)
NUMBERS = (-1, 0, 2**31, 2**63 - 1, -(2**63))
REALS = (-1.0, 1e300, -1e300, 2**62)
MAPS = (["map", [["x", "y"]]], ["map", [["forwarded", "-1"], ["é", "1e9"]]], ["map", []])
WRONG: dict[Any, tuple[Any, ...]] = {"string": TEXTS, "integer": NUMBERS, "real": REALS, "boolean": (True, False)}


class Running:
    """A store with all tables of the product, and another's tool on it."""

    def __init__(self, data: Path) -> None:
        self.server = Server(data, classes=CLASSES)
        self.server.prepare()
        self.process = subprocess.Popen(self.server.argv(), stderr=subprocess.DEVNULL)
        eventually(self.server.socket.exists)

    def tool(self, *operations: dict[str, Any]) -> list[dict[str, Any]]:
        """The results of operations that ovsdb-client sends in one transaction."""
        text = json.dumps([schema.DATABASE, *operations])
        argv = ["ovsdb-client", "--timeout=10", "transact", self.server.remote, text]
        made: list[dict[str, Any]] = json.loads(subprocess.run(argv, capture_output=True, check=True, text=True).stdout)
        return made

    def open(self) -> OvsdbStore:
        """A process that follows the store."""
        return OvsdbStore(self.server.remote, classes=CLASSES, timeout=5)


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """A store server."""
    with tempfile.TemporaryDirectory(prefix="sdnctl-u-") as data:
        made = Running(Path(data))
        yield made
        made.process.kill()
        made.process.wait()


@pytest.fixture
def store(running: Running) -> Iterator[OvsdbStore]:
    """A process that follows it, as an API server does."""
    opened = running.open()
    opened.transact(put(Account(id="acc-1")))
    yield opened
    opened.close()


def changed(name: str, id: str, row: dict[str, Any]) -> dict[str, Any]:
    """The operation that changes a row."""
    return {"op": "update", "table": name, "where": [["id", "==", id]], "row": row}


def drop(kind: str, *change: Any) -> dict[str, Any]:
    """The operation that changes what host hv1 counts as dropped."""
    where = [["id", "==", "hv1"]]
    return {"op": "mutate", "table": "HostStatus", "where": where, "mutations": [["drops", kind, [*change]]]}


def shown(store: OvsdbStore) -> list[Any]:
    """The rows put aside, as the operator sees them; whatever else he sees of hosts can be shown too."""
    with store.read() as state:
        view = Reader(state, Caller("", "r", "1"), time.time())
        json.dumps([hosts(view), services(view)])
        return unreadable(view)


@pytest.mark.parametrize("cls", REPORTS)
def test_no_value_of_a_report_stops_the_region(running: Running, store: OvsdbStore, cls: type) -> None:
    made, name, mirror = table(cls), cls.__name__, Mirror()
    store.subscribe(mirror)
    connection = store._link._wire
    row = {"id": "evil", **({"host": "evil"} if "host" in made.columns else {})}
    running.tool({"op": "insert", "table": name, "row": row | {"writer": "api"}})
    for column in made.columns.values():
        values = MAPS if column.is_map else WRONG[column.type]
        for value in values:
            (told,) = running.tool(
                {"op": "update", "table": name, "where": [["id", "==", "evil"]], "row": {column.name: value}}
            )
            if column.name == "id":
                running.tool({"op": "update", "table": name, "where": [["id", "==", value]], "row": {"id": "evil"}})
            assert told.get("count") == 1, told
    store.transact(put(Account(id="acc-2", name=name)))
    eventually(lambda: store.state.get(Account, "acc-2").name == name)  # type: ignore[union-attr]
    assert store._link._wire is connection and store.current and not mirror.misfits
    assert contents(mirror.state) == contents(store.state)
    fresh = running.open()
    with fresh.read() as state:
        assert contents(state) == contents(store.state)
    fresh.close()
    aside = shown(store)
    assert len(aside) + ("evil" in store.state.all(cls)) == 1
    running.tool({"op": "delete", "table": name, "where": [["id", "==", "evil"]]})
    eventually(lambda: not shown(store) and "evil" not in store.state.all(cls))


def test_a_report_that_cannot_be_read_is_said_and_written_anew_or_deleted(running: Running, store: OvsdbStore) -> None:
    status = HostStatus(id="hv1", host="hv1", applied=3, drops={"x": "7"})
    store.report(put(Host(id="hv1")))
    store.report(put(status))
    where = [["id", "==", "hv1"]]
    spoil = {
        "op": "mutate",
        "table": "HostStatus",
        "where": where,
        "mutations": [["drops", "insert", ["map", [["y", "z"]]]]],
    }
    running.tool(spoil)
    eventually(lambda: store.state.all(Unreadable))
    (said,) = shown(store)
    assert (said["table"], said["record"], said["host"]) == ("HostStatus", "hv1", "hv1") and "'z'" in said["error"]
    assert store.state.get(HostStatus, "hv1") is None
    # The host reports anew: the same row.
    store.report(put(status))
    eventually(lambda: store.state.get(HostStatus, "hv1") == status and not shown(store))
    # A change of another column finds it still wrong; the operator has it deleted.
    running.tool(spoil)
    running.tool(changed("HostStatus", "hv1", {"flows": 9}))
    eventually(lambda: store.state.all(Unreadable))
    (said,) = shown(store)

    def delete(txn: Txn) -> None:
        delete_report(DeleteReport(table=said["table"], row=said["row"]), Writer(txn, Caller("", "r", "1")))

    store.transact(delete)
    eventually(lambda: not shown(store))
    assert running.tool({"op": "select", "table": "HostStatus", "where": []})[0]["rows"] == []
    # What was wrong and is set right is there again, with what was changed meanwhile.
    store.report(put(status))
    running.tool(spoil, changed("HostStatus", "hv1", {"flows": 9}))
    eventually(lambda: store.state.all(Unreadable))
    running.tool(
        {"op": "mutate", "table": "HostStatus", "where": where, "mutations": [["drops", "delete", ["set", ["y"]]]]}
    )
    right = HostStatus(id="hv1", host="hv1", applied=3, flows=9, drops={"x": "7"})
    eventually(lambda: store.state.get(HostStatus, "hv1") == right and not shown(store))


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("HostStatus", {"id": "other", "host": "evil"}),
        ("TrafficCount", {"id": "other/eip/x/in", "host": "evil", "family": "eip", "resource": "x", "direction": "in"}),
        ("GatewayNeighbour", {"id": "other/pool-1", "host": "evil", "pool": "pool-1"}),
        ("ServiceHealth", {"id": "x@other", "service": "x", "machine": "other", "host": "evil"}),
        ("TraceAnswer", {"id": "other", "host": "evil", "question": "mine"}),
    ],
)
def test_no_host_reports_in_another_s_name(running: Running, store: OvsdbStore, name: str, row: dict[str, str]) -> None:
    running.tool({"op": "insert", "table": name, "row": row})
    eventually(lambda: any(one["record"] == row["id"] and one["host"] == "evil" for one in shown(store)))
    running.tool({"op": "delete", "table": name, "where": [["host", "==", "evil"]]})
    eventually(lambda: not shown(store))
