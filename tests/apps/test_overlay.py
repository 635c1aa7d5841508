"""Instances of one VPC talk across hosts; each host knows what its own ports can reach, and one host has each port."""

from dataclasses import replace

import pytest

from apps.eni.model import NetworkInterface
from apps.eni.tables import OUTPUT
from apps.overlay.tables import REMOTE
from sdnctl.base.addresses import Ip4
from sdnctl.engine.engine import Engine
from sdnctl.model import resource as declared
from sdnctl.model.host import TUNNEL, Binding, Host, LocalPort, LocalTunnel, Peer
from sdnctl.program.feature import discover
from sdnctl.program.packets import Drop, Put, Report
from sdnctl.store import Change, State
from sdnctl.store.memory import everything
from sdnctl.store.reach import concerns, leads_on, reach
from tests.build import ELSEWHERE, HERE, Network

THIRD = "host-3"
HOSTS = {HERE: Ip4.parse("192.0.2.1"), ELSEWHERE: Ip4.parse("192.0.2.2"), THIRD: Ip4.parse("192.0.2.3")}


class Region:
    """Hosts with tunnels, each with an engine of its own, that hear of every commit; reports are written at once."""

    def __init__(self, network: Network) -> None:
        self.store = network.store
        for host, address in HOSTS.items():
            made = Host(id=host, encap_ip=address, encap_type="geneve")
            self.store.report(lambda txn, made=made: txn.put(made))
        self.engines = {host: Engine(discover(), host) for host in HOSTS}
        for engine in self.engines.values():
            tunnel = LocalTunnel(id=TUNNEL, ofport=7, mtu=1450)
            engine.apply([*everything(self.store.state), Change(LocalTunnel, TUNNEL, None, tunnel)], strict=True)
        self._queue: list[list[Change]] = []
        self.store.subscribe(lambda batch: self._queue.append(batch.changes))
        self._queue.clear()

    def plug(self, port: NetworkInterface, host: str, row: str) -> None:
        """The port appears on a host."""
        local = LocalPort(id=port.id, ofport=100 + port.key, row=row, zone=port.key)
        self.engines[host].apply([Change(LocalPort, port.id, None, local)], strict=True)
        self.settle()

    def unplug(self, port: NetworkInterface, host: str) -> None:
        """It goes away there."""
        self.engines[host].apply([Change(LocalPort, port.id, None, None)], strict=True)
        self.settle()

    def settle(self) -> None:
        """Let the hosts tell and hear until nobody has anything new to say."""
        for _ in range(50):
            for host, engine in self.engines.items():
                self._write(host, engine.take_reports())
            heard, self._queue = self._queue, []
            if not heard:
                return
            for changes in heard:
                for host, engine in self.engines.items():
                    engine.apply(changes, strict=True)
                    self._write(host, engine.take_reports(also=[(c.cls, c.id) for c in changes if c.cls is Binding]))
        raise AssertionError("they never agree")

    def _write(self, host: str, reports: list[Report]) -> None:
        for one in reports:
            if isinstance(one, Put) and isinstance(one.record, Peer):
                self.engines[host].apply([Change(Peer, one.record.id, None, one.record)])
            elif isinstance(one, Put):
                self.store.report(lambda txn, one=one: txn.put(one.record))
            elif one.cls is Peer:
                self.engines[host].apply([Change(Peer, one.id, None, None)])
            elif (known := self.store.state.get(one.cls, one.id)) is not None and known.host == host:
                self.store.report(lambda txn, one=one: txn.delete(one.cls, one.id))

    def flows(self, host: str, table: int) -> int:
        """The number of flows of a table that a host wants, table misses left out."""
        return sum(1 for flow in self.engines[host].desired.flows.values() if flow.table == table and flow.priority)


def network() -> tuple[Network, NetworkInterface, NetworkInterface, NetworkInterface]:
    net = Network()
    subnet = net.subnet(net.vpc("a", "10.0.0.0/16"), "a", "10.0.1.0/24")
    other = net.subnet(net.vpc("b", "10.0.0.0/16"), "b", "10.0.1.0/24")
    first, second = (net.port(subnet, name, f"10.0.1.{n}", host="") for n, name in ((10, "one"), (11, "two")))
    return net, first, second, net.port(other, "other", "10.0.1.10", host="")


def test_each_host_has_its_own_ports_and_the_way_to_those_it_can_reach() -> None:
    net, one, two, other = network()
    region = Region(net)
    region.plug(one, HERE, "r1")
    region.plug(two, ELSEWHERE, "r2")
    region.plug(other, THIRD, "r3")
    assert [region.flows(host, OUTPUT.id) for host in HOSTS] == [1, 1, 1]
    assert [region.flows(host, REMOTE.id) for host in HOSTS] == [1, 1, 0], "the third host has another VPC"
    peers = {host: set(engine.state.all(Peer)) for host, engine in region.engines.items()}
    assert peers == {HERE: {ELSEWHERE}, ELSEWHERE: {HERE}, THIRD: set()}, "who talks is watched, and nobody else"


def test_a_new_port_of_a_known_vpc_costs_a_few_units_where_the_vpc_is_and_none_elsewhere() -> None:
    net, one, _, other = network()
    region = Region(net)
    region.plug(one, HERE, "r1")
    region.plug(other, THIRD, "r3")
    third = net.port(net.subnet_of("subnet-a"), "three", "10.0.1.12", host="")
    before = {host: engine.runs for host, engine in region.engines.items()}
    region.plug(third, ELSEWHERE, "r9")
    ran = {host: engine.runs - before[host] for host, engine in region.engines.items()}
    assert ran[HERE] <= 3 and ran[THIRD] == 0, ran
    assert third.id in region.engines[HERE].state.all(Binding)


def test_the_newer_of_two_claims_has_the_port_and_the_older_one_lets_go() -> None:
    """A live migration: the same iface-id appears on a second host while the first still has it."""
    net, one, two, _ = network()
    region = Region(net)
    region.plug(one, HERE, "r1")
    region.plug(two, THIRD, "r2")
    region.plug(one, ELSEWHERE, "r3")
    binding = net.store.state.get(Binding, one.id)
    assert binding is not None and (binding.host, binding.displaced) == (ELSEWHERE, ("r1",))
    assert region.flows(HERE, OUTPUT.id) == 0, "nothing reaches the old place"
    assert region.flows(ELSEWHERE, OUTPUT.id) == 1
    assert region.flows(THIRD, REMOTE.id) == 1, "everybody else sends to the new place"


def test_a_host_that_comes_back_takes_nothing_back() -> None:
    net, one, _, _ = network()
    region = Region(net)
    region.plug(one, HERE, "r1")
    region.plug(one, ELSEWHERE, "r2")
    again = Engine(discover(), HERE)
    local = LocalPort(id=one.id, ofport=101, row="r1")
    again.apply([*everything(net.store.state), Change(LocalPort, one.id, None, local)], strict=True)
    assert not [report for report in again.take_reports(reconcile=True) if isinstance(report.record, Binding)]


def test_a_migration_that_is_given_up_falls_back() -> None:
    net, one, _, _ = network()
    region = Region(net)
    region.plug(one, HERE, "r1")
    region.plug(one, ELSEWHERE, "r2")
    region.unplug(one, ELSEWHERE)
    binding = net.store.state.get(Binding, one.id)
    assert binding is not None and (binding.host, binding.row) == (HERE, "r1")
    assert region.flows(HERE, OUTPUT.id) == 1


def test_back_and_forth() -> None:
    net, one, _, _ = network()
    region = Region(net)
    region.plug(one, HERE, "r1")
    region.plug(one, ELSEWHERE, "r2")
    region.unplug(one, HERE)
    region.plug(one, HERE, "r3")
    binding = net.store.state.get(Binding, one.id)
    assert binding is not None and (binding.host, binding.row) == (HERE, "r3")
    assert [region.flows(host, OUTPUT.id) for host in HOSTS] == [1, 0, 0]


def test_a_host_follows_what_its_ports_can_reach() -> None:
    net, one, _, _ = network()
    state = State()
    followed = reach(state, HERE, [one.id])
    assert followed[NetworkInterface] == (("id", one.id),), "nothing is known of the port yet"
    state.apply(everything(net.store.state))
    followed = reach(state, HERE, [one.id])
    assert followed[NetworkInterface] == (("vpc", "vpc-a"),)
    assert followed[Binding] == (("vpc", "vpc-a"), ("vpc", ""), ("host", HERE)), "also what it said itself"
    assert followed[Host] is None
    assert reach(state, HERE, [], gateway=True)[Binding] is None, "a gateway serves VPCs that it has no port of"


def test_a_followed_vpc_leads_to_another_one_hop_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """A VPC that is two hops away is not followed."""
    monkeypatch.setattr(declared, "_REGISTRY", dict(declared._REGISTRY))  # no other test is to store it

    @declared.resource(reach="vpc", leads=("vpc", "remote"))
    class ToyPeering:
        id: str
        vpc: str = declared.field()
        remote: str = declared.field()

    net, one, _, _ = network()
    state = State()
    state.apply(everything(net.store.state))
    chain = [ToyPeering(id="p-1", vpc="vpc-a", remote="vpc-x"), ToyPeering(id="p-2", vpc="vpc-x", remote="vpc-y")]
    state.apply([Change(ToyPeering, link.id, None, link) for link in chain])
    followed = reach(state, HERE, [one.id])
    assert followed[NetworkInterface] == followed[ToyPeering] == (("vpc", "vpc-a"), ("vpc", "vpc-x"))
    news = Change(ToyPeering, "p-3", None, ToyPeering(id="p-3", vpc="vpc-a", remote="vpc-z"))
    assert concerns(news, []) and leads_on(news, followed)
    assert not leads_on(Change(ToyPeering, "p-1", None, chain[0]), followed)


def test_no_tunnel_no_way() -> None:
    net, one, two, _ = network()
    region = Region(net)
    region.plug(one, HERE, "r1")
    region.plug(two, ELSEWHERE, "r2")
    known = net.store.state.get(Host, ELSEWHERE)
    assert known is not None
    net.store.report(lambda txn: txn.put(replace(known, encap_ip=Ip4(0))))
    region.settle()
    assert region.flows(HERE, REMOTE.id) == 0
    drops = [report for report in region.engines[HERE].take_reports(reconcile=True) if isinstance(report, Drop)]
    assert not drops and not region.engines[HERE].state.all(Peer)
