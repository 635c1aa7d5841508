"""The weight of records: how many flows a host has for one of them, as features declare it.

    FLOWS = weighs(Subnet, 14)

stands in a feature's ``writes.py``; tests compare it with what the engine makes.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Set
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any, Protocol, TypeVar

from sdnctl.base.discovery import declared
from sdnctl.model.tally import Tally

R = TypeVar("R")
LEAF = "writes"


class Weighed(Protocol):
    """The part of ``store.State`` and ``store.Txn`` that is needed here."""

    def many(self, cls: type[R], ids: Iterable[str]) -> list[R]:
        """The records with these ids."""

    def by(self, cls: type, index: tuple[str, ...], value: Any) -> Set[str]:
        """The ids under an index value."""

    def total(self, tally: Tally, value: Hashable) -> int:
        """The sum over the records under a value (see ``model.tally``)."""


@dataclass(frozen=True, slots=True, eq=False)
class Weighs:
    """A declared weight: a record of a class costs ``each`` flows, and ``limit`` at most; see ``weighs``."""

    of: type
    each: int
    limit: int
    exactly: Callable[[Weighed, str], int] | None
    number: Tally
    """The number of records of the class, by their account."""

    def most(self, records: Weighed, account: str) -> int:
        """The most flows that an account's records of the class may have."""
        return self.limit * records.total(self.number, account)

    def count(self, records: Weighed, account: str) -> int:
        """The flows that they have."""
        return self.most(records, account) if self.exactly is None else self.exactly(records, account)


def weighs(of: type, each: int, *, most: int = 0, exactly: Callable[[Weighed, str], int] | None = None) -> Weighs:
    """Declare the flows of each record of a class.

    Where that depends on what else is there, ``most`` is the greatest number for one, and ``exactly`` counts those of
    all of an account's.
    """
    return Weighs(of, each, most or each, exactly, Tally(of, attrgetter("account"), lambda record: 1))


@cache
def weights() -> Mapping[type, Weighs]:
    """Every declared weight, by its class."""
    return {item.of: item for item in declared(Weighs, LEAF)}
