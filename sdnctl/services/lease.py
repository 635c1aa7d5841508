"""The lease that lets one machine at a time run a service of the region.

It is a record that its holder renews.  Who wants it waits until it has seen no renewal for ``FREE_S`` seconds of its
own clock, while it follows the store; the holder stops acting ``STOP_S`` seconds after it *began* its last successful
renewal, by its own clock.  So nobody's clock must show the right time; two clocks must only go equally fast, to within
``(FREE_S - STOP_S) / FREE_S``.  What a holder writes into the store renews its lease in the same transaction: once
another has it, the store itself refuses the old holder.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from sdnctl.base.errors import StoreError
from sdnctl.model.service import Lease
from sdnctl.store import State, Store, Txn

FREE_S = 10.0
STOP_S = 6.0
RENEW_S = 1.5
RELEASE_S = 2.0
LOOK_S = 0.25


class LeaseLost(Exception):
    """The loss of a lease: another machine has it, or it could not be renewed in time."""


class Tenure:
    """This process's way to one lease."""

    def __init__(self, store: Store, state: State, name: str, holder: str, machine: str) -> None:
        """``state`` is read on the loop's thread; ``holder`` is this process, or one before it
        that is certainly dead.
        """
        self._store = store
        self._state = state
        self._name = name
        self._holder = holder
        self._machine = machine
        self._turn = 0
        self.until = 0.0
        """The time by which this process must have stopped, in seconds of its monotonic clock; 0 without the lease."""

    @property
    def known(self) -> Lease:
        """The lease as this process knows it."""
        return self._state.get(Lease, self._name) or Lease(id=self._name)

    async def acquire(self) -> None:
        """Wait for the lease and take it."""
        seen, since = self.known, time.monotonic()
        while True:
            lease, now = self.known, time.monotonic()
            if lease != seen or not self._store.current:
                seen, since = lease, now
            free = lease.holder in ("", self._holder) or now - since >= FREE_S
            if self._store.current and free and await self._take(lease):
                return
            await asyncio.sleep(LOOK_S)

    async def _take(self, seen: Lease) -> bool:
        began = time.monotonic()

        def work(txn: Txn) -> bool:
            known = txn.get(Lease, self._name) or Lease(id=self._name)
            if known != seen:
                return False
            txn.put(replace(seen, holder=self._holder, machine=self._machine, turn=seen.turn + 1, beats=0))
            return True

        try:
            taken = await asyncio.to_thread(self._store.report, work)
        except StoreError:
            return False
        if taken:
            self._turn, self.until = seen.turn + 1, began + STOP_S
        return taken

    async def keep(self) -> None:
        """Renew until that fails for too long; raises LeaseLost then."""
        while True:
            left = self.until - time.monotonic()
            if left <= 0:
                raise LeaseLost(f"the lease could not be renewed for {STOP_S:g} s: is the store reachable?")
            began = time.monotonic()
            try:
                await asyncio.wait_for(asyncio.to_thread(self._store.report, self.fence), left)
                self.until = began + STOP_S
            except (StoreError, TimeoutError):
                await asyncio.sleep(min(LOOK_S, max(left, 0.0)))
                continue
            await asyncio.sleep(RENEW_S)

    def fence(self, txn: Txn) -> None:
        """Renew the lease within a transaction, which the store takes only as long as it is ours; LeaseLost."""
        known = txn.get(Lease, self._name)
        if known is None or (known.holder, known.turn) != (self._holder, self._turn):
            raise LeaseLost(f"{known.machine if known is not None and known.holder else 'nobody'} has the lease now")
        txn.put(replace(known, beats=known.beats + 1))

    async def release(self) -> None:
        """Give it back at once, so that nobody has to wait; nothing happens when it is lost or the store is away."""

        def work(txn: Txn) -> None:
            known = txn.get(Lease, self._name)
            if known is not None and (known.holder, known.turn) == (self._holder, self._turn):
                txn.put(replace(known, holder="", machine=""))

        self.until = 0.0
        try:
            if self._store.current:
                await asyncio.wait_for(asyncio.to_thread(self._store.report, work), RELEASE_S)
        except (StoreError, TimeoutError):
            return


Fence = Callable[[Txn], None]
