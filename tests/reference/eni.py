"""Network interfaces: who owns an address, and what its owner may send."""

from dataclasses import replace

from apps.eni.model import NetworkInterface
from apps.vpc.model import Subnet
from tests.build import Network
from tests.reference import LIMITED_BROADCAST, Fate, Frame, World, rule


def owner(world: World, vpc: str, address: int) -> NetworkInterface | None:
    """The interface of a VPC that has an address."""
    found = (port for port in world.all(NetworkInterface) if port.vpc == vpc and address in port.addresses)
    return next(found, None)


def lives(world: World, vpc: str, address: int) -> bool:
    """True for an address of a subnet of a VPC."""
    return any(subnet.cidr.contains(address) for subnet in world.all(Subnet) if subnet.vpc == vpc)


def owns(world: World, port: NetworkInterface, address: int) -> bool:
    """True for an address of an interface, or one that another feature lets it send from."""
    return address in port.addresses or world.tell("owned", port, address) is not None


def forged(world: World, port: NetworkInterface, frame: Frame) -> str:
    """The thing in a frame that is not the interface's own, "" for none."""
    if frame.eth_src != port.mac:
        return "mac"
    if frame.kind == "arp":
        serves = not port.sanity_check and frame.op == 1 and not lives(world, port.vpc, frame.src)
        own = frame.src == 0 or owns(world, port, frame.src) or serves
        return "" if frame.sha == port.mac and own else "arp"
    if frame.kind == "offer":
        return "dhcp"
    if frame.kind == "dhcp" and (frame.src, frame.dst) == (0, LIMITED_BROADCAST):
        return ""
    nobody = frame.src >> 24 in (0, 127) or frame.src >> 29 == 0x7
    if nobody or (port.sanity_check and not owns(world, port, frame.src)):
        return "ip"
    return "ra" if frame.router and not port.sanity_check else ""


@rule("sent")
def spoofed(world: World, id: str, frame: Frame) -> Fate | None:
    """An interface sends IPv4 and ARP, from its own addresses; told otherwise, from any IPv4 address of a host."""
    if frame.kind in ("router6", "offer6"):
        return Fate(dropped="spoofed-ra" if frame.kind == "router6" else "spoofed-dhcp")
    if not (frame.ip or frame.kind == "arp"):
        return Fate(dropped="unsupported")
    what = forged(world, world.get(NetworkInterface, id), frame)
    return Fate(dropped=f"spoofed-{what}") if what else None


@rule("sent", after=("unsupported", "groups_out"))
def onward(world: World, id: str, frame: Frame) -> Fate:
    """Into its VPC."""
    return world.ask("inside", world.get(NetworkInterface, id), frame)


def delivered(world: World, vpc: str, frame: Frame) -> Fate:
    """To the interface of a VPC that has the destination."""
    found = owner(world, vpc, frame.dst)
    return world.ask("handed", found, frame) if found is not None else Fate(dropped="no-such-address")


@rule("handed", after=("groups_in",))
def plugged(world: World, port: NetworkInterface, frame: Frame) -> Fate:
    """To an interface, whatever the frame's destination is."""
    if not world.plugged(port.id):
        return Fate(dropped="not-here")
    return Fate(to=port.id, frame=replace(frame, eth_dst=port.mac))


def addresses(network: Network) -> set[int]:
    """The addresses of the interfaces."""
    return {int(one) for port in network.store.state.all(NetworkInterface).values() for one in port.addresses}
