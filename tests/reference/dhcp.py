"""DHCP: the controller answers, to a broadcast or at the server's address of any subnet of the VPC."""

from apps.eni.model import NetworkInterface
from tests.reference import LIMITED_BROADCAST, Fate, Frame, World, rule
from tests.reference.vpc import subnets


@rule("sent", after=("spoofed",))
def lease(world: World, id: str, frame: Frame) -> Fate | None:
    """A client's message."""
    servers = (subnet.dhcp_server for subnet in subnets(world, world.get(NetworkInterface, id).vpc))
    asked = frame.kind == "dhcp" and frame.dst in (LIMITED_BROADCAST, *servers)
    return Fate(asks="dhcp") if asked else None
