"""NAT gateways in the engine: one change touches its own flows, and only the host that translates has any."""

from dataclasses import replace

from apps.eip.model import ElasticIp
from apps.gateway.facts import deposed, translator
from apps.gateway.model import GATEWAY
from apps.holder.model import Holder
from apps.nat_gateway.facts import number_of
from apps.nat_gateway.model import DnatRule, NatGateway, SnatRule
from apps.nat_gateway.tables import CHECK, IN, OUT, RULE, SLOT
from apps.nat_gateway.writes import leave
from sdnctl.base.addresses import Cidr, Ip4
from sdnctl.model.host import Host, LocalPeer
from sdnctl.store import Change
from tests.build import ELSEWHERE, HERE, Network, follow
from tests.networks.nat_gateway import natted

TABLES = {table.name: table for table in (OUT, RULE, SLOT, CHECK, IN)}


def flows(engine: object, table: object) -> int:
    return sum(1 for flow in engine.desired.flows.values() if flow.table == table.id and flow.priority)  # type: ignore[attr-defined]


def small(eips: int = 1) -> tuple[Network, NatGateway]:
    """A VPC with some machines and a gateway."""
    net = Network()
    net.uplink()
    vpc = net.vpc("a", "10.0.0.0/16")
    front, edge = net.subnet(vpc, "front", "10.0.1.0/24"), net.subnet(vpc, "edge", "10.0.9.0/24")
    for number in range(20):
        net.port(front, f"p{number}", f"10.0.1.{10 + number}")
    natgw = net.nat_gateway("nat", edge, *(f"203.0.113.{10 + n}" for n in range(eips)))
    net.route(net.table(vpc, "users", front), "0.0.0.0/0", natgw)
    return net, natgw


def test_one_rule_more_touches_its_own_flows() -> None:
    """Among machines and rules as many as there may be: two flows for a source, four for a port."""
    net, natgw = small()
    for number in range(50):
        net.dnat(f"d{number}", natgw, "fip-nat-0", "tcp", net.port_of("port-p0"), 1000 + number, 1000 + number)
    engine = net.engine()
    touched = follow(net, engine)
    rule = SnatRule(id="snat-x", account="acc", vpc=natgw.vpc, gateway=natgw.id, cidr=Cidr(Ip4.parse("10.0.1.10"), 32))
    net.store.transact(lambda txn: txn.put(rule))
    assert len(touched[-1].cookies) == 1
    net.dnat("more", natgw, "fip-nat-0", "udp", net.port_of("port-p1"), 53, 53)
    assert len(touched[-1].cookies) == 4
    net.store.transact(lambda txn: txn.delete(DnatRule, "dnat-more"))
    assert len(touched[-1].cookies) == 4


def test_an_elastic_ip_more_moves_only_the_slots_that_it_gets() -> None:
    net, natgw = small(2)
    engine = net.engine()
    touched = follow(net, engine)
    net.eip("more", "203.0.113.20", net.port_of(natgw.port))
    # The set has another number: its slots are new ones, and its rule leads there.
    assert flows(engine, SLOT) == 256 + 3 + 1 and len(touched[-1].cookies) < 600
    found: list[ElasticIp] = [eip for eip in net.store.state.all(ElasticIp).values() if eip.port == natgw.port]
    assert number_of(natgw.zone, found) != number_of(natgw.zone, found[:2])


def test_an_elastic_ip_that_goes_has_no_flow_left_and_leaves_the_others() -> None:
    net, natgw = small(2)
    engine = net.engine()
    follow(net, engine)
    assert flows(engine, CHECK) == 5  # two elastic IPs, two for what is gone, one for what is not translated
    eip = net.store.state.all(ElasticIp)["fip-nat-0"]
    net.store.transact(lambda txn: leave(txn, natgw, eip))
    assert flows(engine, CHECK) == 4 and flows(engine, SLOT) == 1


def test_offline_gets_no_new_connections_and_keeps_its_way() -> None:
    net, natgw = small(2)
    engine = net.engine()
    follow(net, engine)
    net.store.transact(lambda txn: txn.put(replace(natgw, offline=("fip-nat-0",))))
    assert flows(engine, SLOT) == 1 and flows(engine, CHECK) == 5


def test_a_stopped_gateway_has_no_tables() -> None:
    net, natgw = small()
    engine = net.engine()
    follow(net, engine)
    before = {name: flows(engine, table) for name, table in TABLES.items()}
    net.store.transact(lambda txn: txn.put(replace(natgw, running=False)))
    assert (flows(engine, OUT), flows(engine, RULE)) == (0, 3) and natgw.zone not in engine.desired.limits
    net.store.transact(lambda txn: txn.put(natgw))
    assert {name: flows(engine, table) for name, table in TABLES.items()} == before
    assert engine.desired.limits[natgw.zone] == 1_000_000
    assert ("tcp_established", 1800) in engine.desired.times[natgw.zone]


def test_the_active_gateway_translates_and_nobody_beside_it() -> None:
    """Without gateways the first host with an uplink does; with some, whichever holds the role."""
    net, _ = small()
    for name, last in ((HERE, 1), (ELSEWHERE, 2)):
        host = Host(id=name, uplink="eth1", encap_ip=Ip4.parse(f"192.0.2.{last}"), encap_type="geneve", gateway=10)
        net.store.report(lambda txn, host=host: txn.put(host))
    net.store.report(lambda txn: txn.put(Holder(id=GATEWAY, host=ELSEWHERE)))
    engine = net.engine()
    follow(net, engine)
    assert engine.view().derived(translator, None) == ELSEWHERE and flows(engine, OUT) == 0
    net.store.report(lambda txn: txn.put(Holder(id=GATEWAY, host=HERE)))
    assert flows(engine, OUT) > 0
    assert not engine.view().derived(deposed, ELSEWHERE)
    engine.apply([Change(LocalPeer, ELSEWHERE, None, LocalPeer(id=ELSEWHERE, up=False, met=True))], strict=True)
    assert engine.view().derived(deposed, ELSEWHERE)


def test_three_gateways_are_told_apart_by_their_zones() -> None:
    engine = natted().engine()
    zones = {natgw.zone for natgw in natted().store.state.all(NatGateway).values()}
    assert len(zones) == 3 and len(zones & engine.desired.limits.keys()) == 2  # one is stopped
