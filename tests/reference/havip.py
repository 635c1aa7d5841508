"""A HaVip: its packets are its master's, who claimed it; its members may send from its address."""

from hypothesis import strategies as st

from apps.eni.model import NetworkInterface
from apps.havip.model import HaVip, HaVipMember
from apps.havip_check.facts import PROBER
from apps.routing.model import Route, RouteTable
from apps.vpc.model import ROUTER_MAC, Subnet
from sdnctl.base.addresses import Ip4
from sdnctl.model.host import Binding
from tests.build import Network
from tests.networks.havip import led, shared
from tests.reference import Fate, Frame, World, answered, rule


def claimable(world: World, port: NetworkInterface) -> list[int]:
    """The addresses of the HaVips that an interface is a member of."""
    own = {one.havip for one in world.all(HaVipMember) if one.port == port.id}
    ports = [world.get(NetworkInterface, one.port) for one in world.all(HaVip) if one.id in own]
    return [address for port in ports for address in port.addresses]


@rule("owned")
def shared_with(world: World, port: NetworkInterface, address: int) -> Fate | None:
    """A member sends from the HaVip's address, whether it is the master or not."""
    return Fate(to=port.id) if address in claimable(world, port) else None


@rule("sent", after=("spoofed",))
def claim(world: World, id: str, frame: Frame) -> Fate | None:
    """ARP about the HaVip's address from that address, question or answer, is a claim.

    Each address is asked about by itself: two fields of a frame are equal in very many ways, and the prover would walk
    them all.
    """
    if frame.kind != "arp":
        return None
    shared = claimable(world, world.get(NetworkInterface, id))
    return Fate(asks="havip") if any(frame.src == one and frame.dst == one for one in shared) else None


@rule("sent", after=("spoofed",))
def well(world: World, id: str, frame: Frame) -> Fate | None:
    """What a VPC with members that are checked here sends to the address that asks them is taken for an answer.

    That address is at the router.
    """
    vpc = world.get(NetworkInterface, id).vpc
    checked = {one.id for one in world.all(HaVip) if one.check and one.vpc == vpc}
    if not any(one.havip in checked and world.plugged(one.port) for one in world.all(HaVipMember)):
        return None
    if frame.ip and frame.dst == PROBER:
        return Fate(asks="probe")
    asked = frame.kind == "arp" and frame.op == 1 and frame.dst == PROBER
    return answered(id, frame, ROUTER_MAC, frame.sha) if asked else None


@rule("handed")
def stands_for(world: World, port: NetworkInterface, frame: Frame) -> Fate | None:
    """What is for a HaVip is for its master."""
    if port.managed != "havip":
        return None
    known = world.find(Binding, port.id)
    if known is None:
        return Fate(dropped="no-master")
    master = world.get(NetworkInterface, known.behind)
    return world.ask("handed", master, frame) if world.plugged(master.id) else Fate(dropped="not-here")


@rule("havip")
def by_a_havip(world: World, route: Route, port: NetworkInterface, frame: Frame) -> Fate:
    """To the master of a HaVip of the same VPC."""
    havip = world.find(HaVip, route.next_hop)
    own = world.get(NetworkInterface, havip.port) if havip is not None else None
    if own is None or own.vpc != port.vpc or world.find(Binding, own.id) is None:
        return Fate(dropped="no-master")
    return world.ask("handed", own, frame)


def addresses(network: Network) -> set[int]:
    """The address that asks members whether they are well."""
    return {PROBER}


def grow(draw: st.DrawFn, network: Network) -> None:
    """Some subnets have a HaVip, behind one of their interfaces or nobody, and a route leads to it."""
    state = network.store.state
    for subnet in sorted(state.all(Subnet).values(), key=lambda subnet: subnet.key):
        ports = sorted((p for p in state.all(NetworkInterface).values() if p.subnet == subnet.id), key=lambda p: p.key)
        members = [port for port in ports if not port.managed and state.get(Binding, port.id) is not None]
        if not members or draw(st.integers(0, 2)):
            continue
        address = str(Ip4(subnet.last - 1))
        if any(Ip4.parse(address) in port.addresses for port in ports):
            continue
        name = f"shared-{subnet.id}"
        master = draw(st.integers(-1, min(len(members), 3) - 1))
        shared(network, subnet, name, address, members[:3], master, draw(st.sampled_from(("", "Icmp"))))
        for table in sorted(state.all(RouteTable).values(), key=lambda table: table.key):
            if table.vpc == subnet.vpc and draw(st.booleans()):
                led(network, table.id, draw(st.sampled_from(("8.8.8.0/25", "9.9.9.0/25"))), name)
                break
