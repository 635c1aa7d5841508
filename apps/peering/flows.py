"""A host with ports of one VPC knows the addresses of those that are connected with it, as if it had ports there."""

from collections.abc import Iterator

from apps.eni.facts import called
from apps.eni.model import NetworkInterface
from apps.neighbour.facts import resolved
from apps.overlay.facts import to_host
from apps.peering.facts import only_peered_here
from apps.peering.tables import NOT_CONNECTED
from apps.pipeline import NEXT_HOP
from apps.vpc.model import Vpc
from sdnctl.model.host import Binding, Peer
from sdnctl.program.feature import Item, View, feature, placed, says
from sdnctl.program.step import Step


@feature(each=NetworkInterface, within=placed("vpc", test=only_peered_here))
def peer_address(port: NetworkInterface, here: str, view: View) -> Iterator[Item]:
    """The place of each address in a VPC that is connected with one of this host."""
    vpc = view.get(Vpc, port.vpc)
    if vpc is not None:
        for ip in port.addresses:
            # The next hop is this address: its MAC address and port.
            yield resolved(vpc, port, ip)


@feature(each=Binding, within=placed("vpc", test=only_peered_here), reports=(Peer,))
def peer_remote(binding: Binding, here: str, view: View) -> Iterator[Item]:
    """The host on which an interface of such a VPC is."""
    yield from to_host(binding, here, view)


@says(peer_address)
def found(step: Step, view: View) -> str:
    """The owner of the next hop, in words."""
    return f"{step.ip(NEXT_HOP)} is {called(step.record)} of {step.record.vpc} at {step.record.mac}"


@says(peer_remote)
def elsewhere(step: Step, view: View) -> str:
    """The host on which the receiver is, in words."""
    port = view.get(NetworkInterface, step.record.port)
    return f"{called(port) if port is not None else step.record.port} is on {step.record.host}"


@says(NOT_CONNECTED)
def not_connected(step: Step, view: View) -> str:
    """The peering that leads nowhere, in words."""
    return f"route {step.record.prefix} leads to {step.record.next_hop}: {NOT_CONNECTED.text}"
