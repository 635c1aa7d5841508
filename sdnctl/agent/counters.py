"""The counters of a host: drops by reason, traffic of each metered resource, time until a change reached the switch.

The switch is asked every few seconds, and the totals (see ``totals``) are reported to the store less often: all that
have changed in one transaction.  No clock and no I/O: the agent brings the time and carries question and answers.
"""

import struct
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field

from sdnctl.agent.totals import Amounts, Metered, Totals
from sdnctl.engine.engine import Engine
from sdnctl.model.host import TrafficCount
from sdnctl.of import message
from sdnctl.of.fields import OxmField, value_in
from sdnctl.of.meter import MeterStats, meter_stats_of
from sdnctl.of.oxm import oxms
from sdnctl.program.packets import Drop, PacketIn, Put, Report

EVERY_S = 5.0
PUNT = "punt"
"""The family of the meters that every switch has: limits on what is asked of the controller."""
FIRST_XID = 0xF000_0000
"""Far above those of a session, which begins again at 0x8000_0000."""
XIDS = 0x0800_0000
BOUNDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
WAITING_MAX = 4096  # changes on their way to a switch that is not there
KEY_MATCH = 7  # a flow's key: table, priority, then the match with a header of four bytes
REPORT_S = 30.0
"""The longest time between reports of totals to the store; an end is told within ``SOON_S``, with others that end."""
SOON_S = 1.0


class Histogram:
    """A histogram of durations in seconds; ``counts`` has one more entry than there are ``bounds``."""

    def __init__(self, bounds: tuple[float, ...] = BOUNDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds


class Tally:
    """Totals by name of counters that may begin again, or change hands."""

    def __init__(self) -> None:
        self.totals: dict[Hashable, Amounts] = {}
        self._last: dict[int, tuple[Hashable, Amounts]] = {}

    def read(self, counters: Iterable[tuple[int, Hashable, Amounts]]) -> None:
        """Take a complete reading in: (number of the counter, whose it is, what it shows)."""
        seen: dict[int, tuple[Hashable, Amounts]] = {}
        for number, name, now in counters:
            before_name, before = self._last.get(number, (name, (0,) * len(now)))
            if before_name != name or any(a < b for a, b in zip(now, before, strict=True)):
                before = (0,) * len(now)  # it began again
            known = self.totals.get(name, (0,) * len(now))
            self.totals[name] = tuple(t + a - b for t, a, b in zip(known, now, before, strict=True))
            seen[number] = name, now
        self._last = seen


@dataclass(slots=True)
class _Asked:
    """A reading under way: the two questions, and what was answered so far."""

    xid: int
    meters: list[MeterStats] = field(default_factory=list)
    drops: list[tuple[int, Hashable, Amounts]] = field(default_factory=list)


class SwitchCounters:
    """The counters of one host beside those of its session."""

    def __init__(self, engine: Engine, wall: Callable[[], float]) -> None:
        """``wall`` tells the seconds since 1970."""
        self.latency = Histogram()
        self.packet_ins: Counter[str] = Counter()
        self.drops = Tally()
        self.meters = Totals(wall)
        self.due = 0.0
        self.report_due = REPORT_S
        self.dropped: dict[str, str] = {}
        """Packets by reason, as the host reports them."""
        self._engine = engine
        self._asked = _Asked(FIRST_XID)
        self._waiting: deque[tuple[int, float]] = deque(maxlen=WAITING_MAX)

    # How long changes take.

    def arrived(self, sequence: int, at: float) -> None:
        """A transaction reached this host."""
        self._waiting.append((sequence, at))

    def confirmed(self, sequence: int, now: float) -> float | None:
        """The switch has everything up to this sequence; the longest that a change waited, None when none did."""
        longest = None
        while self._waiting and self._waiting[0][0] <= sequence:
            seconds = max(now - self._waiting.popleft()[1], 0.0)
            self.latency.observe(seconds)
            longest = seconds if longest is None or seconds > longest else longest
        return longest

    # What the switch asks and counts.

    def heard(self, packet: PacketIn) -> None:
        """Count a packet by what it asks."""
        question = self._engine.program.pipeline.question_of(packet.fields)
        self.packet_ins[question.name if question is not None else ""] += 1

    def ask(self, now: float) -> bytes:
        """The questions of the next reading, in one write."""
        self.due = now + EVERY_S
        self._asked = _Asked(FIRST_XID + (self._asked.xid - FIRST_XID + 2) % XIDS)
        xid, end = self._asked.xid, self._engine.program.pipeline.end
        questions = [message.flow_stats_request(xid, table=end.table.id)] if end is not None else []
        return b"".join([*questions, message.meter_stats_request(xid + 1)])

    def answer(self, data: bytes) -> bool:
        """Take a multipart reply in; False when it is about something else."""
        xid = message.xid_of(data)
        if xid < FIRST_XID:
            return False
        asked = self._asked
        if xid == asked.xid:
            end = self._engine.program.pipeline.end
            for flow in message.flows_of(data):
                number = value_in(_matched(flow.key), end.field) if end is not None else 0
                asked.drops.append((flow.cookie, number, (flow.packets,)))
            if not message.more_follow(data):
                self._count_drops(asked.drops)
        elif xid == asked.xid + 1:
            asked.meters += meter_stats_of(data)
            if not message.more_follow(data):
                self.meters.read(asked.meters, self._engine.desired.meters.__contains__)
        return True

    def _count_drops(self, found: list[tuple[int, Hashable, Amounts]]) -> None:
        reasons = {reason.number: reason.name for reason in self._engine.program.pipeline.reasons}
        self.drops.read((cookie, reasons[number], seen) for cookie, number, seen in found if number in reasons)
        self.dropped = {str(name): str(packets) for name, (packets,) in sorted(self.drops.totals.items()) if packets}

    # What meters count.

    def named(self, meters: Iterable[int]) -> None:
        """Note that these meters are wanted, by others than before perhaps, or no more."""
        for meter in meters:
            owner = self._metered(meter)
            if owner is not None:
                self.meters.name(meter, owner)

    def last(self, stats: MeterStats, now: float) -> None:
        """Take the last count of a meter before it begins again or goes."""
        wanted = stats.id in self._engine.desired.meters
        self.meters.last(stats, wanted)
        if not wanted:
            self.report_due = min(self.report_due, now + SOON_S)

    def restore(self) -> None:
        """Go on with the totals that this host has told the store."""
        self.meters.restore(self._engine.state.all(TrafficCount).values())

    def reports(self, now: float) -> list[Report]:
        """The totals that the store does not have as they are, and those that it need not keep any longer."""
        self.report_due = now + REPORT_S
        self.meters.forget()
        known = self._engine.state.all(TrafficCount)
        wanted = {one.id: one for one in self.meters.records(self._engine.here) if one.family != PUNT}
        gone = [Drop(TrafficCount, id, known[id]) for id in sorted(known.keys() - wanted.keys())]
        return [Put(one, known.get(id)) for id, one in wanted.items() if known.get(id) != one] + gone

    def _metered(self, meter: int) -> Metered | None:
        """The resource that a meter counts for, None for a meter that nobody counts."""
        program, unit = self._engine.program, self._engine.meter_unit(meter)
        if unit is None:
            return None
        for limit in program.pipeline.limits:
            if limit.number == meter:
                return Metered(PUNT, limit.name, "")
        counted = program.counted.get(unit.feature)
        record, wanted = self._engine.state.get(unit.feature.each, unit.id), self._engine.desired.meters.get(meter)
        if counted is None or record is None or wanted is None:
            return None
        direction = self._engine.ask("counts", unit.id, counted.direction, lambda: counted.direction(record, wanted))
        return Metered(counted.family, unit.id, direction) if direction is not None else None


def _matched(key: bytes) -> dict[OxmField, int]:
    """The fields that a flow matches, with their values."""
    length = struct.unpack_from("!H", key, KEY_MATCH - 2)[0]
    return {field: value for field, value, _ in oxms(key[KEY_MATCH : KEY_MATCH - 4 + length])}
