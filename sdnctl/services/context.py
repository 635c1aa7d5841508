"""The context of a running service: see ``program.service.Context`` for what each part promises."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sdnctl.base.errors import FeatureError, Refused, StoreError
from sdnctl.program.service import Region, Sample, Service
from sdnctl.services import children, rights
from sdnctl.services.health import Health
from sdnctl.services.lease import Fence
from sdnctl.services.sight import Holdings, Sight
from sdnctl.store import Store, Txn

R = TypeVar("R")
RETRY_S = 0.5


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine on which services run: the host's (or machine's) name, its directory, its switch's database."""

    name: str
    data: Path
    switch: str = ""


class RunningContext:
    """The context of one run of a service."""

    def __init__(
        self,
        service: Service,
        machine: Machine,
        store: Store,
        holdings: Holdings,
        health: Health,
        namespace: str = "",
        fence: Fence | None = None,
        threads: ThreadPoolExecutor | None = None,
    ) -> None:
        """``fence`` makes each write depend on the service's lease, where it has one; in ``threads`` it may block."""
        self.host = machine.name
        self.data = str(machine.data)
        self.switch = machine.switch
        self.place = str(place_of(machine.data, service.name))
        self.namespace = namespace
        self.samples: tuple[Sample, ...] = ()
        self.busy_since = time.monotonic()
        """Since when the service has not waited through its context; infinite while it does."""
        self._service = service
        self._store = store
        self._holdings = holdings
        self._health = health
        self._fence = fence
        self._threads = threads

    def now(self) -> float:
        """See Context."""
        return time.time()

    async def changes(self, every: float = 0.0) -> AsyncIterator[Region]:
        """See Context."""
        sight = Sight(self._holdings)
        self._holdings.join(sight)
        try:
            while True:
                sight.anew()
                yield sight
                with suppress(TimeoutError):
                    await self.waiting(asyncio.wait_for(sight.changed.wait(), every or None))
        finally:
            self._holdings.leave(sight)

    async def sleep(self, seconds: float) -> None:
        """See Context."""
        await self.waiting(asyncio.sleep(seconds))

    async def waiting(self, something: Awaitable[R]) -> R:
        """See Context."""
        self.busy_since = float("inf")
        try:
            return await something
        finally:
            self.busy_since = time.monotonic()

    async def blocking(self, work: Callable[..., R], *arguments: Any) -> R:
        """See Context."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *arguments))

    async def report(self, *records: Any, gone: Iterable[tuple[type, str]] = ()) -> None:
        """See Context."""
        lost = tuple(gone)

        def work(txn: Txn) -> None:
            for record in records:
                if txn.get(type(record), record.id) != record:
                    txn.put(record)
            for cls, id in lost:
                txn.delete(cls, id)

        while True:
            try:
                await self.waiting(asyncio.to_thread(self._store.report, self._guarded(work)))
                return
            except Refused:
                raise
            except StoreError:
                await self.sleep(RETRY_S)

    async def transact(self, work: Callable[[Txn], R]) -> R:
        """See Context; FeatureError when the service is not the region's."""
        if self._service.per != "region":
            raise FeatureError(f"{self._service.name} runs on hosts and cannot change intent: report, or per='region'")
        return await self.waiting(asyncio.to_thread(self._store.transact, self._guarded(work)))

    def _guarded(self, work: Callable[[Txn], R]) -> Callable[[Txn], R]:
        """The same work, refused where it writes what the service may not, and while another has the lease."""

        def guarded(txn: Txn) -> R:
            result = work(txn)
            changes = txn.changes()
            rights.check(self._service, self.host, changes)
            if changes and self._fence is not None:
                self._fence(txn)
            return result

        return guarded

    async def child(self, name: str, argv: Sequence[str]) -> children.Process:
        """See Context."""
        return await children.find_or_start(Path(self.place), name, argv, self.namespace, self.waiting)

    def say(self, text: str) -> None:
        """See Context."""
        self._health.says = text

    def show(self, samples: Iterable[Sample]) -> None:
        """See Context."""
        self.samples = tuple(samples)


def place_of(data: Path, service: str) -> Path:
    """The directory of a service."""
    return data / "services" / service
