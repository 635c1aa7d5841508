"""Security groups: what an interface may send and get, by the rules of its groups; here each frame is a first one."""

from hypothesis import strategies as st

from apps.eni.model import NetworkInterface
from apps.prefix_list.model import VpcPrefixes
from apps.security_group.model import GroupRule, SecurityGroup
from apps.security_group.writes import set_groups
from apps.vpc.model import Vpc
from sdnctl.base.addresses import Cidr
from sdnctl.model.host import SWITCH, Grace
from tests.build import Network
from tests.reference import Fate, Frame, World, rule
from tests.reference.vpc import router_addresses

EVERY_PORT = (1, 65535)
HIGH = 32768
"""Clients choose their ports from here on."""


def groups_of(world: World, port: NetworkInterface) -> set[str]:
    """The groups in force at an interface: those asked for, else its VPC's default one."""
    default = {group.id for group in world.all(SecurityGroup) if group.vpc == port.vpc and group.default}
    return set(port.security_groups) or default


def members(world: World, group: str) -> tuple[int, ...]:
    """The private addresses of the interfaces that are in a group."""
    ports = [port for port in world.all(NetworkInterface) if group in groups_of(world, port)]
    return tuple(int(address) for port in ports for address in port.addresses)


def meant(world: World, one: GroupRule, remote: int, frame: Frame, reply: bool = False) -> bool:
    """True when a rule is for a frame that goes to, or comes from, the remote address, or for what it replies to."""
    if one.peer:
        there = remote in members(world, one.peer)
    elif one.prefix_list:
        lists = [
            known for known in world.all(VpcPrefixes) if (known.vpc, known.prefix_list) == (one.vpc, one.prefix_list)
        ]
        there = any(block.contains(remote) for known in lists for block in known.blocks)
    else:
        there = one.cidr.contains(remote)
    if one.protocol == "all" or not there:
        return there
    if one.protocol != frame.protocol:
        return False
    if one.protocol == "icmp" or (one.first, one.last) == EVERY_PORT:
        return True
    if frame.later:
        # Nobody knows its port: it follows its first fragment, if that may pass by any port.
        return one.action == "allow"
    number = frame.source if reply else frame.port
    return one.first <= number <= one.last


def passes(world: World, port: NetworkInterface, direction: str, remote: int, frame: Frame) -> bool:
    """True when an interface's groups let a frame pass, or in a time of grace what it may be a reply to."""
    other = "in" if direction == "out" else "out"
    return allows(world, port, direction, remote, frame) or (
        bool(world.find_local(Grace, SWITCH) or world.find_local(Grace, port.id))
        and may_reply(frame)
        and allows(world, port, other, remote, frame, reply=True)
    )


def may_reply(frame: Frame) -> bool:
    """True for what may be in the midst of a connection: TCP that begins none, UDP as servers send it."""
    if frame.protocol == "udp":
        return frame.source < HIGH <= frame.port
    return frame.protocol == "tcp" and not frame.begins


def allows(
    world: World, port: NetworkInterface, direction: str, remote: int, frame: Frame, reply: bool = False
) -> bool:
    """The verdict of an interface's groups: the smallest priority decides, then denial; outward, no rule at all."""
    groups = groups_of(world, port)
    rules = [one for one in world.all(GroupRule) if one.group in groups and one.direction == direction]
    if not groups or (direction == "out" and not rules):
        return True
    decide = [one for one in rules if meant(world, one, remote, frame, reply)]
    best = min(((one.priority, one.action == "allow") for one in decide), default=(0, False))
    return best[1]


@rule("sent", after=("unsupported",))
def groups_out(world: World, id: str, frame: Frame) -> Fate | None:
    """An interface sends what its groups let out; what it says to its router is not theirs to judge."""
    port = world.get(NetworkInterface, id)
    mine = frame.dst in router_addresses(world, port.vpc) or passes(world, port, "out", frame.dst, frame)
    return None if mine else Fate(dropped="group")


@rule("handed")
def groups_in(world: World, port: NetworkInterface, frame: Frame) -> Fate | None:
    """An interface gets what its groups let in; that is judged where it is plugged in."""
    refused = world.plugged(port.id) and not passes(world, port, "in", frame.src, frame)
    return Fate(dropped="group") if refused else None


BLOCKS = ("0.0.0.0/0", "10.0.0.0/8", "10.0.1.0/24", "8.8.8.8/32", "203.0.113.0/24")
RANGES = ((1, 65535), (80, 80), (50, 90), (53, 53), (1000, 2000), (1, 52), (54, 79))


def grow(draw: st.DrawFn, network: Network) -> None:
    """Some interfaces are in one or two groups of their own; some default groups allow less; some have just moved."""
    ports = sorted(network.store.state.all(NetworkInterface).values(), key=lambda port: port.key)
    for moved in draw(st.sampled_from(((), (), (SWITCH,), ports[:1]))):
        network.grace(moved if moved == SWITCH else moved.id)
    for vpc in sorted(network.store.state.all(Vpc).values(), key=lambda vpc: vpc.key):
        if draw(st.booleans()):
            continue
        name = vpc.id.removeprefix("vpc-")
        default = network.store.state.get(SecurityGroup, f"sg-{name}")
        assert default is not None
        own = [network.group(vpc, f"{name}{number}") for number in range(draw(st.integers(1, 2)))]
        for _ in range(draw(st.integers(0, 5))):
            _rule(draw, network, draw(st.sampled_from([*own, *own, default])), [*own, default])
        for port in ports:
            chosen = draw(st.lists(st.sampled_from(own), max_size=2, unique_by=id)) if port.vpc == vpc.id else []
            if chosen:
                network.store.transact(
                    lambda txn, port=port, ids=[one.id for one in chosen]: set_groups(txn, port, ids)
                )


def _rule(draw: st.DrawFn, network: Network, group: SecurityGroup, groups: list[SecurityGroup]) -> None:
    protocol = draw(st.sampled_from(("all", "tcp", "udp", "icmp")))
    first, last = draw(st.sampled_from(RANGES)) if protocol in ("tcp", "udp") else (0, 0)
    peer = draw(st.sampled_from([*groups, None, None, None, None]))
    network.rule(
        group,
        draw(st.sampled_from(("in", "out"))),
        action=draw(st.sampled_from(("allow", "allow", "deny"))),
        protocol=protocol,
        first=first,
        last=last,
        cidr=Cidr.parse(draw(st.sampled_from(BLOCKS)) if peer is None else "0.0.0.0/0"),
        peer=peer.id if peer is not None else "",
        priority=draw(st.sampled_from((1, 50, 50, 100))),
    )
