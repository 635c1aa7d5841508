"""Values derived from elastic IPs: their meters, the private address behind one."""

from apps.eip.model import ElasticIp
from apps.eni.model import NetworkInterface
from sdnctl.base.addresses import Ip4
from sdnctl.program.feature import View
from sdnctl.program.meters import FIRST_TENANT_METER


def outbound_id(eip: ElasticIp) -> int:
    """The meter of what leaves by the elastic IP."""
    return FIRST_TENANT_METER + 2 * (eip.key - 1)


def inbound_id(eip: ElasticIp) -> int:
    """The meter of what arrives for the elastic IP."""
    return outbound_id(eip) + 1


def private_of(source: Ip4, sender: NetworkInterface, view: View) -> Ip4 | None:
    """The private address behind a source that is the sender's elastic IP, None for any other source."""
    eips = (view.get(ElasticIp, id) for id in view.by(ElasticIp, ("address",), source))
    return next((eip.private for eip in eips if eip is not None and eip.port == sender.id), None)
