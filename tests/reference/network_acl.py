"""Network ACLs: a list of rules for what crosses the border of a subnet, one way and the other."""

from hypothesis import strategies as st

from apps.eni.model import NetworkInterface
from apps.network_acl.model import AclRule, AclSubnet
from apps.prefix_list.model import VpcPrefixes
from apps.vpc.model import ROUTER_MAC, Subnet, Vpc
from sdnctl.base.addresses import Cidr
from tests.build import Network
from tests.networks.network_acl import acl, listed, ruled
from tests.reference import EVERY_PORT, Fate, Frame, World, rule


def forbids(world: World, subnet: str, direction: str, frame: Frame, remote: int) -> bool:
    """True when the subnet has an ACL, and the first of its rules that is for the frame denies it, or none is."""
    own = [one.acl for one in world.all(AclSubnet) if one.subnet == subnet]
    if not own:
        return False
    rules = [one for one in world.all(AclRule) if one.acl == own[0] and one.direction == direction]
    for one in sorted(rules, key=lambda one: (one.priority, one.action == "allow")):
        if _concerns(world, one, frame, remote):
            return one.action == "deny"
    return True


def _concerns(world: World, one: AclRule, frame: Frame, remote: int) -> bool:
    if one.protocol not in ("all", frame.protocol):
        return False
    if one.protocol in ("tcp", "udp") and (one.first, one.last) != EVERY_PORT:
        if frame.later:
            # Nobody knows its port: it follows its first fragment, if that may pass by any port.
            return one.action == "allow" and _from(world, one, remote)
        if not one.first <= frame.port <= one.last:
            return False
    return _from(world, one, remote)


def _from(world: World, one: AclRule, remote: int) -> bool:
    return any(block.contains(remote) for block in _blocks(world, one))


def _blocks(world: World, one: AclRule) -> tuple[Cidr, ...]:
    if not one.prefix_list:
        return (one.cidr,)
    lists = [found for found in world.all(VpcPrefixes) if (found.vpc, found.prefix_list) == (one.vpc, one.prefix_list)]
    return tuple(block for found in lists for block in found.blocks)


@rule("inside", after=("within_the_subnet",))
def leaves_the_subnet(world: World, port: NetworkInterface, frame: Frame) -> Fate | None:
    """Out of the subnet to the router, before anything is known of where it goes."""
    return Fate(dropped="acl") if forbids(world, port.subnet, "out", frame, frame.dst) else None


@rule("handed", after=("stands_for",))
def enters_the_subnet(world: World, port: NetworkInterface, frame: Frame) -> Fate | None:
    """Into the subnet, where the receiver is, if a router handed it on."""
    if frame.eth_src != ROUTER_MAC or not world.plugged(port.id):
        return None
    return Fate(dropped="acl") if forbids(world, port.subnet, "in", frame, frame.src) else None


def traits(network: Network) -> dict[str, list[AclRule]]:
    """What random networks should have now and then."""
    rules = list(network.store.state.all(AclRule).values())
    return {"a rule of an ACL": rules, "a rule of an ACL for a prefix list": [one for one in rules if one.prefix_list]}


def grow(draw: st.DrawFn, network: Network) -> None:
    """Some subnets get an ACL, which some of them share."""
    subnets = sorted(network.store.state.all(Subnet).values(), key=lambda subnet: subnet.key)
    blocks = st.sampled_from(("0.0.0.0/0", "10.0.0.0/8", "10.0.2.0/24", "10.0.1.3/32", "8.8.8.0/24", "198.51.100.0/24"))
    ports = st.sampled_from(((1, 65535), (53, 53), (80, 80), (50, 90), (1, 52)))
    for vpc in sorted(network.store.state.all(Vpc).values(), key=lambda vpc: vpc.key):
        own = [subnet for subnet in subnets if subnet.vpc == vpc.id]
        chosen = draw(st.lists(st.sampled_from(own), max_size=2, unique_by=lambda subnet: subnet.id)) if own else []
        if not chosen or draw(st.booleans()):
            continue
        made = acl(network, vpc, f"{vpc.id}-acl", *chosen)
        for _ in range(draw(st.integers(0, 6))):
            protocol = draw(st.sampled_from(("all", "icmp", "udp", "tcp")))
            ruled(
                network,
                made,
                draw(st.sampled_from(("in", "out"))),
                draw(st.sampled_from(("allow", "allow", "deny"))),
                protocol,
                draw(blocks) if draw(st.integers(0, 2)) else listed(network, vpc, "8.8.8.8/32", "10.0.0.0/16"),
                draw(ports) if protocol in ("udp", "tcp") else (0, 0),
                draw(st.sampled_from((1, 2, 2, 32768))),
            )
