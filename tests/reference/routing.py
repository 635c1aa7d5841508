"""The VPC's router: the subnets beside each other, then the route table of the sender's subnet."""

from dataclasses import replace

from hypothesis import strategies as st

from apps.eni.model import NetworkInterface
from apps.routing.model import INTERFACE, LOCAL, Route
from apps.vpc.model import ANYTHING, ROUTER_MAC, Subnet, Vpc
from sdnctl.base.addresses import Cidr, Ip4
from sdnctl.store import Txn
from tests.build import Network
from tests.reference import Fate, Frame, World, rule
from tests.reference.eni import delivered
from tests.reference.vpc import router_addresses, subnets

NOWHERE = ("no-next-hop", "not-connected", "nat-stopped", "no-master")
"""The ends of routes that lead nowhere: none of them is taken while an equal one leads on."""


@rule("inside")
def router_itself(world: World, port: NetworkInterface, frame: Frame) -> Fate | None:
    """The router offers ping."""
    if frame.dst not in router_addresses(world, port.vpc):
        return None
    if frame.kind == "ping":
        return Fate(to=port.id, frame=Frame("reply", ROUTER_MAC, frame.eth_src, frame.dst, frame.src))
    return Fate(asks="unreachable") if frame.kind in ("udp", "dhcp") else Fate(dropped="router-itself")


@rule("inside", after=("router_itself",))
def within_the_subnet(world: World, port: NetworkInterface, frame: Frame) -> Fate | None:
    """A subnet is one link: no router, no hop."""
    own = world.get(Subnet, port.subnet).cidr.contains(frame.dst)
    return delivered(world, port.vpc, frame) if own else None


@rule("inside", after=("within_the_subnet",))
def routed(world: World, port: NetworkInterface, frame: Frame) -> Fate:
    """One hop further: to another subnet of the VPC, or by the route table."""
    if frame.ttl <= 1:
        return Fate(asks="expired")
    frame = replace(frame, ttl=frame.ttl - 1, eth_src=ROUTER_MAC)
    if any(subnet.cidr.contains(frame.dst) for subnet in subnets(world, port.vpc)):
        return delivered(world, port.vpc, frame)
    block = world.get(Vpc, port.vpc).cidr
    if block != ANYTHING and block.contains(frame.dst):
        return Fate(dropped="no-subnet")
    return by_the_table(world, port, frame)


def by_the_table(world: World, port: NetworkInterface, frame: Frame) -> Fate:
    """By the subnet's route table: the longest prefix, then the lowest priority, then any of those left."""
    table = world.get(Subnet, port.subnet).route_table
    routes = [route for route in world.all(Route) if route.table == table and route.next_hop_type != LOCAL]
    routes = [route for route in routes if route.prefix.contains(frame.dst)]
    if not routes:
        return Fate(dropped="no-route")
    best = min((-route.prefix.length, route.priority) for route in routes)
    equal = [route for route in routes if (-route.prefix.length, route.priority) == best]
    fates = [world.one_of(route.next_hop_type, route, port, frame) for route in equal]
    fates = [fate for fate in fates if fate.dropped not in NOWHERE] or fates
    options = tuple(option for fate in fates for option in fate.options)
    return options[0] if len(options) == 1 else Fate(among=options)


@rule(INTERFACE)
def by_an_interface(world: World, route: Route, port: NetworkInterface, frame: Frame) -> Fate:
    """To an interface of the same VPC that routes it on."""
    hop = world.find(NetworkInterface, route.next_hop)
    if hop is None or hop.vpc != port.vpc:
        return Fate(dropped="no-next-hop")
    return world.ask("handed", hop, frame)


def addresses(network: Network) -> set[int]:
    """The addresses to which some route may lead."""
    return {Ip4.parse("8.8.8.8"), Ip4.parse("9.9.9.9")}


def grow(draw: st.DrawFn, network: Network) -> None:
    """Some VPCs get a route table of their own, some a narrower way to the internet, or none."""
    ports = sorted(network.store.state.all(NetworkInterface).values(), key=lambda port: port.key)
    for vpc in sorted(network.store.state.all(Vpc).values(), key=lambda vpc: vpc.key):
        if ports and draw(st.integers(0, 2)) == 0:
            _detour(draw, network, vpc, ports)
        if draw(st.integers(0, 3)) == 0:
            _narrow(network, f"route-{vpc.id.removeprefix('vpc-')}-internet", draw(st.sampled_from(("", "8.8.8.0/24"))))


def _detour(draw: st.DrawFn, network: Network, vpc: Vpc, ports: list[NetworkInterface]) -> None:
    """The VPC's first subnet gets a route table of its own; some routes lead to an interface of another VPC."""
    first = min((s for s in network.store.state.all(Subnet).values() if s.vpc == vpc.id), key=lambda s: s.key)
    table = network.table(vpc, f"{vpc.id.removeprefix('vpc-')}-custom", first)
    prefixes = st.sampled_from(("0.0.0.0/0", "8.0.0.0/8", "8.8.8.0/24"))
    rules = st.tuples(prefixes, st.sampled_from(ports), st.sampled_from((10, 100)))
    for prefix, port, priority in draw(st.lists(rules, min_size=1, max_size=4)):
        network.route(table, prefix, port, priority)
    if draw(st.booleans()):
        network.route(table, "9.9.9.0/24")


def _narrow(network: Network, id: str, prefix: str) -> None:
    """The route goes, or leads to a smaller part of the internet."""

    def work(txn: Txn) -> None:
        route = txn.get(Route, id)
        assert route is not None
        txn.delete(Route, id)
        if prefix:
            txn.put(replace(route, prefix=Cidr.parse(prefix)))

    network.store.transact(work)
