"""Questions of the region's API servers to this host: what would become of a packet here?

A thread of their own asks the switch, one question after the other and not too many a second; the thread that thinks
only says where the packet comes in and whose flows it met.  So however many ask, the host's other work goes on.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import structlog

from sdnctl.base.errors import IntentError, StoreError, SwitchError
from sdnctl.engine.engine import Engine
from sdnctl.model.host import TraceAnswer, TraceQuestion
from sdnctl.program.step import Packet
from sdnctl.store import Batch, Change, Store, Txn
from sdnctl.trace.model import Question
from sdnctl.trace.ofproto import read
from sdnctl.trace.wire import leg_text, packet_of
from sdnctl.trace.words import arriving, tell

WAITING_MOST = 32
PACE_S = 0.05
"""At least this long from the beginning of one question to that of the next: 20 a second."""
STALE_S = 4.0
"""A question that waited longer is not asked any more: nobody waits for its answer."""
LIFE_S = 30.0
"""A question or an answer that is still there after this time was forgotten by whoever asked."""
SWEEP_S = 5.0
R = TypeVar("R")
log = structlog.get_logger("questions")


class Host(Protocol):
    """The part of an ``agent.Agent`` that is needed here."""

    host: str
    engine: Engine


class Thinking(Protocol):
    """The thread that has the host's engine; see ``loop.Loop``."""

    @property
    def agent(self) -> Host | None:
        """The agent, once all is loaded; its name may be read from any thread."""

    def ask(self, work: Callable[[Any], R]) -> R | None:
        """Have something looked up between two events; None when the agent is not there, or too busy."""


class Questions:
    """The questions to one host, and its answers."""

    def __init__(
        self,
        store: Store,
        thinking: Thinking,
        switch: Callable[[Packet], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``switch`` says what it would do with a packet (``trace.switch.ask``)."""
        self._store = store
        self._thinking = thinking
        self._switch = switch
        self._clock = clock
        self._lock = threading.Lock()  # guards what is known
        self._known: dict[str, float] = {}
        self._waiting: queue.Queue[tuple[TraceQuestion, float] | None] = queue.Queue(WAITING_MOST)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="questions", daemon=True)

    def start(self) -> None:
        """Follow the store and answer from now on."""
        self._store.subscribe(self._took)
        self._thread.start()

    def close(self) -> None:
        """Take no more questions; at the end the thread is gone."""
        self._stopping.set()
        with contextlib.suppress(queue.Full):  # then it does not wait for one
            self._waiting.put_nowait(None)
        if self._thread.is_alive():
            self._thread.join()

    def _took(self, batch: Batch) -> None:
        """Note on the store's thread which questions and answers there are, and have the new ones wait.

        A gateway follows those of other hosts too; they are none of its business.
        """
        agent, now = self._thinking.agent, self._clock()
        for change in batch.changes:
            if change.cls not in (TraceQuestion, TraceAnswer):
                continue
            if agent is not None and agent.host == (change.new or change.old).host:
                with self._lock:
                    self._note(change, now)

    def _note(self, change: Change, now: float) -> None:
        if change.new is None:
            self._known.pop(change.id, None)
            return
        self._known.setdefault(change.id, now)
        if change.cls is TraceQuestion and change.old is None:
            with contextlib.suppress(queue.Full):  # who asks is told after a while that nobody answered
                self._waiting.put_nowait((change.new, now))

    def _run(self) -> None:
        swept = self._clock()
        while not self._stopping.is_set():
            if self._clock() > swept + SWEEP_S:
                swept = self._clock()
                self._sweep(swept)
            try:
                asked = self._waiting.get(timeout=SWEEP_S)
            except queue.Empty:
                continue
            if asked is None:
                return
            question, came = asked
            began = self._clock()
            if began - came < STALE_S:
                self._tell(self._answer(question))
            self._stopping.wait(max(0.0, began + PACE_S - self._clock()))

    def _answer(self, asked: TraceQuestion) -> TraceAnswer:
        """The answer to a question; without a leg, why there is none."""
        try:
            leg, error = self._leg(asked), ""
        except (ValueError, SwitchError) as fault:
            leg, error = "", str(fault)
        return TraceAnswer(id=asked.id, host=asked.host, question=asked.id, leg=leg, error=error)

    def _leg(self, asked: TraceQuestion) -> str:
        """The packet's fate on this host, as JSON; ValueError or SwitchError when that cannot be found out."""
        question = Question(asked.host, asked.entry, packet_of(asked.packet))
        packet = self._thinking.ask(lambda agent: arriving(question, agent.engine))
        if packet is None:
            raise SwitchError(f"the agent of host {asked.host} is busy")
        if isinstance(packet, str):
            raise SwitchError(packet)
        steps = read(self._switch(packet), packet)
        leg = self._thinking.ask(lambda agent: tell(steps, agent.engine))
        if leg is None:
            raise SwitchError(f"the agent of host {asked.host} is busy")
        return leg_text(leg)

    def _tell(self, answer: TraceAnswer) -> None:
        def work(txn: Txn) -> None:
            if txn.get(TraceQuestion, answer.id) is not None:  # else nobody waits for it any more
                txn.put(answer)

        self._write(work)

    def _sweep(self, now: float) -> None:
        """Remove what nobody has removed in time; what was there before all was loaded counts from now."""
        agent = self._thinking.agent
        if agent is None:
            return
        with self._store.read() as state:
            found = {id for cls in (TraceQuestion, TraceAnswer) for id in state.by(cls, ("host",), agent.host)}
        with self._lock:
            self._known = {id: self._known.get(id, now) for id in found}
            old = [id for id, since in self._known.items() if now > since + LIFE_S]

        def work(txn: Txn) -> None:
            for id in old:
                txn.delete(TraceQuestion, id)
                txn.delete(TraceAnswer, id)

        if old:
            self._write(work)

    def _write(self, work: Callable[[Txn], None]) -> None:
        try:
            self._store.report(work)
        except (IntentError, StoreError) as fault:
            log.info("an answer was not taken", error=str(fault))
