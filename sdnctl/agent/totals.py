"""Totals of what each counted resource's meters let through and dropped, gapless while the switch is asked in time.

A meter's counters begin again at zero when its rate is changed or it is made anew.  The session reads it just before
(``LastCount``), so a total goes on.  Only where a count was lost, because the switch started again or somebody else
changed the meter, does a total begin a new epoch.  No clock and no I/O.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sdnctl.model.host import TrafficCount
from sdnctl.of.meter import MeterStats

Amounts = tuple[int, ...]
"""Packets and bytes that came, then packets and bytes of those that were dropped."""
NOTHING: Amounts = (0, 0, 0, 0)
KEPT_S = 3600.0
"""The time for which a total can be read in the store after its meter has gone."""


@dataclass(frozen=True, slots=True)
class Metered:
    """The owner of a meter: ``family`` and ``direction`` as a feature declared them, or a table that asks ("punt")."""

    family: str
    id: str
    direction: str


@dataclass(slots=True)
class Total:
    """The count of this epoch and of those before; ``read`` is what ``meter`` showed at the last reading."""

    meter: int
    epoch: int
    amounts: Amounts = NOTHING
    before: Amounts = NOTHING
    read: Amounts = NOTHING
    ended: float = 0.0


class Totals:
    """The totals by whose they are; ``wall`` tells the seconds since 1970."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._totals: dict[Metered, Total] = {}
        self._names: dict[int, Metered] = {}
        self._next: dict[int, Metered] = {}

    @property
    def shown(self) -> dict[Metered, Amounts]:
        """The totals since this program began, of the meters that are there; they never fall."""
        return {name: _sum(one.before, one.amounts) for name, one in self._totals.items() if not one.ended}

    def name(self, meter: int, owner: Metered) -> None:
        """A meter is ``owner``'s from now on; what it shows is another's until that was read for the last time."""
        known = self._names.setdefault(meter, owner)
        if known != owner:
            self._next[meter] = owner

    def restore(self, records: Iterable[TrafficCount]) -> None:
        """Go on where an earlier run of this program ended."""
        for one in records:
            name = Metered(one.family, one.resource, one.direction)
            dropped = (one.dropped_packets, one.dropped_bytes)
            amounts = (one.packets + dropped[0], one.bytes + dropped[1], *dropped)
            self._totals[name] = Total(one.meter, one.epoch, amounts, NOTHING, one.read or NOTHING, one.ended)
            if not one.ended:
                self._names.setdefault(one.meter, name)

    def read(self, found: Iterable[MeterStats], wanted: Callable[[int], bool]) -> None:
        """Take a complete reading in; a meter that is neither there nor ``wanted`` has gone unread."""
        there = set[int]()
        for stats in found:
            there.add(stats.id)
            self._advance(stats)
        for meter in [meter for meter in self._names if meter not in there and not wanted(meter)]:
            self._end(meter)

    def last(self, stats: MeterStats, wanted: bool) -> None:
        """Take in what a meter shows just before it begins again (``wanted``) or is deleted."""
        self._advance(stats)
        name = self._names.get(stats.id)
        if name is None:
            return
        if wanted and stats.id not in self._next:
            self._totals[name].read = NOTHING
        else:
            self._end(stats.id)

    def records(self, host: str) -> Iterator[TrafficCount]:
        """The totals as ``host`` reports them."""
        for name, one in self._totals.items():
            packets, volume, dropped_packets, dropped_bytes = one.amounts
            yield TrafficCount(
                id=f"{host}/{name.family}/{name.id}/{name.direction}",
                host=host,
                family=name.family,
                resource=name.id,
                direction=name.direction,
                packets=packets - dropped_packets,
                bytes=volume - dropped_bytes,
                dropped_packets=dropped_packets,
                dropped_bytes=dropped_bytes,
                epoch=one.epoch,
                ended=one.ended,
                meter=one.meter,
                read=one.read,
            )

    def forget(self) -> None:
        """Drop the totals that have been told for long enough after their end."""
        oldest = self._wall() - KEPT_S
        self._totals = {name: one for name, one in self._totals.items() if not one.ended or one.ended > oldest}

    def _advance(self, stats: MeterStats) -> None:
        name = self._names.get(stats.id)
        if name is None:
            return
        now = (stats.packets, stats.bytes, stats.dropped_packets, stats.dropped_bytes)
        known = self._totals.get(name)
        began = known is None or known.ended or known.meter != stats.id or any(map(int.__lt__, now, known.read))
        if known is None or began:
            before = NOTHING if known is None else _sum(known.before, known.amounts)
            epoch = max(int(self._wall() * 1000), known.epoch + 1 if known is not None else 0)
            self._totals[name] = Total(stats.id, epoch, now, before, now)
        else:
            known.amounts = tuple(t + a - b for t, a, b in zip(known.amounts, now, known.read, strict=True))
            known.read = now

    def _end(self, meter: int) -> None:
        """A meter is its owner's no more."""
        total = self._totals.get(self._names.pop(meter))
        if total is not None and total.meter == meter and not total.ended:
            total.ended = self._wall()
        if meter in self._next:
            self._names[meter] = self._next.pop(meter)


def _sum(one: Amounts, other: Amounts) -> Amounts:
    return tuple(a + b for a, b in zip(one, other, strict=True))
