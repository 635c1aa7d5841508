"""The store keeps what was asked for, so that nothing acknowledged is ever lost.

A ``State`` is a replica in memory: records by class and id, and their indexes.  A ``Txn`` is a set of intended writes
on top of a State; it checks references and allocates numbers.  A ``Store`` commits transactions one after the other
and delivers each commit, with its sequence number, to whoever follows.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from sdnctl.store.moment import Moment
from sdnctl.store.state import REGION, Batch, Change, Clause, Interest, Region, State
from sdnctl.store.txn import Records, Txn

R = TypeVar("R")
__all__ = ["REGION", "Batch", "Change", "Clause", "Interest", "Moment", "Records", "Region", "State", "Store", "Txn"]


class Store(Protocol):
    """One way to keep a State safe; see ``store.memory`` and ``store.ovsdb``."""

    state: State

    @property
    def current(self) -> bool:
        """True while the replica follows the store; False while its server is away."""

    @property
    def trouble(self) -> str:
        """The reason for which it is not followed now, and what to do, in words; "" when it is."""

    @property
    def full(self) -> bool:
        """True while its disk is known to be full: reading works, and writing is refused."""

    @property
    def arbitrated(self) -> bool:
        """True where hosts may not write contested records themselves but bid for them (see ``store.bids``)."""

    def transact(self, work: Callable[[Txn], R]) -> R:
        """Run ``work`` on a consistent state and commit what it wrote, all or nothing, as one sequence number.

        ``work`` may run again after a conflict.  IntentError passes through and nothing changes; StoreError when the
        store cannot be reached, DiskFull when it has no room.
        """

    def report(self, work: Callable[[Txn], R]) -> R:
        """The same for records that hosts report; no sequence number is spent."""

    def subscribe(self, deliver: Callable[[Batch], None]) -> None:
        """Deliver all that is there as one batch, then every commit in order, on the store's thread."""

    def follow(self, interest: Interest) -> int:
        """From now on hold and deliver these records only; the number that a batch's ``followed`` will reach then."""

    def read(self) -> AbstractContextManager[State]:
        """Hold the replica still while reading it: for a few looks."""

    def moment(self) -> AbstractContextManager[Moment]:
        """The replica as it is now, to be read at leisure: nobody waits for it."""

    def close(self) -> None:
        """Stop following the store."""
