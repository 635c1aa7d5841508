"""All services of one machine: found, connected with the store, run side by side, and ended in order."""

import asyncio
import signal
import uuid
from collections.abc import Awaitable, Iterable, Sequence
from pathlib import Path

import structlog

from sdnctl.base.paths import write_private
from sdnctl.program.service import Sample, Service
from sdnctl.services import children, namespaces
from sdnctl.services.context import Machine
from sdnctl.services.figures import RESTARTS, UP
from sdnctl.services.following import concerns, interest
from sdnctl.services.health import Teller
from sdnctl.services.runner import Runner
from sdnctl.services.sight import Holdings
from sdnctl.services.watchdog import Watchdog, blamed
from sdnctl.store import Batch, Store

BLAMED = "blamed.json"
FORGIVEN_S = 60.0
log = structlog.get_logger("sdnctl.services")


class Runtime:
    """The services of some kinds (``per``) on one machine."""

    def __init__(self, services: Sequence[Service], per: Iterable[str], machine: Machine, store: Store) -> None:
        """``services`` are all that are declared; those of other kinds only keep their places."""
        self._machine = machine
        self._store = store
        self._kinds = frozenset(per)
        self._all = tuple(services)
        self._own = tuple(one for one in services if one.per in self._kinds)
        whole = "region" in self._kinds
        self._holdings = Holdings(None if whole else {})
        self._awaited = 0
        self._ready = asyncio.Event()
        (machine.data / "services").mkdir(mode=0o700, parents=True, exist_ok=True)
        holder = _holder(machine)
        self.runners = [Runner(one, machine, store, self._holdings, holder) for one in self._own]

    async def run(self, over: Awaitable[None]) -> None:
        """Run until SIGTERM or SIGINT, or until ``over`` is done; raises what ends it otherwise."""
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        blame = self._machine.data / "services" / BLAMED
        self._forget_orphans()
        tenures = [one.tenure for one in self.runners if one.tenure is not None]
        teller = Teller(self._store, self._machine.name, self._kinds, lambda: [one.health for one in self.runners])
        culprits = blamed(blame)
        for one in self.runners:
            if one.service.name in culprits:
                one.blame(*culprits[one.service.name])
        works = [Watchdog(blame, tenures).run(), self._begin(), teller.run(), _forgive(blame), _heard(stop), over]
        tasks = [asyncio.ensure_future(work) for work in (*works, *map(self._after, self.runners))]
        await _until_one_ends(tasks)
        log.info("ended")

    def samples(self) -> list[Sample]:
        """Every figure now; called on a thread of its own."""
        made: list[Sample] = []
        for one in self.runners:
            health = one.health
            made.append(Sample(UP, (health.service, health.state), float(health.state == "running")))
            made.append(Sample(RESTARTS, (health.service,), health.restarts))
            made += one.samples()
        return made

    async def _after(self, runner: Runner) -> None:
        """Run a service once the region is known."""
        await self._ready.wait()
        await runner.run()

    async def _begin(self) -> None:
        """Follow the store; the first batch may take as long as it likes."""
        loop = asyncio.get_running_loop()

        def deliver(batch: Batch) -> None:
            loop.call_soon_threadsafe(self._take, batch)

        await asyncio.to_thread(self._store.subscribe, deliver)
        log.info("services", names=[one.name for one in self._own], machine=self._machine.name)
        await asyncio.Event().wait()

    def _take(self, batch: Batch) -> None:
        """Hold what the store tells, and follow what that leads to."""
        first = not self._ready.is_set()
        self._holdings.take(batch.changes)
        if self._holdings.interest is not None and (first or concerns(batch.changes)):
            wanted = interest(self._holdings.state, self._machine.name, self._own)
            if wanted != self._holdings.interest:
                self._holdings.interest = wanted
                self._awaited = self._store.follow(wanted)
        if batch.followed >= self._awaited:
            self._ready.set()

    def _forget_orphans(self) -> None:
        """End what is left of services that are no more."""
        names = {one.name for one in self._all}
        for place in sorted((self._machine.data / "services").iterdir()):
            if place.is_dir() and place.name not in names:
                ended = children.end_all(place)
                namespaces.remove(place.name)
                if ended:
                    log.info("a service is no more", service=place.name, ended=ended)


async def _until_one_ends(tasks: list[asyncio.Task[None]]) -> None:
    """Wait for the first of some tasks, end the others, and raise what the first one raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in done:
        task.result()


def _holder(machine: Machine) -> str:
    """The name under which this machine's services hold leases: the same for each process, one after the other.

    It is the directory's, which one process at a time serves (see ``__main__``), and the running kernel's: a copy of
    the directory on another machine, or after a reboot, has another.
    """
    file = machine.data / "services" / "holder"
    if not file.exists():
        write_private(file, uuid.uuid4().hex)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{machine.name}/{file.read_text()}/{boot}"


async def _heard(stop: asyncio.Event) -> None:
    """Wait until the process is told to end."""
    await stop.wait()


async def _forgive(file: Path) -> None:
    """Forget who made the process end before, when it has lasted."""
    await asyncio.sleep(FORGIVEN_S)
    file.unlink(missing_ok=True)
    await asyncio.Event().wait()
