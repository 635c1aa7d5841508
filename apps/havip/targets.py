"""HaVips as next hops of routes and as targets of elastic IPs."""

from apps.eip.model import ElasticIp
from apps.eip.targets import Arrival, eip_target
from apps.eni.model import NetworkInterface
from apps.havip.model import KIND, HaVip
from apps.havip.tables import NO_MASTER
from apps.pipeline import NEXT_HOP
from apps.routing.model import Route
from apps.routing.targets import Hop, next_hop, to_address
from sdnctl.model.host import Binding
from sdnctl.of.actions import set_field
from sdnctl.program.feature import View


@next_hop(KIND, of="HaVip", otherwise=NO_MASTER)
def to_master(route: Route, view: View) -> Hop | None:
    """To whoever is the master, whatever address the packet is for; one without a master leads nowhere."""
    havip = view.get(HaVip, route.next_hop)
    port = view.get(NetworkInterface, havip.port) if havip is not None else None
    if port is None or port.vpc != route.vpc or view.get(Binding, port.id) is None:
        return None
    return to_address(port.addresses[0])


def _one(port: NetworkInterface, eips: int) -> str:
    return f"{port.owner} has an elastic IP already" if eips else ""


@eip_target(KIND, refuses=_one)
def on_to_master(eip: ElasticIp, port: NetworkInterface, view: View) -> Arrival:
    """On to the HaVip's address."""
    return [set_field(NEXT_HOP, eip.private)]
