"""Reports of a host to its region: off the loop's thread, gathered, and never about what is another host's by now."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import pytest

from sdnctl.agent.reporter import Reporter
from sdnctl.base.errors import Refused, StoreError, told
from sdnctl.model.host import Binding, Host, HostStatus
from sdnctl.program.packets import Drop, Put
from sdnctl.store import Txn
from sdnctl.store.memory import MemoryStore
from tests.build import ELSEWHERE, HERE, Network

R = TypeVar("R")


class SlowStore(MemoryStore):
    """A store whose reports wait until they are let through, and that can be out of reach."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.open.set()
        self.reached = threading.Semaphore(0)
        self.away = 0
        self.commits = 0

    def report(self, work: Callable[[Txn], R]) -> R:
        self.reached.release()
        self.open.wait()
        if self.away:
            self.away -= 1
            raise StoreError("out of reach")
        self.commits += 1
        return super().report(work)


@pytest.fixture
def store() -> SlowStore:
    made = SlowStore()
    MemoryStore.report(made, lambda txn: txn.put(Host(id=HERE)))
    return made


@pytest.fixture
def reporter(store: SlowStore) -> Iterator[Reporter]:
    made = Reporter(store, HERE)
    yield made
    store.open.set()
    made.close()


def test_of_two_reports_about_one_record_the_newer_wins(store: SlowStore, reporter: Reporter) -> None:
    store.open.clear()
    for applied in range(1, 100):
        reporter.put(Put(HostStatus(id=HERE, host=HERE, applied=applied)))
        if applied == 1:
            assert store.reached.acquire(timeout=5)
    store.open.set()
    assert reporter.flush(5)
    host = store.state.get(HostStatus, HERE)
    assert host is not None and host.applied == 99
    assert store.commits == 2, "the first, and all the others at once"


def test_a_store_out_of_reach_is_tried_again(store: SlowStore, reporter: Reporter) -> None:
    store.away = 2
    reporter.put(Put(HostStatus(id=HERE, host=HERE, applied=5)))
    assert reporter.flush(5)
    host = store.state.get(HostStatus, HERE)
    assert host is not None and host.applied == 5


def test_what_says_nothing_new_is_not_written(store: SlowStore, reporter: Reporter) -> None:
    seen: list[int] = []
    reporter.put(Put(HostStatus(id=HERE, host=HERE, applied=5)))
    assert reporter.flush(5)
    store.subscribe(lambda batch: seen.append(len(batch.changes)))
    reporter.put(Put(HostStatus(id=HERE, host=HERE, applied=5)))
    assert reporter.flush(5)
    assert seen == [2], "only what was there at first"


def test_one_report_that_is_refused_does_not_hold_up_the_others() -> None:
    network = Network()
    subnet = network.subnet(network.vpc("a"), "a", "10.0.1.0/24")
    port = network.port(subnet, "one", "10.0.1.5", host="")
    reporter = Reporter(network.store, HERE)
    gone = Binding(id="port-gone", port="port-gone", vpc="vpc-a", host=HERE)
    real = Binding(id=port.id, port=port.id, vpc="vpc-a", host=HERE)
    reporter.put(Put(gone), Put(real), Put(HostStatus(id=HERE, host=HERE, applied=3)))
    assert reporter.flush(5)
    assert set(network.store.state.all(Binding)) == {port.id}
    reporter.close()


def test_what_is_another_host_s_by_now_is_left_alone() -> None:
    network = Network()
    subnet = network.subnet(network.vpc("a"), "a", "10.0.1.0/24")
    port = network.port(subnet, "one", "10.0.1.5", host=ELSEWHERE)
    reporter = Reporter(network.store, HERE)
    reporter.put(Drop(Binding, port.id))
    assert reporter.flush(5)
    assert port.id in network.store.state.all(Binding)
    reporter.put(Put(Binding(id=port.id, port=port.id, vpc="vpc-a", host=HERE)))
    reporter.put(Drop(Binding, port.id))
    assert reporter.flush(5)
    reporter.close()
    assert network.store.state.all(Binding)[port.id].host == ELSEWHERE, "of the two only the later was told"


def test_what_was_decided_on_old_news_is_not_written() -> None:
    """Neither put nor withdrawn: the host will hear of the news, and decide again."""
    network = Network()
    port = network.port(network.subnet(network.vpc("a"), "a", "10.0.1.0/24"), "a", "10.0.1.10", host=HERE)
    old = network.store.state.all(Binding)[port.id]
    new = replace(old, row="newer")
    network.store.report(lambda txn: txn.put(new))
    reporter = Reporter(network.store, HERE)
    for stale in (
        Put(replace(old, row="stale"), None),
        Put(replace(old, row="stale"), old),
        Drop(Binding, port.id, old),
    ):
        reporter.put(stale)
        assert reporter.flush(5) and network.store.state.get(Binding, port.id) == new
    reporter.put(Drop(Binding, port.id, new))
    assert reporter.flush(5) and network.store.state.get(Binding, port.id) is None
    reporter.close()


def test_what_the_store_never_takes_holds_up_nothing_and_is_not_told_again() -> None:
    class Picky(MemoryStore):
        """A store that refuses one host's health."""

        runs = 0

        def report(self, work: Callable[[Txn], R]) -> R:
            self.runs += 1
            txn = Txn(self.state, self._hints, 0.0)
            work(txn)
            if any(change.id == "bad" for change in txn.changes()):
                raise Refused("constraint violation")
            return super().report(work)

    picky = Picky()
    MemoryStore.report(picky, lambda txn: [txn.put(Host(id=id)) for id in (HERE, "bad")])
    picked = Reporter(picky, HERE)
    picked.put(Put(HostStatus(id="bad", host="bad")), Put(HostStatus(id=HERE, host=HERE, applied=3)))
    assert picked.flush(5)
    assert picky.state.get(HostStatus, HERE) is not None and picky.state.get(HostStatus, "bad") is None
    runs = picky.runs
    picked.put(Put(HostStatus(id=HERE, host=HERE, applied=4)))
    assert picked.flush(5) and picky.runs == runs + 1
    picked.close()


def test_a_text_that_no_store_holds_is_told_by_its_escapes() -> None:
    assert told("a\ud800\0ü") == "a\\ud800\\x00ü"
