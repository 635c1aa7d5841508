"""One switch, from the first hello until it agrees with what is wanted, and from then on for every change.

A state machine without sockets, clock or threads: events in, commands out.  NEW until connected; READING while the
switch says what it has; SYNCING while the whole difference is on its way; LIVE from then on, one plan in flight at
most, later changes gathered behind it; WAITING after a refusal, before reading again.  A restart with nothing changed
sends no flow, meter or group message at all.
"""

import struct
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from typing import Literal

from sdnctl.base.errors import SwitchError
from sdnctl.engine.desired import Desired, Touched
from sdnctl.of import message
from sdnctl.of.flow import Flow
from sdnctl.of.group import Group
from sdnctl.of.meter import DELETE, Meter, meter_mod, meter_stats_of
from sdnctl.program.packets import Forget, PacketOut
from sdnctl.switch.bundle import Transfer, joined
from sdnctl.switch.commands import NEVER, Command, Confirmed, LastCount, Note, Reconnect, Refused, SayNow, Send
from sdnctl.switch.forgetting import Forgetting
from sdnctl.switch.plan import Installed, Plan, plan
from sdnctl.switch.readback import Readback
from sdnctl.switch.refusals import Refusable, Refusals
from sdnctl.switch.revalidation import Revalidation

State = Literal["NEW", "READING", "SYNCING", "LIVE", "WAITING"]
COMMIT_REPLY = 5  # OFPBCT_COMMIT_REPLY, 7.3.9
BACKOFF_S, BACKOFF_MAX_S = 0.1, 10.0
REPLY_S = 60.0
DRAIN_S = 0.6  # until the data path obeys a bundle for certain (docs/decisions/013-counters.md)
XID_LIMIT = 0x8000_0000
_HEADER = struct.Struct("!BBHI")
_PAIR = struct.Struct("!HH")


class Session:
    """The state of one connection to one switch; ``desired`` is the engine's and changes under it.

    Give every event the time first (``tick``, seconds on any steady clock) and call ``tick`` again at ``deadline``.
    """

    def __init__(
        self, desired: Desired, sequence: int = 0, audit_s: float = 60.0, obeyed: Set[int] = frozenset()
    ) -> None:
        """``sequence`` is what ``desired`` stands for; every ``audit_s`` seconds an idle switch is read again.

        A change in the tables ``obeyed`` is confirmed when the data path has obeyed.
        """
        self.state: State = "NEW"
        self.installed = Installed()
        self.counters: Counter[str] = Counter(flow_mods=0, meter_mods=0, group_mods=0)
        self.refusals = Refusals()
        self._desired = desired
        self._sequence = sequence
        self._audit_s = audit_s
        self._audit_at = 0.0
        self._now = 0.0
        self._xid = 1
        self._due = NEVER
        self._max_meter = 0
        self._drained: dict[int, float] = {}
        self._zones = Forgetting()
        self._obeying = Revalidation(obeyed)
        self._counting: set[int] = set()
        self._pending: Touched | None = None
        self._reading: Readback | None = None
        self._transfer: Transfer | None = None
        self._failed = 0
        self._suspects: set[int] = set()
        self._out: list[Command] = []

    @property
    def busy(self) -> bool:
        """True while the switch has still to confirm something that is wanted."""
        return self.state != "LIVE" or bool(self._transfer or self._pending is not None or self._obeying)

    @property
    def deadline(self) -> float:
        """The time at which ``tick`` has something to do, in seconds of its clock."""
        later: Iterable[float] = self._drained.values() if self._reading is None else ()
        return min((self._due, self._zones.deadline, *later))

    # Events.

    def connected(self) -> list[Command]:
        """The handshake is over: ask for packet-ins and for everything the switch has."""
        settings = [message.set_config(self._take_xids(1)), message.set_async(self._take_xids(1))]
        self._out.append(Send([b"".join(settings)]))
        self._read("READING")
        return self._commands()

    def disconnected(self) -> list[Command]:
        """The connection is gone; whatever was in flight is unknown, the next session will read."""
        if self._transfer is not None:
            self._keep_unsaid(self._transfer)
        self.state, self._due = "NEW", NEVER
        self._transfer = self._reading = None
        self._drained.clear()
        self._zones.clear()
        self._obeying.clear()
        self._counting.clear()
        return self._commands()

    def unsaid(self) -> Touched:
        """The packets that the next session should still announce, once it finds them new: its first ``update``."""
        return Touched(announce=self._pending.announce if self._pending is not None else [])

    def update(self, touched: Touched, sequence: int) -> list[Command]:
        """Note that ``desired`` has changed there, as of this sequence number."""
        self._sequence = sequence
        if self._pending is None:
            self._pending = Touched()
        self._pending.merge(touched)
        if self.state == "LIVE" and self._transfer is None and self._reading is None:
            self._change()
        return self._commands()

    def tick(self, now: float) -> list[Command]:
        """Do what is due at ``now``, in seconds."""
        self._now = now
        if now >= self._due:
            self._due = NEVER
            if self.state == "WAITING":
                self._read("READING")
            elif self._transfer is not None or self._reading is not None:
                self._out.append(Reconnect("the switch does not answer"))
            elif self.state == "LIVE":
                self.counters["audits"] += 1
                self._read("LIVE")
        if self._drained and self._reading is None:
            self._delete_drained()
        self._forget(self._zones.due(now))
        return self._commands()

    def message(self, data: bytes) -> list[Command]:
        """The switch sent this; what answers nothing of ours is ignored."""
        _, kind, _, xid = _HEADER.unpack_from(data)
        if kind == message.MULTIPART_REPLY and xid in self._counting:
            self._counted(xid, data)
        elif kind == message.MULTIPART_REPLY:
            self._answer(xid, data)
        elif kind == message.BARRIER_REPLY:
            self._passed(xid)
        elif kind == message.BUNDLE_CONTROL:
            if self._transfer is not None and _PAIR.unpack_from(data, 12)[0] == COMMIT_REPLY:
                self._transfer.committed = True
        elif kind == message.ERROR:
            self._error(xid, *_PAIR.unpack_from(data, 8))
        return self._commands()

    def revalidated(self, number: int) -> list[Command]:
        """The data path obeys all that was committed when the session asked (``Revalidate``)."""
        self._out += self._obeying.answered(number)
        return self._commands()

    # Reading.

    def _read(self, state: State) -> None:
        self.state = state
        self._reading = Readback(self._take_xids(4))
        self._out.append(Send([b"".join(self._reading.questions)]))
        self._due = self._now + REPLY_S

    def _answer(self, xid: int, data: bytes) -> None:
        reading = self._reading
        if reading is None or not reading.answer(xid, data):
            return
        self._due = self._now + REPLY_S
        if reading.done:
            self._reading = None
            reading.settle(self._desired)
            self._have(reading)

    def _have(self, reading: Readback) -> None:
        """The switch is read: set right what differs, if anything does."""
        self._max_meter = reading.max_meter
        self._audit_at = self._now + self._audit_s
        if self.state == "LIVE":
            changed = reading.differences(self.installed)
            if not changed:
                self._change()
                return
            self.counters["repaired"] += changed
            self._out.append(Note("the switch was changed by somebody else", {"differences": changed}))
        self.installed = reading.installed
        if self.installed.foreign:
            self.counters["foreign"] += len(self.installed.foreign)
            self._out.append(Note("flows that are not ours are deleted", {"flows": len(self.installed.foreign)}))
        self.state = "SYNCING"
        announce, self._pending = self.unsaid().announce, None
        self._send_plan(None, announce)

    # Changing.

    def _change(self) -> None:
        """Send what is pending; with nothing pending the switch agrees, and is audited in a while."""
        touched, self._pending = self._pending, None
        if touched is None:
            self._due = self._audit_at
        else:
            self._send_plan(touched, touched.announce)

    def _send_plan(self, touched: Touched | None, announce: list[tuple[int, PacketOut | Forget]]) -> None:
        """Plan (everything when ``touched`` is None) and send; at most one plan is in flight."""
        refusals = self.refusals
        shared = refusals.shared
        refusals.forget(self._desired)
        for meter in refusals.beyond(self._meters(touched), self._max_meter):
            self._refuse(meter, f"meter {meter.id} is beyond the {self._max_meter} that the switch has")
        if shared or refusals.shared:
            touched = None  # flows that use what is left out come and go without being touched
        made = plan(refusals.without(self._desired), self.installed, touched, refusals.flows)
        if self._xid > XID_LIMIT:  # nothing is in flight, so any number is free again
            self._xid = 1
            self._counting.clear()
        transfer = Transfer(made, self._sequence, self._xid)
        if announce:
            added = {flow.cookie for flow in made.adds}
            transfer.announce = [(cookie, packet) for cookie, packet in announce if cookie in added]
        if made.empty:
            self._arrived(transfer)
            return
        self._transfer = transfer
        self._count(made)
        self._launch(transfer)

    def _meters(self, touched: Touched | None) -> list[Meter]:
        wanted = self._desired.meters
        if touched is None:
            return list(wanted.values())
        return [wanted[id] for id in touched.meters if id in wanted]

    def _launch(self, transfer: Transfer) -> None:
        self._out.append(Send(joined(transfer.messages())))
        self._counting |= transfer.counting
        self._xid = transfer.after
        self._due = self._now + REPLY_S

    def _count(self, made: Plan) -> None:
        self.counters["flow_mods"] += len(made.adds) + len(made.deletes)
        self.counters["meter_mods"] += len(made.meters) + len(made.drop_meters)
        self.counters["group_mods"] += len(made.groups) + len(made.drop_groups)
        self.counters["plans"] += 1

    # Arriving.

    def _passed(self, xid: int) -> None:
        """A barrier was reached: everything before it is in force or was answered with an error."""
        transfer = self._transfer
        if transfer is None or xid != transfer.barrier:
            return
        if transfer.failures or not transfer.committed:
            self._transfer = None
            self._retry(transfer)
            return
        self._transfer = None
        for meter in transfer.plan.drop_meters:
            self.installed.draining[meter.id] = meter
            self._drained[meter.id] = self._now + DRAIN_S
        self._arrived(transfer)

    def _arrived(self, transfer: Transfer) -> None:
        made = transfer.plan.apply(self.installed)
        self._failed = 0
        self._suspects.clear()
        self.state = "LIVE"
        self._out += self._obeying.confirm(Confirmed(transfer.sequence, made), transfer.plan)
        self._announce([what for _, what in transfer.announce])
        self._change()

    def _announce(self, due: list[PacketOut | Forget]) -> None:
        packets = [what for what in due if isinstance(what, PacketOut)]
        if packets:
            self._out.append(SayNow(packets))
        self._forget(self._zones.begin((what.zone for what in due if isinstance(what, Forget)), self._now))

    def _forget(self, zones: Sequence[int]) -> None:
        """Have connection tracking forget all that it knows in these zones."""
        if zones:
            self._out.append(Send(joined([message.ct_flush_zone(zone, self._take_xids(1)) for zone in zones])))

    # Meters that go.

    def _delete_drained(self) -> None:
        """Read and delete the meters that no packet reaches any more; one that is wanted again is left to its plan."""
        out: list[bytes] = []
        for id in [id for id, due in self._drained.items() if due <= self._now]:
            del self._drained[id]
            meter = self.installed.draining.get(id)
            if meter is None:
                continue
            if id in self._desired.meters:
                self._drained[id] = self._now + DRAIN_S
                continue
            del self.installed.draining[id]
            xid = self._take_xids(2)
            self._counting.add(xid)
            out += [message.meter_stats_request(xid, id), meter_mod(DELETE, meter, xid + 1)]
        if out:
            self._out.append(Send(joined(out)))

    def _counted(self, xid: int, data: bytes) -> None:
        self._out += [LastCount(stats) for stats in meter_stats_of(data)]
        if not message.more_follow(data):
            self._counting.discard(xid)

    # Failing.

    def _error(self, xid: int, type: int, code: int) -> None:
        if self._reading is not None and self._reading.asked(xid):
            self._unanswered(self._reading, xid)
        elif self._transfer is None or not self._transfer.fail(xid, type, code):
            self.counters["stray_errors"] += 1

    def _unanswered(self, reading: Readback, xid: int) -> None:
        if not reading.refuse(xid):
            self._out.append(Reconnect("the switch does not say which flows it has"))
        elif reading.done:
            self._reading = None
            reading.settle(self._desired)
            self._have(reading)

    def _retry(self, transfer: Transfer) -> None:
        """Leave out what was refused, then read and plan again after a while."""
        self.counters["failures"] += 1
        self._keep_unsaid(transfer)
        learned = self._blame(transfer)
        self._failed = 0 if learned else self._failed + 1
        wait = min(BACKOFF_S * 2 ** max(self._failed - 1, 0), BACKOFF_MAX_S)
        self.state, self._due = "WAITING", self._now + wait

    def _keep_unsaid(self, transfer: Transfer) -> None:
        if transfer.announce:
            if self._pending is None:
                self._pending = Touched()
            self._pending.announce[:0] = transfer.announce

    def _blame(self, transfer: Transfer) -> bool:
        """Refuse the culprits, True if there are any; a meter gets a second chance: it may only exist already."""
        meters = [(f.thing, f) for f in transfer.failures if isinstance(f.thing, Meter)]
        if meters:
            again = [(meter, failure) for meter, failure in meters if meter.id in self._suspects]
            self._suspects = {meter.id for meter, _ in meters}
            for meter, failure in again:
                self._refuse(meter, str(failure))
            return bool(again)
        culprits = [(f.thing, f) for f in transfer.failures if isinstance(f.thing, Flow | Group)]
        for thing, failure in culprits:
            self._refuse(thing, str(failure))
        if not culprits:
            reasons = sorted({str(failure) for failure in transfer.failures}) or ["no commit reply"]
            self._out.append(Note("the switch refused a plan", {"errors": reasons}))
        return bool(culprits)

    def _refuse(self, thing: Refusable, reason: str) -> None:
        self.refusals.add(thing)
        self.counters["refused"] += 1
        self._out.append(Refused(thing, SwitchError(reason)))

    # Common.

    def _take_xids(self, count: int) -> int:
        first = self._xid
        self._xid += count
        return first

    def _commands(self) -> list[Command]:
        out, self._out = self._out, []
        return out
