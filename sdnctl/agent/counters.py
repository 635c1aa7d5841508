"""The counters of a host: drops by reason, traffic of each metered resource, time until a change reached the switch.

The switch is asked every few seconds, and the totals (see ``totals``) are reported to the store less often: all that
have changed in one transaction.  No clock and no I/O: the agent brings the time and carries question and answers.
"""

import math
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sdnctl.agent.owners import DROPS, MACHINE, Owners
from sdnctl.agent.tallies import Tallies
from sdnctl.agent.totals import Amounts, Totals, flow_counter
from sdnctl.engine.desired import Touched
from sdnctl.engine.engine import Engine
from sdnctl.model.host import TrafficCount
from sdnctl.of import message
from sdnctl.of.flow import ALL_BITS, Flow
from sdnctl.of.meter import MeterStats, meter_stats_of
from sdnctl.program.packets import Drop, PacketIn, Put, Report

EVERY_S = 5.0
SINGLES = 16
"""So many flows of a table are asked for one by one, by their cookies; more of them with all that the table has."""
FIRST_XID = 0xF000_0000
"""Far above those of a session, which begins again at 0x8000_0000."""
XIDS = 0x0800_0000
BOUNDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
WAITING_MAX = 4096  # changes on their way to a switch that is not there
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

    def copy(self) -> "Histogram":
        """The same as it is now."""
        made = Histogram(self.bounds)
        made.counts, made.total = list(self.counts), self.total
        return made


@dataclass(slots=True)
class _Asked:
    """A reading under way: the numbers of its questions, how many are still open, and what was answered so far.

    A reading that is not ``whole`` is of what somebody looks at now only.
    """

    xids: range
    open: int = 0
    whole: bool = True
    found: dict[int, Amounts] = field(default_factory=dict)


class SwitchCounters:
    """The counters of one host beside those of its session."""

    def __init__(self, engine: Engine, wall: Callable[[], float]) -> None:
        """``wall`` tells the seconds since 1970."""
        self.latency = Histogram()
        self.packet_ins: Counter[str] = Counter()
        self.totals = Totals(wall)
        self.drops: dict[str, int] = {}
        """The packets dropped, by the name of the reason."""
        self.dropped: dict[str, str] = {}
        """The same as the host reports them: no reason without packets."""
        self.due = 0.0
        self.report_due = REPORT_S
        self._engine = engine
        self._asked = _Asked(range(FIRST_XID, FIRST_XID))
        self._owners = Owners(engine)
        self._tallies = Tallies(engine, wall)
        self._tallied: list[Report] = []
        self._whole_due = 0.0
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
        wanted = [(table, 0, 0) for table in self._tallies.tables()]
        often, meters = self._tallies.seconds(), self._tallies.meters()
        whole = often == math.inf or now >= self._whole_due
        self._whole_due = now + EVERY_S if whole else self._whole_due
        self.due = min(now + often, self._whole_due)
        all_meters = whole or bool(wanted) or len(meters) > SINGLES
        if whole:
            wanted += self._counted()
        first = FIRST_XID + (self._asked.xids.stop - FIRST_XID) % XIDS
        questions = [message.meter_stats_request(first)] if all_meters else []
        for meter in () if all_meters else meters:
            questions.append(message.meter_stats_request(first + len(questions), meter))
        for table, cookie, mask in wanted:
            questions.append(message.flow_stats_request(first + len(questions), cookie, mask, table))
        self._asked = _Asked(range(first, first + len(questions)), len(questions), whole)
        return b"".join(questions)

    def _counted(self) -> list[tuple[int, int, int]]:
        """The tables of the flows that have owners, with the cookie and its mask for each that is asked for alone."""
        for flow in self._owners.moved():
            self._name(flow)
        wanted = []
        for table, cookies in self._owners.flows().items():
            alone = [(table, cookie, ALL_BITS) for cookie in cookies]
            wanted += alone if len(alone) <= SINGLES else [(table, 0, 0)]
        return wanted

    def answer(self, data: bytes) -> bool:
        """Take a multipart reply in; False when it is about something else."""
        xid, asked = message.xid_of(data), self._asked
        if xid < FIRST_XID:
            return False
        if xid not in asked.xids:
            return True
        if message.is_about_meters(data):
            asked.found.update((stats.id, _amounts(stats)) for stats in meter_stats_of(data))
        else:
            for flow in message.flows_of(data):
                asked.found[flow_counter(flow.key)] = (flow.packets, flow.bytes, 0, 0)
        asked.open -= not message.more_follow(data)
        if not asked.open:
            self._tallied += self._tallies.reports(asked.found)
        if not asked.open and asked.whole:
            self.totals.read(asked.found, self._owners.wanted)
            shown = self.totals.shown.items()
            self.drops = {name.id: packets for name, (packets, *_) in shown if name.family == DROPS}
            self.dropped = {name: str(packets) for name, packets in sorted(self.drops.items()) if packets}
        return True

    # What meters and flows count.

    def named(self, touched: Touched) -> None:
        """Note that these meters and flows are wanted, by others than before perhaps, or no more."""
        for meter in touched.meters:
            owner = self._owners.of_meter(meter)
            if owner is not None:
                self.totals.name(meter, owner)
            if self._tallies.name_meter(meter):
                self.due = 0.0
        flows = self._engine.desired.flows
        for cookie in touched.cookies:
            flow = flows.get(cookie)
            if flow is not None and self._owners.counts(flow):
                self._name(flow)
            if flow is not None and self._tallies.name(flow):
                self.due = 0.0

    def made(self, flows: Iterable[Flow]) -> None:
        """Note that the switch has these flows, and had none of the same keys before: they count from zero."""
        for flow in flows:
            if self._owners.counts(flow):
                self.totals.made(flow_counter(flow.key))

    def _name(self, flow: Flow) -> None:
        """Count a flow for its owner from now on, or for nobody."""
        owner = self._owners.of_flow(flow)
        if owner is None:
            self.totals.release(flow_counter(flow.key))
        else:
            self.totals.name(flow_counter(flow.key), owner)

    def last(self, stats: MeterStats, now: float) -> None:
        """Take the last count of a meter before it begins again or goes."""
        wanted = stats.id in self._engine.desired.meters
        self._tallies.last(stats.id, _amounts(stats))
        self.totals.last(stats.id, _amounts(stats), wanted)
        if not wanted:
            self.report_due = min(self.report_due, now + SOON_S)

    def tallied(self) -> list[Report]:
        """The reports of what somebody looks at, since they were last asked for."""
        told, self._tallied = self._tallied, []
        return told

    def restore(self) -> None:
        """Go on with the totals that this host has told the store."""
        self.totals.restore(self._engine.state.all(TrafficCount).values())

    def reports(self, now: float) -> list[Report]:
        """The totals that the store does not have as they are, and those that it need not keep any longer."""
        self.report_due = now + REPORT_S
        self.totals.forget()
        known = self._engine.state.all(TrafficCount)
        wanted = {one.id: one for one in self.totals.records(self._engine.here) if one.family not in MACHINE}
        gone = [Drop(TrafficCount, id, known[id]) for id in sorted(known.keys() - wanted.keys())]
        return [Put(one, known.get(id)) for id, one in wanted.items() if known.get(id) != one] + gone


def _amounts(stats: MeterStats) -> Amounts:
    return stats.packets, stats.bytes, stats.dropped_packets, stats.dropped_bytes
