"""A process holds the part of the region that it wants, whatever happens to the records, the wish or the connection."""

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from sdnctl.base.addresses import Cidr, Ip4
from sdnctl.base.errors import IntentError
from sdnctl.store import REGION, Batch, Change, Interest, Region, State, Store, Txn
from sdnctl.store.memory import MemoryStore
from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.store.ovsdb.interest import Selection
from tests.store.mirror import Mirror, contents
from tests.store.model import STORED, StoreNet, StorePort, StoreSeen, port, put
from tests.store.service import Service, service
from tests.waiting import eventually

NETS = [StoreNet(id=f"net-{n}", account=f"account-{n}", key=n) for n in range(4)]


@pytest.fixture
def running() -> Iterator[Service]:
    """A store server."""
    with service() as made:
        yield made


@pytest.fixture
def whole(running: Service) -> Iterator[OvsdbStore]:
    """A store that follows everything, with the nets in it."""
    opened = running.open()
    opened.transact(put(*NETS))
    yield opened
    opened.close()


def partial(running: Service, interest: Interest, remote: str | None = None) -> OvsdbStore:
    """A store that follows a part."""
    return OvsdbStore(remote or running.server.remote, classes=STORED, interest=interest, timeout=10.0)


def part(state: State, interest: Interest) -> dict[tuple[type, str], object]:
    """The part of a state that belongs to an interest."""
    wanted = Selection(interest)
    return {key: record for key, record in contents(state).items() if wanted.wants(record)}


def settled(whole: OvsdbStore, store: OvsdbStore, mirror: Mirror, interest: Interest) -> bool:
    """True when a store and its follower hold just what is wanted."""
    with whole.read() as state:
        right = part(state, interest)
    with store.read() as state:
        return contents(state) == right == contents(mirror.state)


@pytest.fixture(params=["memory", "ovsdb"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Store, Store]]:
    """A store to write to, and the same or another one to follow."""
    if request.param == "memory":
        made = MemoryStore()
        yield made, made
        return
    with service() as running:
        writer, reader = running.open(), partial(running, {})
        yield writer, reader
        writer.close()
        reader.close()


def test_what_is_followed_comes_and_what_is_not_goes(pair: tuple[Store, Store]) -> None:
    writer, reader = pair
    writer.transact(put(*NETS))
    writer.transact(put(*(port(n, net=f"net-{n % 3}") for n in range(9))))
    mirror = Mirror()
    reader.follow({})
    reader.subscribe(mirror)

    def follow(interest: Interest) -> Batch:
        number = reader.follow(interest)
        eventually(lambda: mirror.followed >= number)
        assert {**mirror.state.all(StorePort), **mirror.state.all(StoreNet)} == {
            id: record for (cls, id), record in part(writer.state, interest).items() if cls in (StorePort, StoreNet)
        }
        return mirror.batches[-1]

    follow({StorePort: [("net", "net-1")]})
    assert {one.net for one in mirror.state.all(StorePort).values()} == {"net-1"}
    assert follow({StorePort: [("net", "net-1")], StoreNet: [("id", "net-1")]}).changes == [
        Change(StoreNet, "net-1", None, NETS[1])
    ]
    assert len(follow({StorePort: [("net", "net-1"), ("id", port(0).id), ("net", "net-0")]}).changes) == 4
    assert follow({StorePort: [("net", "net-0"), ("net", "net-1")]}).changes == [], "said even though nothing came"
    follow({StorePort: [("net", "net-2")]})
    follow({StorePort: None})
    assert len(mirror.state.all(StorePort)) == 9
    follow({StorePort: ()})
    assert not mirror.misfits and mirror.state.sequence == 2


def test_records_enter_and_leave_as_they_change(pair: tuple[Store, Store]) -> None:
    writer, reader = pair
    writer.transact(put(*NETS))
    mirror = Mirror()
    reader.follow({StorePort: [("net", "net-1")]})
    reader.subscribe(mirror)
    for net in ("net-0", "net-1", "net-2"):
        writer.transact(put(port(1, net=net)))
    writer.transact(put(port(1, net="net-1")))
    writer.transact(put(port(1, net="net-1", host="x")))
    writer.transact(lambda txn: txn.delete(StorePort, port(1).id))
    eventually(lambda: mirror.state.sequence == 7)
    seen = [c for batch in mirror.batches for c in batch.changes if c.cls is StorePort]
    here, moved = port(1, net="net-1"), port(1, net="net-1", host="x")
    expected = [(None, here), (here, None), (None, here), (here, moved), (moved, None)]
    assert seen == [Change(StorePort, here.id, old, new) for old, new in expected]


@pytest.mark.parametrize(
    "clause",
    [
        ("address", Ip4(0x0A000003)),
        ("addresses", (Ip4(0x0A000003), Ip4(0x0AFFFFFD))),
        ("key", 4),
        ("enabled", False),
        ("share", 0.375),
        ("blocks", ()),
        ("peer", ""),
    ],
)
def test_any_field_can_be_followed_by(pair: tuple[Store, Store], clause: tuple[str, object]) -> None:
    writer, reader = pair
    ports = [port(n) for n in range(6)] + [replace(port(6), blocks=()), replace(port(7), peer=port(1).id)]
    writer.transact(put(NETS[1], *ports))
    mirror = Mirror()
    reader.subscribe(mirror)
    number = reader.follow({StorePort: [clause], StoreNet: [("cidr", Cidr(Ip4(0), 0))]})
    eventually(lambda: mirror.followed == number)
    right = {one.id for one in ports if getattr(one, clause[0]) == clause[1]}
    assert set(mirror.state.all(StorePort)) == right and right and len(right) < 8
    assert set(mirror.state.all(StoreNet)) == {"net-1"}


def test_an_unknown_field_is_refused(pair: tuple[Store, Store]) -> None:
    with pytest.raises(ValueError, match="colour"):
        pair[1].follow({StorePort: [("colour", "red")]})


def test_the_region_is_always_followed(running: Service, whole: OvsdbStore) -> None:
    store = partial(running, {})
    with store.read() as state:
        assert contents(state) == {(Region, REGION): Region(id=REGION, sequence=1)}
    whole.transact(put(port(1)))
    eventually(lambda: store.state.sequence == 2)
    store.close()


def test_any_interest_amid_any_changes_ends_exact(running: Service, whole: OvsdbStore) -> None:
    """Two writers change everything all the time, while the wish changes too, faster than it can be answered."""
    chance = random.Random(7)
    store = partial(running, {})
    mirror = Mirror()
    store.subscribe(mirror)
    stop = threading.Event()
    threads = [threading.Thread(target=churn, args=(running, stop, seed)) for seed in range(2)]
    for thread in threads:
        thread.start()
    interest: Interest = {}
    for n in range(400):
        interest = some_interest(chance)
        number = store.follow(interest)
        if n % 4 == 0:
            eventually(lambda number=number: mirror.followed >= number)  # type: ignore[misc]
    stop.set()
    for thread in threads:
        thread.join()
    eventually(lambda: settled(whole, store, mirror, interest))
    numbers = [batch.followed for batch in mirror.batches]
    assert not mirror.misfits and numbers == sorted(numbers) and numbers[-1] == 400
    assert whole.state.sequence > 50
    store.close()


def some_interest(chance: random.Random) -> Interest:
    """An interest at random."""
    ports = [("net", f"net-{n}") for n in range(4)] + [("id", port(n).id) for n in range(20)] + [("host", "host-1")]
    return {
        StorePort: chance.choice([None, (), chance.sample(ports, 3), chance.sample(ports, 8)]),
        StoreNet: chance.choice([None, [("id", "net-1")], [("account", "account-2"), ("key", 3)]]),
        StoreSeen: chance.choice([None, (), [("applied", 1)], [("port", port(3).id), ("applied", 2)]]),
    }


def churn(running: Service, stop: threading.Event, seed: int) -> None:
    """Write until told to stop."""
    chance = random.Random(seed)
    store = running.open()

    def intent(txn: Txn) -> None:
        for n in chance.sample(range(20), 4):
            if chance.random() < 0.3:
                txn.delete(StorePort, port(n).id)
            else:
                txn.put(port(n, net=f"net-{chance.randrange(4)}", host=f"host-{chance.randrange(3)}"))

    def report(txn: Txn) -> None:
        n = chance.randrange(20)
        if txn.get(StorePort, port(n).id) is not None:
            txn.put(StoreSeen(id=f"seen-{n}", port=port(n).id, applied=chance.randrange(4)))

    while not stop.is_set():
        store.transact(intent)
        store.report(report)
    store.close()


def test_a_wish_made_while_away_is_in_force_afterwards(running: Service, whole: OvsdbStore) -> None:
    whole.transact(put(*(port(n, net=f"net-{n % 3}") for n in range(9))))
    interest: Interest = {StorePort: [("net", "net-1")]}
    store = partial(running, interest)
    mirror = Mirror()
    store.subscribe(mirror)
    eventually(lambda: settled(whole, store, mirror, interest))
    for round in range(6):
        paused = round % 2 == 0  # the wish reaches a server that never answers, or nobody
        interest = {StorePort: [("net", f"net-{round % 3}")], StoreNet: [("id", "net-0")] if paused else None}
        if paused:
            running.pause()
        else:
            running.kill()
        store.follow(interest)
        time.sleep(0.02)
        if paused:
            running.kill()
        running.start()
        whole.transact(put(port(round, net=f"net-{(round + 1) % 3}")))
        whole.transact(lambda txn, n=round: txn.delete(StorePort, port(n + 3).id))  # type: ignore[misc]
        eventually(lambda wish=interest: settled(whole, store, mirror, wish))  # type: ignore[misc]
        assert mirror.followed == round + 1
    assert not mirror.misfits
    store.close()


def test_following_from_a_delivery(running: Service, whole: OvsdbStore) -> None:
    """As a controller does: a port that comes makes it want the port's network."""
    whole.transact(put(port(1, net="net-2")))
    store = partial(running, {StorePort: [("id", port(1).id)]})
    mirror = Mirror()

    def deliver(batch: Batch) -> None:
        mirror(batch)
        for change in batch.changes:
            if change.cls is StorePort and change.new is not None:
                store.follow({StorePort: [("id", port(1).id)], StoreNet: [("id", change.new.net)]})

    store.subscribe(deliver)
    eventually(lambda: set(mirror.state.all(StoreNet)) == {"net-2"})
    whole.transact(put(port(1, net="net-3")))
    eventually(lambda: set(mirror.state.all(StoreNet)) == {"net-3"})
    assert not mirror.misfits
    store.close()


def test_a_report_may_refer_to_what_is_not_held(running: Service, whole: OvsdbStore) -> None:
    """The server is asked whether it is there."""
    whole.transact(put(port(1)))
    store = partial(running, {StoreSeen: [("id", "seen-1")]})
    store.report(put(StoreSeen(id="seen-1", port=port(1).id, applied=1)))
    store.report(put(StoreSeen(id="seen-1", port=port(1).id, applied=2)))
    eventually(lambda: whole.state.get(StoreSeen, "seen-1") == StoreSeen(id="seen-1", port=port(1).id, applied=2))
    for interest in ({StoreSeen: [("id", "seen-1")]}, {StorePort: [("id", "port-x")]}, {StorePort: None}):
        number = store.follow(interest)
        eventually(lambda number=number: store._held.number == number)  # type: ignore[misc]
        with pytest.raises(IntentError) as refused:
            store.report(put(StoreSeen(id="seen-2", port="port-x")))
        assert (refused.value.field, refused.value.status) == ("StoreSeen.port", "NOT_FOUND")
    assert set(whole.state.all(StoreSeen)) == {"seen-1"}
    store.close()


def test_intent_needs_the_whole_region(running: Service, whole: OvsdbStore) -> None:
    store = partial(running, {StorePort: None})
    with store.read():
        pass
    with pytest.raises(RuntimeError, match="whole region"):
        store.transact(put(NETS[0]))
    store.close()


def test_a_small_follow_is_quick_among_many_rows(running: Service, whole: OvsdbStore) -> None:
    for start in range(0, 10_000, 1000):
        whole.transact(put(*(port(n, net=f"net-{n % 4}") for n in range(start, start + 1000))))
    store = partial(running, {StorePort: [("net", "net-1")]})
    mirror = Mirror()
    store.subscribe(mirror)
    eventually(lambda: len(mirror.state.all(StorePort)) == 2500)
    took = []
    for n in range(100):
        began = time.perf_counter()
        number = store.follow({StorePort: [("net", "net-1"), ("id", port(4 * n).id)]})
        eventually(lambda number=number: mirror.followed == number)  # type: ignore[misc]
        took.append(time.perf_counter() - began)
        assert len(mirror.batches[-1].changes) == (1 if n == 0 else 2)
    print(
        f"follow one more of 10000 rows, 2500 held: p50 {sorted(took)[50] * 1e3:.1f} ms, max {max(took) * 1e3:.1f} ms"
    )
    store.close()
