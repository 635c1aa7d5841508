"""One thread does all the thinking of a host: it takes events from one mailbox, and waits for nothing else.

Everything reaches it as an event: batches of the store, snapshots of the switch's database, what the switch says.  No
other thread touches the engine or a session.  What takes long is done in slices, and between two of them packets are
answered: none waits for longer than a slice and the packets before it, whatever others change.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import structlog

from sdnctl.agent.agent import Agent, HostRenamed
from sdnctl.agent.counters import Histogram
from sdnctl.agent.events import Event, Gathered, SwitchLink
from sdnctl.agent.keeper import Keeper
from sdnctl.agent.mailbox import Mailbox, Packet
from sdnctl.agent.reporter import Reporter
from sdnctl.bridge.snapshot import Snapshot
from sdnctl.program.feature import Program
from sdnctl.store import Batch, Interest, State, Store
from sdnctl.store.reach import reach

log = structlog.get_logger("loop")
ASKING_S = 2.0
WAIT_S = 60.0
LAST_WORD_S, PATIENCE_S = 3.0, 5.0
SLICE_S = 0.005
"""The time after which work that takes longer pauses, for packets to be answered."""
R = TypeVar("R")


class Loop:
    """The thread and its queue; ``put`` events from anywhere.

    ``ready`` is called once, when the store and the switch's database are loaded and the switch may be dialled.
    """

    def __init__(
        self,
        store: Store,
        program: Program,
        ready: Callable[[], object],
        keeper: Keeper,
        audit_s: float = 60.0,
    ) -> None:
        self.agent: Agent | None = None
        self.mailbox = Mailbox()
        self.packets_waited = Histogram()
        """The time that packets waited until they were answered."""
        self._store = store
        self.program = program
        self._ready = ready
        self._keeper = keeper
        self._audit_s = audit_s
        self._reporter: Reporter | None = None
        self._thread = threading.Thread(target=self._run, name="loop", daemon=True)

    def start(self) -> None:
        """Begin to work; ``put`` may have been called before."""
        self._thread.start()

    def put(self, event: Event) -> None:
        """Hand an event over."""
        self.mailbox.put(event)

    def ask(self, work: Callable[[Agent], R]) -> R | None:
        """Have something looked up between two events; None when the agent is not there, or too busy."""
        answer: queue.SimpleQueue[R] = queue.SimpleQueue()
        self.mailbox.put(lambda agent: answer.put(work(agent)))
        try:
            return answer.get(timeout=ASKING_S)
        except queue.Empty:
            return None

    def received(self, link: SwitchLink, messages: list[bytes]) -> None:
        """Hand messages of the switch over, less the packet-ins that are too many."""
        self.mailbox.received(link, messages)

    def close(self) -> None:
        """End after the event in hand; the switch keeps its flows."""
        self.mailbox.end()
        self._thread.join(5)
        if self._reporter is not None:
            self._reporter.close()

    def _run(self) -> None:
        loaded = self._load()
        if loaded is None:
            return
        batches, seen = loaded
        log.info("the store and the switch are known", host=seen.host, ports=len(seen.ports))
        reporter = self._reporter = Reporter(self._store, seen.host)
        agent = Agent(self.program, batches, seen, self._store, reporter, self._keeper, self._audit_s)
        self.agent = agent
        self._ready()
        self._serve(agent, reporter)

    def _load(self) -> tuple[list[Batch], Snapshot] | None:
        """Read the switch's database, and all of the store that this host can reach; None when told to end.

        That part shows itself step by step: the ports that are plugged in, then what is of their VPCs.
        """
        batches: list[Batch] = []
        known = State()
        seen: Snapshot | None = None
        interest: Interest = {}
        due, told = 0, False
        while not self.mailbox.ended:
            _, event = self.mailbox.take(PATIENCE_S)
            if event is None and not told:
                told = True
                log.warning("waiting", store_answers=bool(batches), switch_answers=seen is not None)
            if isinstance(event, Gathered):
                batches.append(event.batch)
                known.apply(event.batch.changes)
            elif isinstance(event, Snapshot):
                seen = event
            if seen is None or not batches or batches[-1].followed < due:
                continue
            wanted = reach(known, seen.host, seen.ports, seen.settings.gateway > 0)
            if wanted == interest:
                return batches, seen
            interest = wanted
            due = self._store.follow(wanted)
        return None

    def _serve(self, agent: Agent, reporter: Reporter) -> None:
        while not self.mailbox.ended:
            wait = min(max(agent.deadline - time.monotonic(), 0.0), WAIT_S)
            packets, event = self.mailbox.take(wait)
            self._answer(packets, agent)
            if event is None:
                agent.tick(time.monotonic())
            elif callable(event):
                event(agent)
            else:
                try:
                    for _ in _paced(agent.handle(event, time.monotonic())):
                        self._answer(self.mailbox.packets(), agent)
                except HostRenamed:
                    reporter.flush(LAST_WORD_S)
                    raise

    def _answer(self, packets: list[Packet], agent: Agent) -> None:
        for one in packets:
            now = time.monotonic()
            self.packets_waited.observe(now - one.arrived)
            agent.packet(one.link, one.message, now)


def _paced(work: Iterator[None]) -> Iterator[None]:
    """The pauses of long work that are worth one: at least ``SLICE_S`` after the last."""
    due = time.monotonic() + SLICE_S
    for _ in work:
        if time.monotonic() >= due:
            yield
            due = time.monotonic() + SLICE_S
