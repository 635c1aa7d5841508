"""The store keeps what was asked for, so that nothing acknowledged is ever lost.

A ``State`` is a replica in memory: records by class and id, and their indexes.  A ``Txn`` is a set of intended writes
on top of a State; it checks references and allocates numbers.  A ``Store`` commits transactions one after the other
and delivers each commit, with its sequence number, to whoever follows.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from sdnctl.store.state import REGION, Batch, Change, Clause, Interest, Region, State
from sdnctl.store.txn import Txn

R = TypeVar("R")
__all__ = ["REGION", "Batch", "Change", "Clause", "Interest", "Region", "State", "Store", "Txn"]


class Store(Protocol):
    """One way to keep a State safe; see ``store.memory`` and ``store.ovsdb``."""

    state: State

    @property
    def current(self) -> bool:
        """True while the replica follows the store; False while its server is away."""

    def transact(self, work: Callable[[Txn], R]) -> R:
        """Run ``work`` on a consistent state and commit what it wrote, all or nothing, as one sequence number.

        ``work`` may run again after a conflict.  IntentError passes through and nothing changes; StoreError when the
        store cannot be reached.
        """

    def report(self, work: Callable[[Txn], R]) -> R:
        """The same for records that hosts report; no sequence number is spent."""

    def subscribe(self, deliver: Callable[[Batch], None]) -> None:
        """Deliver all that is there as one batch, then every commit in order, on the store's thread."""

    def follow(self, interest: Interest) -> int:
        """From now on hold and deliver these records only; the number that a batch's ``followed`` will reach then."""

    def read(self) -> AbstractContextManager[State]:
        """Hold the replica still while reading it."""

    def close(self) -> None:
        """Stop following the store."""
