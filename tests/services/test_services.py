"""A service is found, gets news of what it read, may write what it declares, and is started again when it fails."""

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sdnctl.base.errors import FeatureError
from sdnctl.model.host import Host
from sdnctl.model.resource import meta
from sdnctl.model.service import ServiceRestart
from sdnctl.program.service import delegated, discover, service
from sdnctl.services import children, namespaces
from sdnctl.services.context import Machine, RunningContext
from sdnctl.services.following import interest
from sdnctl.services.health import FAILED, RUNNING, WAITING, Health
from sdnctl.services.runner import Runner, backoff
from sdnctl.services.sight import Holdings, Sight
from sdnctl.services.watchdog import Watchdog, blamed
from sdnctl.store import Batch, Change, State
from sdnctl.store.memory import MemoryStore
from tests.services.cloud.toy.model import ToyAnswer, ToyPage, ToyWish

HERE = "hv1"
SERVICES = {one.name: one for one in discover("tests.services.cloud")}


class House:
    """A store in memory, and what a process holds of it."""

    def __init__(self, data: Path) -> None:
        self.store = MemoryStore()
        self.holdings = Holdings(None)
        self.machine = Machine(HERE, data)
        self.store.report(lambda txn: txn.put(Host(id=HERE)))
        self.store.subscribe(self._take)

    def _take(self, batch: Batch) -> None:
        self.holdings.take(batch.changes)

    def wish(self, text: str) -> None:
        """Have the toys do something."""
        self.store.transact(lambda txn: txn.put(ToyWish(id="echo", text=text)))

    def answer(self, name: str) -> str:
        """The answer of a toy."""
        found = self.store.state.get(ToyAnswer, f"{HERE}-{name}")
        return found.text if found is not None else ""

    def runner(self, name: str) -> Runner:
        """A runner of one of the toys."""
        return Runner(SERVICES[name], self.machine, self.store, self.holdings, f"{HERE}/1")


async def until(true: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait in a loop until something is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.01)


def running(runner: Runner, story: Callable[[], Awaitable[None]]) -> None:
    """Run a service while a story is told."""

    async def both() -> None:
        task = asyncio.ensure_future(runner.run())
        await story()
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(both())


def test_services_are_found_by_their_file() -> None:
    assert list(SERVICES) == ["clerk.clerk", "toy.door", "toy.echo", "toy.keeper"]
    assert {name: one.per for name, one in SERVICES.items()} == {
        "clerk.clerk": "region",
        "toy.door": "gateway",
        "toy.echo": "host",
        "toy.keeper": "host",
    }
    assert delegated(SERVICES.values()) == {"ToyPage"}
    assert [one.name for one in discover()] == ["bandwidth_package.division", "multi_queue.nics", "oversize.fragmenter"]


def test_a_host_s_service_cannot_declare_intent() -> None:
    with pytest.raises(ValueError, match="cannot write ToyPage, which is intent"):

        @service(per="host", writes=(ToyPage,))
        async def wrong(context: Any) -> None:
            """Never runs."""


def test_what_was_read_wakes_and_nothing_else() -> None:
    async def story() -> None:
        holdings = Holdings(None)
        sight = Sight(holdings)
        holdings.join(sight)

        def woken(cls: type, old: Any, new: Any) -> bool:
            sight.changed.clear()
            holdings.take([Change(cls, (old or new).id, old, new)])
            return sight.changed.is_set()

        one, other = ToyWish(id="one"), ToyWish(id="one", text="changed")
        assert not woken(ToyWish, None, one), "nothing was read"
        assert sight.get(ToyWish, "one") == one
        assert woken(ToyWish, one, other)
        assert not woken(ToyWish, None, ToyWish(id="two"))
        sight.anew()
        assert sight.all(ToyWish).keys() == {"one", "two"}
        assert woken(ToyWish, ToyWish(id="two"), None)
        sight.anew()
        index = meta(ToyAnswer).indexes
        assert index == ()
        holdings.leave(sight)
        assert not woken(ToyWish, other, None)

    asyncio.run(story())


def test_a_host_s_service_follows_what_its_host_does_and_what_it_declares() -> None:
    state = State()
    state.apply([Change(Host, HERE, None, Host(id=HERE))])
    found = interest(state, HERE, SERVICES.values())
    assert found[ToyWish] is None and found[ToyAnswer] is None and found[ServiceRestart] is None
    sight = Sight(Holdings({ToyWish: None}))
    with pytest.raises(FeatureError, match=r"ToyPage is not followed on hosts: .* declare reads=\(ToyPage,\)"):
        sight.get(ToyPage, "page")


def test_it_hears_of_what_it_reads(tmp_path: Path) -> None:
    house = House(tmp_path)
    runner = house.runner("toy.echo")

    async def story() -> None:
        await until(lambda: runner.health.state == RUNNING)
        for text in ("one", "two"):
            house.wish(text)
            await until(lambda text=text: house.answer("echo") == text)  # type: ignore[misc]
        assert runner.health.says == "seen two"
        assert {sample.labels for sample in runner.samples()} == {(HERE,)}

    running(runner, story)


def test_a_fault_starts_it_again_later_and_later(tmp_path: Path) -> None:
    assert [backoff(n) for n in (1, 2, 3, 7, 8, 1000)] == [0.5, 1.0, 2.0, 30.0, 30.0, 30.0]
    house = House(tmp_path)
    house.wish("fail")
    runner = house.runner("toy.echo")

    async def story() -> None:
        began = time.monotonic()
        await until(lambda: runner.health.restarts == 2)
        assert time.monotonic() - began >= 0.5
        assert runner.health.state == FAILED and runner.health.says == "again in 1 s"
        assert (
            runner.health.error.startswith("ValueError: the wish is to fail (") and "service.py" in runner.health.error
        )
        house.wish("well")
        await until(lambda: runner.health.state == RUNNING and house.answer("echo") == "well")
        assert runner.health.restarts == 2

    running(runner, story)


def test_what_hangs_is_noticed(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.wish("hang")
    runner = house.runner("toy.echo")

    async def story() -> None:
        await until(lambda: runner.health.restarts == 1)
        assert "it hangs: it has not waited through its context for" in runner.health.error
        house.wish("well")
        await until(lambda: house.answer("echo") == "well")
        await asyncio.sleep(2.0)  # longer than its patience: waiting for changes is no hang
        assert runner.health.state == RUNNING

    running(runner, story)


def test_a_service_that_blocks_takes_no_thread_from_the_others(tmp_path: Path) -> None:
    """Leases are renewed and health is told in threads too: those of a service are its own."""
    house = House(tmp_path)
    runner = house.runner("toy.echo")
    over = threading.Event()

    async def story() -> None:
        await until(lambda: runner.context is not None)
        assert runner.context is not None
        waits = [asyncio.ensure_future(runner.context.blocking(over.wait, 20.0)) for _ in range(64)]
        await asyncio.sleep(0.1)
        try:
            assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 2.0) == "free"
        finally:
            over.set()
        assert all(await asyncio.gather(*waits))

    running(runner, story)


def test_a_process_that_ends_while_it_is_told_to_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(pid: int) -> int:
        raise ProcessLookupError

    monkeypatch.setattr(os, "pidfd_open", gone)
    children.end(os.getpid(), children.started(os.getpid()), 0.1)


def test_it_may_write_what_it_declares_and_no_more(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.wish("trespass")
    runner = house.runner("toy.echo")

    async def story() -> None:
        await until(lambda: runner.health.restarts == 1)
        assert "toy.echo may not write ToyPage: it declares that it writes ToyAnswer" in runner.health.error
        assert house.store.state.get(ToyPage, "page") is None

    running(runner, story)
    context = RunningContext(
        SERVICES["toy.echo"], house.machine, house.store, house.holdings, Health("toy.echo", "host")
    )
    with pytest.raises(FeatureError, match="it is not of host hv1"):
        asyncio.run(context.report(ToyAnswer(id="x", host="hv2")))
    with pytest.raises(FeatureError, match="runs on hosts and cannot change intent"):
        asyncio.run(context.transact(lambda txn: None))


def test_the_operator_starts_it_anew(tmp_path: Path) -> None:
    house = House(tmp_path)
    runner = house.runner("toy.echo")

    async def story() -> None:
        await until(lambda: runner.context is not None)
        first = runner.context
        house.store.transact(lambda txn: txn.put(ServiceRestart(id=f"toy.echo@{HERE}", count=1)))
        await until(lambda: runner.context not in (None, first))
        assert (runner.health.state, runner.health.restarts) == (RUNNING, 0)

    running(runner, story)


def test_a_gateway_s_service_comes_and_goes_with_the_gateway(tmp_path: Path) -> None:
    house = House(tmp_path)
    runner = house.runner("toy.door")

    async def story() -> None:
        await until(lambda: runner.health.says.startswith("this host is no gateway"))
        house.store.report(lambda txn: txn.put(Host(id=HERE, gateway=1)))
        await until(lambda: house.answer("door") == "open")
        house.store.report(lambda txn: txn.put(Host(id=HERE)))
        await until(lambda: runner.health.state == WAITING)

    running(runner, story)


@contextmanager
def ending(place: Path) -> Iterator[None]:
    """Nothing of a test's processes is left."""
    try:
        yield
    finally:
        children.end_all(place)
        namespaces.remove("toy.keeper")


def test_a_process_outlives_its_service_and_is_found_again(tmp_path: Path) -> None:
    house = House(tmp_path)
    seen: list[str] = []

    async def heard() -> None:
        await until(lambda: house.answer("keeper") not in ("", *seen))
        seen.append(house.answer("keeper"))

    async def killed() -> None:
        await heard()
        os.kill(int(seen[-1].split()[0]), signal.SIGKILL)
        await heard()

    with ending(tmp_path / "services" / "toy.keeper"):
        running(house.runner("toy.keeper"), heard)
        pid = seen[0].split()[0]
        assert os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net"), "it has a namespace of its own"
        running(house.runner("toy.keeper"), killed)
        assert seen[:2] == [f"{pid} new", f"{pid} found"]
        assert seen[2].endswith(" new") and not seen[2].startswith(pid)


def test_a_process_with_another_command_replaces_the_one_before(tmp_path: Path) -> None:
    async def waits(something: Awaitable[Any]) -> Any:
        return await something

    async def story() -> None:
        sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
        first = await children.find_or_start(tmp_path, "one", sleeper, "", waits)
        other = await children.find_or_start(tmp_path, "one", [*sleeper, "x"], "", waits)
        assert not first.alive() and other.alive() and first.pid != other.pid
        await other.stop()
        assert not other.alive() and list(tmp_path.glob("*.process.json")) == []

    with ending(tmp_path):
        asyncio.run(story())


def test_who_blocks_all_is_named_when_the_process_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdnctl.services.watchdog.STALL_S", 0.6)
    ended = threading.Event()
    dog = Watchdog(tmp_path / "blamed.json", (), lambda code: ended.set())

    async def story() -> None:
        beating = asyncio.ensure_future(dog.run())
        await asyncio.sleep(0.1)

        async def culprit() -> None:
            time.sleep(1.5)

        task = asyncio.ensure_future(culprit())
        task.set_name("toy.echo")
        await task
        beating.cancel()

    asyncio.run(story())
    assert ended.wait(2)
    times, error = blamed(tmp_path / "blamed.json")["toy.echo"]
    assert times == 1 and "test_services.py" in error and "context.blocking()" in error
