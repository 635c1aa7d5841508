"""A VPC: its subnets, its router, and no groups of receivers."""

from collections.abc import Iterator

from apps.vpc.model import Subnet
from sdnctl.base.addresses import Ip4
from tests.build import Network
from tests.reference import LIMITED_BROADCAST, Fate, Frame, World, rule


def subnets(world: World, vpc: str) -> Iterator[Subnet]:
    """A VPC's subnets."""
    return (subnet for subnet in world.all(Subnet) if subnet.vpc == vpc)


def router_addresses(world: World, vpc: str) -> tuple[int, ...]:
    """The addresses that a VPC's router has in its subnets."""
    return tuple(address for subnet in subnets(world, vpc) for address in (subnet.router, subnet.dhcp_server))


@rule("sent", after=("spoofed", "question", "lease", "well"))
def no_groups(world: World, port: str, frame: Frame) -> Fate | None:
    """Broadcast and multicast do not exist."""
    to_many = frame.ip and (frame.dst >> 28 == 0xE or frame.dst == LIMITED_BROADCAST)
    return Fate(dropped="broadcast") if frame.group or to_many else None


@rule("sent", after=("no_groups",))
def unsupported(world: World, port: str, frame: Frame) -> Fate | None:
    """Packets that are neither IPv4 nor a question of ARP go nowhere."""
    return None if frame.ip else Fate(dropped="unsupported")


def addresses(network: Network) -> set[int]:
    """The edges of the subnets, and what their routers have."""
    found: set[int] = set()
    for subnet in network.store.state.all(Subnet).values():
        block = subnet.cidr
        found |= {subnet.router, subnet.dhcp_server, block.network, block.broadcast, block.broadcast - 1}
    return found | {Ip4.parse(text) for text in ("10.0.9.9", "10.9.9.9", "224.0.0.5", "239.1.1.1")}
