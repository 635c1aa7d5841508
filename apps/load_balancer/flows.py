"""A load balancer is in every switch of its VPC: there is no machine that all of its packets pass.

The switch of who sends translates: a new connection gets the target that has its slot, and connection tracking keeps it
there, so that targets come and go without a connection to another one being moved.  What comes back is translated at
the same switch.  A target sees its client's address, and its groups judge the client at the target's own port.
"""

from collections.abc import Iterator

from apps.eni.model import NetworkInterface
from apps.eni.tables import RECEIVER
from apps.load_balancer.facts import TO, listens, slot_of, slots_of, vip_of
from apps.load_balancer.model import PROTOCOLS, Backend, Balanced, Listener, LoadBalancer, Target
from apps.load_balancer.tables import (
    BACKEND,
    BY_EIP,
    GIVEN,
    LB_FRAGMENT,
    NO_LISTENER,
    NO_TARGET,
    REPLIED,
    SENT,
    SHARE,
    SLOT,
    TARGET,
    TARGET_GONE,
    VIP,
)
from apps.pipeline import NEXT_HOP, SUBNET, VPC, drop
from apps.reassembly.facts import PIECE, not_late
from apps.vpc.facts import vpc_here
from apps.vpc.model import ROUTER_ITSELF_MAC, ROUTER_MAC, Subnet, Vpc
from sdnctl.base.addresses import Ip4
from sdnctl.of.actions import Action, Instruction, move, nat, set_field, set_ttl
from sdnctl.of.fields import (
    ETH_SRC,
    ETH_TYPE,
    ETH_TYPE_IP,
    ICMP_TYPE,
    IP_DST,
    IP_FRAG,
    IP_PROTO,
    IP_SRC,
    Field,
    Value,
)
from sdnctl.program.feature import Item, View, always, feature, placed, says
from sdnctl.program.pipeline import Priority, goto, onward
from sdnctl.program.step import Step
from sdnctl.program.tracking import tracked, translated
from sdnctl.program.zones import ZoneLimit

Match = dict[Field, Value]
CONNECTIONS = 200_000
"""The connections to load balancers that a host remembers for a VPC."""
ECHO_REPLY, ECHO_REQUEST = 0, 8
TTL = 64


@always
def whole() -> Iterator[Item]:
    """Drop the fragments that connection tracking lets on because they have waited too long: they are nobody's."""
    yield not_late(SENT)
    yield not_late(RECEIVER)


@feature(each=LoadBalancer, within=placed("vpc", test=vpc_here))
def address(balancer: LoadBalancer, here: str, view: View) -> Iterator[Item]:
    """The address of a load balancer, which answers ping and has no other port than its listeners'."""
    vpc, vip = view.get(Vpc, balancer.vpc), vip_of(balancer, view)
    if vpc is None or vip is None:
        return
    mine: Match = {VPC: vpc.key, NEXT_HOP: vip, ETH_TYPE: ETH_TYPE_IP}
    # A fragment, which need not say its port.
    yield VIP.flow(Priority.EXCEPTION, {**mine, IP_FRAG: PIECE}, drop(LB_FRAGMENT))
    # At no listener's port.
    yield VIP.flow(Priority.BROAD, mine, drop(NO_LISTENER))
    if balancer.started:
        # Ping: turned round, and delivered like the answer of a router.
        ping: Match = {BY_EIP: 0, VPC: vpc.key, NEXT_HOP: vip, ICMP_TYPE: ECHO_REQUEST}
        yield VIP.flow(Priority.EXACT, ping, _turned_round(vip))


def _turned_round(vip: Ip4) -> list[Action | Instruction]:
    return [
        move(IP_SRC, NEXT_HOP),
        move(IP_SRC, IP_DST),
        set_field(IP_SRC, vip),
        set_field(ETH_SRC, ROUTER_ITSELF_MAC),
        set_field(ICMP_TYPE, ECHO_REPLY),
        set_ttl(TTL),
        onward(VIP),
    ]


@feature(each=Balanced, within=placed("vpc", test=vpc_here))
def room(balanced: Balanced, here: str, view: View) -> Iterator[Item]:
    """The connections that a host remembers for the load balancers of a VPC."""
    yield ZoneLimit(balanced.zone, CONNECTIONS)
    yield ZoneLimit(balanced.inner, CONNECTIONS)


@feature(each=Listener, within=placed("vpc", test=vpc_here))
def listener(listener: Listener, here: str, view: View) -> Iterator[Item]:
    """A port of a load balancer: its connections have slots of a backend."""
    backend, match = view.get(Backend, listener.backend), listens(listener, view)
    if backend is not None and match is not None:
        # At the port of a listener: the slot of its connection.
        slot = slot_of(listener, backend)
        yield VIP.flow(Priority.NORMAL, {**match, BY_EIP: 0}, [set_field(BACKEND, backend.key), slot, goto(SHARE)])


@feature(each=Backend, within=placed("vpc", test=vpc_here))
def share(backend: Backend, here: str, view: View) -> Iterator[Item]:
    """The slots of a backend, each of which a target has."""
    if not backend.group:
        return
    for slot, owner in enumerate(view.derived(slots_of, backend.group)):
        target = view.get(Target, owner)
        if target is not None:
            # A connection with this slot is the target's, if it is new; any other keeps the one that it has.
            match: Match = {BACKEND: backend.key, SLOT: slot, ETH_TYPE: ETH_TYPE_IP}
            yield SHARE.flow(Priority.NORMAL, match, [set_field(TARGET, target.key), goto(GIVEN)])


@feature(each=Target, within=placed("vpc", test=vpc_here))
def target(target: Target, here: str, view: View) -> Iterator[Item]:
    """A target: the connections that it has, by each backend of its group."""
    port, balanced = view.get(NetworkInterface, target.port), view.get(Balanced, target.vpc)
    subnet = view.get(Subnet, port.subnet) if port is not None else None
    for id in sorted(view.by(Backend, ("group",), target.group)):
        backend = view.get(Backend, id)
        if backend is None or subnet is None or balanced is None:
            continue
        number = target.own_port or backend.port
        given: Match = {BACKEND: backend.key, TARGET: target.key, BY_EIP: 0, ETH_TYPE: ETH_TYPE_IP}
        # To the target: its own address and port, unless the connection has another one already.
        yield GIVEN.flow(
            Priority.NORMAL, given, [tracked(balanced.zone, nat(dst=target.address, ports=(number, number)), SENT)]
        )
        mine: Match = {BACKEND: backend.key, IP_DST: target.address, TO[backend.protocol]: number}
        # One of its connections, from its own subnet: no router in between.
        yield SENT.flow(Priority.EXACT, {**mine, SUBNET: subnet.key}, [move(IP_DST, NEXT_HOP), onward(SENT)])
        # From elsewhere: across the border of its subnet.
        router = set_field(ETH_SRC, ROUTER_MAC)
        yield SENT.flow(Priority.NORMAL, mine, [router, move(IP_DST, NEXT_HOP), onward(SENT)])


@feature(each=Target, within=placed("vpc", test=vpc_here))
def back(target: Target, here: str, view: View) -> Iterator[Item]:
    """The replies of a target to what went to it by a load balancer get that one's address again."""
    vpc, balanced = view.get(Vpc, target.vpc), view.get(Balanced, target.vpc)
    if vpc is not None and balanced is not None:
        # From the address of a target: perhaps such a reply.
        match: Match = {VPC: vpc.key, IP_SRC: target.address}
        yield REPLIED.flow(Priority.NORMAL, match, [translated(balanced.zone, RECEIVER)])


@says(whole)
def late(step: Step, view: View) -> str:
    """Nothing: only what has waited too long is told of."""
    return ""


@says(address)
def to_address(step: Step, view: View) -> str:
    """The load balancer that answers, in words."""
    return f"ping answered by load balancer {step.record.id}"


@says(listener)
def to_listener(step: Step, view: View) -> str:
    """The listener that takes a packet, in words."""
    one: Listener = step.record
    return f"listener {one.id} of load balancer {one.balancer}: {one.protocol} port {one.port}, backend {one.backend}"


@says(share)
def shared(step: Step, view: View) -> str:
    """The target of a new connection, in words."""
    owner = view.derived(slots_of, step.record.group)[step.value(SLOT)]
    return f"slot {step.value(SLOT)} of backend {step.record.id}: a new connection goes to target {owner}"


@says(target)
def to_target(step: Step, view: View) -> str:
    """The target of a connection, in words."""
    one: Target = step.record
    if step.table == GIVEN.id:
        return "is its connection known"
    return f"the connection's target is {one.id}: {one.address} of {one.port}"


@says(back)
def from_target(step: Step, view: View) -> str:
    """The target that sends, in words."""
    return f"from target {step.record.id}: a reply by a load balancer gets that one's address again"


@says(TARGET_GONE)
def target_gone(step: Step, view: View) -> str:
    """The target that is no longer there, in words."""
    return TARGET_GONE.text


@says(NO_LISTENER)
def no_listener(step: Step, view: View) -> str:
    """The load balancer that has no such port, in words."""
    proto = next((name for name, number in PROTOCOLS.items() if number == step.value(IP_PROTO)), "")
    port = f" {proto.upper()} port {step.value(TO[proto])}" if proto else " this"
    return f"load balancer {step.record.id} has no listener for{port}, or it is off"


@says(NO_TARGET)
def no_target(step: Step, view: View) -> str:
    """The group that nobody is in, in words."""
    return NO_TARGET.text


@says(LB_FRAGMENT)
def fragment(step: Step, view: View) -> str:
    """The fragment that says no port, in words."""
    return f"a fragment for load balancer {step.record.id}: {LB_FRAGMENT.text}"
