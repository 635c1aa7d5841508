"""A store is created once, opened by every later version of the program, and never loses anything silently.

The releases of a program are played by declaring the resource ``StoreThing`` again, each time as it is in that release.
"""

import json
import os
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sdnctl.base.addresses import Ip4
from sdnctl.base.errors import StoreError
from sdnctl.model.host import RetiredNumber
from sdnctl.model.resource import field, number, resource
from sdnctl.model.upgrade import Rows, Upgrade
from sdnctl.store import Region
from sdnctl.store.ovsdb import schema
from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.store.ovsdb.schema import VERSION
from sdnctl.store.server import convert
from sdnctl.store.server.convert import due, stored_schema
from sdnctl.store.server.single import Server
from tests.store.model import STORED

Work = Callable[[OvsdbStore], Any]


@pytest.fixture
def data() -> Iterator[Path]:
    """A data directory that does not exist yet."""
    with tempfile.TemporaryDirectory(prefix="sdnctl-store-") as directory:
        yield Path(directory) / "data"


def first_release() -> type:
    """StoreThing with a name."""

    @resource(prefix="thing")
    class StoreThing:
        id: str
        name: str = field(default="")

    return StoreThing


def release_with_more() -> type:
    """StoreThing with two fields more."""

    @resource(prefix="thing")
    class StoreThing:
        id: str
        name: str = field(default="")
        ttl: int = field(default=64)
        address: Ip4 = field(default=Ip4(0))

    return StoreThing


def release_renamed() -> type:
    """StoreThing whose name has become a title and a length."""

    @resource(prefix="thing")
    class StoreThing:
        id: str
        title: str = field(default="")
        length: int = field(default=0)

    return StoreThing


def during(data: Path, cls: type, work: Work, **options: Any) -> Any:
    """Prepare the store for a release, serve it, and do something with it; what that returned."""
    server = Server(data, classes=[Region, cls], **options)
    server.prepare()
    process = subprocess.Popen(server.argv(), stderr=subprocess.DEVNULL)
    store = OvsdbStore(server.remote, classes=[Region, cls])
    try:
        return work(store)
    finally:
        store.close()
        process.kill()
        process.wait()


def add(record: Any) -> Work:
    """Store a record."""
    return lambda store: store.transact(lambda txn: txn.put(record))


def everything(cls: type) -> Work:
    """Read the sequence number and all records of a class."""

    def work(store: OvsdbStore) -> tuple[int, dict[str, Any]]:
        with store.read() as state:
            return state.sequence, dict(state.all(cls))

    return work


def retitle(rows: Rows) -> Rows:
    """Names turned into titles, in the release that has those."""
    things = [
        {"_uuid": r["_uuid"], "id": r["id"], "title": r["name"], "length": len(r["name"])} for r in rows["StoreThing"]
    ]
    return {**rows, "StoreThing": things}


def test_a_new_store_is_private_and_empty(data: Path) -> None:
    cls = first_release()
    assert Server(data, classes=[Region, cls]).prepare() is None
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert during(data, cls, everything(cls)) == (0, {})


def test_opening_it_again_changes_nothing(data: Path) -> None:
    cls = first_release()
    during(data, cls, add(cls(id="thing-1", name="x")))
    before = (data / "store.db").read_bytes()
    assert Server(data, classes=[Region, cls]).prepare() is None
    assert (data / "store.db").read_bytes() == before
    assert during(data, cls, everything(cls)) == (1, {"thing-1": cls(id="thing-1", name="x")})


def test_a_new_field_gets_its_default_and_a_backup_is_kept(data: Path) -> None:
    old = first_release()
    during(data, old, add(old(id="thing-1", name="x")))
    new = release_with_more()
    backup = Server(data, classes=[Region, new], version="1.9.0").prepare()
    assert backup is not None
    assert stored_schema(backup)["version"] == VERSION
    assert stored_schema(data / "store.db")["version"] == "1.9.0"
    made = new(id="thing-1", name="x", ttl=64, address=Ip4(0))
    assert during(data, new, everything(new), version="1.9.0") == (1, {"thing-1": made})


def release_with_numbers() -> type:
    """StoreThing with two numbers of a pool."""

    @resource(prefix="thing")
    class StoreThing:
        id: str
        name: str = field(default="")
        out: int = number("thing meter", 17, 99)
        back: int = number("thing meter", 17, 99)

    return StoreThing


def test_a_new_number_is_given_to_every_old_record(data: Path) -> None:
    """Each another, and none that was given already when filling was interrupted; opened again, nothing changes."""
    old = first_release()
    for name in ("thing-1", "thing-2"):
        during(data, old, add(old(id=name)))
    new = release_with_numbers()
    _, things = during(data, new, everything(new), version="1.9.0")
    assert sorted(n for thing in things.values() for n in (thing.out, thing.back)) == [17, 18, 19, 20]
    assert during(data, new, everything(new), version="1.9.0")[1] == things


def test_no_old_record_gets_a_number_that_a_switch_may_still_have(data: Path) -> None:
    old, retired = first_release(), RetiredNumber
    server = Server(data, classes=[Region, old, retired])
    server.prepare()
    rows = [{"op": "insert", "table": "StoreThing", "row": {"id": f"thing-{n}"}} for n in (1, 2)]
    for given_up, pool in ((17, "thing meter"), (19, "thing meter"), (18, "another")):
        row = {"id": f"{pool}/{given_up}", "pool": pool, "sequence": 5}
        rows.append({"op": "insert", "table": "RetiredNumber", "row": row})
    convert.tool("transact", str(server.database), json.dumps([schema.DATABASE, *rows]))
    new = release_with_numbers()
    Server(data, classes=[Region, new, retired], version="1.9.0").prepare()
    asked = [{"op": "select", "table": "StoreThing", "where": [], "columns": ["out", "back"]}]
    (answer,) = json.loads(convert.tool("query", str(server.database), json.dumps([schema.DATABASE, *asked])))
    assert sorted(n for row in answer["rows"] for n in (row["out"], row["back"])) == [18, 20, 21, 22]


def test_a_pool_that_is_too_small_is_said_and_nothing_changes(data: Path) -> None:
    old = first_release()
    during(data, old, lambda store: store.transact(lambda txn: [txn.put(old(id=f"thing-{n}")) for n in range(50)]))
    before = (data / "store.db").read_bytes()
    with pytest.raises(StoreError, match="no free thing meter is left, of 17 to 99"):
        Server(data, classes=[Region, release_with_numbers()], version="1.9.0").prepare()
    assert (data / "store.db").read_bytes() == before


def test_a_new_resource_needs_no_step(data: Path) -> None:
    cls = first_release()
    during(data, cls, add(cls(id="thing-1")))
    assert Server(data, classes=[*STORED, cls]).prepare() is not None
    assert Server(data, classes=[*STORED, cls]).prepare() is None
    with pytest.raises(StoreError, match="lose StoreNet, StorePort, StoreSeen"):
        Server(data, classes=[Region, cls]).prepare()


def test_what_would_be_lost_is_named_and_kept(data: Path) -> None:
    old = release_with_more()
    during(data, old, add(old(id="thing-1", ttl=5)))
    before = (data / "store.db").read_bytes()
    new = first_release()
    with pytest.raises(StoreError, match=r"lose StoreThing\.address, StoreThing\.ttl"):
        Server(data, classes=[Region, new], version="1.9.0").prepare()
    assert (data / "store.db").read_bytes() == before


def test_a_step_says_what_becomes_of_the_data(data: Path) -> None:
    old = first_release()
    for n in range(1, 4):
        during(data, old, add(old(id=f"thing-{n}", name="x" * n)))
    new = release_renamed()
    options: dict[str, Any] = {"version": "2.0.0", "steps": [Upgrade("2.0.0", retitle)]}
    made = {f"thing-{n}": new(id=f"thing-{n}", title="x" * n, length=n) for n in range(1, 4)}
    assert during(data, new, everything(new), **options) == (3, made)
    changed = new(id="thing-1", title="y", length=1)
    during(data, new, add(changed), **options)
    assert during(data, new, everything(new), **options) == (4, {**made, "thing-1": changed})


def test_a_step_whose_rows_do_not_fit_changes_nothing(data: Path) -> None:
    old = first_release()
    during(data, old, add(old(id="thing-1", name="x")))
    before = (data / "store.db").read_bytes()
    new = release_renamed()
    with pytest.raises(StoreError):
        Server(data, classes=[Region, new], version="2.0.0", steps=[Upgrade("2.0.0", lambda rows: rows)]).prepare()
    assert (data / "store.db").read_bytes() == before


def test_steps_run_in_the_order_of_versions() -> None:
    steps = [
        Upgrade("10.0.0", retitle),
        Upgrade("2.0.0", retitle),
        Upgrade("1.0.0", retitle),
        Upgrade("3.1.0", retitle),
    ]
    assert [step.to for step in due("1.0.0", "3.1.0", steps)] == ["2.0.0", "3.1.0"]
    assert [step.to for step in due("2.0.0", "10.0.0", steps)] == ["3.1.0", "10.0.0"]


def test_a_newer_store_is_refused(data: Path) -> None:
    cls = first_release()
    Server(data, classes=[Region, cls], version="1.10.0").prepare()
    with pytest.raises(StoreError, match=r"1\.10\.0.*1\.9\.0"):
        Server(data, classes=[Region, cls], version="1.9.0").prepare()


def test_what_is_no_store_is_refused(data: Path) -> None:
    data.mkdir()
    (data / "store.db").write_text("something else\n")
    with pytest.raises(StoreError, match="is not a store"):
        Server(data, classes=[Region, first_release()]).prepare()


@pytest.mark.parametrize("more", [False, True], ids=["served", "converted"])
def test_a_torn_tail_is_dropped(data: Path, more: bool) -> None:
    """The transaction being written when the power went was never acknowledged."""
    cls = first_release()
    during(data, cls, add(cls(id="thing-1", name="x")))
    with (data / "store.db").open("ab") as file:
        file.write(b'OVSDB JSON 400 0123456789012345678901234567890123456789\n{"StoreThing":{"')
    if more:
        cls = release_with_more()
    assert during(data, cls, everything(cls)) == (1, {"thing-1": cls(id="thing-1", name="x")})
    during(data, cls, add(cls(id="thing-2")))
    assert during(data, cls, everything(cls))[0] == 2


def test_a_long_path_can_be_served(data: Path) -> None:
    deep = data / ("d" * 60) / ("e" * 60)
    assert len(os.fsencode(deep)) > 108
    cls = first_release()
    during(deep, cls, add(cls(id="thing-1")))
    assert during(deep, cls, everything(cls))[0] == 1
