"""What a host does with every piece of news: work out the flows, keep the switch in step, tell the region.

An ``Agent`` joins the engine, one session at a time and the reports.  It has no thread, no socket and no clock of its
own: the core hands it events and the time.
"""

import gc
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import structlog

from sdnctl.agent.counters import SwitchCounters
from sdnctl.agent.events import Connected, Event, Link, Received, Surroundings
from sdnctl.agent.faults import Faults
from sdnctl.agent.reach import concerns, leads_on, reach
from sdnctl.agent.status import StatusReporter
from sdnctl.base.addresses import Ip4
from sdnctl.bridge.local import host_of, local_changes
from sdnctl.bridge.snapshot import Snapshot
from sdnctl.engine.desired import Touched
from sdnctl.engine.engine import UNIT_FAULTS, Engine
from sdnctl.engine.ledger import ReportKey
from sdnctl.model.host import HostStatus, LocalPeer, LocalPort, Peer
from sdnctl.model.resource import meta
from sdnctl.of import message
from sdnctl.of.flow import Flow
from sdnctl.program.feature import Program
from sdnctl.program.packets import Drop, PacketIn, PacketOut, Put, Report
from sdnctl.store import Batch, Change, Interest
from sdnctl.switch.session import NEVER, Announce, Command, Confirmed, Reconnect, Refused, Send, Session

HEARTBEAT_S = 10.0
GATHER_S = 0.05  # ports are plugged in by the dozen, and often before their record is there: one question for all
BUFFERS_MAX = 1000  # that wait for the switch; packets to send are dropped beyond, flows never
MANY = 1000  # flows of one change
SLOW_S = 1.0  # a change that takes longer is worth a line in the log
PACKET_FAULTS = (*UNIT_FAULTS, struct.error)
log = structlog.get_logger("agent")


class HostRenamed(Exception):
    """The switch's database calls this host otherwise now; everything is to be worked out again under that name."""


class Agent:
    """One host."""

    def __init__(
        self,
        program: Program,
        host: str,
        around: Surroundings,
        audit_s: float = 60.0,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """``wall`` says when a report was made, in seconds since 1970."""
        self.host = host
        self.engine = Engine(program, host)
        self.figures = SwitchCounters(self.engine)
        self.counters: Counter[str] = Counter()
        self.applied = 0
        self._around = around
        self._telling = StatusReporter(around.tell, wall)
        self._audit_s = audit_s
        self._sequence = 0
        self._session: Session | None = None
        self._link: Link | None = None
        self._unsaid = Touched()
        self._seen: Snapshot
        self._interest: Interest = {}
        self._follow_at = NEVER
        self._in_step = False
        self._prompt = False
        self._held: dict[ReportKey, Report] = {}
        self._faults = Faults()
        self._reported = frozenset(cls for feature in program.features for cls in feature.reports)
        self._heartbeat = 0.0
        self._now = 0.0
        self._due = {ticker.name: 0.0 for ticker in program.tickers}

    def load(self, batches: Iterable[Batch], seen: Snapshot) -> None:
        """Take in all that there is before the switch is dialled; the collector would only look at what stays."""
        gc.disable()
        changes = [change for batch in batches for change in batch.changes]
        self._sequence = max((batch.sequence for batch in batches), default=0)
        self._seen = seen
        self._unsaid = self.engine.apply(changes + local_changes(self.engine.state, seen))
        self.engine.prepare()
        gc.freeze()
        gc.enable()
        self._interest = self._reach()
        known = self.engine.state.get(HostStatus, self.host)
        if known is not None:  # the switch kept its flows while this program was away
            self.applied = min(known.applied, self._sequence)
        self._telling.host(host_of(seen))
        self._faulty()
        self._report(self.engine.take_reports(reconcile=True))
        self._around.watch(self._peers())
        log.info("loaded", host=self.host, sequence=self._sequence, flows=len(self.engine.desired.flows))

    # Events.

    def handle(self, event: Event, now: float, arrived: float | None = None) -> None:
        """Take one event in, at ``now`` seconds of a steady clock; it may have ``arrived`` before, and waited."""
        self.tick(now)
        if isinstance(event, Received):
            if event.link is self._link:
                for one in event.messages:
                    self._heard(one)
        elif isinstance(event, Batch):
            if event.sequence > self._sequence:
                self._sequence = event.sequence
                self.figures.arrived(event.sequence, now if arrived is None else arrived)
            self._changed(event.changes)
        elif isinstance(event, Snapshot):
            self._looked(event)
        elif isinstance(event, Connected):
            self._connected(event.link)
        elif event.link is self._link:
            self._disconnected()

    def tick(self, now: float) -> None:
        """Do what is due."""
        self._now = now
        if now >= self._follow_at:
            self._follow()
        if self._session is None:
            return
        self._obey(self._session.tick(now))
        if self._session is not None and self._session.state == "LIVE":
            for ticker in self.engine.program.tickers:
                if now >= self._due[ticker.name]:
                    self._due[ticker.name] = now + ticker.seconds
                    self._answer(partial(self.engine.tick, ticker.name))
            if now >= self.figures.due and self._link is not None:
                self._link.send(self.figures.ask(now))
        if now >= self._heartbeat:
            self._heartbeat = now + HEARTBEAT_S
            self._report(self.engine.take_reports(reconcile=True))
            self._telling.host(host_of(self._seen), always=True)
            self._tell_status(always=True)
        elif now >= self._telling.due:
            self._tell_status()

    @property
    def deadline(self) -> float:
        """When ``tick`` has something to do, in seconds of the same clock."""
        if self._session is None:
            return self._follow_at
        due = min(self._session.deadline, self._heartbeat, self._telling.due, self._follow_at)
        return min(due, self.figures.due, *self._due.values()) if self._session.state == "LIVE" else due

    def status(self) -> dict[str, Any]:
        """How this host does, for its log and for tests."""
        session = self._session
        counters = Counter(self.counters)
        counters.update(session.counters if session is not None else {})
        return {
            "host": self.host,
            "state": session.state if session is not None else "NEW",
            "applied": self.applied,
            "sequence": self._sequence,
            "flows": len(session.installed.flows) if session is not None else 0,
            "desired": len(self.engine.desired.flows),
            "units_run": self.engine.runs,
            "unit_errors": len(self.engine.errors),
            "counters": dict(counters),
        }

    # News from the store and from the switch's database.

    def _changed(self, changes: list[Change]) -> None:
        touched = self.engine.apply(changes)
        if len(touched.cookies) > MANY:
            gc.freeze()  # it stays, so the collector has nothing to find there, however often it looks
        self._prompt |= bool(touched)
        if self._session is None:
            self._unsaid.merge(touched)
        else:
            self._obey(self._session.update(touched, self._sequence))
        # What was on its way to the store when it became untrue arrives here afterwards: compare it once more.
        self._report(self.engine.take_reports(also=[(c.cls, c.id) for c in changes if c.cls in self._reported]))
        for change in changes:
            if concerns(change, self._seen.ports):
                at_once = leads_on(change, self._interest)
                self._follow_at = min(self._follow_at, self._now if at_once else self._now + GATHER_S)
        if self._faults or self.engine.errors:
            self._faulty()

    def _faulty(self) -> None:
        """Log and report which units could not be turned into flows, each fault once."""
        self._faults.units(self.engine.errors)
        self._tell_status()

    def _looked(self, seen: Snapshot) -> None:
        if seen.host != self.host:
            raise HostRenamed(f"this host was {self.host!r} and is {seen.host!r} now")
        self._seen = seen
        self._follow_at = min(self._follow_at, self._now + GATHER_S)
        changes = local_changes(self.engine.state, seen)
        if changes:
            ports = [change for change in changes if change.cls is LocalPort]
            if ports:
                log.info("ports changed", here=[c.id for c in ports if c.new], gone=[c.id for c in ports if not c.new])
            self._changed(changes)
        self._telling.host(host_of(seen))
        self._tell_status(lazy=True)

    def _reach(self) -> Interest:
        return reach(self.engine.state, self.host, self._seen.ports, self._seen.settings.gateway > 0)

    def _follow(self) -> None:
        """Ask the store for what the ports that are here can reach now."""
        self._follow_at = NEVER
        interest = self._reach()
        if interest != self._interest:
            self._interest = interest
            self._around.follow(interest)

    # The switch.

    def _connected(self, link: Link) -> None:
        if self._link is not None:
            self._disconnected()
        self._link = link
        self._faults.reconnected()
        self._in_step = False
        self._session = session = Session(self.engine.desired, self._sequence, self._audit_s)
        self.counters["connections"] += 1
        self._obey(session.tick(self._now))
        session.update(Touched(announce=self._unsaid.announce), self._sequence)
        self._unsaid = Touched()
        self._obey(session.connected())

    def _disconnected(self) -> None:
        session, self._session, self._link = self._session, None, None
        assert session is not None
        log.warning("the switch hung up", state=session.state)
        session.disconnected()
        self._unsaid = session.unsaid()
        self.counters.update(session.counters)

    def _heard(self, one: bytes) -> None:
        if one[1] != message.PACKET_IN:
            if one[1] == message.MULTIPART_REPLY and self.figures.answer(one):
                return
            if self._session is not None:
                self._obey(self._session.message(one))
            return
        self._answer(partial(self._asked, one))

    def _asked(self, one: bytes) -> list[PacketOut | Report]:
        self.counters["packet_ins"] += 1
        packet = _packet_in(one)
        self.figures.packet_ins[packet.table] += 1
        return self.engine.handle(packet)

    def _answer(self, work: Callable[[], Iterable[PacketOut | Report]]) -> None:
        """Run what a feature has to say to a packet or to the time, and do what it asks for."""
        try:
            answers = list(work())
        except PACKET_FAULTS as fault:
            self.counters["handler_faults"] += 1
            log.error("a handler failed", error=repr(fault))
            return
        self._send_packets([answer for answer in answers if isinstance(answer, PacketOut)])
        self._report([answer for answer in answers if not isinstance(answer, PacketOut)])

    def _obey(self, commands: list[Command]) -> None:
        for command in commands:
            if isinstance(command, Send):
                for buffer in command.buffers:
                    if self._link is not None:
                        self._link.send(buffer)
            elif isinstance(command, Confirmed):
                self._confirm(command.sequence)
            elif isinstance(command, Announce):
                self._send_packets(command.packets)
            elif isinstance(command, Refused):
                self._refuse(command)
            elif isinstance(command, Reconnect):
                log.warning("the connection is given up", reason=command.reason)
                if self._link is not None:
                    self._link.hang_up()
            else:
                log.warning(command.event, **command.fields)

    def _confirm(self, sequence: int) -> None:
        session = self._session
        if session is not None and not self._in_step:
            self._in_step = True
            log.info("the switch is in step", sequence=sequence, **session.counters)
        self.applied = sequence
        waited = self.figures.confirmed(sequence, self._now)
        if waited is not None:
            tell = log.info if waited > SLOW_S else log.debug
            tell("confirmed", host=self.host, sequence=sequence, ms=round(waited * 1000, 2))
        settled = session is not None and not session.busy
        if settled and self._held:
            held, self._held = list(self._held.values()), {}
            self._around.tell(held)
        self._tell_status(lazy=not self._prompt)
        self._prompt = self._prompt and not settled

    def _refuse(self, refused: Refused) -> None:
        owners = self.engine.owners(refused.thing.cookie) if isinstance(refused.thing, Flow) else []
        self._faults.refused(refused, owners)

    def _send_packets(self, packets: list[PacketOut]) -> None:
        if not packets or self._link is None:
            return
        if self._link.waiting() > BUFFERS_MAX:
            self.counters["packet_outs_dropped"] += len(packets)
        else:
            self.counters["packet_outs"] += len(packets)
            out = [message.packet_out(packet.data, packet.in_port, packet.actions, 0) for packet in packets]
            self._link.send(b"".join(out))

    # What the region is told.

    def _report(self, reports: Iterable[Report]) -> None:
        """Keep what is this controller's own; tell the rest: what comes at once, what goes once the switch has let go.

        So whoever waits for something to be gone here knows that no packet meets it any more.
        """
        now: list[Report] = []
        own: list[Change] = []
        for one in reports:
            record = one.record if isinstance(one, Put) else None
            cls, id = (one.cls, one.id) if isinstance(one, Drop) else (type(one.record), one.record.id)
            if meta(cls).local:
                own.append(Change(cls, id, self.engine.state.get(cls, id), record))
            elif record is not None or (self._session is not None and not self._session.busy):
                self._held.pop((cls, id), None)
                now.append(one)
            else:
                self._held[cls, id] = one
        if now:
            self._around.tell(now)
        if own:
            self._changed(own)
            self._around.watch(self._peers())

    def _peers(self) -> dict[str, Ip4]:
        """The hosts that this one sends packets to."""
        return {peer.id: peer.address for peer in self.engine.state.all(Peer).values()}

    def _tell_status(self, *, always: bool = False, lazy: bool = False) -> None:
        """Report how this host does when it says something new, or as a sign of life."""
        session = self._session
        peers = self.engine.state.all(LocalPeer).values()
        status = HostStatus(
            id=self.host,
            host=self.host,
            applied=self.applied,
            flows=len(session.installed.flows) if session is not None else 0,
            errors=self._faults.texts(session),
            drops=self.figures.dropped,
            peers={peer.id: "up" if peer.up else "down" for peer in peers},
        )
        self._telling.status(status, self._now, always=always, lazy=lazy)


def _packet_in(one: bytes) -> PacketIn:
    read = message.packet_in_of(one)
    return PacketIn(read.table, read.cookie, read.data, read.in_port, read.registers)
