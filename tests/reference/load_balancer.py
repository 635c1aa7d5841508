"""Load balancers: their address answers ping; what is for a listener's port is shared among its targets."""

from dataclasses import replace

from apps.eni.model import NetworkInterface
from apps.load_balancer.model import KIND, Backend, Listener, LoadBalancer, Target
from apps.vpc.model import ROUTER_ITSELF_MAC, ROUTER_MAC, Subnet
from tests.reference import Fate, Frame, World, rule
from tests.reference.eni import owner


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
    for listener in world.all(Listener) if balancer.started else ():
        mine = listener.balancer == balancer.id and listener.on
        if mine and frame.protocol == listener.protocol.lower() and frame.port == listener.port:
            return shared_out(world, world.get(Backend, listener.backend), frame)
    return Fate(dropped="no-listener")


def shared_out(world: World, backend: Backend, frame: Frame) -> Fate:
    """To one of the targets with a weight, over the border of its subnet where the client is in another one."""
    targets = sorted(
        (one for one in world.all(Target) if one.group == backend.group and one.weight), key=lambda t: t.id
    )
    fates = [fate for target in targets for fate in to_target(world, target, frame).options]
    if not fates:
        return Fate(dropped="no-target")
    return fates[0] if len(fates) == 1 else Fate(among=tuple(fates))


def to_target(world: World, target: Target, frame: Frame) -> Fate:
    """To a target, with its own address."""
    world.if_full.add("target-gone")
    port = world.get(NetworkInterface, target.port)
    near = world.get(Subnet, port.subnet).cidr.contains(frame.src)
    given = replace(frame, dst=target.address, eth_src=frame.eth_src if near else ROUTER_MAC)
    return world.one_of("handed", port, given)
