"""Health reports of this process's services: at once what changed, all of it every ten seconds."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import structlog

from sdnctl.base.errors import IntentError, StoreError, told
from sdnctl.model.service import ServiceHealth
from sdnctl.store import Store, Txn

HEARTBEAT_S = 10.0
LOOK_S = 0.25
OLD_S = 86400.0
TEXT_MAX = 500
RUNNING, FAILED, WAITING, STANDBY = "running", "failed", "waiting", "standby"
log = structlog.get_logger("sdnctl.services")


@dataclass(slots=True)
class Health:
    """One service's state; written by its runner, read by the reporter."""

    service: str
    per: str
    state: str = WAITING
    since: float = field(default_factory=time.time)
    restarts: int = 0
    error: str = ""
    says: str = ""

    def become(self, state: str, says: str = "") -> None:
        """Come into a state, with a few words about it; a run that begins anew counts from then."""
        if state != self.state or state == RUNNING:
            self.state, self.since = state, time.time()
        self.says = says

    def record(self, host: str, machine: str) -> ServiceHealth:
        """The same for the region, without the time at which it is told; ``host`` is empty for the region's."""
        return ServiceHealth(
            id=f"{self.service}@{machine}",
            service=self.service,
            host="" if self.per == "region" else host,
            machine=machine,
            per=self.per,
            state=self.state,
            since=self.since,
            restarts=self.restarts,
            error=told(self.error[:TEXT_MAX]),
            says=told(self.says[:TEXT_MAX]),
        )


class Teller:
    """Writes the health of this machine's services into the store, as long as that is there."""

    def __init__(self, store: Store, machine: str, kinds: Iterable[str], healths: Callable[[], list[Health]]) -> None:
        """``kinds`` are the kinds of services that this process runs: others' records are left alone."""
        self._store = store
        self._machine = machine
        self._kinds = frozenset(kinds)
        self._healths = healths
        self._told: Mapping[str, ServiceHealth] = {}

    async def run(self) -> None:
        """Tell for ever."""
        due = 0.0
        while True:
            now = {one.id: one for one in (h.record(self._machine, self._machine) for h in self._healths())}
            if now != self._told or time.monotonic() >= due:
                await self._tell(now)
                due = time.monotonic() + HEARTBEAT_S
            await asyncio.sleep(LOOK_S)

    async def _tell(self, records: Mapping[str, ServiceHealth]) -> None:
        def work(txn: Txn) -> None:
            for record in records.values():
                txn.put(replace(record, seen=round(time.time(), 3)))
            for id, known in txn.all(ServiceHealth).items():
                mine = known.machine == self._machine and known.per in self._kinds
                gone = known.per == "region" and "region" in self._kinds and known.seen < time.time() - OLD_S
                if id not in records and (mine or gone):
                    txn.delete(ServiceHealth, id)

        try:
            await asyncio.to_thread(self._store.report, work)
            self._told = records
        except StoreError as error:
            log.debug("health is not told", error=str(error))
        except IntentError as error:  # this host's own record is not there yet
            log.debug("health is not told yet", error=str(error))
