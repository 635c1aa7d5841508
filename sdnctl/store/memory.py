"""A store that forgets: the whole region in one process, for tests and for trying things out."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from sdnctl.model.resource import meta, resources
from sdnctl.store import REGION, Batch, Change, Interest, Moment, Region, State, Txn
from sdnctl.store.moment import moment
from sdnctl.store.numbers import Hints
from sdnctl.store.ovsdb.interest import Selection

R = TypeVar("R")


class MemoryStore:
    """A Store (see the protocol) without disk or socket; commits are delivered on the caller's thread.

    It is the store itself: ``follow`` narrows what is delivered, while reading and writing see the whole region.
    """

    current = True
    trouble = ""
    arbitrated = False
    full = False

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.state = State()
        self._hints = Hints()
        self._clock = clock
        self._lock = threading.RLock()
        self._followers: list[Callable[[Batch], None]] = []
        self._wanted = Selection(None)

    def transact(self, work: Callable[[Txn], R]) -> R:
        """See Store.transact; there is nobody to conflict with."""
        with self._lock:
            txn = Txn(self.state, self._hints, self._clock())
            result = work(txn)
            changes = txn.changes()
            if changes:
                region = self.state.get(Region, REGION)
                changes.append(Change(Region, REGION, region, Region(id=REGION, sequence=txn.sequence)))
                self._commit(changes)
            return result

    def report(self, work: Callable[[Txn], R]) -> R:
        """See Store.report."""
        with self._lock:
            txn = Txn(self.state, self._hints, self._clock())
            result = work(txn)
            changes = txn.changes()
            wrong = [c.cls.__name__ for c in changes if not meta(c.cls).report]
            if wrong:
                raise ValueError(f"{wrong[0]} is intent: use transact")
            if changes:
                self._commit(changes)
            return result

    def _commit(self, changes: list[Change]) -> None:
        self.state.apply(changes)
        seen = self._wanted.seen(changes)
        if seen:
            self._deliver(seen)

    def _deliver(self, changes: list[Change]) -> None:
        batch = Batch(changes, self.state.sequence, self._wanted.number)
        for deliver in self._followers:
            deliver(batch)

    def subscribe(self, deliver: Callable[[Batch], None]) -> None:
        """See Store.subscribe."""
        with self._lock:
            deliver(Batch(self._wanted.seen(everything(self.state)), self.state.sequence, self._wanted.number))
            self._followers.append(deliver)

    def follow(self, interest: Interest) -> int:
        """See Store.follow; what that changes is delivered before this returns."""
        with self._lock:
            before, self._wanted = self._wanted, Selection(interest, self._wanted.number + 1)
            there = [Change(known.cls, known.id, known.new, known.new) for known in everything(self.state)]
            self._deliver(self._wanted.seen(there, before))
            return self._wanted.number

    @contextmanager
    def read(self) -> Iterator[State]:
        """See Store.read."""
        with self._lock:
            yield self.state

    def moment(self) -> AbstractContextManager[Moment]:
        """See Store.moment."""
        return moment(self.state, self._lock)

    def close(self) -> None:
        """Forget the followers."""
        self._followers.clear()


def everything(state: State) -> list[Change]:
    """A state as the changes that would make it from nothing."""
    made: list[Change] = []
    for cls in resources().values():
        records: Mapping[str, Any] = state.all(cls)
        made.extend(Change(cls, id, None, record) for id, record in records.items())
    return made
