"""Beacons as next hops of routes and as targets of elastic IPs."""

from apps.eip.model import ElasticIp
from apps.eip.targets import Arrival, eip_target
from apps.eni.model import NetworkInterface
from apps.pipeline import NEXT_HOP
from apps.routing.model import Route
from apps.routing.targets import Hop, next_hop, to_address
from sdnctl.of.actions import set_field
from sdnctl.program.feature import View
from tests.one_folder.beacon.model import Beacon


@next_hop("beacon", of="Beacon")
def to_beacon(route: Route, view: View) -> Hop | None:
    """To the beacon, whatever address the packet is for."""
    beacon = view.get(Beacon, route.next_hop)
    port = view.get(NetworkInterface, beacon.port) if beacon is not None else None
    return to_address(port.addresses[0]) if port is not None else None


def _one(port: NetworkInterface, eips: int) -> str:
    return f"{port.owner} has an elastic IP" if eips else ""


@eip_target("beacon", refuses=_one)
def lights(eip: ElasticIp, port: NetworkInterface, view: View) -> Arrival:
    """On to the beacon's address."""
    return [set_field(NEXT_HOP, eip.private)]
