"""Security groups: what an interface may send and get, by the rules of its groups, and what belongs to that."""

from collections.abc import Collection

from hypothesis import strategies as st

from apps.eni.model import NetworkInterface
from apps.prefix_list.model import PrefixList, VpcPrefixes
from apps.security_group.model import EVERYWHERE, GroupDefaults, GroupRule, SecurityGroup
from apps.security_group.writes import set_groups
from apps.vpc.model import Vpc
from sdnctl.base.addresses import Cidr
from sdnctl.model.host import SWITCH, Grace, LocalPort
from sdnctl.of.fields import REGISTER_BITS
from sdnctl.store import Txn
from tests.build import Network
from tests.networks.security_group import block_list
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


def meant(world: World, one: GroupRule, remote: int, frame: Frame, reply: bool) -> bool:
    """True when a rule is for the connection of a frame, or of a reply, which goes to or comes from the remote one."""
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
    return one.first <= (frame.source if reply else frame.port) <= one.last


def unseen(world: World, port: NetworkInterface, frame: Frame) -> bool:
    """True for what may be a reply in a time of grace, in which nobody knows of what."""
    graced = world.find_local(Grace, SWITCH) or world.find_local(Grace, port.id)
    if not graced:
        return False
    return from_server(frame) if frame.protocol == "udp" else frame.protocol == "tcp" and not frame.begins


def from_server(frame: Frame) -> bool:
    """True for what goes from a server's port to a client's."""
    return frame.source < HIGH <= frame.port


def may_serve(frame: Frame) -> bool:
    """True for what may be a server's, in a TCP connection that nobody knows: it begins none, and is no client's."""
    if frame.protocol != "tcp" or frame.begins or frame.later:
        return False
    return frame.source < HIGH or frame.port >= HIGH


def allows(world: World, groups: set[str], direction: str, remote: int, frame: Frame, reply: bool) -> bool:
    """The verdict of groups on a connection: the smallest priority decides, then denial; outward, no rule at all."""
    rules = [one for one in world.all(GroupRule) if one.group in groups and one.direction == direction]
    if direction == "out" and not rules:
        said = world.find(GroupDefaults, EVERYWHERE)
        return said is None or not said.closed
    decide = [one for one in rules if meant(world, one, remote, frame, reply)]
    best = min(((one.priority, one.action == "allow") for one in decide), default=(0, False))
    return best[1]


def refused(world: World, port: NetworkInterface, direction: str, remote: int, frame: Frame) -> Fate | None:
    """The fate of what an interface must not send or get; a reply fares as what it replies to, were that sent now."""
    groups, known = groups_of(world, port), world.knows(port.id)
    if not groups or known == "error":
        return None
    if known == "late":
        return Fate(dropped="unfinished")
    if known == "invalid":
        return Fate(dropped="group" if frame.kind == "error" else "invalid")
    back = {"in": "out", "out": "in"}[direction]
    if known == "reply":
        return None if allows(world, groups, back, remote, frame, reply=True) else Fate(dropped="group")
    goes_on = known in ("new", "full") and unseen(world, port, frame)
    answers = goes_on and allows(world, groups, back, remote, frame, reply=True)
    # What may be a reply to something is not remembered: it would be the wrong way round.
    if answers and from_server(frame):
        return None
    if not allows(world, groups, direction, remote, frame, reply=False):
        return None if answers else Fate(dropped="group")
    if known in ("new", "full") and not goes_on and may_serve(frame):
        if not allows(world, groups, back, remote, frame, reply=True):
            return Fate(dropped="group")
        # Remembered it might be the wrong way round; of a datagram in fragments, later ones have nothing to tell them.
        if not frame.piece:
            return None
    if known == "new":
        world.remembered.append(port.id)
    return Fate(dropped="connections") if known == "full" else None


@rule("sent", after=("unsupported",))
def groups_out(world: World, id: str, frame: Frame) -> Fate | None:
    """An interface sends what its groups let out; what it says to its router is not theirs to judge."""
    port = world.get(NetworkInterface, id)
    return None if frame.dst in router_addresses(world, port.vpc) else refused(world, port, "out", frame.dst, frame)


@rule("handed", after=("stands_for",))
def groups_in(world: World, port: NetworkInterface, frame: Frame) -> Fate | None:
    """An interface gets what its groups let in; that is judged where it is plugged in."""
    return refused(world, port, "in", frame.src, frame) if world.plugged(port.id) else None


def traits(network: Network) -> dict[str, Collection[object]]:
    """What random networks should have now and then."""
    everything = network.store.state
    custom = [one for one in everything.all(GroupRule).values() if one.origin == "custom"]
    groups, ports = everything.all(SecurityGroup).values(), everything.all(NetworkInterface).values()
    return {
        "a VPC without groups": set(everything.all(Vpc)) - {group.vpc for group in groups},
        "an interface in the default group": [port for port in ports if not port.security_groups],
        "an interface in a group of its own": [port for port in ports if port.security_groups],
        "an interface in several groups": [port for port in ports if len(port.security_groups) > 1],
        "a rule for its own group": [one for one in custom if one.peer == one.group],
        "a rule for another group": [one for one in custom if one.peer not in ("", one.group)],
        "a group in the second register": [group for group in groups if group.bit >= REGISTER_BITS],
        "a rule for a prefix list": [one for one in custom if one.prefix_list],
        "a rule for ports": [one for one in custom if one.first],
        "a rule that denies": [one for one in custom if one.action == "deny"],
        "a switch that has just started": {SWITCH} & graced(network),
        "an interface in groups that has just moved": {p.id for p in ports if p.security_groups} & graced(network),
    }


def graced(network: Network) -> set[str]:
    """The interfaces here that have just moved, and ``SWITCH``."""
    local = network.local.values()
    here = {one.id for one in local if isinstance(one, LocalPort)}
    return {one.id for one in local if isinstance(one, Grace)} & {SWITCH, *here}


BLOCKS = ("0.0.0.0/0", "10.0.0.0/8", "10.0.1.0/24", "8.8.8.8/32", "203.0.113.0/24")
RANGES = ((1, 65535), (80, 80), (50, 90), (53, 53), (1000, 2000), (1, 52), (54, 79))
LISTS = ((), ("10.0.0.0/16",), ("10.0.1.0/24", "10.0.1.3/32", "8.8.8.0/24"), ("203.0.113.0/24", "0.0.0.0/1"))
MOST = 3
"""Groups of its own that a VPC gets, and that an interface may be in."""


def grow(draw: st.DrawFn, network: Network) -> None:
    """Some VPCs have no groups, some the default one only; of others the interfaces are in up to three of their own.

    Now and then one interface has just moved here, or all have a switch that has just started, or the operator has
    turned the implicit allow off.
    """
    for vpc in sorted(network.store.state.all(Vpc).values(), key=lambda vpc: vpc.key):
        kind = draw(st.sampled_from(("own", "none", "own", "default", "own")))
        if kind == "none":
            network.ungrouped(vpc.id)
        elif kind == "own":
            _own(draw, network, vpc)
    here = [network.port_of(one.id) for one in network.local.values() if isinstance(one, LocalPort)]
    grouped = [port.id for port in here if port.security_groups]
    for whose in draw(st.sampled_from((grouped[:1], (SWITCH,), (), (SWITCH,), grouped[-1:]))):
        network.grace(whose)
    closed = draw(st.sampled_from((False, True, False)))
    network.store.transact(lambda txn: txn.put(GroupDefaults(id=EVERYWHERE, closed=closed)))


def _own(draw: st.DrawFn, network: Network, vpc: Vpc) -> None:
    """Groups with rules for blocks, lists and groups; a rule of the default group may be there, too."""
    name = vpc.id.removeprefix("vpc-")
    default = network.store.state.get(SecurityGroup, f"sg-{name}")
    assert default is not None
    _take_bits(network, vpc, draw(st.sampled_from((0, REGISTER_BITS, REGISTER_BITS - 1))))
    blocks = block_list(network, f"{name}-rules", *draw(st.sampled_from(LISTS)))
    own = [network.group(vpc, f"{name}{number}") for number in range(draw(st.sampled_from((2, 3, 1))))]
    for _ in range(draw(st.sampled_from((5, 4, 3, 2, 7, 1, 0)))):
        _rule(draw, network, draw(st.sampled_from([*own, *own, default])), [*own, default], blocks)
    ports = [port for port in network.store.state.all(NetworkInterface).values() if port.vpc == vpc.id]
    for port in sorted(ports, key=lambda port: port.key):
        fewest = min(draw(st.sampled_from((2, 1, 0))), len(own))
        chosen = draw(st.lists(st.sampled_from(own), min_size=fewest, max_size=MOST, unique_by=id))
        if chosen:
            network.store.transact(lambda txn, port=port, ids=[one.id for one in chosen]: set_groups(txn, port, ids))


def _take_bits(network: Network, vpc: Vpc, count: int) -> None:
    """Let other groups have the first bits of a VPC, so that those of its own are in both registers."""

    def work(txn: Txn) -> None:
        for bit in range(count):
            txn.put(SecurityGroup(id=f"sg-{vpc.id}-bit{bit}", account="acc", vpc=vpc.id, bit=bit))

    network.store.transact(work)


def _rule(
    draw: st.DrawFn, network: Network, group: SecurityGroup, groups: list[SecurityGroup], blocks: PrefixList
) -> None:
    protocol = draw(st.sampled_from(("all", "tcp", "udp", "icmp")))
    first, last = draw(st.sampled_from(RANGES)) if protocol in ("tcp", "udp") else (0, 0)
    remote = draw(st.sampled_from(("group", "block", "list", "group")))
    network.rule(
        group,
        draw(st.sampled_from(("in", "out"))),
        action=draw(st.sampled_from(("allow", "allow", "deny"))),
        protocol=protocol,
        first=first,
        last=last,
        cidr=Cidr.parse(draw(st.sampled_from(BLOCKS)) if remote == "block" else "0.0.0.0/0"),
        prefix_list=blocks.id if remote == "list" else "",
        peer=draw(st.sampled_from(groups)).id if remote == "group" else "",
        priority=draw(st.sampled_from((1, 50, 50, 100))),
    )
