"""Callers that wait: until the hosts have a transaction in force, or until this server itself has heard of it.

They wait on the server's event loop, where a thousand of them hold up nobody.  What the store delivers wakes those
whose time has come; nobody asks again and again.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sdnctl.api.progress import ALIVE_S, Progress, progress
from sdnctl.model.host import HostStatus
from sdnctl.store import Batch, Store


@dataclass(eq=False, slots=True)
class _Waiter:
    """One caller: woken when ``sequence`` is in force on the hosts, or only ``here``, in this server's replica."""

    sequence: int
    here: bool
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Waiting:
    """Follows a store for those who wait; they come and go on one event loop, the store delivers on its own thread."""

    def __init__(self, store: Store, wall: Callable[[], float] = time.time) -> None:
        """``wall`` tells the time in epoch seconds, which hosts' reports are compared with."""
        self._wall = wall
        self._lock = threading.Lock()  # guards the three below; never held for long
        self._statuses: dict[str, HostStatus] = {}
        self._sequence = 0
        self._waiters: dict[_Waiter, asyncio.AbstractEventLoop] = {}
        self._looking = False
        self._ended = False
        store.subscribe(self._took)

    @property
    def waiters(self) -> int:
        """The number of callers that wait now."""
        return len(self._waiters)

    def end(self) -> None:
        """Let all who wait have their answers, now and from now on: the server ends.  For the event loop's thread."""
        self._ended = True
        with self._lock:
            waiters = list(self._waiters)
        for waiter in waiters:
            waiter.woken.set()

    async def applied(self, sequence: int, seconds: float) -> Progress:
        """The hosts' progress as soon as all that are alive have ``sequence`` in force, or after ``seconds``."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        with self._waiter(_Waiter(sequence, here=False)) as waiter:
            while True:
                waiter.woken.clear()
                now = self._wall()
                found = self._progress(sequence, now)
                left = end - loop.time()
                if found.applied or left <= 0 or self._ended:
                    return found
                # A host that dies meanwhile holds nobody up: look again when the next one has been silent too long.
                silent = min((status.seen + ALIVE_S - now for status in found.late), default=left)
                await _until(waiter, min(left, silent))

    async def reached(self, sequence: int, seconds: float) -> bool:
        """True once this server's replica has ``sequence``; False when it has not within ``seconds``."""
        if self._sequence >= sequence:
            return True
        with self._waiter(_Waiter(sequence, here=True)) as waiter:
            if self._sequence < sequence and not self._ended:
                await _until(waiter, seconds)
        return self._sequence >= sequence

    @contextlib.contextmanager
    def _waiter(self, waiter: _Waiter) -> Iterator[_Waiter]:
        """Have it woken from now on; who looks afterwards misses nothing."""
        with self._lock:
            self._waiters[waiter] = asyncio.get_running_loop()
        try:
            yield waiter
        finally:
            with self._lock:
                del self._waiters[waiter]

    def _progress(self, sequence: int, now: float) -> Progress:
        with self._lock:
            statuses = list(self._statuses.values())
        return progress(statuses, sequence, now)

    def _took(self, batch: Batch) -> None:
        """Note what a batch tells, on the store's thread, and have those who wait for it looked for."""
        told = [change for change in batch.changes if change.cls is HostStatus]
        with self._lock:
            for change in told:
                if change.new is None:
                    self._statuses.pop(change.id, None)
                else:
                    self._statuses[change.id] = change.new
            news = bool(told) or batch.sequence != self._sequence
            self._sequence = batch.sequence
            if not news or not self._waiters or self._looking:
                return
            self._looking = True
            loop = next(iter(self._waiters.values()))
        with contextlib.suppress(RuntimeError):  # the server has ended, and with it whoever waited
            loop.call_soon_threadsafe(self._look)

    def _look(self) -> None:
        """Wake those whose time has come; one look serves all batches that came before it."""
        with self._lock:
            self._looking = False
            waiters, sequence = list(self._waiters), self._sequence
            statuses = list(self._statuses.values())
        now = self._wall()
        living = [status.applied for status in statuses if now - status.seen < ALIVE_S]
        applied = min(living) if living else max((status.applied for status in statuses), default=-1)
        for waiter in waiters:
            if waiter.sequence <= (sequence if waiter.here else applied):
                waiter.woken.set()


async def _until(waiter: _Waiter, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await waiter.woken.wait()
