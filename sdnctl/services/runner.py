"""One service's life on this machine: started, watched, started again when it fails, each time a little later."""

import asyncio
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from sdnctl.base.errors import FeatureError, IntentError, StoreError
from sdnctl.base.problem import Problem
from sdnctl.model.host import Host
from sdnctl.model.service import ServiceRestart
from sdnctl.program.service import Sample, Service
from sdnctl.services import children, namespaces
from sdnctl.services.context import Machine, RunningContext, place_of
from sdnctl.services.health import FAILED, RUNNING, STANDBY, WAITING, Health
from sdnctl.services.lease import LeaseLost, Tenure
from sdnctl.services.sight import Holdings
from sdnctl.store import Store

BACKOFF_S, BACKOFF_MAX_S = 0.5, 30.0
HEALTHY_S = 60.0
CANCEL_S = 2.0
LOOK_S = 0.25
TRIM_S = 10.0
THREADS = 16
"""The most functions of one service that block at a time: they take no thread from leases and other services."""
EXPECTED = (FeatureError, IntentError, StoreError, Problem)
log = structlog.get_logger("sdnctl.services")


class Hung(Problem):
    """A service has not waited through its context for too long."""


class Deaf(Exception):
    """A service does not end when it is told to: the whole process must."""

    def __init__(self, service: str) -> None:
        super().__init__(f"it did not end within {CANCEL_S:g} s of being told to")
        self.service = service


class Again(Exception):
    """The operator wants the service to begin anew, or it may not run here any more."""


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: half a second, doubled each time, at most 30 s."""
    return min(BACKOFF_S * 2.0 ** min(failures - 1, 16), BACKOFF_MAX_S)


class Runner:
    """Keeps one service going."""

    def __init__(self, service: Service, machine: Machine, store: Store, holdings: Holdings, holder: str) -> None:
        """``holder`` names this process as a holder of leases."""
        self.service = service
        self.health = Health(service.name, service.per)
        self.context: RunningContext | None = None
        self.tenure: Tenure | None = None
        if service.per == "region":
            self.tenure = Tenure(store, holdings.state, service.name, holder, machine.name)
        self._machine = machine
        self._store = store
        self._holdings = holdings
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=service.name)
        self._failures = 0
        self._wait = 0.0

    def blame(self, times: int, error: str) -> None:
        """Start later and say why: the service made the whole process end so many times before."""
        self._failures, self.health.restarts, self.health.error = times, times, error
        self._wait = backoff(times)

    async def run(self) -> None:
        """Run the service for ever; only cancelling ends it, and a service that does not (Deaf)."""
        await asyncio.sleep(self._wait)
        while True:
            asked = self._asked()
            await self._permitted()
            began = time.monotonic()
            error = await self._once(asked)
            if time.monotonic() - began >= HEALTHY_S:
                self._failures = 0
            if error is None:
                continue
            self._failures += 1
            self.health.restarts += 1
            self.health.error = error
            wait = backoff(self._failures)
            self.health.become(FAILED, f"again in {wait:g} s")
            log.warning("service failed", service=self.service.name, error=error, again_in_s=wait)
            await self._until(partial(self._asked_since, asked), wait)

    def samples(self) -> tuple[Sample, ...]:
        """Its figures; none while it does not run."""
        return self.context.samples if self.context is not None else ()

    async def _permitted(self) -> None:
        """Wait until the service may run here: on a gateway, or with the lease."""
        if self.service.per == "gateway" and not self._is_gateway():
            self.health.become(WAITING, "this host is no gateway (external_ids:sdnctl-gateway)")
            await self._until(self._is_gateway)
        if self.tenure is not None:
            holder = self.tenure.known.machine
            self.health.become(STANDBY, f"{holder} runs it" if holder else "")
            await self.tenure.acquire()

    async def _once(self, asked: int) -> str | None:
        """One run; why it failed, None when it ended because it had to."""
        tasks: list[asyncio.Task[Any]] = []
        try:
            tasks = await self._begin(asked)
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            # The service first: when it failed, that is the news.
            return self._why(min(done, key=tasks.index))
        except (FeatureError, OSError) as error:
            return str(error)
        finally:
            await _cancelled(tasks, self.service.name)
            self.context = None
            if self.tenure is not None:
                await self.tenure.release()

    def _why(self, ended: asyncio.Task[Any]) -> str | None:
        """The reason for which a run ended; None when it had to end.  A service may raise whatever it likes."""
        error = None if ended.cancelled() else ended.exception()
        if isinstance(error, Again):
            self._failures = 0
            return None
        if isinstance(error, LeaseLost):
            log.warning("lease lost", service=self.service.name, because=str(error))
            return None
        if error is None:
            return "it ended by itself: a service runs until it is cancelled"
        if isinstance(error, EXPECTED):
            return str(error)
        frame = traceback.extract_tb(error.__traceback__)[-1]
        log.error("a fault of the service", service=self.service.name, exc_info=error)
        return f"{type(error).__name__}: {error} ({frame.filename}, line {frame.lineno})"

    async def _begin(self, asked: int) -> list[asyncio.Task[Any]]:
        """Start the service, and beside it what may end it."""
        place = place_of(self._machine.data, self.service.name)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        namespace = await asyncio.to_thread(namespaces.make, self.service.name) if self.service.namespace else ""
        fence = self.tenure.fence if self.tenure is not None else None
        self.context = RunningContext(
            self.service, self._machine, self._store, self._holdings, self.health, namespace, fence, self._threads
        )
        self.health.become(RUNNING)
        log.info("service runs", service=self.service.name)
        tasks = [
            asyncio.ensure_future(self.service.run(self.context)),
            asyncio.ensure_future(self._watch(self.context, asked, place)),
        ]
        tasks[0].set_name(self.service.name)  # for the watchdog
        if self.tenure is not None:
            tasks.append(asyncio.ensure_future(self.tenure.keep()))
        return tasks

    async def _watch(self, context: RunningContext, asked: int, place: Path) -> None:
        """Raise when the run is to end: asked for, not a gateway any more, or hung."""
        trim_at = 0.0
        while True:
            await asyncio.sleep(LOOK_S)
            if self._asked() != asked or (self.service.per == "gateway" and not self._is_gateway()):
                raise Again
            busy = time.monotonic() - context.busy_since
            if busy > self.service.patience:
                raise Hung(f"it hangs: it has not waited through its context for {busy:.0f} s")
            if time.monotonic() >= trim_at:
                children.trim(place)
                trim_at = time.monotonic() + TRIM_S

    def _asked(self) -> int:
        """The number of restarts of it that the operator has asked for here."""
        wish = self._holdings.state.get(ServiceRestart, f"{self.service.name}@{self._machine.name}")
        return wish.count if wish is not None else 0

    def _asked_since(self, before: int) -> bool:
        return self._asked() != before

    def _is_gateway(self) -> bool:
        here = self._holdings.state.get(Host, self._machine.name)
        return here is not None and here.gateway > 0

    async def _until(self, true: Callable[[], object], seconds: float = float("inf")) -> None:
        end = time.monotonic() + seconds
        while not true() and time.monotonic() < end:
            await asyncio.sleep(min(LOOK_S, max(end - time.monotonic(), 0.0)))


async def _cancelled(tasks: list[asyncio.Task[Any]], name: str) -> None:
    """Cancel tasks and wait until they have ended; Deaf when one does not."""
    for task in tasks:
        task.cancel()
    if tasks:
        _, left = await asyncio.wait(tasks, timeout=CANCEL_S)
        if left:
            raise Deaf(name)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # it has been looked at
