"""A state as it was at one moment: it is read without a lock while others go on changing the state.

Nothing is copied.  For as long as a moment is held, whoever changes the state leaves with it what was there before, and
only then changes it; a reader looks at the state first, and then at what was left.  So it sees a record as it was,
whichever of the two was faster: what it found was either not changed yet, or the old one has been left.  That holds
because each look at a ``dict`` or ``set`` is one step for Python's threads; what is iterated over is copied in one.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Set
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from sdnctl.model.resource import Index, meta
from sdnctl.model.tally import Sums, Tally
from sdnctl.store.state import REGION, Region, State

R = TypeVar("R")
Lock = AbstractContextManager[Any]
_MISSING: Any = object()


class Moment:
    """The records of a State as they were when this was made; any thread may read it."""

    __slots__ = ("_kept", "_lock", "_state", "_sums")

    def __init__(self, state: State, lock: Lock) -> None:
        """``lock`` is the one under which the state changes, held by the caller; it is wanted for a new index only."""
        self._state = state
        self._lock = lock
        self._kept: dict[type, dict[str, Any]] = {}
        self._sums: dict[Tally, Sums] = {}

    def keep(self, cls: type, id: str, known: Any) -> None:
        """Take the record, or None, that is about to be replaced; what was there at first stays."""
        self._kept.setdefault(cls, {}).setdefault(id, known)

    def get(self, cls: type[R], id: str) -> R | None:
        """See State.get."""
        now = self._state.get(cls, id)
        kept = self._kept.get(cls)
        if kept is None:
            return now
        before = kept.get(id, _MISSING)
        return now if before is _MISSING else before

    def many(self, cls: type[R], ids: Iterable[str]) -> list[R]:
        """See State.many."""
        records = self._state.all(cls)
        found = {id: records.get(id) for id in ids}
        for id in self._changed(cls).keys() & found.keys():
            found[id] = self._kept[cls][id]
        return [record for record in found.values() if record is not None]

    def by(self, cls: type, index: Index, value: Any) -> Set[str]:
        """See State.by."""
        table = self._state.known_index(cls, index)
        if table is None:
            with self._lock:
                table = self._state.index(cls, index)
        members = table.get(value)
        found = {members} if isinstance(members, str) else set(members or ())
        values_of = meta(cls).index_of[index]
        for id, before in self._changed(cls).items():
            if before is not None and value in values_of(before):
                found.add(id)
            else:
                found.discard(id)
        return found

    def total(self, tally: Tally, value: Hashable) -> int:
        """See State.total; the records are summed when it is first asked for."""
        sums = self._sums.get(tally)
        if sums is None:
            sums = self._sums[tally] = tally.summed(self.all(tally.of).values())
        return sums.get(value, 0)

    def all(self, cls: type[R]) -> Mapping[str, R]:
        """See State.all; a copy."""
        found = dict(self._state.all(cls))
        for id, before in self._changed(cls).items():
            if before is None:
                found.pop(id, None)
            else:
                found[id] = before
        return found

    @property
    def sequence(self) -> int:
        """See State.sequence."""
        region = self.get(Region, REGION)
        return region.sequence if region is not None else 0

    def _changed(self, cls: type) -> dict[str, Any]:
        """The records of a class that have changed since, as they were; a copy."""
        kept = self._kept.get(cls)
        return kept.copy() if kept is not None else {}


@contextmanager
def moment(state: State, lock: Lock) -> Iterator[Moment]:
    """A state as it is now; ``lock``, which can be taken twice, is the one under which it changes."""
    with lock:
        made = Moment(state, lock)
        state.hold(made)
    try:
        yield made
    finally:
        with lock:
            state.release(made)
