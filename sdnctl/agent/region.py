"""This host as a member of its region: what it follows of the store, and what it tells it.

A record that is put is told at once.  One that is withdrawn is held until the switch has let go of what it stood for,
so that whoever waits for something to be gone here knows that no packet meets it any more.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from sdnctl.agent.status import StatusReports
from sdnctl.bridge.local import host_of
from sdnctl.bridge.snapshot import Snapshot
from sdnctl.engine.ledger import ReportKey
from sdnctl.model.host import HostStatus
from sdnctl.program.packets import Put, Report
from sdnctl.store import Change, Interest, State
from sdnctl.store.reach import concerns, leads_on, reach
from sdnctl.switch.commands import NEVER

GATHER_S = 0.05  # ports are plugged in by the dozen, and often before their record is there: one question for all


class Follows(Protocol):
    """A store that delivers what is asked for; no method blocks."""

    def follow(self, interest: Interest) -> object:
        """From now on deliver what is of ``interest``, and nothing else."""


class TakesReports(Protocol):
    """The way of reports to the store; no method blocks."""

    def put(self, *reports: Report) -> None:
        """Take reports for the store."""


class RegionClient:
    """The records that one host follows and those it reports; ``state`` is the engine's and changes under it."""

    def __init__(
        self, state: State, seen: Snapshot, store: Follows, reporter: TakesReports, wall: Callable[[], float]
    ) -> None:
        """``seen`` is what the switch's database says, ``wall`` when a report was made, in seconds since 1970."""
        self._state = state
        self._seen = seen
        self._store = store
        self._reporter = reporter
        self._status = StatusReports(wall)
        self._interest: Interest = reach(state, seen.host, seen.ports, seen.settings.gateway > 0)
        self._follow_at = NEVER
        self._held: dict[ReportKey, Report] = {}

    @property
    def deadline(self) -> float:
        """The time at which ``follow`` has something to do, in seconds of its clock."""
        return self._follow_at

    @property
    def status_due(self) -> float:
        """The time by which the host's status is to be told."""
        return self._status.due

    # What is followed.

    def looked(self, seen: Snapshot, now: float) -> None:
        """The switch's database says this now."""
        self._seen = seen
        self._follow_at = min(self._follow_at, now + GATHER_S)

    def changed(self, changes: Iterable[Change], now: float) -> None:
        """Note changed records: they may lead to more that is to be followed."""
        for change in changes:
            if concerns(change, self._seen.ports):
                at_once = leads_on(change, self._interest)
                self._follow_at = min(self._follow_at, now if at_once else now + GATHER_S)

    def follow(self, now: float) -> None:
        """Ask the store for what the ports that are here can reach, if that is due."""
        if now < self._follow_at:
            return
        self._follow_at = NEVER
        interest = reach(self._state, self._seen.host, self._seen.ports, self._seen.settings.gateway > 0)
        if interest != self._interest:
            self._interest = interest
            self._store.follow(interest)

    # What is told.

    def report(self, reports: Iterable[Report], settled: bool) -> None:
        """Tell what is put, and what is withdrawn once the switch has ``settled``."""
        now: list[Report] = []
        for one in reports:
            key = (type(one.record), one.record.id) if isinstance(one, Put) else (one.cls, one.id)
            if isinstance(one, Put) or settled:
                self._held.pop(key, None)
                now.append(one)
            else:
                self._held[key] = one
        if now:
            self._reporter.put(*now)

    def let_go(self) -> None:
        """The switch has let go of everything that is not wanted any more."""
        if self._held:
            held, self._held = list(self._held.values()), {}
            self._reporter.put(*held)

    def tell_host(self, always: bool = False) -> None:
        """Tell what this host is, when that is news or the store may have lost it."""
        self._reporter.put(*self._status.host(host_of(self._seen), always))

    def tell_status(
        self, status: HostStatus, now: float, *, always: bool = False, lazy: bool = False, alive: bool = True
    ) -> None:
        """Tell how this host does (see ``StatusReports.status``)."""
        self._reporter.put(*self._status.status(status, now, always=always, lazy=lazy, alive=alive))

    def tell_last(self, status: HostStatus) -> None:
        """Tell how this host does for the last time under its name: nobody is to wait for it any more."""
        self._reporter.put(Put(replace(status, seen=0.0)))
