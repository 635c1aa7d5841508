"""Custom route tables: the longest prefix, then the lowest priority; equal routes share connections and keep them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from apps.eni.model import NetworkInterface
from apps.routing.flows import SLOTS
from apps.routing.model import Route
from apps.routing.tables import ECMP
from sdnctl.engine.engine import Engine
from sdnctl.program.pipeline import Priority
from sdnctl.store import Change
from sdnctl.store.memory import everything
from sdnctl.testing.simulated import Verdict
from tests.build import Network
from tests.lab import Lab
from tests.networks.routing import detours

FLOWS = 300


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(detours()) as made:
        yield made


def udp(lab: Lab, destination: str, source_port: int = 1000) -> Verdict:
    return lab.ip("vm", destination, more=f"udp,udp_src={source_port},udp_dst=53")


@pytest.mark.parametrize(
    ("destination", "verdict"),
    [
        ("10.0.9.12", "to nfv2"),
        ("10.0.77.1", "dropped: no-subnet"),
        ("172.16.8.1", "to nfv0"),
        ("192.168.1.1", "to nfv1"),
        ("198.51.100.1", "to nfv0"),
    ],
    ids=["local-beats-all", "local-even-if-unused", "longest-prefix", "lowest-priority", "default"],
)
def test_where_a_packet_goes(lab: Lab, destination: str, verdict: str) -> None:
    assert str(udp(lab, destination)) == verdict


def test_equal_routes_share_connections(lab: Lab) -> None:
    """About half of the connections each, and every packet of one connection the same way."""
    ways = {port: str(udp(lab, "172.16.1.1", port)) for port in range(2000, 2000 + FLOWS)}
    shares = Counter(ways.values())
    assert set(shares) == {"to nfv1", "to nfv2"}
    assert min(shares.values()) > FLOWS / 4
    assert all(str(udp(lab, "172.16.1.1", port)) == way for port, way in list(ways.items())[:20])


def test_both_directions_meet_the_same_appliance() -> None:
    """Between two networks behind the VPC, there and back."""
    net = detours()
    custom = net.table_of("rtb-custom")
    sender = net.port(net.subnet_of("subnet-inside"), "transit", "10.0.1.20", check=False)
    for hop in ("nfv1", "nfv2"):
        net.route(custom, "172.30.0.0/16", net.port_of(f"port-{hop}"))
    ways = Counter[str]()
    with Lab(net) as lab:
        for port in range(4000, 4040):
            there = lab.ip("transit", "172.16.1.1", f"tcp,tp_src={port},tp_dst=80", source="172.30.1.1")
            back = lab.ip("transit", "172.30.1.1", f"tcp,tp_src=80,tp_dst={port}", source="172.16.1.1")
            assert there.to == back.to
            ways[str(there)] += 1
    assert len(ways) == 2 and sender.sanity_check is False


def test_a_way_that_goes_moves_only_its_own_connections() -> None:
    """Three ways, one goes: the connections of the other two stay where they were."""
    net = detours()
    custom = net.table_of("rtb-custom")
    net.route(custom, "172.16.0.0/16", net.port_of("port-nfv0"))
    with Lab(net) as lab:
        before = {port: str(udp(lab, "172.16.1.1", port)) for port in range(3000, 3000 + FLOWS)}
        gone = next(r for r in net.store.state.all(Route).values() if r.next_hop == "port-nfv2" and r.priority == 100)
        lab.engine.apply([Change(Route, gone.id, gone, None)], strict=True)
        lab.sync()
        after = {port: str(udp(lab, "172.16.1.1", port)) for port in before}
    moved = {port for port in before if before[port] != after[port]}
    assert moved == {port for port, way in before.items() if way == "to nfv2"}
    assert len(set(before.values())) == 3


def test_a_next_hop_that_is_gone_drops() -> None:
    with Lab(detours()) as other:
        hop = other.port("nfv0")
        other.engine.apply([Change(NetworkInterface, hop.id, hop, None)])
        other.sync()
        assert str(udp(other, "198.51.100.1")) == "dropped: no-next-hop"


def test_an_elastic_ip_works_only_where_a_route_leads_to_the_internet(lab: Lab) -> None:
    """The machine behind the custom table cannot be reached by its elastic IP; the appliance can."""
    arrive = "dl_dst=02:00:00:00:00:09,dl_src=02:00:00:00:00:01,icmp,nw_src=198.51.100.1,nw_ttl=60,nw_dst="
    assert str(lab.trace("internet", arrive + "203.0.113.10")) == "dropped: not-ours"
    assert str(lab.trace("internet", arrive + "203.0.113.11")) == "to nfv0"


def test_equal_routes_cost_their_slots(lab: Lab) -> None:
    assert (
        sum(flow.table == ECMP.id and flow.priority > Priority.MISS for flow in lab.engine.desired.flows.values())
        == SLOTS
    )


def two_networks() -> Lab:
    """Networks on both sides of a machine that may send as anyone, with the same two ways to each."""
    net = detours()
    custom = net.table_of("rtb-custom")
    net.port(net.subnet_of("subnet-inside"), "transit", "10.0.1.20", check=False)
    for hop in ("nfv1", "nfv2"):
        net.route(custom, "172.30.0.0/16", net.port_of(f"port-{hop}"))
    return Lab(net)


@pytest.mark.parametrize(
    ("client", "service", "ways"),
    [(range(40000, 40040), 53, 2), (range(2000, 2040), 161, 2), (range(40000, 40040), 4789, 2), (range(53, 54), 53, 1)],
    ids=["dynamic-to-system", "user-to-system", "dynamic-to-user", "system-to-system"],
)
def test_both_directions_of_udp_meet_the_same_appliance(client: range, service: int, ways: int) -> None:
    """The client's port says the way, whichever side sends; where neither is the client's, the addresses do."""
    with two_networks() as lab:
        seen = set()
        for port in client:
            there = lab.ip("transit", "172.16.1.1", f"udp,udp_src={port},udp_dst={service}", source="172.30.1.1")
            back = lab.ip("transit", "172.30.1.1", f"udp,udp_src={service},udp_dst={port}", source="172.16.1.1")
            assert there.to == back.to and there.to in (("nfv1",), ("nfv2",))
            seen.add(there.to)
        assert len(seen) == ways


@pytest.mark.parametrize("protocol", ["icmp", "udp"])
def test_all_fragments_of_a_datagram_take_one_way(protocol: str) -> None:
    """The first one, which has ports, and the later ones; there and back."""
    with two_networks() as lab:
        seen = set()
        for last in range(1, 21):
            ways = [
                lab.ip("transit", to, f"{protocol},nw_frag={part}", source=source).to
                for source, to in ((f"172.30.1.{last}", "172.16.1.1"), ("172.16.1.1", f"172.30.1.{last}"))
                for part in ("first", "later")
            ]
            assert len(set(ways)) == 1, ways
            seen.update(ways)
        assert len(seen) == 2


def test_a_way_that_comes_takes_its_share_and_nothing_else_moves() -> None:
    net = detours()
    with Lab(net) as lab:
        before = {port: str(udp(lab, "172.16.1.1", port)) for port in range(3000, 3000 + FLOWS)}
        net.route(net.table_of("rtb-custom"), "172.16.0.0/16", net.port_of("port-nfv0"))
        lab.engine.apply(everything(net.store.state))
        lab.sync()
        after = {port: str(udp(lab, "172.16.1.1", port)) for port in before}
    moved = [port for port in before if before[port] != after[port]]
    assert {after[port] for port in moved} == {"to nfv0"}
    assert FLOWS / 6 < len(moved) < FLOWS / 2


PAIRS = 25


def many_pairs() -> tuple[Network, Engine]:
    """A table of 25 prefixes with two equal ways each."""
    net = Network()
    vpc = net.vpc("a", "10.0.0.0/16")
    subnet = net.subnet(vpc, "a", "10.0.1.0/24")
    hops = [net.port(subnet, f"hop{n}", f"10.0.1.1{n}", check=False) for n in range(3)]
    table = net.table(vpc, "custom", subnet)
    for n in range(PAIRS):
        for hop in hops[:2]:
            net.route(table, f"100.{64 + n}.0.0/16", hop)
    return net, net.engine()


def test_a_rule_that_changes_concerns_its_prefix_only() -> None:
    """Neither the 24 other prefixes, nor the slots, which all of the table's pairs share."""
    net, engine = many_pairs()
    assert (
        sum(flow.table == ECMP.id and flow.priority > Priority.MISS for flow in engine.desired.flows.values()) == SLOTS
    )
    rule = next(one for one in net.store.state.all(Route).values() if one.next_hop == "port-hop0")
    for priority, changed in ((101, 3), (100, 3)):
        old = engine.state.get(Route, rule.id)
        ran = engine.runs
        touched = engine.apply([Change(Route, rule.id, old, replace(rule, priority=priority))], strict=True)
        assert (engine.runs - ran, len(touched.cookies)) == (2, changed)


def test_a_next_hop_that_changes_concerns_its_prefix_and_its_slots() -> None:
    """One pair gets slots of its own; the 24 others keep theirs."""
    net, engine = many_pairs()
    rule = next(one for one in net.store.state.all(Route).values() if one.next_hop == "port-hop0")
    ran = engine.runs
    touched = engine.apply([Change(Route, rule.id, rule, replace(rule, next_hop="port-hop2"))], strict=True)
    assert engine.runs - ran == 2 and len(touched.cookies) == SLOTS + 2
