"""One host: its engine works out the flows, its switch is kept in step with them, its region is told.

An ``Agent`` joins the three and carries what happens to each from one to the others.  It has no thread, no socket and
no clock of its own: the loop hands it events and the time.
"""

import gc
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog

from sdnctl.agent.counters import SwitchCounters
from sdnctl.agent.events import Connected, Event, Received
from sdnctl.agent.faults import Faults
from sdnctl.agent.region import Follows, RegionClient, TakesReports
from sdnctl.agent.switch import News, SwitchClient
from sdnctl.base.addresses import Ip4
from sdnctl.bridge.local import local_changes
from sdnctl.bridge.snapshot import Snapshot
from sdnctl.engine.desired import Touched
from sdnctl.engine.engine import Answer, Engine
from sdnctl.model.host import HostStatus, LocalPeer, LocalPort, Peer
from sdnctl.of.flow import Flow
from sdnctl.program.feature import Program
from sdnctl.program.packets import PacketOut
from sdnctl.store import Batch, Change
from sdnctl.switch.session import Confirmed, Refused

HEARTBEAT_S = 10.0
MANY = 1000  # flows of one change
Watch = Callable[[Mapping[str, Ip4]], None]
"""The receiver of the hosts to which the ways are to be watched, by name and tunnel address: ``Vswitch.watch``."""
log = structlog.get_logger("agent")


class HostRenamed(Exception):
    """The switch's database calls this host otherwise now; everything is to be worked out again under that name."""


class Agent:
    """One host, from the moment when its store and its switch's database are known."""

    def __init__(
        self,
        program: Program,
        batches: Iterable[Batch],
        seen: Snapshot,
        store: Follows,
        reporter: TakesReports,
        watch: Watch,
        audit_s: float = 60.0,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Take in all that there is before the switch is dialled; ``wall`` tells the seconds since 1970."""
        self.host = seen.host
        self.engine = Engine(program, self.host)
        self.counters = SwitchCounters(self.engine, wall)
        self.switch = SwitchClient(self.engine.desired, self.counters, audit_s)
        self.applied = 0
        self._faults = Faults()
        self._watch = watch
        self._sequence = 0
        self._prompt = False
        self._heartbeat = 0.0
        self._now = 0.0
        self._due = {ticker.name: 0.0 for ticker in program.tickers}
        self._load(batches, seen)
        self.region = RegionClient(self.engine.state, seen, store, reporter, wall)
        self._begin()

    def _load(self, batches: Iterable[Batch], seen: Snapshot) -> None:
        gc.disable()  # the collector would only look at what stays
        batches = list(batches)
        changes = [change for batch in batches for change in batch.changes]
        self._sequence = max((batch.sequence for batch in batches), default=0)
        touched = self.engine.apply(changes + local_changes(self.engine.state, seen))
        self.counters.named(touched)
        self.counters.restore()
        self.switch.update(touched, self._sequence, self._now)
        self.engine.prepare()
        gc.freeze()
        gc.enable()
        log.info("loaded", host=self.host, sequence=self._sequence, flows=len(self.engine.desired.flows))

    def _begin(self) -> None:
        known = self.engine.state.get(HostStatus, self.host)
        if known is not None:  # the switch kept its flows while this program was away
            self.applied = min(known.applied, self._sequence)
        self.region.tell_host()
        self._tell_faults()
        self.region.report(self.engine.take_reports(reconcile=True), self.switch.settled)
        self._watch_peers()

    # Events.

    def handle(self, event: Event, now: float, arrived: float | None = None) -> None:
        """Take one event in, at ``now`` seconds of a steady clock; it may have ``arrived`` before, and waited."""
        self.tick(now)
        if isinstance(event, Received):
            for one in event.messages if event.link is self.switch.link else ():
                self._act(self.switch.message(one, now))
        elif isinstance(event, Batch):
            if event.sequence > self._sequence:
                self._sequence = event.sequence
                self.counters.arrived(event.sequence, now if arrived is None else arrived)
            self._changed(event.changes)
        elif isinstance(event, Snapshot):
            self._looked(event)
        elif isinstance(event, Connected):
            self._faults.reconnected()
            self._act(self.switch.connected(event.link, self._sequence, now))
        elif event.link is self.switch.link:
            self.switch.disconnected()

    def tick(self, now: float) -> None:
        """Do what is due."""
        self._now = now
        self.region.follow(now)
        self._act(self.switch.tick(now))
        if self.switch.state == "LIVE":
            for ticker in self.engine.program.tickers:
                if now >= self._due[ticker.name]:
                    self._due[ticker.name] = now + ticker.seconds
                    self._answer(self.engine.tick(ticker.name))
        if self.switch.link is None:
            return
        if now >= self._heartbeat:
            self._heartbeat = now + HEARTBEAT_S
            self.region.report(self.engine.take_reports(reconcile=True), self.switch.settled)
            self.region.tell_host(always=True)
            self._tell_status(always=True)
        elif now >= self.region.status_due:
            self._tell_status()
        if now >= self.counters.report_due:
            self.region.report(self.counters.reports(now), settled=True)

    @property
    def deadline(self) -> float:
        """The time at which ``tick`` has something to do, in seconds of the same clock."""
        if self.switch.link is None:
            return self.region.deadline
        due = min(self.region.deadline, self.switch.deadline, self._heartbeat)
        due = min(due, self.region.status_due, self.counters.report_due)
        return min(due, *self._due.values()) if self._due and self.switch.state == "LIVE" else due

    def status(self) -> dict[str, Any]:
        """The status of this host, for its log and for tests."""
        counts = self.switch.counts
        counts["handler_faults"] += self.engine.unanswered
        return {
            "host": self.host,
            "state": self.switch.state,
            "applied": self.applied,
            "sequence": self._sequence,
            "flows": self.switch.flows,
            "desired": len(self.engine.desired.flows),
            "units_run": self.engine.runs,
            "unit_errors": len(self.engine.errors),
            "counters": dict(counts),
        }

    # News from the store and from the switch's database.

    def _changed(self, changes: list[Change]) -> None:
        self._moved(self.engine.apply(changes))
        # What was on its way to the store when it became untrue arrives here afterwards: compare it once more.
        self.region.report(self.engine.take_reports(also=[(c.cls, c.id) for c in changes]), self.switch.settled)
        self.region.changed(changes, self._now)
        if self._faults or self.engine.errors:
            self._tell_faults()

    def _moved(self, touched: Touched) -> None:
        """The engine wants something else now."""
        if len(touched.cookies) > MANY:
            gc.freeze()  # it stays, so the collector has nothing to find there, however often it looks
        self._prompt |= bool(touched)
        self.counters.named(touched)
        self._act(self.switch.update(touched, self._sequence, self._now))
        if Peer in touched.local:
            self._watch_peers()

    def _looked(self, seen: Snapshot) -> None:
        if seen.host != self.host:
            raise HostRenamed(f"this host was {self.host!r} and is {seen.host!r} now")
        self.region.looked(seen, self._now)
        changes = local_changes(self.engine.state, seen)
        if changes:
            ports = [change for change in changes if change.cls is LocalPort]
            if ports:
                log.info("ports changed", here=[c.id for c in ports if c.new], gone=[c.id for c in ports if not c.new])
            self._changed(changes)
        self.region.tell_host()
        self._tell_status(lazy=True)

    def _watch_peers(self) -> None:
        """Have the ways to the hosts watched that this one sends packets to."""
        self._watch({peer.id: peer.address for peer in self.engine.state.all(Peer).values()})

    # News from the switch.

    def _act(self, news: list[News]) -> None:
        for one in news:
            if isinstance(one, Confirmed):
                self._confirmed(one.sequence)
            elif isinstance(one, Refused):
                owners = self.engine.owners(one.thing.cookie) if isinstance(one.thing, Flow) else []
                self._faults.refused(one, owners)
            else:
                self._answer(self.engine.handle(one))

    def _confirmed(self, sequence: int) -> None:
        self.applied = sequence
        settled = self.switch.settled
        if settled:
            self.region.let_go()
        self._tell_status(lazy=not self._prompt)
        self._prompt = self._prompt and not settled

    def _answer(self, answers: list[Answer]) -> None:
        """Do what a feature has to say to a packet or to the time."""
        self.switch.send_packets([answer for answer in answers if isinstance(answer, PacketOut)])
        reports = [answer for answer in answers if not isinstance(answer, PacketOut)]
        self.region.report(reports, self.switch.settled)
        if self.engine.stirred:
            self._moved(self.engine.apply(()))
            # What units report since the answer changed local records.
            self.region.report(self.engine.take_reports(), self.switch.settled)
        if self._faults or self.engine.errors:
            self._tell_faults()

    # What the region is told.

    def _tell_faults(self) -> None:
        """Log and report what does not work, each fault once."""
        self._faults.units(self.engine.errors)
        self._tell_status()

    def _tell_status(self, *, always: bool = False, lazy: bool = False) -> None:
        """Report how this host does when it says something new, or as a sign of life."""
        peers = self.engine.state.all(LocalPeer).values()
        status = HostStatus(
            id=self.host,
            host=self.host,
            applied=self.applied,
            flows=self.switch.flows,
            errors=self._faults.texts(self.switch.refusals),
            drops=self.counters.dropped,
            peers={peer.id: "up" if peer.up else "down" for peer in peers},
        )
        self.region.tell_status(status, self._now, always=always, lazy=lazy)
