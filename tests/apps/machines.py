"""Hosts of a region side by side, each with its engine and a switch that takes its time: every step is the test's."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from apps.eip.model import ElasticIp
from apps.eip.tables import DNAT
from apps.eip.writes import bind, unbind
from apps.eni.model import NetworkInterface
from apps.gateway.model import GATEWAY
from apps.holder.model import Holder
from apps.uplink.model import Pool
from apps.uplink.tables import ARRIVAL
from apps.vpc.model import Subnet
from sdnctl.base.addresses import Ip4, Mac
from sdnctl.engine.desired import Touched
from sdnctl.engine.engine import Engine
from sdnctl.engine.ledger import ReportKey
from sdnctl.model.host import TUNNEL, UPLINK, Host, HostStatus, LocalPeer, LocalPort, LocalTunnel, LocalUplink, Peer
from sdnctl.of.flow import Flow
from sdnctl.program.feature import Program
from sdnctl.program.packets import Drop, PacketOut, Put, Report
from sdnctl.program.pipeline import Table
from sdnctl.store import Batch, Change, Txn
from sdnctl.store.memory import MemoryStore, everything
from sdnctl.store.ovsdb.interest import Selection
from sdnctl.store.reach import reach
from tests.build import Network

ADDRESS = "203.0.113.10"
TICKERS = ("holder.wait_for_holders", "gateway.keep_contact")


class Machine:
    """A host: what it has heard of, what its switch has in force, and what it has still to tell."""

    def __init__(self, host: Host, program: Program, store: MemoryStore) -> None:
        self.id = host.id
        self.host = host
        self.program = program
        self.store = store
        self.alive = True
        self.online = True
        self.local: dict[tuple[type, str], Any] = {}
        if host.encap_ip:
            self.local[LocalTunnel, TUNNEL] = LocalTunnel(id=TUNNEL, ofport=7, mtu=1450)
        if host.uplink:
            self.local[LocalUplink, UPLINK] = LocalUplink(id=UPLINK, ofport=9, mac=host.uplink_mac)
        self.in_force: dict[int, Flow] = {}
        self.said: list[bytes] = []
        self.start()

    def start(self) -> None:
        """Its controller starts, knowing nothing but the store; the switch has what it had."""
        self.engine = Engine(self.program, self.id)
        self.inbox: list[list[Change]] = []
        self.outbox: dict[ReportKey, Report] = {}
        self.held: dict[ReportKey, Report] = {}
        self._touched = Touched()
        self.reported = {cls for feature in self.program.features for cls in feature.reports}
        self._wanted = Selection({})
        local = [Change(cls, id, None, one) for (cls, id), one in self.local.items()]
        self._touched.merge(self.engine.apply(local, strict=True))
        while not self.inbox or self.inbox[-1]:
            self.follow()
            self._touched.merge(self.engine.apply(self.inbox[-1], strict=True))
        self.inbox.clear()
        self._obey(self.engine.take_reports(reconcile=True))

    def has(self, record: Any, gone: bool = False) -> None:
        """Something of the machine itself comes, changes or goes."""
        key = (type(record), record.id)
        known = self.local.pop(key, None)
        if not gone:
            self.local[key] = record
        self.follow()
        self._apply([Change(*key, known, None if gone else record)])

    def follow(self) -> None:
        """Ask the store for what the machine reaches now."""
        ports = [id for cls, id in self.local if cls is LocalPort]
        before = self._wanted
        self._wanted = Selection(reach(self.engine.state, self.id, ports, self.host.gateway > 0))
        there = [Change(one.cls, one.id, one.new, one.new) for one in everything(self.store.state)]
        self.inbox.append(self._wanted.seen(there, before))

    def deliver(self, changes: list[Change]) -> None:
        """The store has a commit for it."""
        seen = self._wanted.seen(changes)
        if seen:
            self.inbox.append(seen)

    # One step each.

    def hear(self) -> bool:
        """Take the next commit in; False when there is none, or the store is out of reach."""
        if not self.inbox or not self.online:
            return False
        changes = self.inbox.pop(0)
        self._apply(changes)
        if any(change.cls is NetworkInterface for change in changes):
            before = len(self.inbox)
            self.follow()
            if not self.inbox[before]:
                self.inbox.pop()
        return True

    def confirm(self) -> bool:
        """The switch is where the engine wants it; what has gone may be told, and what came is announced."""
        moved = self.in_force.keys() != self.engine.desired.flows.keys()
        new = self.engine.desired.flows.keys() - self.in_force.keys()
        announced = [packet for cookie, packet in self._touched.announce if cookie in new]
        self.said += [packet.data for packet in announced if isinstance(packet, PacketOut)]
        self._touched = Touched()
        self.in_force = dict(self.engine.desired.flows)
        told, self.held = self.held, {}
        self.outbox.update(told)
        return moved or bool(told)

    def tell(self) -> bool:
        """Bring its reports to the store, as ``Reporter`` writes them."""
        if not self.online:
            return False
        told, self.outbox = self.outbox, {}
        for one in told.values():
            cls, id = (one.cls, one.id) if isinstance(one, Drop) else (type(one.record), one.record.id)
            if self.store.state.get(cls, id) != one.known:
                continue
            if isinstance(one, Put):
                self.store.report(lambda txn, one=one: txn.put(one.record))
            else:
                self.store.report(lambda txn, one=one: txn.delete(one.cls, one.id))
        return bool(told)

    def tick(self) -> None:
        """A quarter of a second passes."""
        for ticker in TICKERS:
            self._obey(self.engine.tick(ticker))
        if self.engine.stirred:
            self._apply([])

    def settled(self) -> bool:
        """Hear, confirm and tell until there is nothing more; whether there was nothing."""
        steps = 0
        while self.hear() | self.confirm() | self.tell():
            steps += 1
        return not steps

    def _apply(self, changes: list[Change]) -> None:
        self._touched.merge(self.engine.apply(changes, strict=True))
        self._obey(self.engine.take_reports(also=[(c.cls, c.id) for c in changes if c.cls in self.reported]))

    def _obey(self, reports: Iterable[Any]) -> None:
        for one in reports:
            if not isinstance(one, Put | Drop):
                continue
            cls, id = (one.cls, one.id) if isinstance(one, Drop) else (type(one.record), one.record.id)
            if isinstance(one, Put):
                self.held.pop((cls, id), None)
                self.outbox[cls, id] = one
            else:
                self.outbox.pop((cls, id), None)
                self.held[cls, id] = one

    # What a test looks at.

    def answers(self, address: str) -> bool:
        """True when anything that presents a public address is, or may be, in its switch."""
        flows = {**self.in_force, **self.engine.desired.flows}.values()
        named = Ip4.parse(address).to_bytes(4, "big")
        return any(flow.table in (ARRIVAL.id, DNAT.id) and named in flow.match for flow in flows)

    def flows(self, table: Table) -> set[Flow]:
        """The flows of a table that it wants, table misses left out."""
        return {flow for flow in self.engine.desired.flows.values() if flow.table == table.id and flow.priority}

    @property
    def peers(self) -> set[str]:
        """The hosts that it watches."""
        return set(self.engine.state.all(Peer))


class Machines:
    """A region: one VPC (two with the same addresses where a test asks), a pool, and some hosts."""

    def __init__(self, *hosts: str) -> None:
        """``hosts`` are names; those that begin with ``g`` are gateways, those with ``n`` have no uplink.

        ``g1`` is preferred to ``g2``.
        """
        self.network = Network()
        self.store = self.network.store
        self.pool: Pool = self.network.uplink()
        self.subnet = self.network.subnet(self.network.vpc("a", "10.0.0.0/16"), "a", "10.0.1.0/24")
        self.all: dict[str, Machine] = {}
        self._rows = 0
        for number, name in enumerate(hosts, 1):
            uplink = "" if name.startswith("n") else "eth1"
            host = Host(
                id=name,
                uplink=uplink,
                uplink_mac=Mac(0x020000000000 + number),
                encap_ip=Ip4.parse(f"192.0.2.{number}"),
                encap_type="geneve",
                gateway=10 - number if name.startswith("g") else 0,
            )
            self.store.report(lambda txn, host=host: txn.put(host))
            self.all[name] = Machine(host, self.network.program, self.store)
        self.store.subscribe(self._deliver)
        self.settle()

    def _deliver(self, batch: Batch) -> None:
        for machine in self.all.values():
            if machine.alive:
                machine.deliver(batch.changes)

    def __getitem__(self, name: str) -> Machine:
        return self.all[name]

    def port(self, name: str, host: str, address: str, subnet: Subnet | None = None) -> NetworkInterface:
        """An interface that is plugged in at a host."""
        made = self.network.port(subnet or self.subnet, name, address, host="")
        self.plug(made, host)
        return made

    def plug(self, port: NetworkInterface, host: str) -> None:
        """The interface appears on a host."""
        self._rows += 1
        self[host].has(LocalPort(id=port.id, ofport=100 + port.key, row=f"row-{self._rows}", zone=self._rows))

    def unplug(self, port: NetworkInterface, host: str) -> None:
        """It goes away there."""
        self[host].has(self[host].local[LocalPort, port.id], gone=True)

    def eip(self, name: str, address: str) -> str:
        """An elastic IP that is bound to nothing."""
        return self.network.eip(name, address).id

    def bind(self, eip: str, port: NetworkInterface) -> None:
        """As the API does it."""
        self.store.transact(lambda txn: bind(txn, _known(txn, eip), port, port.addresses[0]))

    def move(self, eip: str, port: NetworkInterface) -> None:
        """As the API does it with ``reassociate``."""
        self.store.transact(lambda txn: bind(txn, _known(txn, eip), port, port.addresses[0], move=True))

    def unbind(self, eip: str) -> None:
        """As the API does it."""
        self.store.transact(lambda txn: unbind(txn, _known(txn, eip)))

    def connect(self, *cut: str) -> None:
        """BFD says of each watched way that it works, but not to or from the hosts named."""
        for machine in self.running():
            for peer in machine.peers:
                there = self.all.get(peer)
                watched = there is not None and there.alive and machine.id in there.peers
                up = watched and not {machine.id, peer} & set(cut)
                known = machine.local.get((LocalPeer, peer))
                now = LocalPeer(id=peer, up=up, met=up or (known is not None and known.met))
                if known != now:
                    machine.has(now)

    def kill(self, name: str) -> None:
        """The whole machine goes dark."""
        self[name].alive = False
        self[name].in_force = {}

    def running(self) -> list[Machine]:
        """Those that are not dead."""
        return [machine for machine in self.all.values() if machine.alive]

    def settle(self) -> None:
        """Let all hear, confirm and tell until nobody has anything new to say."""
        for _ in range(50):
            if not sum(not machine.settled() for machine in self.running()):
                return
        raise AssertionError("they never agree")

    def wait(self, looks: int, *cut: str) -> None:
        """Quarters of a second pass; no tunnel to the hosts named, or from them, works."""
        for _ in range(looks):
            self.connect(*cut)
            self.settle()
            for machine in self.running():
                machine.tick()
            self.settle()

    def cut(self, name: str) -> None:
        """A host is cut off from the others and from the store; its uplink works."""
        self[name].online = False

    def mend(self, name: str) -> None:
        """It reaches the store again, which has all the news for it at once."""
        self[name].online = True
        self[name].inbox = [[change for changes in self[name].inbox for change in changes]]

    def sign(self, *names: str) -> None:
        """A report of how a host does is in the store."""
        for name in names:
            known = self.store.state.get(HostStatus, name) or HostStatus(id=name, host=name)
            self.store.report(lambda txn, known=known: txn.put(replace(known, seen=known.seen + 1)))

    def answering(self, address: str) -> list[str]:
        """The hosts that present a public address, or may, as far as their switches have told."""
        return [machine.id for machine in self.running() if machine.answers(address)]

    @property
    def active(self) -> str:
        """The gateway that serves."""
        found = self.store.state.get(Holder, GATEWAY)
        return found.host if found is not None else ""

    def holder(self, address: str) -> str:
        """The host that has told the region that it presents an address."""
        found = self.store.state.get(Holder, address)
        return found.host if found is not None else ""


def _known(txn: Txn, eip: str) -> ElasticIp:
    found = txn.get(ElasticIp, eip)
    assert found is not None
    return found


def gatewayed() -> Machines:
    """An instance with an elastic IP on a host without uplink, and two gateways that everybody reaches."""
    region = Machines("g1", "g2", "n1", "h1")
    region.bind(region.eip("one", ADDRESS), region.port("vm", "n1", "10.0.1.10"))
    region.settle()
    region.wait(2)
    return region


def hosted() -> Machines:
    """An instance with an elastic IP on a host of its own, another instance on another one."""
    region = Machines("h1", "h2", "h3")
    region.bind(region.eip("one", ADDRESS), region.port("vm", "h1", "10.0.1.10"))
    region.port("spare", "h2", "10.0.1.11")
    region.settle()
    region.wait(2)
    return region
