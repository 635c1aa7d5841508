"""Values derived from elastic IPs: the private address behind one, and whether and how one works on this host."""

from collections.abc import Iterator

from apps.eip.model import ElasticIp
from apps.eip.targets import Arrival, EipTarget, eip_targets
from apps.eni.model import NetworkInterface
from apps.gateway.facts import cut_off, home_of, served_here
from apps.holder.facts import held_here
from apps.routing.facts import leads_to_internet
from apps.vpc.model import Subnet, Vpc
from sdnctl.base.errors import FeatureError
from sdnctl.program.feature import View
from sdnctl.verify.doors import Door, Records, doors

METERED_KBPS_PER_MBPS = 984
"""A line spends 1538 bytes on a full frame, of which a meter sees 1514: no preamble, checksum or gap (IEEE 802.3)."""


def leads_to(eip: ElasticIp, here: str, view: View) -> Vpc | None:
    """The VPC that the elastic IP leads to from here; None where its route table, or this host, leads nowhere."""
    port = view.get(NetworkInterface, eip.port)
    subnet = view.get(Subnet, port.subnet) if port is not None else None
    if port is None or subnet is None or not view.derived(leads_to_internet, subnet.route_table):
        return None
    reached = view.derived(home_of, port.id) == here or not view.derived(cut_off, None)
    works = reached and target_of(port).works(port, here, view)
    return view.get(Vpc, port.vpc) if works else None


def presented(eip: ElasticIp, here: str, view: View) -> bool:
    """True when this host presents it."""
    served = view.derived(served_here, eip.port) and leads_to(eip, here, view) is not None
    return served and view.derived(held_here, str(eip.address))


def arrives(eip: ElasticIp, view: View) -> Arrival:
    """The actions on a packet for an elastic IP that the kind of its target asks for."""
    port = view.get(NetworkInterface, eip.port)
    if port is None:
        raise FeatureError(f"elastic IP {eip.id} is bound to {eip.port}, which is not there")
    return target_of(port).arrives(eip, port, view)


def target_of(port: NetworkInterface) -> EipTarget:
    """The kind of target that an interface with elastic IPs is; FeatureError where no feature has declared it."""
    found = eip_targets().get(port.managed)
    if found is None:
        raise FeatureError(f"no feature takes packets for the elastic IPs of {port.id}")
    return found


def shares(port: str, here: str, view: View) -> bool:
    """True when the elastic IPs of an interface are shared by others, and none is translated one to one."""
    found = view.get(NetworkInterface, port)
    return found is not None and target_of(found).shared


@doors
def public(records: Records) -> Iterator[Door]:
    """An interface is reached from the internet by the elastic IPs that are bound to it."""
    ports = records.all(NetworkInterface)
    for eip in records.all(ElasticIp).values():
        port = ports.get(eip.port)
        if port is not None and not target_of(port).shared:
            yield Door(eip.port, eip.address, eip.private)
