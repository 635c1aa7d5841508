"""The cost of one change in a region of fifty hosts and ten thousand ports, counted on each host, never in seconds."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from apps.eip.model import ElasticIp
from apps.eip.writes import bind, unbind
from apps.eni.facts import mac_of
from apps.eni.model import NetworkInterface
from apps.routing.model import INTERNET, LOCAL, Route, RouteTable
from apps.uplink.model import Pool
from apps.vpc.model import ANYTHING, Subnet, Vpc
from bench.fleet import Fleet, Node, host_id, settings_of
from sdnctl.base.addresses import Cidr, Ip4
from sdnctl.model.account import Account
from sdnctl.model.host import Binding, Host
from sdnctl.program.feature import discover
from sdnctl.program.meters import POOL_HIGH, POOL_LOW
from sdnctl.program.zones import POOL_LOW as ZONES_LOW
from sdnctl.store import Txn
from sdnctl.store.memory import MemoryStore
from sdnctl.switch.plan import Installed, plan

HOSTS, PORTS, SUBNETS = 50, 10_000, 40
LOOKED_AT = (0, 1, 2)
"""Hosts of the large VPC that really run; the others only hold ports of it."""
OUTSIDE = HOSTS
"""A host that has a port of another VPC only."""
UNITS, MODS = 9, 24
"""The most that any single change may cost a host that it concerns, in units and in flow-mods."""
COMMON = 480
"""The most flows that any switch has, whatever its ports: one for each host whose tunnels it takes, among others."""
ASIDE = 2
"""The most that it may cost a host that only has ports in the same VPC."""


class Region:
    """The store, filled; and the hosts that run."""

    def __init__(self) -> None:
        program = discover()
        self.store = MemoryStore(clock=lambda: 1_800_000_000.0)
        self.store.transact(self._intent)
        self.store.report(self._reports)
        self.fleet = Fleet(program, self.store)
        for number in LOOKED_AT:
            self.fleet.add(number, [f"port-{n}" for n in range(number, PORTS, HOSTS)])
        self.fleet.add(OUTSIDE, ["port-other"])
        self.fleet.settle()

    def _intent(self, txn: Txn) -> None:
        txn.put(Account(id="acc"))
        txn.put(Pool(id="pool-1", cidr=Cidr.parse("203.0.113.0/24"), gateway=Ip4.parse("203.0.113.1"), key=1))
        for key, (name, subnets) in enumerate((("big", SUBNETS), ("other", 1)), 1):
            vpc = Vpc(id=f"vpc-{name}", account="acc", key=key, meter=POOL_LOW + key)
            table = RouteTable(id=f"rtb-{name}", account="acc", vpc=vpc.id, default=True, key=key)
            txn.put(vpc)
            txn.put(table)
            for kind in (LOCAL, INTERNET):
                id = f"route-{name}-{kind}"
                route = Route(id=id, account="acc", vpc=vpc.id, table=table.id, prefix=ANYTHING, next_hop_type=kind)
                txn.put(route)
            for n in range(subnets):
                txn.put(
                    Subnet(
                        id=f"subnet-{name}-{n}",
                        account="acc",
                        vpc=vpc.id,
                        route_table=table.id,
                        cidr=Cidr(Ip4(0x0A000000 + (n << 16)), 16),
                        key=key * 1000 + n,
                    )
                )
        for number in range(PORTS):
            txn.put(self.port(number))
        txn.put(replace(self.port(PORTS), id="port-other", vpc="vpc-other", subnet="subnet-other-0"))

    def _reports(self, txn: Txn) -> None:
        for number in range(HOSTS + 1):
            settings = settings_of(number)
            made = Host(id=host_id(number), encap_ip=settings.encap_ip, encap_type=settings.encap_type)
            txn.put(made)
        for number in range(PORTS):
            id = f"port-{number}"
            host = host_id(number % HOSTS)
            txn.put(Binding(id=id, port=id, vpc="vpc-big", host=host, row=f"{number % HOSTS}/{id}"))

    def port(self, number: int) -> NetworkInterface:
        """The port of that number, in the large VPC."""
        return NetworkInterface(
            id=f"port-{number}",
            account="acc",
            vpc="vpc-big",
            subnet=f"subnet-big-{number % SUBNETS}",
            mac=mac_of(number + 1),
            addresses=(Ip4(0x0A000000 + (number % SUBNETS << 16) + 256 + number // SUBNETS),),
            key=number + 1,
        )

    def node(self, number: int) -> Node:
        """A host that runs."""
        return self.fleet.nodes[number]

    def check(self) -> None:
        """Every switch has what its controller wants, and no unit failed."""
        for node in self.fleet.nodes.values():
            desired = node.agent.engine.desired
            assert not node.agent.engine.errors
            assert {cookie for cookie, _ in node.switch.flows.values()} == desired.flows.keys()
            assert plan(desired, Installed()).adds or not desired.flows


@pytest.fixture(scope="module")
def region() -> Iterator[Region]:
    """Loaded once; each test takes ports of its own."""
    yield Region()


def aside(spent: dict[int, Counter[str]], *concerned: int) -> list[Counter[str]]:
    """The cost to the other hosts of the VPC."""
    return [spent[number] for number in LOOKED_AT if number not in concerned]


def cheap(spent: Counter[str]) -> bool:
    """True when the cost to a host that is concerned is within the limits."""
    return spent["units"] <= UNITS and spent["mods"] <= MODS


def test_flows_of_a_host(region: Region) -> None:
    """At most 13 for each port that is here and 2 for each that is reachable elsewhere; none for another VPC's.

    Beside them what every switch has: whose packets the tunnels take is one flow for each host.
    """
    local = PORTS // HOSTS
    for number in LOOKED_AT:
        flows = len(region.node(number).switch.flows)
        assert PORTS - local < flows <= COMMON + 13 * local + 2 * (PORTS - local), flows
    assert len(region.node(OUTSIDE).switch.flows) < COMMON
    region.check()


def test_a_host_holds_what_it_can_reach(region: Region) -> None:
    """A host without the large VPC knows none of its ports."""
    state = region.node(OUTSIDE).agent.engine.state
    assert set(state.all(NetworkInterface)) == {"port-other"} and set(state.all(Binding)) == {"port-other"}


def test_one_port_added_and_deleted(region: Region) -> None:
    """Ordered, plugged in on one host, deleted: O(1) on each host that has the VPC, nothing at all elsewhere."""
    port = region.port(PORTS + 1)
    with region.fleet.cost() as ordered:
        region.store.transact(lambda txn: txn.put(port))
    with region.fleet.cost() as plugged:
        region.node(0).plug(port.id)
    region.check()
    with region.fleet.cost() as unplugged:
        region.node(0).unplug(port.id)
    with region.fleet.cost() as deleted:
        region.store.transact(lambda txn: txn.delete(NetworkInterface, port.id))
    for spent in (ordered, plugged, unplugged, deleted):
        assert cheap(spent[0]), spent
        assert all(one["units"] <= ASIDE and one["mods"] <= ASIDE for one in aside(spent, 0)), spent
        assert not +spent[OUTSIDE], spent
    assert plugged[0]["mods"] <= 12
    region.check()


def test_a_migration(region: Region) -> None:
    """The same interface appears on a second host and goes from the first: O(1) on each, nothing elsewhere."""
    id = "port-0"
    with region.fleet.cost() as appears:
        region.node(1).plug(id, "again")
    assert region.store.state.all(Binding)[id].host == host_id(1)
    with region.fleet.cost() as goes:
        region.node(0).unplug(id)
    assert region.store.state.all(Binding)[id].host == host_id(1)
    for spent in (appears, goes):
        assert cheap(spent[0]) and cheap(spent[1]), spent
        assert all(one["units"] <= ASIDE and one["mods"] <= ASIDE for one in aside(spent, 0, 1)), spent
        assert not +spent[OUTSIDE], spent
    region.check()


def test_an_elastic_ip_moves_across_hosts(region: Region) -> None:
    """Bound on one host, bound anew on another, its bandwidth changed: O(1) on both, nothing elsewhere."""
    one, two = region.port(50), region.port(51)
    address = Ip4.parse("203.0.113.77")
    meters = {"out_meter": POOL_HIGH - 2, "in_meter": POOL_HIGH - 1, "meter": POOL_HIGH, "piece_meter": POOL_HIGH - 3}
    zones = {"out_zone": ZONES_LOW, "in_zone": ZONES_LOW + 1}
    eip = ElasticIp(id="fip-1", account="acc", pool="pool-1", address=address, bandwidth=5, **meters, **zones)

    def known(txn: Txn) -> ElasticIp:
        found = txn.get(ElasticIp, eip.id)
        assert found is not None
        return found

    def add(txn: Txn) -> None:
        txn.put(eip)
        bind(txn, eip, one, one.addresses[0])

    with region.fleet.cost() as bound:
        region.store.transact(add)
    with region.fleet.cost() as moved:
        region.store.transact(lambda txn: bind(txn, unbind(txn, known(txn)), two, two.addresses[0]))
    with region.fleet.cost() as resized:
        region.store.transact(lambda txn: txn.put(replace(known(txn), bandwidth=9)))
    assert bound[0]["mods"] and moved[0]["mods"] and moved[1]["mods"] and resized[1]["mods"]
    for spent in (bound, moved, resized):
        assert cheap(spent[0]) and cheap(spent[1]), spent
        assert not +spent[OUTSIDE] and spent[2]["mods"] == 0 and spent[2]["units"] <= ASIDE, spent
    assert not +resized[0], resized
    region.check()


def test_the_first_port_of_a_vpc(region: Region) -> None:
    """A VPC that reaches a new host programs that host with all of it, and the others by one port."""
    port = region.port(PORTS + 5)
    region.store.transact(lambda txn: txn.put(port))
    with region.fleet.cost() as came:
        region.node(OUTSIDE).plug(port.id)
    assert came[OUTSIDE]["units"] >= PORTS and all(one["units"] <= ASIDE for one in aside(came)), came
    region.check()
    with region.fleet.cost() as went:
        region.node(OUTSIDE).unplug(port.id)
    assert went[OUTSIDE]["units"] <= UNITS and all(one["units"] <= ASIDE for one in aside(went)), went
    assert len(region.node(OUTSIDE).switch.flows) < COMMON
    region.check()
