"""A VPC peering as the next hop of a route."""

from apps.peering.facts import connected
from apps.peering.model import VpcPeering
from apps.peering.tables import NOT_CONNECTED
from apps.pipeline import DELIVERY, NEXT_HOP, VPC
from apps.routing.model import Route
from apps.routing.targets import Hop, next_hop
from apps.vpc.model import Vpc
from sdnctl.of.actions import move, set_field
from sdnctl.of.fields import IP_DST
from sdnctl.program.feature import View
from sdnctl.program.pipeline import enter

PEERING = "vpc_peering"


@next_hop(PEERING, of="VpcPeering", otherwise=NOT_CONNECTED)
def to_peer(route: Route, view: View) -> Hop | None:
    """Straight to the owner of the address in the other VPC: no route of that VPC is looked at, so it is no transit."""
    peering = view.get(VpcPeering, route.next_hop)
    other = view.get(Vpc, peering.remote_vpc) if peering is not None and peering.vpc == route.vpc else None
    if other is None or not connected(route.vpc, other.id, view):
        return None
    return [set_field(VPC, other.key), move(IP_DST, NEXT_HOP), enter(DELIVERY)]
