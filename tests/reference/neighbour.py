"""ARP: each question has one answer, given by the switch; nobody else hears it."""

from apps.eni.model import NetworkInterface
from apps.vpc.model import ROUTER_MAC
from tests.reference import Fate, Frame, World, answered, rule
from tests.reference.eni import owner
from tests.reference.vpc import router_addresses


@rule("sent", after=("spoofed", "claim", "well"))
def question(world: World, id: str, frame: Frame) -> Fate | None:
    """For the neighbours of the VPC and its router; about itself an interface hears nothing."""
    if frame.kind != "arp" or frame.op != 1:
        return None
    port = world.get(NetworkInterface, id)
    if frame.dst in port.addresses:
        return Fate(dropped="own-address")
    found = owner(world, port.vpc, frame.dst)
    if found is None and frame.dst not in router_addresses(world, port.vpc):
        return Fate(dropped="no-such-address")
    return answered(id, frame, found.mac if found is not None else ROUTER_MAC, frame.sha)
