"""Promises of a store on disk beyond the protocol: nothing acknowledged is lost, nothing happens twice."""

import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sdnctl.base.errors import IntentError, Refused, StoreError
from sdnctl.store import Txn
from sdnctl.store.ovsdb import commit
from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.store.ovsdb.commit import RING
from sdnctl.store.server.single import Server
from tests.store.mirror import Mirror, contents
from tests.store.model import STORED, StoreNet, StorePort, StoreSeen, port, put
from tests.store.service import Cutter, Service, service
from tests.waiting import eventually

NET = StoreNet(id="net-1", account="a", key=1)


@pytest.fixture
def running() -> Iterator[Service]:
    """A store server."""
    with service() as made:
        yield made


@pytest.fixture
def store(running: Service) -> Iterator[OvsdbStore]:
    """A store with one net in it."""
    opened = running.open()
    opened.transact(put(NET))
    yield opened
    opened.close()


def same(store: OvsdbStore, mirror: Mirror) -> bool:
    """True when a follower has got all there is."""
    with store.read() as state:
        return contents(state) == contents(mirror.state)


def test_a_fresh_process_reads_what_another_wrote(running: Service, store: OvsdbStore) -> None:
    ports = [port(n) for n in range(100)]
    store.transact(put(*ports))
    other = running.open()
    with other.read() as state:
        assert dict(state.all(StorePort)) == {p.id: p for p in ports}
        assert state.sequence == 2
        assert state.by(StorePort, ("account", "host"), ("account-3", "host-3")) == {port(3).id}
    other.close()


def test_reading_waits_for_the_first_load() -> None:
    with tempfile.TemporaryDirectory() as directory:
        store = OvsdbStore(f"unix:{directory}/nobody.sock", classes=STORED, timeout=0.2)
        with pytest.raises(StoreError, match=r"nobody\.sock"), store.read():
            raise AssertionError("there is nothing to read")
        with pytest.raises(StoreError, match=r"nobody\.sock"):
            store.transact(put(NET))
        store.close()


def test_a_follower_may_come_before_the_server() -> None:
    with tempfile.TemporaryDirectory(prefix="sdnctl-store-") as directory:
        mirror = Mirror()
        store = OvsdbStore(f"unix:{directory}/store.sock", classes=STORED)
        store.subscribe(mirror)
        late = Service(Path(directory))
        store.transact(put(NET))
        assert [batch.sequence for batch in mirror.batches] == [0, 1]
        store.close()
        late.kill()


def test_two_processes_race_and_none_is_lost(running: Service, store: OvsdbStore) -> None:
    stores = [store, running.open()]
    mirror = Mirror()
    stores[1].subscribe(mirror)
    taken: list[tuple[int, int]] = []

    def write(which: int) -> None:
        def work(txn: Txn) -> tuple[int, int]:
            key = txn.allocate(StoreNet, "key")
            txn.put(StoreNet(id=txn.new_id(StoreNet), account=str(which), key=key))
            return txn.sequence, key

        taken.extend(stores[which].transact(work) for _ in range(200))

    threads = [threading.Thread(target=write, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(sequence for sequence, _ in taken) == list(range(2, 402))
    assert len({key for _, key in taken}) == 400
    for opened in stores:
        eventually(lambda opened=opened: opened.state.sequence == 401)  # type: ignore[misc]
        with opened.read() as state:
            assert len(state.all(StoreNet)) == 401
    eventually(lambda: same(stores[1], mirror))
    assert not mirror.misfits
    assert [batch.sequence for batch in mirror.batches] == sorted({batch.sequence for batch in mirror.batches})
    stores[1].close()


def test_threads_of_one_process_take_turns(store: OvsdbStore) -> None:
    def write() -> None:
        for _ in range(20):
            store.transact(lambda txn: txn.put(StoreNet(id=txn.new_id(StoreNet), account="x", key=txn.sequence)))

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as state:
        assert sorted(net.key for net in state.all(StoreNet).values()) == list(range(1, 162))


def test_a_killed_server_loses_nothing_acknowledged(running: Service, store: OvsdbStore) -> None:
    mirror = Mirror()
    store.subscribe(mirror)
    acknowledged: list[str] = []
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            acknowledged.append(store.transact(add))

    def add(txn: Txn) -> str:
        made = StoreNet(id=txn.new_id(StoreNet), account="a", key=txn.sequence)
        txn.put(made)
        return made.id

    thread = threading.Thread(target=write)
    thread.start()
    for _ in range(3):
        before = len(acknowledged)
        eventually(lambda before=before: len(acknowledged) > before + 20)  # type: ignore[misc]
        running.kill()
        running.start()
    before = len(acknowledged)
    eventually(lambda: len(acknowledged) > before + 5)
    stop.set()
    thread.join()
    fresh = running.open()
    with fresh.read() as state:
        assert set(state.all(StoreNet)) == {"net-1", *acknowledged}
        assert state.sequence == len(acknowledged) + 1
    eventually(lambda: same(fresh, mirror))
    assert not mirror.misfits
    fresh.close()


def test_what_happened_while_away_comes_as_one_batch(running: Service, store: OvsdbStore) -> None:
    with tempfile.TemporaryDirectory() as directory:
        cutter = Cutter(running.server.socket, Path(directory))
        away = running.open(remote=cutter.remote)
        mirror = Mirror()
        store.transact(put(*map(port, range(3))))
        away.subscribe(mirror)
        eventually(lambda: away.state.sequence == 2)
        cutter.close()
        store.transact(put(port(0, host="host-x")))
        store.transact(lambda txn: txn.delete(StorePort, port(1).id))
        store.transact(put(port(3)))
        (Path(directory) / "proxy.sock").unlink()
        back = Cutter(running.server.socket, Path(directory))
        eventually(lambda: away.state.sequence == 5)
        eventually(lambda: same(store, mirror))
        assert not mirror.misfits
        assert [batch.sequence for batch in mirror.batches][-1:] == [5]
        assert {(c.cls, c.id) for c in mirror.batches[-1].changes if c.cls is StorePort} == {
            (StorePort, port(n).id) for n in (0, 1, 3)
        }
        away.close()
        back.close()


@pytest.fixture
def cut(running: Service, store: OvsdbStore) -> Iterator[tuple[Cutter, OvsdbStore]]:
    """A store behind a proxy."""
    with tempfile.TemporaryDirectory() as directory:
        cutter = Cutter(running.server.socket, Path(directory))
        behind = running.open(remote=cutter.remote)
        with behind.read():
            pass
        yield cutter, behind
        behind.close()
        cutter.close()


def fail_if_there(txn: Txn) -> str:
    """Work that cannot be done twice, as creating a thing cannot."""
    made = StoreNet(id=txn.new_id(StoreNet), account="once", key=txn.sequence)
    if txn.by(StoreNet, ("account",), "once"):
        raise IntentError("name", "is taken")
    txn.put(made)
    return made.id


def once(store: OvsdbStore) -> list[str]:
    """The ids of what ``fail_if_there`` made."""
    with store.read() as state:
        return sorted(state.by(StoreNet, ("account",), "once"))


def test_a_commit_whose_answer_is_lost_happens_once(store: OvsdbStore, cut: tuple[Cutter, OvsdbStore]) -> None:
    cutter, behind = cut
    cutter.cut_answer = True
    made = behind.transact(fail_if_there)
    assert cutter.cuts == 1
    assert once(store) == once(behind) == [made]
    assert behind.state.sequence == 2


def test_a_commit_that_did_not_arrive_is_sent_again(store: OvsdbStore, cut: tuple[Cutter, OvsdbStore]) -> None:
    cutter, behind = cut
    cutter.cut_request = True
    made = behind.transact(fail_if_there)
    assert cutter.cuts == 1
    eventually(lambda: once(store) == [made])
    assert behind.state.sequence == 2


def test_a_commit_that_arrives_late_does_not_happen_twice(store: OvsdbStore, cut: tuple[Cutter, OvsdbStore]) -> None:
    cutter, behind = cut
    cutter.hold_request = True
    made = behind.transact(fail_if_there)
    cutter.release()
    time.sleep(0.05)
    store.transact(put(StoreNet(id="net-2", account="b", key=9)))
    assert cutter.cuts == 1
    assert once(store) == [made]
    assert store.state.sequence == 3


def test_others_may_commit_before_the_fate_is_asked_for(store: OvsdbStore, cut: tuple[Cutter, OvsdbStore]) -> None:
    cutter, behind = cut
    cutter.cut_answer = cutter.refuse = True
    results: list[str] = []
    thread = threading.Thread(target=lambda: results.append(behind.transact(fail_if_there)))
    thread.start()
    eventually(lambda: len(once(store)) == 1)
    for n in range(50):
        store.transact(put(StoreNet(id=f"net-b{n}", account="b", key=100 + n)))
    assert not results
    cutter.refuse = False
    thread.join()
    assert once(store) == results


def test_an_unanswered_commit_says_so(running: Service, store: OvsdbStore) -> None:
    hasty = running.open(timeout=0.3)
    with hasty.read():
        pass
    running.pause()
    with pytest.raises(StoreError, match="outcome of a commit is unknown"):
        hasty.transact(fail_if_there)
    running.resume()
    eventually(lambda: len(once(store)) == 1)  # it did happen: unknown was the truth
    hasty.transact(put(StoreNet(id="net-3", account="c", key=3)))
    assert hasty.state.sequence == 3
    hasty.close()


def test_the_ring_of_commits_goes_round(running: Service, store: OvsdbStore) -> None:
    for n in range(RING + 5):
        store.transact(put(StoreNet(id="net-2", account="b", key=n)))
    assert store.state.sequence == RING + 6
    query = '["sdnctl", {"op":"select","table":"Commit","where":[],"columns":["sequence"]}]'
    command = ["ovsdb-client", "transact", running.server.remote, query]
    answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert sorted(row["sequence"] for row in answer[0]["rows"]) == list(range(7, RING + 7))


def test_reports_of_two_hosts_do_not_disturb(running: Service, store: OvsdbStore) -> None:
    other = running.open()
    store.transact(put(*map(port, range(2))))
    eventually(lambda: other.state.sequence == 2)

    def write(opened: OvsdbStore, n: int) -> None:
        for applied in range(100):
            opened.report(put(StoreSeen(id=f"seen-{n}", port=port(n).id, applied=applied)))

    threads = [threading.Thread(target=write, args=pair) for pair in ((store, 0), (other, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for opened in (store, other):
        eventually(lambda opened=opened: {s.applied for s in opened.state.all(StoreSeen).values()} == {99})  # type: ignore[misc]
    other.close()


def test_a_report_of_what_is_gone_is_judged_anew(running: Service, store: OvsdbStore) -> None:
    """A host reports on a port that is deleted at the same time: its work runs again, and sees that."""
    other = running.open()
    store.transact(put(port(1)))
    eventually(lambda: other.state.sequence == 2)
    other.report(put(StoreSeen(id="seen-1", port=port(1).id)))
    eventually(lambda: store.state.get(StoreSeen, "seen-1") is not None)
    runs: list[bool] = []

    def work(txn: Txn) -> None:
        runs.append(txn.get(StorePort, port(1).id) is not None)
        if len(runs) == 1:
            store.transact(lambda txn: txn.delete(StorePort, port(1).id))
        if runs[-1]:
            txn.put(StoreSeen(id="seen-1", port=port(1).id, applied=5))

    other.report(work)
    assert runs == [True, False]
    eventually(lambda: not other.state.all(StorePort) and not other.state.all(StoreSeen))
    other.close()


def test_a_big_load_arrives_whole(running: Service, store: OvsdbStore) -> None:
    ports = [port(n) for n in range(10_000)]
    for start in range(0, len(ports), 1000):
        store.transact(put(*ports[start : start + 1000]))
    mirror = Mirror()
    other = running.open()
    other.subscribe(mirror)
    eventually(lambda: len(mirror.batches) == 1)
    assert dict(mirror.state.all(StorePort)) == {p.id: p for p in ports}
    running.kill()
    running.start()
    other.transact(put(port(0, host="host-y")))
    assert [len(batch.changes) for batch in mirror.batches[1:]] == [2]
    other.close()


def test_rows_of_another_tool_are_followed_and_changed(running: Service, store: OvsdbStore) -> None:
    def tool(operation: str) -> None:
        command = ["ovsdb-client", "transact", running.server.remote, f'["sdnctl", {operation}]']
        assert "error" not in subprocess.run(command, capture_output=True, text=True, check=True).stdout

    tool('{"op":"insert","table":"StoreNet","row":{"id":"net-x","account":"b","key":5,"cidr":"10.1.0.0/16"}}')
    eventually(lambda: "net-x" in store.state.all(StoreNet))
    store.transact(put(StoreNet(id="net-x", account="c", key=5)))
    other = running.open()
    other.transact(put(StoreNet(id="net-x", account="c", key=6)))
    eventually(lambda: store.state.get(StoreNet, "net-x") == StoreNet(id="net-x", account="c", key=6))
    store.transact(lambda txn: txn.delete(StoreNet, "net-x"))
    eventually(lambda: "net-x" not in other.state.all(StoreNet))
    other.close()


def test_what_cannot_be_read_is_said_and_mended(running: Service, store: OvsdbStore) -> None:
    mirror = Mirror()
    store.subscribe(mirror)

    def spoil(cidr: str) -> None:
        row = f'{{"op":"update","table":"StoreNet","where":[["id","==","net-1"]],"row":{{"cidr":"{cidr}"}}}}'
        command = ["ovsdb-client", "transact", running.server.remote, f'["sdnctl", {row}]']
        subprocess.run(command, capture_output=True, check=True)

    hasty = running.open(timeout=0.5)
    with hasty.read():
        pass
    spoil("10.0.0.0/99")
    eventually(lambda: not hasty.current)
    with pytest.raises(StoreError, match=r"10\.0\.0\.0/99"):
        hasty.transact(put(StoreNet(id="net-2", account="a", key=2)))
    spoil("10.0.0.0/8")
    hasty.transact(put(StoreNet(id="net-2", account="a", key=2)))
    eventually(lambda: same(hasty, mirror))
    assert not mirror.misfits
    hasty.close()


def test_a_server_of_an_older_schema_is_refused_in_words() -> None:
    with tempfile.TemporaryDirectory(prefix="sdnctl-store-") as directory:
        old = Server(Path(directory), classes=[c for c in STORED if c is not StoreSeen])
        old.prepare()
        process = subprocess.Popen(old.argv(), stderr=subprocess.DEVNULL)
        store = OvsdbStore(old.remote, classes=STORED, timeout=1.0)
        with pytest.raises(StoreError, match="StoreSeen"), store.read():
            raise AssertionError("there is nothing to read")
        store.close()
        process.kill()
        process.wait()


def test_a_transaction_inside_a_delivery_or_a_read_is_refused(store: OvsdbStore) -> None:
    def nested(act: Callable[[], object]) -> str:
        try:
            act()
        except RuntimeError as error:
            return str(error)
        return ""

    seen: list[str] = []
    store.subscribe(lambda batch: seen.append(nested(lambda: store.transact(put(NET)))))
    with store.read():
        seen.append(nested(lambda: store.report(lambda txn: None)))
    assert len(seen) == 2
    assert all("wait for itself" in text for text in seen)


def test_closing_ends_those_who_wait(running: Service, store: OvsdbStore) -> None:
    running.pause()
    errors: list[StoreError] = []

    def write() -> None:
        try:
            store.transact(put(StoreNet(id="net-2", account="a", key=2)))
        except StoreError as error:
            errors.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    time.sleep(0.05)
    store.close()
    thread.join(2)
    assert len(errors) == 1


UNFIT = ["a\ud800b", "\udfff\ud800", "\0", "back\\\0"]


@pytest.mark.parametrize("text", UNFIT)
def test_text_that_cannot_be_encoded_is_never_sent(cut: tuple[Cutter, OvsdbStore], text: str) -> None:
    cutter, opened = cut
    connection, before = opened._link._wire, opened.state.sequence
    with pytest.raises(IntentError, match=r"^StorePort\.name: "):
        opened.transact(put(replace(port(1), name=text)))
    with pytest.raises(IntentError, match=r"^StorePort\.tags: "):
        opened.transact(put(replace(port(1), tags={text: "1"})))
    with pytest.raises(IntentError, match=r"^StorePort\.id: "):
        opened.transact(put(replace(port(1), id=text)))
    assert opened._link._wire is connection and not cutter.cuts
    assert opened.state.sequence == before
    for backslash in ("\\u0000", "\\\\u0000\\"):
        opened.transact(put(replace(port(1), name=backslash, tags={"ü€😀": "\x01\x7f"})))
        with opened.read() as state:
            assert state.all(StorePort)[port(1).id].name == backslash


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1])
def test_a_number_that_no_column_holds_is_refused_by_name(store: OvsdbStore, number: int) -> None:
    with pytest.raises(IntentError, match=r"^StorePort\.key: "):
        store.transact(put(replace(port(1), key=number)))
    with pytest.raises(IntentError, match=r"^StorePort\.share: "):
        store.transact(put(replace(port(1), share=float("inf"))))


def test_what_the_store_refuses_for_good_is_sent_once(store: OvsdbStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "WHO", {"writer": "nobody"})
    runs: list[int] = []
    with pytest.raises(Refused, match="constraint violation"):
        store.transact(lambda txn: (runs.append(1), txn.put(port(1))))
    assert len(runs) == 1


def test_a_transaction_on_which_the_connection_ends_is_given_up(cut: tuple[Cutter, OvsdbStore]) -> None:
    cutter, opened = cut
    runs: list[int] = []

    def work(txn: Txn) -> None:
        runs.append(1)
        txn.put(port(1))
        cutter.cut_request = True

    with pytest.raises(Refused, match="ended the connection 3 times"):
        opened.transact(work)
    assert len(runs) == 3
    cutter.cut_request = False
    opened.transact(put(port(2)))


def test_nobody_holds_the_turn_while_waiting_for_the_store(running: Service, store: OvsdbStore) -> None:
    waits = running.open(timeout=2)
    with waits.read():
        pass
    running.kill()
    eventually(lambda: not waits.current)
    found: list[str] = []

    def write() -> None:
        try:
            waits.transact(put(port(1)))
        except StoreError as error:
            found.append(str(error))

    writers = [threading.Thread(target=write) for _ in range(3)]
    for one in writers:
        one.start()
    assert waits._turn.acquire(timeout=1)
    waits._turn.release()
    for one in writers:
        one.join()
    assert len(found) == 3 and all("cannot be reached" in one for one in found)
    waits.close()
