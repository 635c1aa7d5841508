"""Values derived from elastic IPs: the private address behind one."""

from apps.eip.model import ElasticIp
from apps.eni.model import NetworkInterface
from sdnctl.base.addresses import Ip4
from sdnctl.program.feature import View


def private_of(source: Ip4, sender: NetworkInterface, view: View) -> Ip4 | None:
    """The private address behind a source that is the sender's elastic IP, None for any other source."""
    eips = (view.get(ElasticIp, id) for id in view.by(ElasticIp, ("address",), source))
    return next((eip.private for eip in eips if eip is not None and eip.port == sender.id), None)
