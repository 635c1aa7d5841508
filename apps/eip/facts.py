"""Values derived from elastic IPs: the private address behind one, and whether and how one works on this host."""

from collections.abc import Iterator

from apps.eip.model import ElasticIp
from apps.eip.targets import Arrival, eip_targets
from apps.eni.model import NetworkInterface
from apps.gateway.facts import cut_off, home_of, served_here
from apps.holder.facts import held_here
from apps.routing.facts import leads_to_internet
from apps.vpc.model import Subnet, Vpc
from sdnctl.base.errors import FeatureError
from sdnctl.program.feature import View
from sdnctl.verify.doors import Door, Records, doors


def leads_to(eip: ElasticIp, here: str, view: View) -> Vpc | None:
    """The VPC that the elastic IP leads to from here; None where its route table, or this host, leads nowhere."""
    port = view.get(NetworkInterface, eip.port)
    subnet = view.get(Subnet, port.subnet) if port is not None else None
    if port is None or subnet is None or not view.derived(leads_to_internet, subnet.route_table):
        return None
    reached = view.derived(home_of, port.id) == here or not view.derived(cut_off, None)
    return view.get(Vpc, port.vpc) if reached else None


def presented(eip: ElasticIp, here: str, view: View) -> bool:
    """True when this host presents it."""
    served = view.derived(served_here, eip.port) and leads_to(eip, here, view) is not None
    return served and view.derived(held_here, str(eip.address))


def arrives(eip: ElasticIp, view: View) -> Arrival:
    """The actions on a packet for an elastic IP that the kind of its target asks for."""
    port = view.get(NetworkInterface, eip.port)
    target = eip_targets().get(port.managed) if port is not None else None
    if port is None or target is None:
        raise FeatureError(f"no feature takes packets for the elastic IPs of {eip.port}")
    return target.arrives(eip, port, view)


@doors
def public(records: Records) -> Iterator[Door]:
    """An interface is reached from the internet by the elastic IPs that are bound to it."""
    for eip in records.all(ElasticIp).values():
        if eip.port:
            yield Door(eip.port, eip.address, eip.private)
