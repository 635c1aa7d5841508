"""Traces: the hosts on a packet's way are asked one after the other, through the store, and what they say is joined.

A question is a record that the host follows; its answer is another one (``model.host``).  Both are removed once the
answer is read.  Whoever waits does so on the server's event loop; how many questions may wait for a host or be asked
by an account is counted in the store, so it holds for all API servers together.
"""

import asyncio
import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread
import structlog

from sdnctl.api.operations import Later
from sdnctl.api.rate import Limiter
from sdnctl.api.schema import Json
from sdnctl.base.errors import IntentError, StoreError
from sdnctl.model.host import TUNNEL, Host, TraceAnswer, TraceQuestion
from sdnctl.model.resource import meta
from sdnctl.store import Batch, State, Store, Txn
from sdnctl.trace.model import HOPS_MOST, Exit, Leg, Question, Trace, unknown
from sdnctl.trace.wire import leg_of, packet_map

PATIENCE_S = 4.0
"""The longest time for one host's answer."""
WHOLE_S = 8.0
"""The longest time for a whole trace; clients wait 10 s for a call."""
WAITING_OF_ACCOUNT, WAITING_AT_HOST = 4, 16
"""Questions that may wait at a time, in the whole region."""
RATE_OF_ACCOUNT, RATE_OF_SERVER = 5, 50
"""Traces a second, each with a burst of two seconds'."""
EVERYBODY = ""
FORGOTTEN_S = 60.0
THREADS = 4
R = TypeVar("R")
log = structlog.get_logger("sdnctl.api.tracing")


@dataclass(eq=False, slots=True)
class _Waiter:
    """One question that waits for its answer."""

    loop: asyncio.AbstractEventLoop
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    answer: TraceAnswer | None = None


class Tracing:
    """The traces of those who call this server; it lives on the event loop, the store delivers on its own thread."""

    def __init__(self, store: Store, wall: Callable[[], float] = time.time) -> None:
        """``wall`` tells the time in epoch seconds."""
        self._store = store
        self._wall = wall
        self._lock = threading.Lock()  # guards the waiters
        self._waiters: dict[str, _Waiter] = {}
        self._limiter = Limiter()
        self._threads = anyio.CapacityLimiter(THREADS)
        store.subscribe(self._took)

    async def answer(self, later: Later) -> Json:
        """The document that an operation makes of its trace; IntentError when it is refused or no host answers."""
        self._limiter.admit(f"account {later.account}", RATE_OF_ACCOUNT)
        self._limiter.admit(EVERYBODY, RATE_OF_SERVER)
        end = asyncio.get_running_loop().time() + WHOLE_S
        legs: list[Leg] = []
        question: Question | None = later.question
        while question is not None:
            if len(legs) == HOPS_MOST:
                legs.append(unknown(question.host, f"the packet is still on its way after {HOPS_MOST} hosts"))
                break
            legs.append(await self._leg(question, later.account, end))
            found = await self._in_thread(partial(self._onward, later, legs[-1]))
            if isinstance(found, Leg):
                legs.append(found)
                break
            question = found.going_on(question) if found is not None else None
        return await self._in_thread(lambda: self._shown(later, Trace(tuple(legs))))

    async def _leg(self, question: Question, account: str, end: float) -> Leg:
        """One host's answer about a packet, or a leg that says that it does not answer."""
        loop = asyncio.get_running_loop()
        waiter = _Waiter(loop)
        id = f"{meta(TraceQuestion).prefix}-{secrets.token_hex(8)}"
        seconds = max(min(PATIENCE_S, end - loop.time()), 0.0)
        with self._waiting(id, waiter):
            await self._in_thread(lambda: self._put(id, question, account))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await waiter.woken.wait()
        try:
            await self._in_thread(lambda: self._remove(id))
        except StoreError as error:
            log.warning("a question stays", question=id, error=str(error))
        return _heard(question.host, waiter.answer, seconds)

    @contextlib.contextmanager
    def _waiting(self, id: str, waiter: _Waiter) -> Iterator[None]:
        with self._lock:
            self._waiters[id] = waiter
        try:
            yield
        finally:
            with self._lock:
                del self._waiters[id]

    async def _in_thread(self, work: Callable[[], R]) -> R:
        return await anyio.to_thread.run_sync(work, limiter=self._threads)

    def _put(self, id: str, question: Question, account: str) -> None:
        """Write a question down; IntentError when there are too many."""

        def work(txn: Txn) -> None:
            waiting = {*txn.by(TraceQuestion, ("host",), question.host), *txn.by(TraceQuestion, ("account",), account)}
            for old in sorted(waiting):
                known = txn.get(TraceQuestion, old)
                if known is not None and known.asked < self._wall() - FORGOTTEN_S:
                    txn.delete(TraceQuestion, old)
            if len(txn.by(TraceQuestion, ("account",), account)) >= WAITING_OF_ACCOUNT:
                raise _too_many(f"{WAITING_OF_ACCOUNT} traces of this account are under way")
            if len(txn.by(TraceQuestion, ("host",), question.host)) >= WAITING_AT_HOST:
                raise _too_many("too many traces wait for the same host")
            txn.put(
                TraceQuestion(
                    id=id,
                    host=question.host,
                    account=account,
                    entry=question.entry,
                    packet=packet_map(question.packet),
                    asked=self._wall(),
                )
            )

        self._store.report(work)

    def _remove(self, id: str) -> None:
        self._store.report(lambda txn: txn.delete(TraceQuestion, id))

    def _took(self, batch: Batch) -> None:
        """Wake those whose answers are in a batch; on the store's thread."""
        for change in batch.changes:
            if change.cls is not TraceAnswer or change.new is None:
                continue
            with self._lock:
                waiter = self._waiters.get(change.id)
                if waiter is not None:
                    waiter.answer = change.new
                    with contextlib.suppress(RuntimeError):  # the server has ended
                        waiter.loop.call_soon_threadsafe(waiter.woken.set)

    def _onward(self, later: Later, leg: Leg) -> Question | Leg | None:
        """The question to the next host; a leg that says why there is none, None where the way ends."""
        if leg.exit is None or leg.outcome == "unknown":
            return None
        with self._store.read() as state:
            if leg.exit.by == TUNNEL:
                return _beyond(leg.exit, state)
            return later.onward(leg.exit, state)

    def _shown(self, later: Later, trace: Trace) -> Json:
        with self._store.read() as state:
            return later.show(trace, state)


def _beyond(way: Exit, state: State) -> Question | Leg:
    """The question to the host at the far end of a tunnel."""
    for host in state.all(Host).values():
        if host.encap_ip == way.to:
            return Question(host.id, TUNNEL, way.packet)
    return unknown("", f"no host has the tunnel address {way.to} any more: ask again")


def _heard(host: str, answer: TraceAnswer | None, seconds: float) -> Leg:
    """The leg of a host by its answer."""
    if answer is None:
        return unknown(
            host,
            f"host {host} did not answer within {seconds:.0f} s: is its agent running, and does it reach the store "
            "('sdnctl status' says)? What becomes of the packet there is not known",
        )
    if answer.error:
        return unknown(host, f"host {host} cannot say: {answer.error}")
    try:
        return leg_of(host, answer.leg)
    except ValueError as fault:
        return unknown(host, f"host {host} answered what is no answer: {fault}")


def _too_many(what: str) -> IntentError:
    return IntentError(None, f"{what}: wait a moment and ask again", 429, "RATE_LIMIT_EXCEEDED")
