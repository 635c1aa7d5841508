"""The events that wait for the thread that thinks, in three lanes: packets, what the switch and others say, the store.

Packets are taken first, so many a turn; then one event of the others; changes of the store last, and all that wait as
one.  However fast the store changes, what waits is never more than one change for each record that there is; of the
switch's database only the last snapshot waits.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sdnctl.agent.events import Event, Gathered, Message, Received, SwitchLink
from sdnctl.agent.waiting import WaitingPackets
from sdnctl.bridge.snapshot import Snapshot
from sdnctl.of import message
from sdnctl.store import Batch, Change

PACKETS = 64
"""The most packets that are taken before something else has its turn."""
TRANSACTIONS_MAX = 4096
"""The most transactions of which it is known when each arrived, while they wait."""
Work = Callable[[Any], None]
"""A look at the agent, to be had between two events."""


class Packet(NamedTuple):
    """A packet-in, the connection by which it came, and when."""

    link: SwitchLink
    message: bytes
    arrived: float


class Backlog(NamedTuple):
    """The changes of the store that wait: of how many records, and for how many seconds the oldest."""

    records: int
    seconds: float


class Mailbox:
    """Three lanes; any thread may put something in, one takes it out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.ended = False
        self.packets_dropped = 0
        self.merged = 0
        """The number of batches of the store that were taken together with others before them."""
        self._clock = clock
        self._wake = threading.Condition()
        self._limit = WaitingPackets()
        self._packets: deque[Packet] = deque()
        self._events: deque[Message | Work] = deque()
        self._store = _Gathering()

    def put(self, event: Event | Work) -> None:
        """Hand something over."""
        with self._wake:
            if isinstance(event, Batch):
                self.merged += self._store.add(event, self._clock())
            else:
                if isinstance(event, Snapshot):  # it says all that an earlier one said
                    self._events = deque(one for one in self._events if not isinstance(one, Snapshot))
                self._events.append(event)
            self._wake.notify()

    def received(self, link: SwitchLink, messages: Sequence[bytes]) -> None:
        """Hand messages of the switch over, less the packet-ins that are too many."""
        others = [one for one in messages if one[1] != message.PACKET_IN]
        with self._wake:
            for one in messages:
                if one[1] != message.PACKET_IN:
                    continue
                if self._limit.admit(one):
                    self._packets.append(Packet(link, one, self._clock()))
                else:
                    self.packets_dropped += 1
            if others:
                self._events.append(Received(link, others))
            self._wake.notify()

    def end(self) -> None:
        """Nothing more is taken."""
        with self._wake:
            self.ended = True
            self._wake.notify()

    def packets(self) -> list[Packet]:
        """The packets of one turn."""
        with self._wake:
            return self._turn()

    def take(self, seconds: float) -> tuple[list[Packet], Message | Gathered | Work | None]:
        """The packets of one turn, and the next event: what there is, or what comes first within so many seconds."""
        with self._wake:
            self._wake.wait_for(lambda: self.ended or self._packets or self._events or self._store, seconds)
            packets = self._turn()
            if self._events:
                return packets, self._events.popleft()
            if not self._store:
                return packets, None
            gathered, self._store = self._store, _Gathering()
            return packets, gathered.together()

    @property
    def backlog(self) -> Backlog:
        """The changes of the store that wait now."""
        with self._wake:
            return self._store.backlog(self._clock())

    def _turn(self) -> list[Packet]:
        taken = [self._packets.popleft() for _ in range(min(PACKETS, len(self._packets)))]
        for one in taken:
            self._limit.done(one.message)
        return taken


class _Gathering:
    """Batches of the store as one: of each record what it was before the first and is after the last."""

    def __init__(self) -> None:
        self._first: Batch | None = None
        self._last: Batch | None = None
        self._changes: dict[tuple[type, str], Change] = {}
        self._arrived: deque[tuple[int, float]] = deque(maxlen=TRANSACTIONS_MAX)
        self._since = 0.0

    def __bool__(self) -> bool:
        return self._last is not None

    def add(self, batch: Batch, now: float) -> bool:
        """Take one more in; true when others wait already."""
        others = self._first
        if others is None:
            self._first, self._since = batch, now
        else:
            for change in [*(() if self._changes else others.changes), *batch.changes]:
                key = change.cls, change.id
                known = self._changes.get(key)
                self._changes[key] = change if known is None else Change(*key, known.old, change.new)
        if not self._arrived or self._arrived[-1][0] != batch.sequence:
            self._arrived.append((batch.sequence, now))
        self._last = batch
        return others is not None

    def together(self) -> Gathered:
        """All of it as one batch."""
        first, last = self._first, self._last
        assert first is not None and last is not None
        changes = first.changes if first is last else list(self._changes.values())
        return Gathered(Batch(changes, last.sequence, last.followed), tuple(self._arrived))

    def backlog(self, now: float) -> Backlog:
        """The changes that wait now."""
        if self._first is None:
            return Backlog(0, 0.0)
        return Backlog(len(self._changes) or len(self._first.changes), now - self._since)
