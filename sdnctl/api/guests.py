"""The connections of the API: how many there may be, of one peer and of all, and how long each may take for what.

Where a peer has as many as it may, its oldest one on which no call is being carried out makes room: a client that comes
is served, whatever others behind its address left half said.
"""

import resource
from collections.abc import Iterator
from typing import NamedTuple, Protocol

RESERVE = 192
"""Descriptors kept free for the store, for files, and for what the kernel hands over before it is counted."""


class Bounds(NamedTuple):
    """The limits of connections: times in seconds, sizes in bytes."""

    head_s: float = 10.0
    body_s: float = 30.0
    answer_s: float = 30.0
    linger_s: float = 2.0
    head: int = 1 << 16
    body: int = 1 << 21
    peer: int = 256
    total: int = 4096


class Guest(Protocol):
    """One connection."""

    peer: str

    @property
    def busy(self) -> bool:
        """True while a call of it is being carried out."""

    def look(self, now: float) -> None:
        """End it, if it takes too long for something."""

    def leave(self) -> None:
        """End it at once."""


class Guests:
    """All connections by peer, the oldest first; for the event loop's thread."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._peers: dict[str, dict[Guest, None]] = {}
        self._count = 0
        self.turned_away = 0
        """The number of connections that had to leave, or were not let in."""

    def admit(self, guest: Guest) -> bool:
        """Let a connection in, if need be in the place of another; False when all are busy."""
        known = self._peers.get(guest.peer, {})
        if len(known) >= min(self.bounds.peer, self._most() // 2) and not self._make_room(known):
            return False
        if self._count >= self._most() and not self._make_room(max(self._peers.values(), key=len)):
            return False
        self._peers.setdefault(guest.peer, {})[guest] = None
        self._count += 1
        return True

    def gone(self, guest: Guest) -> None:
        """Forget a connection."""
        known = self._peers.get(guest.peer, {})
        if guest in known:
            del known[guest]
            self._count -= 1
        if not known:
            self._peers.pop(guest.peer, None)

    def look(self, now: float) -> None:
        """Look after all of them; ``now`` is the event loop's time."""
        for guest in list(self):
            guest.look(now)

    def __iter__(self) -> Iterator[Guest]:
        return (guest for known in self._peers.values() for guest in known)

    def __len__(self) -> int:
        return self._count

    def _make_room(self, known: dict[Guest, None]) -> bool:
        self.turned_away += 1
        for guest in known:
            if not guest.busy:
                self.gone(guest)
                guest.leave()
                return True
        return False

    def _most(self) -> int:
        """The connections that may be open at once: with fewer descriptors than wished for, fewer (getrlimit(2))."""
        return max(8, min(self.bounds.total, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVE))


def raise_limit() -> None:
    """Let this process have as many open files as it may at all."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
