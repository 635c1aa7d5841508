"""Numbers that reach the wire: dense, shared by the classes of a pool, and given again only when no switch has them.

Two tenants must never meet in one number.  A host that was cut off may still have flows with a number that was given
up meanwhile, so the number stays taken until the switch of every host has confirmed the transaction that gave it up.
"""

from collections.abc import Callable, Mapping, Set
from itertools import chain, islice
from typing import Any, Protocol, TypeVar

from sdnctl.model.host import Host, HostStatus, RetiredNumber
from sdnctl.model.resource import Index, sharers

R = TypeVar("R")
CLEARED_AT_ONCE = 32
"""The most retired numbers that one transaction looks at, so that none becomes long and none stays for ever."""


class Hints:
    """The next number of each pool that is likely to be free; only ever a hint, never the truth."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next: dict[Any, int] = {}

    def take(self, pool: Any, low: int, high: int, used: Callable[[int], bool]) -> int | None:
        """The first number from the hint on, wrapping once, that is not ``used``; None when all are."""
        start = self._next.get(pool, low)
        if not low <= start <= high:
            start = low
        for candidate in chain(range(start, high + 1), range(low, start)):
            if not used(candidate):
                self._next[pool] = candidate + 1
                return candidate
        return None

    def freed(self, pool: Any, value: int) -> None:
        """Let dense pools fall back to the lowest number that was given up."""
        if value < self._next.get(pool, value + 1):
            self._next[pool] = value


class Writes(Protocol):
    """The part of a transaction that numbers need."""

    sequence: int

    def get(self, cls: type[R], id: str) -> R | None:
        """The record, or None."""

    def by(self, cls: type, index: Index, value: Any) -> Set[str]:
        """The ids under an index value."""

    def all(self, cls: type[R]) -> Mapping[str, R]:
        """Every record of a class."""

    def put(self, record: Any) -> None:
        """Write a record."""

    def delete(self, cls: type, id: str) -> None:
        """Remove a record."""


class Numbers:
    """The pools as one transaction sees them."""

    __slots__ = ("_confirmed", "_txn")

    def __init__(self, txn: Writes) -> None:
        self._txn = txn
        self._confirmed: int | None = None

    @property
    def confirmed(self) -> int:
        """The last transaction that every host's switch has confirmed; this one where there is no host."""
        if self._confirmed is None:
            status = self._txn.all(HostStatus)
            applied = (status[id].applied if id in status else 0 for id in self._txn.all(Host))
            self._confirmed = min(applied, default=self._txn.sequence)
        return self._confirmed

    def retire(self, pool: str, number: int) -> None:
        """Keep a number that is given up from everybody until every host has let go of it."""
        self._clear(pool)
        if self.confirmed < self._txn.sequence:
            self._txn.put(RetiredNumber(id=_id(pool, number), pool=pool, sequence=self._txn.sequence))

    def used(self, pool: str) -> Callable[[int], bool]:
        """A function from a number of a pool to whether somebody has it, or may have it still."""
        self._clear(pool)
        fields = [(described.cls, (item.name,)) for described, item in sharers(pool)]

        def is_used(number: int) -> bool:
            if any(self._txn.by(cls, index, number) for cls, index in fields):
                return True
            retired = self._txn.get(RetiredNumber, _id(pool, number))
            return retired is not None and self.confirmed < retired.sequence

        return is_used

    def _clear(self, pool: str) -> None:
        """Forget retired numbers of a pool that every host has let go of."""
        for id in list(islice(self._txn.by(RetiredNumber, ("pool",), pool), CLEARED_AT_ONCE)):
            retired = self._txn.get(RetiredNumber, id)
            if retired is not None and retired.sequence <= self.confirmed:
                self._txn.delete(RetiredNumber, id)


def _id(pool: str, number: int) -> str:
    return f"{pool}/{number}"
