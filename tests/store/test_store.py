"""Promises of every store alike, in memory or on disk: those of the Store protocol."""

import dataclasses
from collections.abc import Iterator

import pytest

from sdnctl.base.addresses import Ip4
from sdnctl.base.errors import IntentError
from sdnctl.store import REGION, Batch, Change, Region, Store, Txn
from sdnctl.store.memory import MemoryStore
from tests.store.model import StoreLocal, StoreNet, StorePort, StoreSeen, port, put
from tests.store.service import service


@pytest.fixture(params=["memory", "ovsdb"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty store of each kind."""
    if request.param == "memory":
        yield MemoryStore()
        return
    with service() as running:
        opened = running.open()
        yield opened
        opened.close()


NET = StoreNet(id="net-1", account="a", key=7)


def test_a_commit_is_read_back(store: Store) -> None:
    def work(txn: Txn) -> str:
        put(NET, port(1))(txn)
        return "done"

    assert store.transact(work) == "done"
    with store.read() as state:
        assert state.get(StorePort, port(1).id) == port(1)
        assert state.get(StoreNet, "net-1") == NET
        assert state.by(StorePort, ("net", "addresses"), ("net-1", Ip4(0x0A000001))) == {port(1).id}


def test_every_intent_takes_the_next_sequence_number(store: Store) -> None:
    def work(txn: Txn) -> int:
        txn.put(StoreNet(id=txn.new_id(StoreNet), account="a", key=txn.sequence))
        return txn.sequence

    assert [store.transact(work), store.transact(work)] == [1, 2]
    with store.read() as state:
        assert state.sequence == 2


def test_work_that_changes_nothing_takes_no_number(store: Store) -> None:
    store.transact(put(NET))
    store.transact(put(NET))
    assert store.transact(lambda txn: txn.get(StoreNet, "net-1")) == NET
    with store.read() as state:
        assert state.sequence == 1


def test_a_refused_transaction_changes_nothing(store: Store) -> None:
    with pytest.raises(IntentError) as refused:
        store.transact(put(NET, port(1, net="net-2")))
    assert refused.value.status == "NOT_FOUND"
    with store.read() as state:
        assert state.sequence == 0
        assert not state.all(StoreNet)


def test_updates_replace_every_kind_of_field(store: Store) -> None:
    store.transact(put(NET, dataclasses.replace(NET, id="net-2", key=8), port(1)))
    other = port(6, net="net-2", id=port(1).id, tags={"n": "9", "c": "d"}, peer=port(1).id, groups=("sg-a", "sg-b"))
    empty = StorePort(id=other.id, account="", net="net-1", mac=other.mac, key=0)
    for wanted in (other, empty, port(1)):
        store.transact(put(wanted))
        with store.read() as state:
            assert state.get(StorePort, wanted.id) == wanted


def test_deleting_settles_references(store: Store) -> None:
    store.transact(put(NET, port(1), port(2, peer=port(1).id)))
    store.report(put(StoreSeen(id="seen-1", port=port(1).id, applied=1)))
    with pytest.raises(IntentError):
        store.transact(lambda txn: txn.delete(StoreNet, "net-1"))
    store.transact(lambda txn: txn.delete(StorePort, port(1).id))
    with store.read() as state:
        assert dict(state.all(StorePort)) == {port(2).id: port(2)}
        assert not state.all(StoreSeen)
        assert not state.by(StorePort, ("peer",), port(1).id)


def test_an_id_may_come_back(store: Store) -> None:
    for _ in range(2):
        store.transact(put(NET))
        store.transact(lambda txn: txn.delete(StoreNet, "net-1"))
    with store.read() as state:
        assert not state.all(StoreNet)
        assert state.sequence == 4


def test_reports_take_no_number(store: Store) -> None:
    store.transact(put(NET, port(1)))
    for applied in (1, 2):
        store.report(put(StoreSeen(id="seen-1", port=port(1).id, applied=applied)))
        with store.read() as state:
            assert state.get(StoreSeen, "seen-1") == StoreSeen(id="seen-1", port=port(1).id, applied=applied)
            assert state.sequence == 1
    store.report(lambda txn: txn.delete(StoreSeen, "seen-1"))
    with store.read() as state:
        assert not state.all(StoreSeen)


def test_intent_is_not_reported(store: Store) -> None:
    with pytest.raises(ValueError, match="transact"):
        store.report(put(NET))


def test_what_is_local_is_not_stored(store: Store) -> None:
    if isinstance(store, MemoryStore):
        return  # one process is all there is: nothing to keep it from
    with pytest.raises(ValueError, match="StoreLocal"):
        store.transact(put(StoreLocal(id="x")))


def test_numbers_come_from_their_pool(store: Store) -> None:
    def work(txn: Txn) -> int:
        key = txn.allocate(StoreNet, "key")
        txn.put(StoreNet(id=f"net-{key}", account="a", key=key))
        return key

    assert [store.transact(work) for _ in range(3)] == [1, 2, 3]


def test_a_follower_gets_all_and_then_each_commit(store: Store) -> None:
    store.transact(put(NET, port(1)))
    batches: list[Batch] = []
    store.subscribe(batches.append)
    changed = dataclasses.replace(port(1), host="host-x")
    store.transact(put(changed))
    store.report(put(StoreSeen(id="seen-1", port=port(1).id)))
    store.transact(lambda txn: txn.delete(StorePort, port(1).id))
    store.transact(lambda txn: None)
    first, second, third, fourth = batches
    assert {change.id: change.new for change in first.changes} == {
        REGION: Region(id=REGION, sequence=1),
        "net-1": NET,
        port(1).id: port(1),
    }
    assert all(change.old is None for change in first.changes)
    assert (first.sequence, second.sequence, third.sequence, fourth.sequence) == (1, 2, 2, 3)
    assert Change(StorePort, port(1).id, port(1), changed) in second.changes
    assert third.changes == [Change(StoreSeen, "seen-1", None, StoreSeen(id="seen-1", port=port(1).id))]
    assert Change(StorePort, port(1).id, changed, None) in fourth.changes
    assert {change.cls for change in fourth.changes} == {StorePort, StoreSeen, Region}
