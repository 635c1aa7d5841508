"""A NAT gateway: connections leave by its elastic IPs, and come in by its rules alone; here each frame begins one."""

from collections.abc import Iterator
from dataclasses import replace

from hypothesis import strategies as st

from apps.eip.model import ElasticIp
from apps.eni.model import NetworkInterface
from apps.nat_gateway.model import KIND, DnatRule, NatGateway, SnatRule
from apps.routing.model import INTERNET, Route
from apps.vpc.model import ANYTHING, Subnet, Vpc
from sdnctl.base.addresses import Cidr
from tests.build import Network
from tests.reference import Fate, Frame, World, rule
from tests.reference.eip import arriving
from tests.reference.eni import delivered
from tests.reference.uplink import outward

FULL = "nat-full"


def inside(world: World, natgw: NatGateway) -> Cidr:
    """The addresses of the VPC, as far as one block has them."""
    vpc = world.get(Vpc, natgw.vpc)
    return world.get(Subnet, natgw.subnet).cidr if vpc.cidr == ANYTHING else vpc.cidr


def public(world: World, natgw: NatGateway) -> list[ElasticIp]:
    """The elastic IPs of a gateway that work here: its subnet leads to the internet, and this host has an uplink."""
    table = world.get(Subnet, natgw.subnet).route_table
    leads = any(route.table == table and route.next_hop_type == INTERNET for route in world.all(Route))
    return [eip for eip in world.all(ElasticIp) if eip.port == natgw.port] if leads and world.uplink else []


@rule(KIND)
def by_a_gateway(world: World, route: Route, port: NetworkInterface, frame: Frame) -> Fate:
    """To the gateway, unless it is stopped or gone."""
    natgw = world.find(NatGateway, route.next_hop)
    if natgw is None or not natgw.running:
        return Fate(dropped="nat-stopped")
    return world.ask("handed", world.get(NetworkInterface, natgw.port), frame)


@rule("handed")
def at_the_gateway(world: World, port: NetworkInterface, frame: Frame) -> Fate | None:
    """Out by the rule with the longest prefix, as any of its elastic IPs that are online."""
    natgw = next((one for one in world.all(NatGateway) if one.port == port.id), None)
    if natgw is None:
        return None
    if world.uplink is None:
        return Fate(dropped="not-here")
    if not natgw.running:
        return Fate(dropped="nat-stopped")
    if frame.src in tuple(eip.address for eip in public(world, natgw)):
        return Fate(dropped="spoofed-ip")
    if inside(world, natgw).contains(frame.dst):
        return Fate(dropped="nat-itself")
    rules = [one for one in world.all(SnatRule) if one.gateway == natgw.id and one.enabled]
    meant = [one for one in rules if one.cidr.contains(frame.src)]
    if not meant:
        return Fate(dropped="no-snat")
    best = max(meant, key=lambda one: one.cidr.length)
    eips = [eip for eip in public(world, natgw) if eip.id not in natgw.offline]
    eips = [eip for eip in eips if eip.id in best.eips] if best.eips else eips
    each = (world.alone(lambda eip=eip: _out(world, eip, frame)) for eip in eips)
    found = [option for fate in each for option in fate.options]
    return Fate(dropped="no-snat") if not found else found[0] if len(found) == 1 else Fate(among=tuple(found))


def _out(world: World, eip: ElasticIp, frame: Frame) -> Fate:
    world.if_full.add(FULL)
    translated = replace(frame, src=eip.address)
    receiver = arriving(world, translated)
    return receiver if receiver is not None else outward(world, eip.pool, translated)


@rule("arrives")
def at_its_elastic_ip(world: World, frame: Frame) -> Fate | None:
    """In by a rule for the port, or for all that comes; nothing else begins from outside."""
    for natgw in world.all(NatGateway):
        for eip in public(world, natgw):
            if eip.address == frame.dst:
                if not natgw.running:
                    return Fate(dropped="nat-stopped")
                return _in(world, natgw, eip, frame)
    return None


def _in(world: World, natgw: NatGateway, eip: ElasticIp, frame: Frame) -> Fate:
    if inside(world, natgw).contains(frame.src):
        return Fate(dropped="own-source")
    for one in world.all(DnatRule):
        if one.eip == eip.id and _opens(one, frame):
            world.if_full.add(FULL)
            return delivered(world, natgw.vpc, replace(frame, dst=one.address))
    return Fate(dropped="no-inbound")


def _opens(one: DnatRule, frame: Frame) -> bool:
    """Of a datagram in fragments only the first has a port."""
    if one.protocol == "all":
        return True
    return bool(one.protocol == frame.protocol and not frame.later and one.first <= frame.port <= one.last)


def shared(world: World) -> Iterator[int]:
    """The elastic IPs of gateways that are answered for here."""
    for natgw in world.all(NatGateway):
        yield from (eip.address for eip in public(world, natgw))


def grow(draw: st.DrawFn, network: Network) -> None:
    """Some VPCs have a gateway, with an elastic IP or two, and a route to it that some of their subnets follow."""
    for vpc in sorted(network.store.state.all(Vpc).values(), key=lambda vpc: vpc.key):
        if draw(st.integers(0, 2)):
            continue
        name = f"nat{vpc.key}"
        first = min((s for s in network.store.state.all(Subnet).values() if s.vpc == vpc.id), key=lambda s: s.key)
        edge = network.subnet(vpc, name, "10.0.9.0/24")
        addresses = [f"203.0.113.{100 + 10 * vpc.key + n}" for n in range(draw(st.integers(0, 2)))]
        natgw = network.nat_gateway(name, edge, *addresses)
        network.route(network.table(vpc, name, first), draw(st.sampled_from(("0.0.0.0/0", "8.8.8.0/24"))), natgw)
        if draw(st.integers(0, 5)) == 0:
            network.store.transact(lambda txn, natgw=natgw: txn.put(replace(natgw, running=False)))
        ports = [port for port in network.store.state.all(NetworkInterface).values() if port.vpc == vpc.id]
        ports = sorted((port for port in ports if not port.managed), key=lambda port: port.key)
        if addresses and ports and draw(st.booleans()):
            protocol, first_port, last = draw(st.sampled_from((("tcp", 80, 80), ("udp", 1, 100), ("all", 0, 0))))
            network.dnat(name, natgw, f"fip-{name}-0", protocol, draw(st.sampled_from(ports)), first_port, last)
