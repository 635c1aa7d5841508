"""Load balancers: their address answers ping; what is for a listener's port is shared among its targets."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from apps.eip.model import ElasticIp
from apps.eni.model import NetworkInterface
from apps.load_balancer.model import KIND, Backend, Listener, LoadBalancer, Target
from apps.vpc.model import ROUTER_ITSELF_MAC, ROUTER_MAC, Subnet
from sdnctl.model.host import Binding
from tests.build import HERE
from tests.reference import Fate, Frame, World, rule
from tests.reference.eip import left
from tests.reference.eni import owner

Way = Callable[[World, Target, Frame], Fate]
"""How a frame comes to a target."""


@rule("handed")
def at_a_load_balancer(world: World, port: NetworkInterface, frame: Frame) -> Fate | None:
    """Ping is turned round; what is for a listener goes to a target."""
    if port.managed != KIND:
        return None
    (balancer,) = (one for one in world.all(LoadBalancer) if one.port == port.id)
    if frame.ip and frame.piece:
        return Fate(dropped="lb-fragment")
    client = owner(world, port.vpc, frame.src)
    if frame.kind == "ping" and balancer.started:
        if client is None:
            return Fate(dropped="no-such-address")
        back = replace(frame, kind="reply", src=frame.dst, dst=frame.src, eth_src=ROUTER_ITSELF_MAC, ttl=64)
        return world.ask("handed", client, back)
    return at_a_listener(world, balancer, frame, to_target)


@rule("entered")
def from_outside(world: World, eip: ElasticIp, frame: Frame) -> Fate | None:
    """The same by its elastic IP: ping is answered by it, and a target gets a packet from its router."""
    balancer = next((one for one in world.all(LoadBalancer) if one.port == eip.port), None)
    if balancer is None:
        return None
    if frame.piece:
        return Fate(dropped="lb-fragment")
    if frame.kind == "ping" and balancer.started:
        return left(world, eip, replace(frame, kind="reply", src=eip.address, dst=frame.src, ttl=64))
    return at_a_listener(world, balancer, replace(frame, eth_src=ROUTER_MAC), to_target_outside)


def at_a_listener(world: World, balancer: LoadBalancer, frame: Frame, way: Way) -> Fate:
    """What is for the port of a listener goes to a target; nothing else is answered."""
    for listener in world.all(Listener) if balancer.started else ():
        mine = listener.balancer == balancer.id and listener.on
        if mine and frame.protocol == listener.protocol.lower() and frame.port == listener.port:
            return shared_out(world, world.get(Backend, listener.backend), frame, way)
    return Fate(dropped="no-listener")


def shared_out(world: World, backend: Backend, frame: Frame, way: Way) -> Fate:
    """To one of the targets with a weight."""
    targets = sorted(
        (one for one in world.all(Target) if one.group == backend.group and one.weight), key=lambda t: t.id
    )
    fates = [fate for target in targets for fate in way(world, target, frame).options]
    if not fates:
        return Fate(dropped="no-target")
    return fates[0] if len(fates) == 1 else Fate(among=tuple(fates))


def to_target(world: World, target: Target, frame: Frame) -> Fate:
    """To a target, with its own address, over the border of its subnet where the client is in another one."""
    world.if_full.add("target-gone")
    port = world.get(NetworkInterface, target.port)
    near = world.get(Subnet, port.subnet).cidr.contains(frame.src)
    given = replace(frame, dst=target.address, eth_src=frame.eth_src if near else ROUTER_MAC)
    return world.one_of("handed", port, given)


def to_target_outside(world: World, target: Target, frame: Frame) -> Fate:
    """To a target with its own address, from its router; that is on a host which is reached."""
    world.if_full.add("target-gone")
    if not world.plugged(target.port):
        return Fate(dropped="target-gone")
    return world.one_of("handed", world.get(NetworkInterface, target.port), replace(frame, dst=target.address))


def held(world: World) -> Iterator[str]:
    """The interfaces of load balancers that this host presents."""
    for balancer in world.all(LoadBalancer) if world.uplink is not None else ():
        binding = world.find(Binding, balancer.port)
        if binding is not None and binding.host == HERE:
            yield balancer.port
