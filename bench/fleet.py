"""Many hosts in one process without threads or sockets: real agents and sessions, fake switches, a store in memory.

Everything that happens waits in one queue until ``settle``; so counts are the same every time.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from bench.fake import FakeKeeper, FakeSwitch
from sdnctl.agent.agent import Agent
from sdnctl.agent.events import Connected, Event, Gathered, Received
from sdnctl.agent.region import GATHER_S
from sdnctl.base.addresses import Ip4, Mac
from sdnctl.bridge.snapshot import Row, Settings, Snapshot
from sdnctl.program.feature import Program
from sdnctl.program.packets import Put, Report
from sdnctl.store import Batch, Change, Interest, State, Txn
from sdnctl.store.memory import MemoryStore, everything
from sdnctl.store.ovsdb.interest import Selection
from sdnctl.store.reach import reach

UPLINK_OFPORT, TUNNEL_OFPORT, FIRST_OFPORT = 1, 2, 100
UNDERLAY = Ip4.parse("172.31.0.0")


def host_id(number: int) -> str:
    """The name of the ``number``-th host."""
    return f"host-{number:03d}"


def settings_of(number: int) -> Settings:
    """The settings that a host's operator made."""
    return Settings(encap_ip=Ip4(UNDERLAY + 1 + number))


def snapshot(number: int, ports: Iterable[str]) -> Snapshot:
    """The switch database of the ``number``-th host, with these network interfaces plugged in."""
    rows = {
        id: Row(f"tap{n}", FIRST_OFPORT + n, id, Mac(0), f"{number}/{id}", zone=n + 1) for n, id in enumerate(ports)
    }
    uplink = Row("up0", UPLINK_OFPORT, "", Mac(0x020000000000 + number))
    return Snapshot(host_id(number), rows, uplink, settings_of(number), TUNNEL_OFPORT)


class Node:
    """One host; to its agent it is the store that it follows and the way of its reports."""

    def __init__(self, fleet: "Fleet", number: int, ports: Iterable[str]) -> None:
        self.fleet = fleet
        self.number = number
        self.name = host_id(number)
        self.seen = snapshot(number, ports)
        self.wanted = Selection({})
        self.switch = FakeSwitch(lambda messages: fleet.put(self, Received(self.switch, messages)))
        keeper = FakeKeeper(lambda event: fleet.put(self, event))
        self.agent = Agent(fleet.program, self._load(), self.seen, self, self, keeper)
        fleet.put(self, Connected(self.switch))

    def _load(self) -> list[Batch]:
        """All that this host can reach, step by step as a controller finds out."""
        known, batches = State(), list[Batch]()
        interest: Interest = {}
        while (wanted := reach(known, self.name, self.seen.ports)) != interest:
            interest = wanted
            batches.append(self._followed(wanted))
            known.apply(batches[-1].changes)
        return batches

    def _followed(self, interest: Interest) -> Batch:
        before, self.wanted = self.wanted, Selection(interest, self.wanted.number + 1)
        there = [Change(one.cls, one.id, one.new, one.new) for one in self.fleet.there()]
        return Batch(self.wanted.seen(there, before), self.fleet.store.state.sequence, self.wanted.number)

    # What the agent turns to.

    def put(self, *reports: Report) -> None:
        """Reports go to the store when everybody is done."""
        self.fleet.tell(self.name, list(reports))

    def follow(self, interest: Interest) -> None:
        """Follow more records; they come as a batch."""
        self.fleet.put(self, self._followed(interest))

    # What happens in its switch's database.

    def plug(self, id: str, row: str = "") -> None:
        """A network interface is plugged in; ``row`` tells this time from an earlier one."""
        ofport = max((known.ofport for known in self.seen.ports.values()), default=FIRST_OFPORT) + 1
        zone = ofport - FIRST_OFPORT + 1
        made = Row(f"tap{ofport}", ofport, id, Mac(0), row or f"{self.number}/{id}", zone=zone)
        self._now({**self.seen.ports, id: made})

    def unplug(self, id: str) -> None:
        """It is taken out."""
        self._now({known: row for known, row in self.seen.ports.items() if known != id})

    def _now(self, ports: Mapping[str, Row]) -> None:
        self.seen = replace(self.seen, ports=ports)
        self.fleet.put(self, self.seen)


class Fleet:
    """The region: a store that is filled already, and the hosts that are looked at."""

    def __init__(self, program: Program, store: MemoryStore) -> None:
        self.program = program
        self.store = store
        self.nodes: dict[int, Node] = {}
        self._queue: deque[Callable[[], object]] = deque()
        self._now = 1.0
        self._there: list[Change] | None = None
        store.subscribe(self._deliver)

    def there(self) -> list[Change]:
        """The whole region, as the changes that would make it."""
        if self._there is None:
            self._there = everything(self.store.state)
        return self._there

    def add(self, number: int, ports: Iterable[str]) -> Node:
        """A host comes up with these network interfaces plugged in."""
        node = self.nodes[number] = Node(self, number, ports)
        return node

    def put(self, node: Node, event: Event) -> None:
        """Something happens to a host."""
        one = Gathered(event, ((event.sequence, self._now),)) if isinstance(event, Batch) else event
        self._queue.append(lambda: list(node.agent.handle(one, self._now)))

    def tell(self, host: str, reports: list[Report]) -> None:
        """A host tells the store something."""
        self._queue.append(partial(self.store.report, partial(_write, host, reports)))

    def _deliver(self, batch: Batch) -> None:
        self._there = None
        for node in self.nodes.values():
            seen = node.wanted.seen(batch.changes)
            if seen:
                self.put(node, Batch(seen, batch.sequence, node.wanted.number))

    def settle(self) -> None:
        """Let everything happen that follows, also what the agents put off for a moment."""
        while self._queue:
            while self._queue:
                self._queue.popleft()()
            self._now += GATHER_S
            for node in self.nodes.values():
                node.agent.tick(self._now)

    @contextmanager
    def cost(self) -> Iterator[dict[int, Counter[str]]]:
        """The cost of the block for each host, in units that run and in messages that change its switch."""
        self.settle()
        before = {n: (node.agent.engine.runs, node.switch.mods) for n, node in self.nodes.items()}
        spent: dict[int, Counter[str]] = {}
        yield spent
        self.settle()
        for n, node in self.nodes.items():
            runs, mods = before[n]
            spent[n] = Counter(units=node.agent.engine.runs - runs, mods=node.switch.mods - mods)


def _write(host: str, reports: list[Report], txn: Txn) -> None:
    """As ``reporter`` does: nothing twice, and nothing of another host is deleted."""
    for one in reports:
        known: Any = txn.get(type(one.record), one.record.id) if isinstance(one, Put) else txn.get(one.cls, one.id)
        if isinstance(one, Put):
            if known != one.record:
                txn.put(one.record)
        elif known is not None and known.host == host:
            txn.delete(one.cls, one.id)
