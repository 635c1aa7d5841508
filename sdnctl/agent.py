"""What a host does with every piece of news: work out the flows, keep the switch in step, tell the region.

An ``Agent`` joins the engine, one session at a time and the reports.  It has no thread, no socket and no clock of its
own: the core hands it events and the time.
"""

import gc
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import structlog

from sdnctl.addresses import Mac
from sdnctl.engine import UNIT_FAULTS, Engine
from sdnctl.feature import Program
from sdnctl.figures import Figures
from sdnctl.graph import Unit
from sdnctl.host import UPLINK, Host, LocalPort, LocalUplink
from sdnctl.of import message
from sdnctl.of.flow import Flow
from sdnctl.of.group import Group
from sdnctl.of.meter import Meter
from sdnctl.packets import PacketIn, PacketOut, Put, Report
from sdnctl.plan import Touched
from sdnctl.session import NEVER, Announce, Command, Confirmed, Reconnect, Refused, Send, Session
from sdnctl.store import Batch, Change, State
from sdnctl.vswitch import Snapshot

HEARTBEAT_S = 10.0
BUFFERS_MAX = 1000  # that wait for the switch; packets to send are dropped beyond, flows never
ERRORS_MAX = 20
MANY = 1000  # flows of one change
SLOW_S = 1.0  # a change that takes longer is worth a line in the log
PACKET_FAULTS = (*UNIT_FAULTS, struct.error)
log = structlog.get_logger("agent")


class Link(Protocol):
    """A connection to the switch; no method blocks."""

    def send(self, buf: bytes) -> bool:
        """Queue bytes; False when the connection is over."""

    def waiting(self) -> int:
        """How many buffers the switch has not taken yet."""

    def hang_up(self) -> None:
        """End the connection."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The handshake with the switch is over."""

    link: Link


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection to the switch is gone."""

    link: Link


@dataclass(frozen=True, slots=True)
class Received:
    """Whole messages of the switch."""

    link: Link
    messages: list[bytes]


class HostRenamed(Exception):
    """The switch's database calls this host otherwise now; everything is to be worked out again under that name."""


Event = Batch | Snapshot | Connected | Disconnected | Received


class Agent:
    """One host; ``tell`` takes reports for the store and must not block."""

    def __init__(
        self,
        program: Program,
        host: str,
        tell: Callable[[Iterable[Report]], None],
        audit_s: float = 60.0,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """``wall`` says when a report was made, in seconds since 1970."""
        self.host = host
        self.engine = Engine(program, host)
        self.figures = Figures(self.engine)
        self.counters: Counter[str] = Counter()
        self.applied = 0
        self._tell = tell
        self._audit_s = audit_s
        self._wall = wall
        self._sequence = 0
        self._session: Session | None = None
        self._link: Link | None = None
        self._unsaid = Touched()
        self._uplink = ("", 0)
        self._in_step = False
        self._refused: dict[Any, str] = {}
        self._faults: dict[Unit, str] = {}
        self._reported = frozenset(cls for feature in program.features for cls in feature.reports)
        self._told: Host | None = None
        self._heartbeat = 0.0
        self._now = 0.0
        self._due = {ticker.name: 0.0 for ticker in program.tickers}

    def load(self, batches: Iterable[Batch], seen: Snapshot) -> None:
        """Take in all that there is before the switch is dialled; the collector would only look at what stays."""
        gc.disable()
        changes = [change for batch in batches for change in batch.changes]
        self._sequence = max((batch.sequence for batch in batches), default=0)
        self._uplink = _uplink(seen)
        self._unsaid = self.engine.apply(changes + local_changes(self.engine.state, seen))
        self.engine.prepare()
        gc.freeze()
        gc.enable()
        known = self.engine.state.get(Host, self.host)
        if known is not None:  # the switch kept its flows while this program was away
            self.applied = min(known.applied, self._sequence)
        self._faulty()
        self._tell(self.engine.take_reports(reconcile=True))
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
            self._seen(event)
        elif isinstance(event, Connected):
            self._connected(event.link)
        elif event.link is self._link:
            self._disconnected()

    def tick(self, now: float) -> None:
        """Do what is due."""
        self._now = now
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
            self._tell(self.engine.take_reports(reconcile=True))
            self._tell_host(always=True)

    @property
    def deadline(self) -> float:
        """When ``tick`` has something to do, in seconds of the same clock."""
        if self._session is None:
            return NEVER
        due = min(self._session.deadline, self._heartbeat)
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
        if self._session is None:
            self._unsaid.merge(touched)
        else:
            self._obey(self._session.update(touched, self._sequence))
        # What was on its way to the store when it became untrue arrives here afterwards: compare it once more.
        reports = self.engine.take_reports(also=[(c.cls, c.id) for c in changes if c.cls in self._reported])
        if reports:
            self._tell(reports)
        if self._faults or self.engine.errors:
            self._faulty()

    def _faulty(self) -> None:
        """Log and report which units could not be turned into flows, each fault once."""
        before, self._faults = self._faults, {unit: repr(fault) for unit, fault in self.engine.errors.items()}
        for unit, fault in self._faults.items():
            if before.get(unit) != fault:
                log.error("a unit keeps its last good flows", unit=str(unit), error=fault)
        self._tell_host()

    def _seen(self, seen: Snapshot) -> None:
        if seen.host != self.host:
            raise HostRenamed(f"this host was {self.host!r} and is {seen.host!r} now")
        changes = local_changes(self.engine.state, seen)
        if changes:
            log.info("ports changed", here=[c.id for c in changes if c.new], gone=[c.id for c in changes if not c.new])
            self._changed(changes)
        if _uplink(seen) != self._uplink:
            self._uplink = _uplink(seen)
            self._tell_host()

    # The switch.

    def _connected(self, link: Link) -> None:
        if self._link is not None:
            self._disconnected()
        self._link = link
        self._refused.clear()
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
        reports = [answer for answer in answers if not isinstance(answer, PacketOut)]
        if reports:
            self._tell(reports)

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
        self._tell_host()

    def _refuse(self, refused: Refused) -> None:
        thing = refused.thing
        if isinstance(thing, Flow):
            key: Any = thing.cookie
            name = f"{', '.join(self.engine.owners(thing.cookie))}: flow {thing.cookie:#x}"
        else:
            key = type(thing), thing.id
            name = f"{type(thing).__name__.lower()} {thing.id}"
        self._refused[key] = f"{name}: {refused.error}"
        log.error("the switch refused", what=name, error=str(refused.error))

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

    def _tell_host(self, always: bool = False) -> None:
        """Report this host's own row when it says something new, or as a sign of life."""
        session = self._session
        name, mac = self._uplink
        row = Host(
            id=self.host,
            uplink=name,
            uplink_mac=Mac(mac),
            applied=self.applied,
            flows=len(session.installed.flows) if session is not None else 0,
            errors=self._errors(session),
            drops=self.figures.dropped,
            seen=self._told.seen if self._told is not None else 0.0,
        )
        if always or row != self._told:
            self._told = replace(row, seen=self._wall())
            self._tell([Put(self._told)])

    def _errors(self, session: Session | None) -> tuple[str, ...]:
        faults = [f"{unit}: {fault}" for unit, fault in self._faults.items()]
        if session is not None and self._refused:
            left = session.refusals
            others: list[Meter | Group] = [*left.meters.values(), *left.groups.values()]
            still = {*left.flows, *((type(thing), thing.id) for thing in others)}
            self._refused = {key: text for key, text in self._refused.items() if key in still}
        return tuple(sorted([*faults, *self._refused.values()])[:ERRORS_MAX])


def local_changes(state: State, seen: Snapshot) -> list[Change]:
    """What must change in the controller's memory so that it has the ports and the uplink of this snapshot."""
    wanted: dict[tuple[type, str], Any] = {
        (LocalPort, id): LocalPort(id=id, ofport=row.ofport, name=row.name) for id, row in seen.ports.items()
    }
    if seen.uplink is not None:
        row = seen.uplink
        wanted[LocalUplink, UPLINK] = LocalUplink(id=UPLINK, ofport=row.ofport, mac=row.mac, name=row.name)
    known: dict[tuple[type, str], Any] = {(LocalPort, id): record for id, record in state.all(LocalPort).items()}
    known |= {(LocalUplink, id): record for id, record in state.all(LocalUplink).items()}
    gone = [Change(*key, known[key], None) for key in known.keys() - wanted.keys()]
    new = [Change(*key, known.get(key), record) for key, record in wanted.items() if known.get(key) != record]
    return gone + new


def _uplink(seen: Snapshot) -> tuple[str, int]:
    return (seen.uplink.name, seen.uplink.mac) if seen.uplink is not None else ("", 0)


def _packet_in(one: bytes) -> PacketIn:
    read = message.packet_in_of(one)
    return PacketIn(read.table, read.cookie, read.data, read.in_port, read.registers)
