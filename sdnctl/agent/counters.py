"""What a host counts: drops by reason, what each elastic IP carried, how long a change took to reach the switch.

The switch's counters begin again when a meter is changed or made anew, or when the switch restarts; the totals here do
not: what was counted is added up between readings (at most one interval of it is missed).  No clock and no I/O: the
agent brings the time and carries question and answers.
"""

import struct
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from sdnctl.engine.engine import Engine
from sdnctl.of import message
from sdnctl.of.meter import MeterStats, meter_stats_of
from sdnctl.of.oxm import oxms

EVERY_S = 5.0
FIRST_XID = 0xF000_0000
"""Far above those of a session, which begins again at 0x8000_0000."""
XIDS = 0x0800_0000
BOUNDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
WAITING_MAX = 4096  # changes on their way to a switch that is not there
KEY_MATCH = 7  # a flow's key: table, priority, then the match with a header of four bytes
Amounts = tuple[int, ...]


class Histogram:
    """How often something took how long, in seconds; ``counts`` has one more entry than there are ``bounds``."""

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

    def keep(self, names: Iterable[Hashable]) -> None:
        """Forget every other total."""
        wanted = set(names)
        self.totals = {name: total for name, total in self.totals.items() if name in wanted}


@dataclass(frozen=True, slots=True)
class Metered:
    """Whose meter it is: ``family`` and ``direction`` as the feature declared them, or a table that asks ("punt")."""

    family: str
    id: str
    direction: str
    feature: str = ""


@dataclass(slots=True)
class _Asked:
    """A reading under way: the two questions, and what was answered so far."""

    xid: int
    meters: list[MeterStats] = field(default_factory=list)
    drops: list[tuple[int, Hashable, Amounts]] = field(default_factory=list)


class SwitchCounters:
    """The counters of one host beside those of its session."""

    def __init__(self, engine: Engine) -> None:
        self.latency = Histogram()
        self.packet_ins: Counter[int] = Counter()
        self.drops = Tally()
        self.meters = Tally()
        self.due = 0.0
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

    # What the switch counts.

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
            asked.drops += ((flow.cookie, _matched(flow.key), (flow.packets,)) for flow in message.flows_of(data))
            if not message.more_follow(data):
                self._count_drops(asked.drops)
        elif xid == asked.xid + 1:
            asked.meters += meter_stats_of(data)
            if not message.more_follow(data):
                self._count_meters(asked.meters)
        return True

    def _count_drops(self, found: list[tuple[int, Hashable, Amounts]]) -> None:
        reasons = {reason.number: reason.name for reason in self._engine.program.pipeline.reasons}
        self.drops.read((cookie, reasons[number], seen) for cookie, number, seen in found if number in reasons)
        self.dropped = {str(name): str(packets) for name, (packets,) in sorted(self.drops.totals.items()) if packets}

    def _count_meters(self, found: list[MeterStats]) -> None:
        named = [(stats, self._metered(stats.id)) for stats in found]
        self.meters.read(
            (s.id, name, (s.packets, s.bytes, s.dropped_packets, s.dropped_bytes))
            for s, name in named
            if name is not None
        )
        self.meters.keep([name for name in self.meters.totals if self._exists(name)])

    def _metered(self, meter: int) -> Metered | None:
        """Whose a meter is, None for one that nobody counts."""
        program, unit = self._engine.program, self._engine.meter_unit(meter)
        if unit is None:
            return None
        for table in program.pipeline.tables.values():
            if table.punt_meter is not None and table.punt_meter.id == meter:
                return Metered("punt", table.name, "")
        counted = program.counted.get(unit.feature)
        record, wanted = self._engine.state.get(unit.feature.each, unit.id), self._engine.desired.meters.get(meter)
        if counted is None or record is None or wanted is None:
            return None
        return Metered(counted.family, unit.id, counted.direction(record, wanted), unit.feature.name)

    def _exists(self, name: Hashable) -> bool:
        """Whether the resource is still there; it may have moved to another host and come back."""
        assert isinstance(name, Metered)
        if not name.feature:
            return True
        each = next(of.each for of in self._engine.program.counted if of.name == name.feature)
        return self._engine.state.get(each, name.id) is not None


def _matched(key: bytes) -> int:
    """The number that a flow of the drop table matches, 0 when it matches none."""
    length = struct.unpack_from("!H", key, KEY_MATCH - 2)[0]
    return next((value for _, value, _ in oxms(key[KEY_MATCH : KEY_MATCH - 4 + length])), 0)
