"""Network interfaces: who owns an address, and what its owner may send."""

from dataclasses import replace

from apps.eni.model import NetworkInterface
from tests.build import Network
from tests.reference import LIMITED_BROADCAST, Fate, Frame, World, rule


def owner(world: World, vpc: str, address: int) -> NetworkInterface | None:
    """The interface of a VPC that has an address."""
    found = (port for port in world.all(NetworkInterface) if port.vpc == vpc and address in port.addresses)
    return next(found, None)


def honest(port: NetworkInterface, frame: Frame) -> bool:
    """True if the interface owns the source addresses of the frame."""
    if frame.eth_src != port.mac:
        return False
    if frame.kind == "arp":
        return frame.sha == port.mac and (frame.src == 0 or frame.src in port.addresses)
    if frame.kind == "dhcp" and (frame.src, frame.dst) == (0, LIMITED_BROADCAST):
        return True
    return frame.ip and frame.src in port.addresses


@rule("sent")
def spoofed(world: World, id: str, frame: Frame) -> Fate | None:
    """An interface sends from its own addresses, unless told otherwise."""
    port = world.get(NetworkInterface, id)
    if port.sanity_check and not honest(port, frame):
        return Fate(dropped="unsupported" if frame.kind == "ipv6" else "spoofed")
    return None


@rule("sent", after=("unsupported",))
def onward(world: World, id: str, frame: Frame) -> Fate:
    """Into its VPC."""
    return world.ask("inside", world.get(NetworkInterface, id), frame)


def delivered(world: World, vpc: str, frame: Frame) -> Fate:
    """To the interface of a VPC that has the destination."""
    found = owner(world, vpc, frame.dst)
    return world.ask("handed", found, frame) if found is not None else Fate(dropped="no-such-address")


@rule("handed")
def plugged(world: World, port: NetworkInterface, frame: Frame) -> Fate:
    """To an interface, whatever the frame's destination is."""
    if not world.plugged(port.id):
        return Fate(dropped="not-here")
    return Fate(to=port.id, frame=replace(frame, eth_dst=port.mac))


def addresses(network: Network) -> set[int]:
    """The addresses of the interfaces."""
    return {int(one) for port in network.store.state.all(NetworkInterface).values() for one in port.addresses}
