"""Three servers are one store: while two live, nothing stops for long; what was acknowledged is there, and once.

Each test prints how long the longest pause between two acknowledged writes of a writer was.
"""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sdnctl.base.errors import IntentError, StoreError
from sdnctl.store import Batch, Txn
from sdnctl.store.ovsdb.client import OvsdbStore
from tests.store.cluster import STORED, Cluster, Member, cluster
from tests.store.mirror import Mirror, contents
from tests.store.model import StoreNet, StorePort, StoreSeen, port, put
from tests.store.service import Cutter
from tests.waiting import eventually

NET = StoreNet(id="net-1", account="first", key=1)
WRITERS = 2


@pytest.fixture
def running() -> Iterator[Cluster]:
    """A store of three servers, with a net and some ports in it."""
    with cluster() as made:
        store = made.open()
        store.transact(put(NET, *map(port, range(10))))
        store.close()
        yield made


class Writer(threading.Thread):
    """Writes as fast as it can; ``acknowledged`` are the numbers of the writes that returned, ``failed`` the others."""

    def __init__(self, store: OvsdbStore, name: str, write: Callable[["Writer", int], None]) -> None:
        super().__init__(name=name)
        self.store = store
        self.acknowledged: list[int] = []
        self.failed: list[int] = []
        self.errors: set[str] = set()
        self.stop = threading.Event()
        self.pause = 0.0
        self._write = write

    def run(self) -> None:
        """Until told to stop."""
        number = 0
        last = time.monotonic()
        while not self.stop.is_set():
            number += 1
            try:
                self._write(self, number)
            except StoreError as error:
                self.failed.append(number)
                self.errors.add(str(error))
                continue
            self.acknowledged.append(number)
            self.pause = max(self.pause, time.monotonic() - last)
            last = time.monotonic()


def intent(writer: Writer, number: int) -> None:
    """A net that says which write made it; two nets for one write would be two commits of it."""

    def work(txn: Txn) -> None:
        key = txn.allocate(StoreNet, "key")
        txn.put(StoreNet(id=txn.new_id(StoreNet), account=f"{writer.name} {number}", key=key))

    writer.store.transact(work)


def report(writer: Writer, number: int) -> None:
    """A number that only grows."""
    writer.store.report(put(StoreSeen(id=writer.name, port=port(1).id, applied=number)))


class Watcher(Mirror):
    """A follower that also checks that time goes one way."""

    def __init__(self) -> None:
        super().__init__()
        self.back: list[object] = []

    def __call__(self, batch: Batch) -> None:
        if self.batches and batch.sequence < self.batches[-1].sequence:
            self.back.append(batch)
        for change in batch.changes:
            if change.cls is StoreSeen and change.old and (not change.new or change.new.applied < change.old.applied):
                self.back.append(change)
        super().__call__(batch)


class Stream:
    """Writers and followers, some through each server."""

    def __init__(self, running: Cluster, timeout: float = 20.0) -> None:
        self.running = running
        self.stores = [running.open(timeout) for _ in range(2 * WRITERS)]
        self.watchers = [Watcher() for _ in self.stores]
        for store, watcher in zip(self.stores, self.watchers, strict=True):
            eventually(lambda store=store: store.state.sequence > 0)  # type: ignore[misc]
            store.subscribe(watcher)
        works = [intent, report] * WRITERS
        self.writers = [Writer(store, f"w{n}", works[n]) for n, store in enumerate(self.stores)]
        for writer in self.writers:
            writer.start()
        self.go_on(5)

    def go_on(self, writes: int, seconds: float = 20.0) -> None:
        """Wait until each writer has been told of so many more writes."""
        wanted = [len(writer.acknowledged) + writes for writer in self.writers]
        eventually(lambda: all(len(w.acknowledged) >= n for w, n in zip(self.writers, wanted, strict=True)), seconds)

    def end(self) -> str:
        """Stop, and check that all that was acknowledged is there, once, and that everybody saw it in order."""
        for writer in self.writers:
            writer.stop.set()
        for writer in self.writers:
            writer.join()
        fresh = self.running.open()
        fresh.transact(put(StoreNet(id=NET.id, account="last", key=1)))  # whoever committed has seen all before
        with fresh.read() as state:
            made = Counter(net.account for net in state.all(StoreNet).values() if net.id != NET.id)
            for writer in self.writers[0::2]:
                assert [n for n in writer.acknowledged if made[f"{writer.name} {n}"] != 1] == []
            assert max(made.values()) == 1
            acknowledged = sum(len(writer.acknowledged) for writer in self.writers[0::2])
            failed = sum(len(writer.failed) for writer in self.writers[0::2])
            assert acknowledged <= state.sequence - 2 == len(made) <= acknowledged + failed
            for writer in self.writers[1::2]:
                seen = state.get(StoreSeen, writer.name)
                assert seen is not None and seen.applied >= writer.acknowledged[-1]
            right = contents(state)
        for store, watcher in zip(self.stores, self.watchers, strict=True):
            eventually(lambda watcher=watcher: contents(watcher.state) == right)  # type: ignore[misc]
            assert not watcher.misfits and not watcher.back
            store.close()
        fresh.close()
        pauses = "; ".join(f"{w.name} {len(w.acknowledged)} writes, pause {w.pause:.2f} s" for w in self.writers)
        errors = sorted(set().union(*(writer.errors for writer in self.writers)))
        return "; ".join([pauses, f"{failed} intents unknown", *errors])


def followed_by(store: OvsdbStore, running: Cluster) -> Member:
    """The server that a store talks to."""
    return next(member for member in running.members if member.remote == store.remote)


@pytest.mark.parametrize("victim", ["follower", "leader"])
@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_one_server_dies(running: Cluster, victim: str, how: str) -> None:
    stream = Stream(running)
    dead = running.leader if victim == "leader" else running.followers[0]
    dead.signal(signal.SIGKILL if how == "killed" else signal.SIGSTOP)
    stream.go_on(10)
    if how == "killed":
        dead.start()
    else:
        dead.signal(signal.SIGCONT)
    eventually(lambda: dead.joined)
    stream.go_on(10)
    print(f"{victim} {how}: {stream.end()}")


def test_each_server_dies_in_turn(running: Cluster) -> None:
    stream = Stream(running)
    for member in [*running.members, running.leader]:
        member.kill()
        stream.go_on(3)
        member.start()
        eventually(lambda member=member: member.joined)  # type: ignore[misc]
    print(f"each killed in turn: {stream.end()}")


def test_two_servers_die(running: Cluster) -> None:
    """Reading goes on, writing fails in time; when one comes back, all goes on."""
    stream = Stream(running, timeout=1.0)
    dead = [running.leader, running.followers[0]]
    for member in dead:
        member.kill()
    failed = [len(writer.failed) for writer in stream.writers]
    began = time.monotonic()
    eventually(lambda: all(len(w.failed) >= n + 2 for w, n in zip(stream.writers, failed, strict=True)))
    assert time.monotonic() - began < 6
    for store in stream.stores:
        with store.read() as state:
            assert len(state.all(StorePort)) == 10
        with pytest.raises(StoreError):
            store.report(put(StoreSeen(id="seen-x", port=port(2).id)))
    assert not any(store.current for store in stream.stores)
    dead[0].start()
    stream.go_on(5)
    dead[1].start()
    stream.go_on(5)
    print(f"two killed: {stream.end()}")


def test_a_cut_off_server_is_left(running: Cluster) -> None:
    """The others are frozen: it can be talked to, and knows that it knows nothing any more."""
    store = running.open(timeout=1.0)
    store.transact(put(StoreNet(id="net-2", account="a", key=2)))
    alone = followed_by(store, running)
    others = [member for member in running.members if member is not alone]
    for member in others:
        member.signal(signal.SIGSTOP)
    began = time.monotonic()
    eventually(lambda: not store.current)
    print(f"cut off: noticed after {time.monotonic() - began:.2f} s")
    with pytest.raises(StoreError, match=r"cut off|cannot be reached|unknown"):
        store.transact(put(StoreNet(id="net-3", account="a", key=3)))
    for member in others:
        member.signal(signal.SIGCONT)
    eventually(lambda: takes(store, StoreNet(id="net-3", account="a", key=3)), 20)
    store.close()


def takes(store: OvsdbStore, record: StoreNet) -> bool:
    """True when a store takes a commit."""
    try:
        store.transact(put(record))
    except StoreError:
        return False
    return True


def test_a_late_server_is_not_followed(running: Cluster) -> None:
    """One that was frozen during commits knows less; whoever comes from another one does not believe it."""
    late = running.followers[0]
    store = running.open(remote=f"{running.leader.remote},{late.remote}")
    watcher = Watcher()
    store.subscribe(watcher)
    late.signal(signal.SIGSTOP)
    eventually(lambda: store.state.sequence > 0 and store.current and store.remote == running.leader.remote)
    for n in range(200):
        store.transact(put(port(n % 10, name=f"name {n}")))
        store.report(put(StoreSeen(id="seen", port=port(1).id, applied=n)))
    running.leader.signal(signal.SIGSTOP)
    late.signal(signal.SIGCONT)
    eventually(lambda: store.current and store.remote == late.remote, 20)
    store.transact(put(StoreNet(id="net-2", account="a", key=2)))
    assert not watcher.back and not watcher.misfits
    assert watcher.state.get(StoreSeen, "seen") == StoreSeen(id="seen", port=port(1).id, applied=199)
    store.close()


def test_a_part_is_followed_through_failures(running: Cluster) -> None:
    """A wish that changes while servers die: the replica is what is wanted at the end, and was never anything else."""
    part = OvsdbStore(running.remotes, classes=STORED, interest={}, timeout=20.0)
    watcher = Watcher()
    part.subscribe(watcher)
    stream = Stream(running)
    for n in range(12):
        wish = {StorePort: [("id", port(n % 10).id)], StoreNet: [("key", n), ("key", 30 * n)], StoreSeen: None}
        part.follow(wish)
        if n % 3 == 0:
            followed_by(part, running).kill()
        stream.go_on(2)
        for member in running.members:
            if member.process is not None and member.process.poll() is not None:
                member.start()
                eventually(lambda member=member: member.joined)  # type: ignore[misc]
    print(f"killed under a part: {stream.end()}")
    whole = running.open()
    with whole.read() as state:
        right = {net.id for net in state.all(StoreNet).values() if net.key in (11, 330)}
        seen = dict(state.all(StoreSeen))
    eventually(lambda: set(watcher.state.all(StoreNet)) == right and dict(watcher.state.all(StoreSeen)) == seen)
    assert set(watcher.state.all(StorePort)) == {port(1).id}
    assert not watcher.misfits and not watcher.back and watcher.followed == 12
    whole.close()
    part.close()


@pytest.fixture
def cut(tmp_path: Path) -> Iterator[tuple[Cutter, OvsdbStore]]:
    """A store behind a proxy, of a cluster that has one server."""
    member = Member(tmp_path, 0, [f"unix:{tmp_path}/raft"])
    member.start()
    eventually(lambda: member.leads)
    cutter = Cutter(member.socket, tmp_path)
    store = OvsdbStore(cutter.remote, classes=STORED, timeout=10.0)
    store.transact(put(NET))
    yield cutter, store
    store.close()
    cutter.close()
    member.kill()


def create_once(txn: Txn) -> str:
    """Work that cannot be done twice."""
    if txn.get(StoreNet, "net-2") is not None:
        raise IntentError("name", "is taken")
    txn.put(StoreNet(id="net-2", account="a", key=2))
    return "created"


def test_a_commit_that_a_server_runs_twice_is_not_a_conflict(cut: tuple[Cutter, OvsdbStore]) -> None:
    """The second run is refused since the first one was committed: that is success."""
    cutter, store = cut
    cutter.twice = True
    assert store.transact(create_once) == "created"
    assert cutter.cuts == 1 and store.state.sequence == 2
    with pytest.raises(IntentError):
        store.transact(create_once)


def test_a_server_that_keeps_a_commit_for_good_is_left(cut: tuple[Cutter, OvsdbStore]) -> None:
    cutter, store = cut
    cutter.swallow = True
    began = time.monotonic()
    assert store.transact(create_once) == "created"
    assert cutter.cuts == 1 and store.state.sequence == 2
    assert time.monotonic() - began < 5
