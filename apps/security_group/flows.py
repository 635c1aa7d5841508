"""Security groups: an interface sends and gets what the rules of its groups allow, and the replies to that.

The verdict on a packet is that on the first one of its connection, made anew for each: a rule that goes ends what it
allowed, a rule that comes back resumes it.  So nothing is kept of a verdict; connection tracking says which way the
connection began, and that there is room for it.

Flows carry the number of a set of groups (``GroupProfile``), not of an interface, and groups that rules name are bits
that each member's own flow gives its address: nothing here is multiplied by members.
"""

from collections.abc import Iterator, Mapping

from apps.eni.facts import known_by_key, plugged_in
from apps.eni.model import NetworkInterface
from apps.filter.facts import PROTOCOLS, Match, blocks_of, names_ports, packets_of
from apps.pipeline import VPC, drop
from apps.reassembly.facts import PIECE, not_late, pieces_limit
from apps.security_group.facts import (
    LOWEST,
    bit_of,
    bits_of,
    filters_here,
    in_force,
    names_groups,
    open_by_default,
    profile_of,
    rules_of,
)
from apps.security_group.model import NO_BIT, Direction, Filtered, GroupProfile, GroupRule
from apps.security_group.tables import (
    AS_REPLY,
    CONNECTIONS,
    FIRST_ONLY,
    GROUP,
    IN,
    INVALID,
    KNOWN,
    OUT,
    PEERS,
    PROFILE,
    REMEMBERED,
    REPLY_ONLY,
    REPLY_TOO,
    TAKEN,
    WAYS,
    ZONE,
    Way,
)
from apps.vpc.facts import vpc_here
from apps.vpc.model import ROUTER_ITSELF_MAC, Subnet, Vpc
from sdnctl.model.host import LocalPort
from sdnctl.of.actions import Action, Instruction, ct_clear, load, meter, set_field
from sdnctl.of.fields import (
    CT_INVALID,
    CT_MARK,
    CT_NEW,
    CT_RELATED,
    CT_REPLY,
    CT_STATE,
    CT_TRACKED,
    ETH_SRC,
    ETH_TYPE,
    ETH_TYPE_IP,
    ICMP_TYPE,
    IP_DST,
    IP_FRAG,
    IP_PROTO,
    IP_PROTO_TCP,
    IP_PROTO_UDP,
    REGISTER_BITS,
    TCP_DST,
    TCP_SRC,
    UDP_DST,
    UDP_SRC,
    OxmField,
)
from sdnctl.of.flow import Flow
from sdnctl.program.feature import Item, Reported, View, always, feature, placed, says
from sdnctl.program.meters import of_fragments
from sdnctl.program.pipeline import Priority, Table, goto, onward
from sdnctl.program.step import Step
from sdnctl.program.tracking import committed, recalled

Ports = Mapping[str, OxmField]
TO: Ports = {"tcp": TCP_DST, "udp": UDP_DST}
FROM: Ports = {"tcp": TCP_SRC, "udp": UDP_SRC}
"""The port that a rule names, in packets that go the way of the connection, and in those that come back."""
ERRORS = (3, 11, 12)
"""ICMP types that quote a packet: unreachable (with path-MTU discovery), time exceeded, parameter problem."""
NO_CONNECTION = (CT_TRACKED | CT_INVALID, KNOWN)
FORTH = (CT_TRACKED, KNOWN | CT_REPLY)
BACK = (CT_TRACKED | CT_REPLY, KNOWN | CT_REPLY)
ABOUT_ANOTHER = (CT_TRACKED | CT_RELATED, KNOWN | CT_RELATED)
FIRST = (CT_TRACKED | CT_NEW, KNOWN | CT_NEW)


@always
def judged() -> Iterator[Item]:
    """The order of the questions, both ways alike."""
    for way in WAYS:
        # Behind connection tracking, the first time and the second.
        yield from (not_late(way.judge), not_late(way.remember))
        # An address that is in no group that a rule names.
        yield way.peer.flow(Priority.MISS, {}, [goto(way.judge)])
        for kind in ERRORS:
            error: Match = {CT_STATE: NO_CONNECTION, ICMP_TYPE: kind}
            # An ICMP error about a connection that there is not.
            yield way.judge.flow(Priority.EXCEPTION, error, drop(GROUP))
        # Of no connection, and none can begin with it: a TCP reset for nobody, say.
        yield way.judge.flow(Priority.EXACT, {CT_STATE: NO_CONNECTION, ETH_TYPE: ETH_TYPE_IP}, drop(INVALID))
        about: Match = {CT_STATE: ABOUT_ANOTHER, CT_MARK: (REMEMBERED, REMEMBERED), ETH_TYPE: ETH_TYPE_IP}
        # An ICMP error about a connection that is remembered, from whatever router.
        yield way.judge.flow(Priority.NORMAL, about, [onward(way.remember)])
        # The way that the connection began.
        yield way.judge.flow(Priority.BROAD, {CT_STATE: FORTH, ETH_TYPE: ETH_TYPE_IP}, [goto(way.rules)])
        # The other way.
        yield way.judge.flow(Priority.BROAD, {CT_STATE: BACK, ETH_TYPE: ETH_TYPE_IP}, [goto(way.replies)])
        new: Match = {CT_STATE: FIRST, CT_MARK: (0, REMEMBERED), ETH_TYPE: ETH_TYPE_IP}
        remember = committed(ZONE, load(CT_MARK, 1, REMEMBERED.bit_length() - 1, 1), way.remember)
        # Taken for a reply: whoever began the connection tells by its next packet which way that was.
        yield way.allowed.flow(Priority.EXACT, {TAKEN: AS_REPLY}, [onward(way.remember)])
        # The first of a connection: remember it. One that nobody has replied to yet stays new.
        yield way.allowed.flow(Priority.NORMAL, new, [remember])
        # Any other.
        yield way.allowed.flow(Priority.MISS, {}, [onward(way.remember)])
        # Fragments that are put together with no first one, say: room was not asked for.
        yield way.remember.flow(Priority.EXACT, {CT_STATE: NO_CONNECTION, ETH_TYPE: ETH_TYPE_IP}, drop(INVALID))
        # There was room for it.
        yield way.remember.flow(Priority.NORMAL, {CT_MARK: (REMEMBERED, REMEMBERED)}, [onward(way.remember)])


@always
def answered() -> Iterator[Item]:
    """Let the answers of a router itself pass: they concern no group."""
    # From the router itself.
    yield IN.track.flow(Priority.EXACT, {ETH_SRC: ROUTER_ITSELF_MAC}, [onward(IN.track)])


@feature(each=LocalPort, reports=(Filtered,))
def filtered(local: LocalPort, here: str, view: View) -> Iterator[Item]:
    """An interface that is plugged in here: its profile and zone, for what it sends and what it gets."""
    port = view.get(NetworkInterface, local.id) if plugged_in(local.id, view) else None
    vpc = view.get(Vpc, port.vpc) if port is not None else None
    if port is None or vpc is None:
        return
    sent: Match = {OUT.port: port.key, ETH_TYPE: ETH_TYPE_IP}
    got: Match = {VPC: vpc.key, IN.port: port.key, ETH_TYPE: ETH_TYPE_IP}
    profile = profile_of(port, view)
    if profile is None:
        # Of a VPC without groups: as if there were none. A set of groups that nobody has numbered lets nothing pass.
        for way, match in ((OUT, sent), (IN, got)) if port.security_groups else ():
            # Nothing is known of its groups.
            yield way.track.flow(Priority.NORMAL, match, drop(GROUP))
        return
    # The rules of its profile are wanted here.
    yield Reported(Filtered(id=port.id, profile=profile.id))
    nobody: list[Action | Instruction] = [set_field(bits, 0) for bits in (PROFILE, *PEERS)]
    known = [set_field(TAKEN, FIRST_ONLY), *nobody, set_field(ZONE, local.zone)]
    # It sends: what is known of the connection in its zone?
    yield OUT.track.flow(Priority.BROAD, sent, [*known, recalled(ZONE, OUT.groups)])
    limit = pieces_limit(of_fragments(local.zone))
    yield limit
    # A fragment: the same, within the interface's limit.  Connection tracking is the barrier behind it.
    limited = [meter(limit.id), *known, recalled(ZONE, OUT.groups)]
    yield OUT.track.flow(Priority.NORMAL, {**sent, IP_FRAG: PIECE}, limited)
    # Fragments that it gets were within a limit before: of the interface that sent them, on its host, or an elastic IP.
    # It gets: forget what was said of the sender's side, and ask in its own zone.
    yield IN.track.flow(Priority.NORMAL, got, [ct_clear(), *known, recalled(ZONE, IN.groups)])
    for way in WAYS:
        # Its set of groups: not noted before, where the datapath would keep it until it has looked at its flows again.
        yield way.groups.flow(Priority.NORMAL, {way.port: port.key}, [set_field(PROFILE, profile.key), goto(way.peer)])


@feature(each=Subnet, within=placed("vpc", test=vpc_here))
def own_router(subnet: Subnet, here: str, view: View) -> Iterator[Item]:
    """A subnet's router and DHCP server are in the switch: what is said to them concerns no group."""
    vpc = view.get(Vpc, subnet.vpc)
    if vpc is None:
        return
    for address in (subnet.router, subnet.dhcp_server):
        # To the router itself.
        yield OUT.track.flow(Priority.EXACT, {VPC: vpc.key, IP_DST: address}, [onward(OUT.track)])


@feature(each=NetworkInterface, within=placed("vpc", test=names_groups))
def member(port: NetworkInterface, here: str, view: View) -> Iterator[Item]:
    """A member of groups that rules of its VPC name, on whatever host it is: its addresses are theirs."""
    vpc, bits = view.get(Vpc, port.vpc), bits_of(port, view)
    if vpc is None or not bits:
        return
    groups = [set_field(part, bits >> n * REGISTER_BITS & part.limit) for n, part in enumerate(PEERS)]
    for way in WAYS:
        for address in port.addresses:
            # To or from one of its addresses.
            yield way.peer.flow(Priority.NORMAL, {VPC: vpc.key, way.remote: address}, [*groups, goto(way.judge)])


@feature(each=GroupProfile, within=placed("id", test=filters_here))
def ruled(profile: GroupProfile, here: str, view: View) -> Iterator[Item]:
    """The rules of a set of groups that an interface here has: for what begins each way, and for the replies to it.

    Two groups may have the same rule: its flow is one.
    """
    found: dict[bytes, Flow] = {}
    directions: tuple[Direction, ...] = ("in", "out")
    for direction in directions:
        rules = list(rules_of(profile, direction, view))
        for way in WAYS:
            own = direction == way.direction
            table, ports = (way.rules, TO) if own else (way.replies, FROM)
            for rule in rules:
                found.update((flow.key, flow) for flow in _flows(rule, profile, way, table, ports, view))
            rest = way.allowed if open_by_default(profile, direction, view) else way.refused
            # What no rule concerns.
            flow = table.flow(Priority.BROAD, {PROFILE: profile.key}, [goto(rest)])
            found[flow.key] = flow
    yield from found.values()


def _flows(rule: GroupRule, profile: GroupProfile, way: Way, table: Table, ports: Ports, view: View) -> Iterator[Flow]:
    """The flows of a rule in one table."""
    priority = Priority.rank((LOWEST - rule.priority) * 2 + (rule.action == "deny"))
    verdict = [goto(way.refused if rule.action == "deny" else way.allowed)]
    for remote in _remotes(rule, way, view):
        for packet in packets_of(rule, ports):
            # What the rule is for.
            yield table.flow(priority, {PROFILE: profile.key, **remote, **packet}, verdict)


def _remotes(rule: GroupRule, way: Way, view: View) -> Iterator[Match]:
    """The matches of a rule's remote side: a block, those of a list, or the bit of a group."""
    if rule.peer:
        bit = bit_of(rule, view)
        if bit != NO_BIT:
            place = 1 << bit % REGISTER_BITS
            yield {PEERS[bit // REGISTER_BITS]: (place, place)}
        return
    for block in blocks_of(rule, view):
        yield {way.remote: (block.network, block.mask)} if block.length else {}


@says(judged)
def began(step: Step, view: View) -> str:
    """The way that the connection began, in words, or its being remembered."""
    way = _way(step)
    if step.table == way.judge.id:
        return ""
    return "the connection is remembered" if step.table == way.remember.id else ""


@says(answered)
def from_router(step: Step, view: View) -> str:
    """The router that groups do not concern, in words."""
    return "from the router itself: security groups do not concern it"


@says(filtered)
def concerned(step: Step, view: View) -> str:
    """The interface and its groups, in words, once."""
    way = _way(step)
    if step.table == way.groups.id:
        return ""
    port = view.get(NetworkInterface, step.record.id)
    groups = ", ".join(in_force(port, view)) if port is not None else ""
    return f"what {step.record.id} {'sends' if way is OUT else 'gets'} is judged by {groups}"


@says(own_router)
def to_router(step: Step, view: View) -> str:
    """The router that groups do not concern, in words."""
    return f"{step.ip(IP_DST)} is the router of {step.record.id}: security groups do not concern it"


@says(member)
def is_member(step: Step, view: View) -> str:
    """The groups that the remote address is in, in words."""
    return f"{step.ip(_way(step).remote)} is {step.record.id} in {', '.join(in_force(step.record, view))}"


@says(ruled)
def allowed(step: Step, view: View) -> str:
    """The rule that allows it, in words; nothing when it is refused, which is told of the refusal."""
    way = _way(step)
    own = step.table == way.rules.id
    rule = _decides(step, step.record, own, view)
    reply = "" if own else "a reply: its connection is "
    if rule is None:
        free = open_by_default(step.record, way.direction if own else way.other, view)
        return f"{reply}allowed: no rule of {', '.join(step.record.groups)} is for what goes out" if free else ""
    return f"{reply}allowed by rule {rule.id} of {rule.group}" if rule.action == "allow" else ""


@says(GROUP)
def refused(step: Step, view: View) -> str:
    """The rule that forbids it, or that none allows it, in words."""
    way = _way(step)
    port = known_by_key(step.value(way.port), view)
    where = port.id if port is not None else "the interface"
    profile = profile_of(port, view) if port is not None and step.table == way.refused.id else None
    if profile is None:
        what = (
            "an ICMP error that quotes no connection of" if step.table == way.judge.id else "nobody knows the groups of"
        )
        return f"{what} {where}"
    back = bool(step.value(CT_STATE) & CT_REPLY) or step.value(TAKEN) in (REPLY_ONLY, REPLY_TOO)
    rule = _decides(step, profile, not back, view)
    reply = "a reply, and its connection is " if back else ""
    if rule is None:
        return f"{reply}allowed by no rule of {', '.join(profile.groups)} at {where}"
    return f"{reply}dropped by rule {rule.id} of {rule.group} at {where}"


@says(INVALID)
def invalid(step: Step, view: View) -> str:
    """The connection that there is not, in words."""
    return INVALID.text


@says(CONNECTIONS)
def full(step: Step, view: View) -> str:
    """The interface that has no room for one more connection, in words."""
    port = known_by_key(step.value(_way(step).port), view)
    return f"{port.id} has as many connections as it may have" if port is not None else CONNECTIONS.text


def _way(step: Step) -> Way:
    return next(way for way in WAYS if way.track.id <= step.table <= way.remember.id)


def _decides(step: Step, profile: GroupProfile, own: bool, view: View) -> GroupRule | None:
    """The rule that decides on a packet of its own, or as a reply; None when none does."""
    way = _way(step)
    remote, proto = step.value(way.remote), step.value(IP_PROTO)
    known = {IP_PROTO_TCP: "tcp", IP_PROTO_UDP: "udp"}.get(proto)
    ports = TO if own else FROM
    port = step.value(ports[known]) if known is not None else 0
    peers = sum(step.value(part) << n * REGISTER_BITS for n, part in enumerate(PEERS))
    for rule in rules_of(profile, way.direction if own else way.other, view):
        bit = bit_of(rule, view)
        there = (
            bool(bit != NO_BIT and peers >> bit & 1)
            if rule.peer
            else any(block.contains(remote) for block in blocks_of(rule, view))
        )
        what = rule.protocol == "all" or (
            PROTOCOLS[rule.protocol] == proto and (not names_ports(rule) or rule.first <= port <= rule.last)
        )
        if there and what:
            return rule
    return None
