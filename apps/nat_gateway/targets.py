"""A NAT gateway as the next hop of routes, and as the target of elastic IPs."""

from apps.eip.model import ElasticIp
from apps.eip.targets import Arrival, eip_target
from apps.eni.model import NetworkInterface
from apps.gateway.facts import translates_here
from apps.nat_gateway.facts import gateway_at
from apps.nat_gateway.model import KIND, NatGateway
from apps.nat_gateway.tables import IN, NAT_STOPPED, NAT_ZONE
from apps.pipeline import drop
from apps.routing.model import Route
from apps.routing.targets import Hop, next_hop, to_address
from sdnctl.of.actions import set_field
from sdnctl.program.feature import View
from sdnctl.program.tracking import translated


@next_hop(KIND, of="NatGateway", otherwise=NAT_STOPPED)
def to_gateway(route: Route, view: View) -> Hop | None:
    """To the gateway's interface, whatever address the packet is for."""
    found = view.get(NatGateway, route.next_hop)
    port = view.get(NetworkInterface, found.port) if found is not None else None
    return to_address(port.addresses[0]) if found is not None and found.running and port is not None else None


def _works(port: NetworkInterface, here: str, view: View) -> bool:
    return view.derived(translates_here, port.vpc)


@eip_target(KIND, shared=True, works=_works)
def shared_out(eip: ElasticIp, port: NetworkInterface, view: View) -> Arrival:
    """Back to whoever began the connection, or by a DNAT rule; nothing while the gateway is stopped."""
    found = gateway_at(port.id, view)
    if found is None or not found.running:
        return drop(NAT_STOPPED)
    return [set_field(NAT_ZONE, found.zone), translated(found.zone, IN)]
