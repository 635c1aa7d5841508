"""A VPC peering: while both sides have one, a route leads straight to the owner of the address in the other VPC."""

from hypothesis import strategies as st

from apps.eni.model import NetworkInterface
from apps.peering.model import VpcPeering
from apps.routing.model import Route, RouteTable
from apps.vpc.model import Vpc
from tests.build import Network
from tests.networks.peering import side
from tests.reference import Fate, Frame, World, rule
from tests.reference.eni import delivered
from tests.reference.vpc import router_addresses


@rule("vpc_peering")
def by_a_peering(world: World, route: Route, port: NetworkInterface, frame: Frame) -> Fate:
    """Neither the other VPC's routers nor its route tables see the packet."""
    mine = world.find(VpcPeering, route.next_hop)
    sides = {(one.vpc, one.remote_vpc) for one in world.all(VpcPeering)}
    if mine is None or mine.vpc != port.vpc or (mine.remote_vpc, mine.vpc) not in sides:
        return Fate(dropped="not-connected")
    if frame.dst in router_addresses(world, mine.remote_vpc):
        near = any(world.plugged(one.id) for one in world.all(NetworkInterface) if one.vpc == mine.remote_vpc)
        return Fate(dropped="not-here" if near else "no-such-address")
    return delivered(world, mine.remote_vpc, frame)


def grow(draw: st.DrawFn, network: Network) -> None:
    """Some VPCs get a peering with another, and a route that leads some addresses there, whosever they are."""
    vpcs = sorted(network.store.state.all(Vpc).values(), key=lambda vpc: vpc.key)
    for vpc in vpcs:
        others = [other for other in vpcs if other is not vpc]
        if not others or draw(st.integers(0, 3)):
            continue
        made = side(network, vpc, draw(st.sampled_from(others)))
        prefix = draw(st.sampled_from(("10.0.0.0/8", "10.9.9.9/32", "8.8.8.0/24")))
        for table in sorted(network.store.state.all(RouteTable).values(), key=lambda table: table.key):
            if table.vpc == vpc.id and draw(st.booleans()):
                network.route(table, prefix, made)
