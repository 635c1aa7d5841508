"""One thread does all the thinking of a host: it takes events from one queue, in order, and waits for nothing else.

Everything reaches it as an event: batches of the store, snapshots of the switch's database, what the switch says.  No
other thread touches the engine or a session.
"""

import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from sdnctl.agent.agent import Agent, Watch
from sdnctl.agent.events import Event, Received, SwitchLink
from sdnctl.agent.reach import reach
from sdnctl.agent.reporter import Reporter
from sdnctl.agent.waiting import WaitingPackets
from sdnctl.bridge.snapshot import Snapshot
from sdnctl.of import message
from sdnctl.program.feature import Program
from sdnctl.store import Batch, Interest, State, Store

log = structlog.get_logger("loop")
ASKING_S = 2.0
R = TypeVar("R")
Work = Callable[[Agent], None]


class Loop:
    """The thread and its queue; ``put`` events from anywhere.

    ``ready`` is called once, when the store and the switch's database are loaded and the switch may be dialled.
    """

    def __init__(
        self,
        store: Store,
        program: Program,
        ready: Callable[[], object],
        watch: Watch,
        audit_s: float = 60.0,
    ) -> None:
        self.agent: Agent | None = None
        self.packet_ins_dropped = 0
        self._store = store
        self.program = program
        self._ready = ready
        self._watch = watch
        self._audit_s = audit_s
        self._reporter: Reporter | None = None
        self._queue: queue.SimpleQueue[tuple[Event | Work | None, float]] = queue.SimpleQueue()
        self._packet_ins = WaitingPackets()
        self._thread = threading.Thread(target=self._run, name="loop", daemon=True)

    def start(self) -> None:
        """Begin to work; ``put`` may have been called before."""
        self._thread.start()

    def put(self, event: Event) -> None:
        """Hand an event over."""
        self._queue.put((event, time.monotonic()))

    def ask(self, work: Callable[[Agent], R]) -> R | None:
        """Have something looked up between two events; None when the agent is not there, or too busy."""
        answer: queue.SimpleQueue[R] = queue.SimpleQueue()
        self._queue.put((lambda agent: answer.put(work(agent)), 0.0))
        try:
            return answer.get(timeout=ASKING_S)
        except queue.Empty:
            return None

    def received(self, link: SwitchLink, messages: list[bytes]) -> None:
        """Hand messages of the switch over, less the packet-ins that are too many."""
        kept = [one for one in messages if one[1] != message.PACKET_IN or self._packet_ins.admit(one)]
        self.packet_ins_dropped += len(messages) - len(kept)
        self._queue.put((Received(link, kept), 0.0))

    def close(self) -> None:
        """End after the event in hand; the switch keeps its flows."""
        self._queue.put((None, 0.0))
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
        agent = Agent(self.program, batches, seen, self._store, reporter, self._watch, self._audit_s)
        self.agent = agent
        self._ready()
        self._serve(agent)

    def _load(self) -> tuple[list[Batch], Snapshot] | None:
        """Read the switch's database, and all of the store that this host can reach; None when told to end.

        That part shows itself step by step: the ports that are plugged in, then what is of their VPCs.
        """
        batches: list[Batch] = []
        known = State()
        seen: Snapshot | None = None
        interest: Interest = {}
        due = 0
        while True:
            event, _ = self._queue.get()
            if event is None:
                return None
            if isinstance(event, Batch):
                batches.append(event)
                known.apply(event.changes)
            elif isinstance(event, Snapshot):
                seen = event
            if seen is None or not batches or batches[-1].followed < due:
                continue
            wanted = reach(known, seen.host, seen.ports, seen.settings.gateway > 0)
            if wanted == interest:
                return batches, seen
            interest = wanted
            due = self._store.follow(wanted)

    def _serve(self, agent: Agent) -> None:
        while True:
            wait = min(max(agent.deadline - time.monotonic(), 0.0), 60.0)
            try:
                event, arrived = self._queue.get(timeout=wait)
            except queue.Empty:
                agent.tick(time.monotonic())
                continue
            if event is None:
                return
            if callable(event):
                event(agent)
                continue
            agent.handle(event, time.monotonic(), arrived)
            if isinstance(event, Received):
                for one in event.messages:
                    if one[1] == message.PACKET_IN:
                        self._packet_ins.done(one)
