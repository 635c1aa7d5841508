"""The cost of one change among ten thousand ports, counted in units and messages, never in seconds."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from apps.eip.model import ElasticIp
from apps.eni.facts import mac_of
from apps.eni.model import NetworkInterface
from apps.security_group.model import GroupProfile
from apps.vpc.model import Subnet, Vpc
from sdnctl.base.addresses import Ip4
from sdnctl.engine.desired import Touched
from sdnctl.engine.engine import Engine
from sdnctl.engine.graph import Unit
from sdnctl.model.account import Account
from sdnctl.model.host import Binding, LocalPort
from sdnctl.model.resource import meta
from sdnctl.program.meters import POOL_LOW
from sdnctl.program.zones import POOL_LOW as ZONES_LOW
from sdnctl.store import Change
from sdnctl.switch.plan import Installed, plan
from tests.build import ELSEWHERE, HERE, Network

PORTS, LOCAL, SUBNETS = 10_000, 200, 10


class Region:
    """Ten thousand ports in one VPC, two hundred of them here, and an engine whose switch has it all."""

    def __init__(self) -> None:
        net = Network()
        net.uplink()
        self.vpc = net.vpc("big", "10.0.0.0/8")
        self.subnets = [net.subnet(self.vpc, f"s{n}", f"10.{n}.0.0/16") for n in range(SUBNETS)]
        self.other = net.subnet(net.vpc("other", "10.0.0.0/8"), "other", "10.0.0.0/16")
        net.port(self.other, "other-far", "10.0.0.9", host=ELSEWHERE)
        self.network = net
        self._key = PORTS
        self.engine = Engine(net.program, HERE)
        self.engine.apply(net.changes() + [c for n in range(PORTS) for c in self.bound(n)], strict=True)
        self.installed = Installed()
        plan(self.engine.desired, self.installed).apply(self.installed)

    def bound(self, number: int) -> list[Change]:
        """A port, and where it is."""
        port = self.port(number)
        host = HERE if number < LOCAL else ELSEWHERE
        return [Change(NetworkInterface, port.id, None, port), *self.plugged(port, host)]

    def port(self, number: int, subnet: Subnet | None = None) -> NetworkInterface:
        """The port of that number."""
        inside = subnet or self.subnets[number % SUBNETS]
        return NetworkInterface(
            id=f"port-{number}",
            account="acc",
            vpc=inside.vpc,
            subnet=inside.id,
            mac=mac_of(number + 10),
            addresses=(Ip4(inside.cidr.network + 256 + number // SUBNETS),),
            key=number + 10,
        )

    def plugged(self, port: NetworkInterface, host: str = HERE) -> list[Change]:
        """The port's interface appears here and is reported."""
        bound = Binding(id=port.id, port=port.id, vpc=port.vpc, host=host)
        made = [Change(Binding, port.id, None, bound)]
        if host == HERE:
            made.append(Change(LocalPort, port.id, None, LocalPort(id=port.id, ofport=port.key, zone=port.key)))
        return made

    def cost(self, *batches: list[Change]) -> Counter[str]:
        """Units that run and messages that are sent for some commits, one after the other."""
        spent: Counter[str] = Counter()
        for changes in batches:
            before = self.engine.runs
            touched: Touched = self.engine.apply(changes, strict=True)
            todo = plan(self.engine.desired, self.installed, touched)
            todo.apply(self.installed)
            spent["units"] += self.engine.runs - before
            spent["flows"] += len(todo.adds) + len(todo.deletes)
            spent["meters"] += len(todo.meters) + len(todo.drop_meters)
        assert plan(self.engine.desired, self.installed).empty
        return spent

    def changed(self, cls: type, id: str, **given: Any) -> list[Change]:
        """A record of the engine's own with other values."""
        known: Any = self.engine.state.get(cls, id)
        return [Change(cls, id, known, replace(known, **given))]


@pytest.fixture(scope="module")
def region() -> Iterator[Region]:
    """Loaded once; each test takes numbers of its own."""
    yield Region()


def new_eip(number: int, **given: Any) -> ElasticIp:
    """An elastic IP of the pool."""
    address = Ip4.parse(f"203.0.113.{number}")
    first, zone = POOL_LOW + 4 * number, ZONES_LOW + 2 * number
    meters = {"out_meter": first, "in_meter": first + 1, "meter": first + 2, "piece_meter": first + 3}
    zones = {"out_zone": zone, "in_zone": zone + 1}
    return ElasticIp(id=f"fip-{number}", account="acc", pool="pool-1", address=address, **meters, **zones, **given)


@pytest.mark.parametrize("order", ["created, plugged, bound", "all at once", "plugged before it is known"])
def test_one_port(region: Region, order: str) -> None:
    """At most 6 units, 9 flow-mods and its limit, from its creation until it is plugged in and reported.

    Two of the flows are for its security groups; their unit runs with the interface's, twice where that comes first.
    """
    number = PORTS + ["created, plugged, bound", "all at once", "plugged before it is known"].index(order)
    port = region.port(number)
    created = [Change(NetworkInterface, port.id, None, port)]
    binding, local = region.plugged(port)
    batches = {
        "created, plugged, bound": [created, [local], [binding]],
        "all at once": [[*created, local, binding]],
        "plugged before it is known": [[local], created, [binding]],
    }[order]
    cost = region.cost(*batches)
    assert cost["units"] <= 6 and cost["flows"] <= 9 and cost["meters"] == 1, cost


def test_one_port_elsewhere(region: Region) -> None:
    """On another host it costs this one a single flow."""
    port = region.port(PORTS + 10)
    cost = region.cost([Change(NetworkInterface, port.id, None, port)], region.plugged(port, ELSEWHERE))
    assert cost["units"] <= 2 and cost["flows"] <= 2, cost


def test_one_port_gone(region: Region) -> None:
    """Taking it away is as cheap."""
    port = region.port(7)
    cost = region.cost([Change(c.cls, c.id, c.new, None) for c in (*region.plugged(port), *region.bound(7)[:1])])
    assert cost["units"] <= 3 and cost["flows"] <= 9 and cost["meters"] == 1, cost


def test_one_elastic_ip(region: Region) -> None:
    """Ordered, bound, moved and given up: at most 4 units, 11 flow-mods and 4 meter-mods each.

    Six of the flows and one of the meters are for its fragments.
    """
    eip, one, two = new_eip(50), region.port(20), region.port(21)
    steps = [
        [Change(ElasticIp, eip.id, None, eip)],
        [Change(ElasticIp, eip.id, None, replace(eip, port=one.id, private=one.addresses[0]))],
        [Change(ElasticIp, eip.id, None, replace(eip, port=two.id, private=two.addresses[0]))],
        [Change(ElasticIp, eip.id, None, eip)],
        [Change(ElasticIp, eip.id, eip, None)],
    ]
    costs = [region.cost(step) for step in steps]
    assert all(c["units"] <= 4 and c["flows"] <= 14 and c["meters"] <= 4 for c in costs), costs
    assert costs[1]["meters"] == 4 and costs[0] == costs[4] == Counter(units=0, flows=0, meters=0), costs


def test_one_elastic_ip_elsewhere(region: Region) -> None:
    """Bound to a port of another host it costs nothing here."""
    eip = new_eip(51, port=f"port-{LOCAL}", private=region.port(LOCAL).addresses[0])
    assert not +region.cost([Change(ElasticIp, eip.id, None, eip)])


def test_a_bandwidth(region: Region) -> None:
    """A new rate is one or two meter-mods and no flow-mod."""
    port = region.port(22)
    bound = new_eip(52, port=port.id, private=port.addresses[0], bandwidth=5)
    region.cost([Change(ElasticIp, bound.id, None, bound)])
    for mbps, meters in ((7, 1), (50, 2), (9, 2)):
        cost = region.cost(region.changed(ElasticIp, bound.id, bandwidth=mbps))
        assert cost["meters"] == meters and cost["flows"] == 0 and cost["units"] <= 4, cost


@pytest.mark.parametrize(
    ("cls", "id"),
    [(NetworkInterface, "port-30"), (Vpc, "vpc-big"), (Subnet, "subnet-s1"), (ElasticIp, "fip-53"), (Account, "acc")],
    ids=lambda value: str(value),
)
def test_a_rename(region: Region, cls: type, id: str) -> None:
    """Costs nothing, whatever is renamed."""
    port = region.port(23)
    eip = new_eip(53, port=port.id, private=port.addresses[0])
    region.cost([Change(ElasticIp, eip.id, None, eip)])
    labels = {name for name, item in meta(cls).fields.items() if item.kind == "label"} & {"name", "description"}
    assert labels and not +region.cost(region.changed(cls, id, **dict.fromkeys(labels, "renamed")))


def test_flows_per_port(region: Region) -> None:
    """At most 23 for a port that is here with its elastic IP, 6 of them for fragments; 2 for one that is elsewhere."""
    port = region.port(24)
    eip = new_eip(54, port=port.id, private=port.addresses[0])
    region.cost([Change(ElasticIp, eip.id, None, eip)])
    held: Counter[str] = Counter()
    for unit in _units(region.engine):
        held[unit.id] += len(_flows(unit))
    assert held["port-25"] <= 12 and held["port-24"] + held["fip-54"] <= 23, held
    assert max(held[f"port-{number}"] for number in range(LOCAL)) <= 12
    assert max(held[f"port-{number}"] for number in range(LOCAL, PORTS)) <= 2
    assert len(region.engine.desired.flows) <= 12 * (LOCAL + 50) + 2 * PORTS


def _units(engine: Engine) -> set[Unit]:
    return {unit for units in engine._units.values() for unit in units.values()}


def _flows(unit: Unit) -> tuple[Any, ...]:
    return unit.held.flows


def test_the_first_port_of_a_vpc_runs_its_members_only(region: Region) -> None:
    """The others are left alone; and its last one takes all of it away without running anything.

    Three of the units and twelve of the flows are for security groups: the port's, the router's, the default group's;
    one of each keeps ARP from being asked in the name of the subnet's addresses.
    """
    port = region.port(PORTS + 20, region.other)
    ran: set[str] = set()
    region.cost([Change(NetworkInterface, port.id, None, port)])
    before = _units(region.engine)
    cost = region.cost(region.plugged(port))
    ran = {unit.id for unit in _units(region.engine) - before}
    routes = {"route-other-internet", "route-other-local"}
    profiles = region.engine.state.by(GroupProfile, ("vpc",), region.other.vpc)
    assert ran == {"port-other-far", port.id, "subnet-other", "vpc-other", *routes, *profiles}
    assert cost["units"] <= 16 and cost["flows"] <= 42, cost
    gone = region.cost([Change(c.cls, c.id, c.new, None) for c in region.plugged(port)])
    assert gone["units"] <= 1 and gone["flows"] == cost["flows"], gone
