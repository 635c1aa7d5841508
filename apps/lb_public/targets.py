"""A load balancer as the target of elastic IPs."""

from apps.eip.model import ElasticIp
from apps.eip.targets import Arrival, eip_target
from apps.eni.model import NetworkInterface
from apps.gateway.facts import translates_here
from apps.load_balancer.model import KIND
from apps.load_balancer.tables import BY_EIP
from apps.pipeline import NEXT_HOP
from sdnctl.of.actions import set_field
from sdnctl.program.feature import View


def _works(port: NetworkInterface, here: str, view: View) -> bool:
    return view.derived(translates_here, port.vpc)


@eip_target(KIND, works=_works)
def to_balancer(eip: ElasticIp, port: NetworkInterface, view: View) -> Arrival:
    """To the load balancer's address, as a packet from outside."""
    return [set_field(NEXT_HOP, eip.private), set_field(BY_EIP, 1)]
