"""Totals of what each counted resource's meters let through and dropped, and of what its flows counted.

A total is the sum of its counters: meters, or flows.  A meter begins again at zero when its rate is changed or it is
made anew; the session reads it just before (``last``), so a total goes on.  A flow's count goes on when another of the
same key takes its place.  Only where a count was lost, because the switch started again, a flow was deleted and made
anew, or somebody else changed the meter, does a total begin a new epoch.  No clock and no I/O.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from sdnctl.model.host import TrafficCount

Amounts = tuple[int, ...]
"""Packets and bytes that came, then packets and bytes of those that were dropped."""
NOTHING: Amounts = (0, 0, 0, 0)
KEPT_S = 3600.0
"""The time for which a total can be read in the store after its last counter has gone."""
FLOW = 1 << 56
"""Added to the number of a counter that is a flow; meters are below."""


def flow_counter(key: bytes) -> int:
    """The number of a flow among the counters: a hash of its key, which a flow that takes its place has too."""
    return FLOW | int.from_bytes(blake2b(key, digest_size=7).digest(), "big")


@dataclass(frozen=True, slots=True)
class Metered:
    """The owner of a counter: ``family`` and ``direction`` as a feature declared them, or the pipeline's own."""

    family: str
    id: str
    direction: str


@dataclass(slots=True)
class Total:
    """The count of this epoch and of those before, and the counters that it is the sum of."""

    epoch: int
    amounts: Amounts = NOTHING
    before: Amounts = NOTHING
    counters: set[int] = field(default_factory=set)
    ended: float = 0.0
    lost: bool = False
    """True when a counter began again unread: the next count begins an epoch."""


class Totals:
    """The totals by whose they are; ``wall`` tells the seconds since 1970."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._totals: dict[Metered, Total] = {}
        self._names: dict[int, Metered] = {}
        self._next: dict[int, Metered] = {}
        self._seen: dict[int, Amounts] = {}

    @property
    def shown(self) -> dict[Metered, Amounts]:
        """The totals since this program began, of the counters that are there; they never fall."""
        return {name: _sum(one.before, one.amounts) for name, one in self._totals.items() if not one.ended}

    def name(self, counter: int, owner: Metered) -> None:
        """A counter is ``owner``'s from now on; what it shows is another's until that was read for the last time."""
        known = self._names.setdefault(counter, owner)
        if known != owner:
            self._next[counter] = owner
        else:
            self._next.pop(counter, None)

    def release(self, counter: int) -> None:
        """Count for nobody what a counter shows from now on."""
        self._next.pop(counter, None)
        self._end(counter)

    def restore(self, records: Iterable[TrafficCount]) -> None:
        """Go on where an earlier run of this program ended."""
        for one in records:
            name = Metered(one.family, one.resource, one.direction)
            dropped = (one.dropped_packets, one.dropped_bytes)
            total = Total(one.epoch, (one.packets + dropped[0], one.bytes + dropped[1], *dropped), ended=one.ended)
            self._totals[name] = total
            for at in range(0, len(one.read), 1 + len(NOTHING)):
                counter, *seen = one.read[at : at + 1 + len(NOTHING)]
                self._seen[counter] = tuple(seen)
                if not one.ended and self._names.setdefault(counter, name) == name:
                    total.counters.add(counter)
            if not total.counters and not total.ended:
                total.ended = self._wall()

    def read(self, found: Mapping[int, Amounts], wanted: Callable[[int], bool]) -> None:
        """Take a complete reading in; a counter that is neither there nor ``wanted`` has gone unread."""
        self._take(found)
        for counter in [counter for counter in self._next if counter >= FLOW and counter in found]:
            self._end(counter)  # it does not begin again: what it shows from now on is the next one's
        for counter in [counter for counter in self._names if counter not in found and not wanted(counter)]:
            self._end(counter)
            self._seen.pop(counter, None)
        self._seen = {c: seen for c, seen in self._seen.items() if c in found or c in self._names}

    def last(self, counter: int, shows: Amounts, wanted: bool) -> None:
        """Take in what a meter shows just before it begins again (``wanted``) or is deleted."""
        self._take({counter: shows})
        self._seen.pop(counter, None)
        if not wanted or counter in self._next:
            self._end(counter)

    def made(self, counter: int) -> None:
        """Note that a counter is new in the switch: if there was one before, what it had not told is lost."""
        if self._seen.pop(counter, None) is not None:
            self._lose(counter)
        if counter in self._next:
            self._end(counter)

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
                read=tuple(n for c in sorted(one.counters) for n in (c, *self._seen.get(c, NOTHING))),
            )

    def forget(self) -> None:
        """Drop the totals that have been told for long enough after their end."""
        oldest = self._wall() - KEPT_S
        self._totals = {name: one for name, one in self._totals.items() if not one.ended or one.ended > oldest}

    def _take(self, found: Mapping[int, Amounts]) -> None:
        """Add to each total what its counters show more than before, all that were lost being known."""
        for counter, now in found.items():
            if any(map(int.__lt__, now, self._seen.get(counter, NOTHING))):
                del self._seen[counter]
                self._lose(counter)
        for counter, now in found.items():
            before = self._seen.get(counter, NOTHING)
            self._seen[counter] = now
            if counter in self._names:
                total = self._counting(self._names[counter])
                total.counters.add(counter)
                total.amounts = tuple(t + a - b for t, a, b in zip(total.amounts, now, before, strict=True))

    def _counting(self, name: Metered) -> Total:
        """The total of this epoch, which begins now if there is none."""
        known = self._totals.get(name)
        if known is not None and not known.ended and not known.lost:
            return known
        epoch = int(self._wall() * 1000)
        if known is None:
            made = Total(epoch)
        else:
            before = _sum(known.before, known.amounts)
            made = Total(max(epoch, known.epoch + 1), NOTHING, before, known.counters)
        self._totals[name] = made
        return made

    def _lose(self, counter: int) -> None:
        """Note that a counter began again without having been read."""
        name = self._names.get(counter)
        if name is not None and name in self._totals:
            self._totals[name].lost = True

    def _end(self, counter: int) -> None:
        """A counter is its owner's no more."""
        name = self._names.pop(counter, None)
        total = self._totals.get(name) if name is not None else None
        if total is not None:
            total.counters.discard(counter)
            if not total.counters and not total.ended:
                total.ended = self._wall()
        if counter in self._next:
            self._names[counter] = self._next.pop(counter)


def _sum(one: Amounts, other: Amounts) -> Amounts:
    return tuple(a + b for a, b in zip(one, other, strict=True))
