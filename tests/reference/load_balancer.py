"""Load balancers: their address answers ping; at a listener's port, the target that has the connection's slot gets it."""

from dataclasses import replace

from hypothesis import strategies as st

from apps.eni.model import NetworkInterface
from apps.load_balancer.model import KIND, Backend, Listener, LoadBalancer, Target
from apps.vpc.model import ROUTER_ITSELF_MAC, ROUTER_MAC, Subnet
from sdnctl.program.slots import weighted
from tests.build import Network
from tests.reference import Fate, Frame, World, rule

SLOTS = 256


@rule("handed")
def at_a_load_balancer(world: World, port: NetworkInterface, frame: Frame) -> Fate | None:
    """To whom it is shared out: the slot of TCP is the client's port less its lowest bit, that of UDP the port."""
    if port.managed != KIND:
        return None
    (balancer,) = (one for one in world.all(LoadBalancer) if one.port == port.id)
    client = next((one for one in world.all(NetworkInterface) if one.vpc == port.vpc and frame.src in one.addresses), None)
    if frame.kind == "ping" and balancer.started:
        if client is None:
            return Fate(dropped="no-such-address")
        back = replace(frame, kind="reply", src=frame.dst, dst=frame.src, eth_src=ROUTER_ITSELF_MAC, ttl=64)
        return world.ask("handed", client, back)
    protocol = {"tcp": "Tcp", "udp": "Udp", "dhcp": "Udp", "offer": "Udp"}.get(frame.kind, "")
    for listener in world.all(Listener) if balancer.started and listener_kind(frame) else ():
        if (listener.balancer, listener.protocol, listener.port) == (balancer.id, protocol, frame.port) and listener.on:
            return shared(world, world.get(Backend, listener.backend), frame)
    return Fate(dropped="no-listener")


def listener_kind(frame: Frame) -> bool:
    """True for what may be for a listener."""
    return frame.kind in ("tcp", "udp", "dhcp", "offer")


def shared(world: World, backend: Backend, frame: Frame) -> Fate:
    """To the target that has the slot, over the border of its subnet where the client is in another one."""
    targets = {one.id: one for one in world.all(Target) if one.group == backend.group}
    weights = {id: one.weight for id, one in targets.items() if one.weight}
    if not weights:
        return Fate(dropped="no-target")
    slot = (frame.source >> 1 if frame.kind == "tcp" else frame.source) % SLOTS
    target = targets[weighted(weights, SLOTS)[slot]]
    port = world.get(NetworkInterface, target.port)
    near = world.get(Subnet, port.subnet).cidr.contains(frame.src)
    sent = replace(frame, dst=target.address, eth_src=frame.eth_src if near else ROUTER_MAC)
    return world.ask("handed", port, sent)


def grow(draw: st.DrawFn, network: Network) -> None:
    """Some subnets have a load balancer whose targets are interfaces of the VPC."""
    from tests.networks.load_balancer import balancer, member

    for subnet in sorted(network.store.state.all(Subnet).values(), key=lambda subnet: subnet.key):
        if draw(st.integers(0, 3)):
            continue
        ports = [one for one in network.store.state.all(NetworkInterface).values() if one.vpc == subnet.vpc]
        mine = sorted((one for one in ports if not one.managed), key=lambda one: one.key)
        address = subnet.last
        if any(address in one.addresses for one in ports):
            continue
        group = balancer(network, subnet, str(address))
        for port in mine[:3]:
            member(network, group, port.id, draw(st.integers(0, 3)))
