"""One host: its engine works out the flows, its switch is kept in step with them, its region is told.

An ``Agent`` joins the three and carries what happens to each from one to the others.  It has no thread, no socket and
no clock of its own: the loop hands it events and the time.
"""

import gc
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import replace
from typing import Any

import structlog

from sdnctl.agent.counters import SwitchCounters
from sdnctl.agent.events import Connected, Gathered, Message, Recalled, Received, Revalidated, SwitchLink, Tracked
from sdnctl.agent.faults import ERRORS_MAX, Faults
from sdnctl.agent.grace import Graces
from sdnctl.agent.keeper import Keeper
from sdnctl.agent.region import Follows, RegionClient, TakesReports
from sdnctl.agent.switch import News, SwitchClient
from sdnctl.agent.zones import PortZones
from sdnctl.bridge import starts
from sdnctl.bridge.local import local_changes
from sdnctl.bridge.snapshot import Snapshot
from sdnctl.engine.desired import Touched
from sdnctl.engine.engine import Answer, Engine
from sdnctl.model.host import NO_SWITCH, SWITCH, Complaint, HostStatus, LocalPeer, LocalPort, Peer
from sdnctl.of.flow import Flow
from sdnctl.program.connections import Census
from sdnctl.program.feature import Program
from sdnctl.program.packets import Drop, PacketOut, Put
from sdnctl.store import Batch, Change
from sdnctl.switch.commands import NEVER, Confirmed, Refused

HEARTBEAT_S = 10.0
LOST_S = 2.0  # a switch that starts anew is back before
MANY = 1000  # flows of one change
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
        keeper: Keeper,
        audit_s: float = 60.0,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Take in all that there is before the switch is dialled; ``wall`` tells the seconds since 1970."""
        self.host = seen.host
        self.engine = Engine(program, self.host)
        self.counters = SwitchCounters(self.engine, wall)
        tables = program.pipeline.tables.values()
        obeyed = frozenset(table.id for table in tables if table.obeyed)
        self.switch = SwitchClient(self.engine.desired, self.counters, keeper, obeyed, audit_s)
        self.zones = PortZones(self.engine.desired, keeper, seen)
        self.applied = 0
        self._wall = wall
        self._faults = Faults()
        self._keeper = keeper
        self._sequence = 0
        self._prompt = False
        self._heartbeat = 0.0
        self._now = 0.0
        self._lost = 0.0  # when the switch went, 0 while it is there or nobody has looked
        self._graces = Graces(self.engine.state, self.host)
        self._came: list[str] = []  # ports that moved here while no controller ran
        self._silent = False
        self._problems = seen.problems
        self._complaints: tuple[str, ...] = ()
        self._due = {ticker.name: 0.0 for ticker in program.tickers}
        self._load(batches, seen)
        self.region = RegionClient(self.engine.state, seen, store, reporter, wall)
        self._begin()

    def _load(self, batches: Iterable[Batch], seen: Snapshot) -> None:
        gc.disable()  # the collector would only look at what stays
        batches = list(batches)
        changes = [change for batch in batches for change in batch.changes]
        self._sequence = max((batch.sequence for batch in batches), default=0)
        changes += local_changes(self.engine.state, seen)
        self._came = self._graces.moved(changes)
        touched = self.engine.apply(changes)
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
        self.zones.limit()

    # Events.

    def handle(self, event: Message | Gathered, now: float) -> Iterator[None]:
        """Take one event in, at ``now`` seconds of a steady clock, in slices; in between only ``packet`` is allowed."""
        self.tick(now)
        if isinstance(event, Received):
            for one in event.messages if event.link is self.switch.link else ():
                self._act(self.switch.message(one, now))
            self.region.report(self.counters.tallied(), settled=True)
        elif isinstance(event, Gathered):
            for sequence, at in event.arrived:
                if sequence > self._sequence:
                    self._sequence = sequence
                    self.counters.arrived(sequence, at)
            yield from self._changed(event.batch.changes)
        elif isinstance(event, Snapshot):
            yield from self._looked(event)
        elif isinstance(event, Revalidated):
            self._act(self.switch.revalidated(event.number, now) if event.link is self.switch.link else [])
        elif isinstance(event, Tracked):
            if self.zones.counted(event.zones):
                self._tell_status(lazy=True)
        elif isinstance(event, Recalled):
            self._answer(self.engine.recalled(event.census, event.connections))
        elif isinstance(event, Connected):
            self._faults.reconnected()
            yield from self._begin_grace(event.grace)
            self._act(self.switch.connected(event.link, self._sequence, now))
        elif event.link is self.switch.link:
            self.switch.disconnected()

    def packet(self, link: SwitchLink, message: bytes, now: float) -> None:
        """Answer a packet that the switch hands up; between two slices too, from records that are all new already."""
        if link is self.switch.link:
            self._act(self.switch.message(message, now))

    def tick(self, now: float) -> None:
        """Do what is due."""
        self._now = now
        self.region.follow(now)
        self._act(self.switch.tick(now))
        if over := self._graces.over(now):
            self._moved(self.engine.apply(over))
        if self.switch.state == "LIVE":
            for ticker in self.engine.program.tickers:
                if now >= self._due[ticker.name]:
                    self._due[ticker.name] = now + ticker.seconds
                    self._answer(self.engine.tick(ticker.name))
        if self.switch.link is None:
            self._miss(now)
            return
        self._lost, self._silent = 0.0, False
        if now >= self._heartbeat:
            self._heartbeat = now + HEARTBEAT_S
            self.region.report(self.engine.take_reports(reconcile=True), self.switch.settled)
            self.region.tell_host(always=True)
            self._tell_status(always=True)
        elif now >= self.region.status_due:
            self._tell_status()
        if now >= self.counters.report_due:
            self.region.report(self.counters.reports(now), settled=True)

    def _miss(self, now: float) -> None:
        """Tell the region, after a while, that no switch answers; that is no sign of life, of which there is none."""
        self._lost = self._lost or now
        if not self._silent and now >= self._lost + LOST_S:
            self._silent = True
            log.error("this host needs a hand", host=self.host, problem=NO_SWITCH)
            self._tell_status(alive=False)

    @property
    def deadline(self) -> float:
        """The time at which ``tick`` has something to do, in seconds of the same clock."""
        if self.switch.link is None:
            return min(self.region.deadline, self._graces.deadline, NEVER if self._silent else self._lost + LOST_S)
        due = min(self.region.deadline, self.switch.deadline, self._graces.deadline, self._heartbeat)
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

    def _begin_grace(self, seconds: float) -> Generator[None, None, None]:
        """Have connections become known again, before the first flow is sent: for so long after the switch's start."""
        changes = self._graces.begun(self._came, self._now + starts.GRACE_S)
        self._came = []
        if seconds > 0:
            changes += self._graces.begun([SWITCH], self._now + seconds)
        if changes:
            yield from self._changed(changes)

    # News from the store and from the switch's database.

    def _changed(self, changes: list[Change]) -> Generator[None, None, None]:
        changes = changes + self._graces.begun(self._graces.moved(changes), self._now + starts.GRACE_S)
        touched = yield from self.engine.slices(changes)
        self._moved(touched)
        self._stirred()
        # What was on its way to the store when it became untrue arrives here afterwards: compare it once more.
        self.region.report(self.engine.take_reports(also=[(c.cls, c.id) for c in changes]), self.switch.settled)
        self.region.changed(changes, self._now)
        if self._faults or self.engine.errors:
            self._tell_faults()

    def _stirred(self) -> None:
        """Have the engine run for what answers to packets or to the time changed of local records."""
        if self.engine.stirred:
            self._moved(self.engine.apply(()))

    def _moved(self, touched: Touched) -> None:
        """The engine wants something else now."""
        if len(touched.cookies) > MANY:
            gc.freeze()  # it stays, so the collector has nothing to find there, however often it looks
        self._prompt |= bool(touched)
        news = self.switch.update(touched, self._sequence, self._now)
        self.counters.named(touched)  # before anything is heard of them, but the switch need not wait for it
        self._act(news)
        if touched.limits:
            self.zones.limit()
        if Peer in touched.local:
            self._watch_peers()
        if Complaint in touched.local:
            self._complain()

    def _looked(self, seen: Snapshot) -> Generator[None, None, None]:
        if seen.host != self.host:
            self.region.tell_last(
                self._status((f"this host is called {seen.host} now: sdnctl host remove {self.host}",))
            )
            raise HostRenamed(f"this host was {self.host!r} and is {seen.host!r} now")
        news, self._problems = seen.problems != self._problems, seen.problems
        self.region.looked(seen, self._now)
        changes = local_changes(self.engine.state, seen)
        self.zones.looked(seen, changes)
        if changes:
            ports = [change for change in changes if change.cls is LocalPort]
            if ports:
                log.info("ports changed", here=[c.id for c in ports if c.new], gone=[c.id for c in ports if not c.new])
            yield from self._changed(changes)
        if self.switch.settled:
            self.zones.settled()
        self.region.tell_host()
        self._tell_status(lazy=not news, alive=self.switch.link is not None)

    def _watch_peers(self) -> None:
        """Have the ways to the hosts watched that this one sends packets to."""
        self._keeper.watch({peer.id: peer.address for peer in self.engine.state.all(Peer).values()})

    def _complain(self) -> None:
        """Log what the operator should read, once, and show it for as long as it holds."""
        before, now = self._complaints, self.engine.state.all(Complaint).values()
        self._complaints = tuple(sorted(one.text for one in now))
        for text in self._complaints:
            if text not in before:
                log.warning("the operator should know", what=text)
        self._tell_status()

    # News from the switch.

    def _act(self, news: list[News]) -> None:
        for one in news:
            if isinstance(one, Confirmed):
                self._confirmed(one.sequence)
            elif isinstance(one, Refused):
                owners = self.engine.owners(one.thing.cookie) if isinstance(one.thing, Flow) else []
                self._faults.refused(one, owners)
            else:
                self._answer(self.engine.handle(replace(one, at=self._wall())))

    def _confirmed(self, sequence: int) -> None:
        self.applied = sequence
        settled = self.switch.settled
        if settled:
            self.region.let_go()
            self.zones.settled()
        self._tell_status(lazy=not self._prompt)
        self._prompt = self._prompt and not settled

    def _answer(self, answers: list[Answer]) -> None:
        """Do what a feature has to say to a packet or to the time."""
        self.switch.send_packets([answer for answer in answers if isinstance(answer, PacketOut)])
        for answer in answers:
            if isinstance(answer, Census):
                self._keeper.look(answer)
        reports = [answer for answer in answers if isinstance(answer, Put | Drop)]
        if (
            self.engine.slicing
        ):  # what a run has made untrue is not in the switch yet; the end of the run sees to the rest
            self.region.report(reports, settled=False)
            return
        self.region.report(reports, self.switch.settled)
        if self.engine.stirred:
            self._stirred()
            # What units report since the answer changed local records.
            self.region.report(self.engine.take_reports(), self.switch.settled)
        if self._faults or self.engine.errors:
            self._tell_faults(lazy=True)  # as often as somebody sends a packet that a feature fails on

    # What the region is told.

    def _tell_faults(self, *, lazy: bool = False) -> None:
        """Log and report what does not work, each fault once."""
        self._faults.units(self.engine.errors)
        self._tell_status(lazy=lazy)

    def _tell_status(self, *, always: bool = False, lazy: bool = False, alive: bool = True) -> None:
        """Report how this host does when it says something new, or as a sign of life."""
        faults = self._faults.texts(self.switch.refusals)
        errors = [*([NO_SWITCH] if self._silent else ()), *self._problems, *self._complaints, *self.zones.full, *faults]
        status = self._status(tuple(errors[:ERRORS_MAX]))
        self.region.tell_status(status, self._now, always=always, lazy=lazy, alive=alive)

    def _status(self, errors: tuple[str, ...]) -> HostStatus:
        peers = self.engine.state.all(LocalPeer).values()
        return HostStatus(
            id=self.host,
            host=self.host,
            applied=self.applied,
            flows=self.switch.flows,
            errors=errors,
            drops=self.counters.dropped,
            peers={peer.id: "up" if peer.up else "down" for peer in peers},
        )
