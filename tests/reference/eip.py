"""Elastic IPs: an address of the public network that stands for a private one, both ways."""

from collections.abc import Iterator
from dataclasses import replace

from hypothesis import strategies as st

from apps.eip.model import ElasticIp
from apps.eni.model import NetworkInterface
from apps.routing.model import INTERNET, Route
from apps.vpc.model import ROUTER_MAC, Subnet
from sdnctl.base.addresses import Ip4
from sdnctl.model.host import UPLINK, Binding
from tests.build import HERE, Network
from tests.reference import Fate, Frame, World, answered, rule
from tests.reference.bandwidth_package import blocked, share
from tests.reference.eni import delivered
from tests.reference.uplink import outward


def presents(world: World, port: str) -> bool:
    """True where an interface is plugged in here or held, or where its own is that is behind another one."""
    if world.plugged(port) or port in world.listed("held"):
        return True
    binding = world.find(Binding, port)
    return binding is not None and bool(binding.behind) and binding.host == HERE


def bound_here(world: World) -> Iterator[ElasticIp]:
    """The elastic IPs that work on this host: plugged in, where the route table leads to the internet."""
    public = {route.table for route in world.all(Route) if route.next_hop_type == INTERNET}
    for eip in world.all(ElasticIp):
        if presents(world, eip.port):
            subnet = world.get(Subnet, world.get(NetworkInterface, eip.port).subnet)
            if subnet.route_table in public:
                yield eip


@rule(INTERNET)
def out(world: World, route: Route, port: NetworkInterface, frame: Frame) -> Fate:
    """With the sender's elastic IP, to another one here or to the pool's gateway."""
    for eip in bound_here(world):
        if eip.private == frame.src and world.get(NetworkInterface, eip.port).vpc == port.vpc:
            break
    else:
        return Fate(dropped="no-elastic-ip")
    if blocked(world, eip):
        return Fate(dropped="package-blocked")
    if frame.kind == "error":
        return Fate(asks="quoted_out")
    if frame.kind == "nearby":
        return Fate(dropped="neighbours-only")
    return left(world, eip, replace(frame, src=eip.address))


def left(world: World, eip: ElasticIp, frame: Frame) -> Fate:
    """With an elastic IP, to another one here or to the pool's gateway."""
    receiver = arriving(world, frame)
    return receiver if receiver is not None else outward(world, eip.pool, frame)


def arriving(world: World, frame: Frame) -> Fate | None:
    """To the elastic IP that it is for, if that is bound here, or to whoever shares it."""
    if (told := world.tell("arrives", frame)) is not None:
        return told
    for eip in bound_here(world):
        if eip.address == frame.dst:
            if blocked(world, eip):
                return Fate(dropped="package-blocked")
            if frame.kind == "error":
                return Fate(asks="quoted_in")
            if frame.kind == "nearby":
                return Fate(dropped="neighbours-only")
            if (told := world.tell("entered", eip, frame)) is not None:
                return told
            return delivered(world, world.get(NetworkInterface, eip.port).vpc, replace(frame, dst=eip.private))
    return None


@rule("outside")
def asked_outside(world: World, frame: Frame) -> Fate | None:
    """ARP of the public network: the addresses bound here are here."""
    assert world.uplink is not None
    known = (*(eip.address for eip in bound_here(world)), *world.listed("shared"))
    if frame.kind == "arp" and frame.op == 1 and frame.dst in known:
        return answered(UPLINK, frame, world.uplink.mac, frame.eth_src)
    return None


@rule("outside", after=("asked_outside", "from_within", "from_nobody"))
def in_from_outside(world: World, frame: Frame) -> Fate | None:
    """One hop further, to an elastic IP."""
    assert world.uplink is not None
    if not frame.ip or frame.eth_dst != world.uplink.mac:
        return None
    if frame.ttl <= 1:
        return Fate(asks="expired_outside")
    return arriving(world, replace(frame, ttl=frame.ttl - 1, eth_src=ROUTER_MAC))


def addresses(network: Network) -> set[int]:
    """The elastic IPs, and one that nobody has."""
    return {int(eip.address) for eip in network.store.state.all(ElasticIp).values()} | {Ip4.parse("203.0.113.99")}


def grow(draw: st.DrawFn, network: Network) -> None:
    """Some elastic IPs, some of them bound to nothing."""
    ports = sorted(network.store.state.all(NetworkInterface).values(), key=lambda port: port.key)
    owners: list[NetworkInterface | None] = [*ports, None]
    for number, owner in enumerate(draw(st.lists(st.sampled_from(owners), max_size=4, unique_by=id))):
        network.eip(f"e{number}", f"203.0.113.{10 + number}", owner)
    share(draw, network)
