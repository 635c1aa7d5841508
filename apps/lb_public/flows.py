"""A load balancer with an elastic IP: the active gateway chooses, and the target's own switch translates.

The gateway remembers which target a connection has, by a mark, and nothing else: another gateway that takes its place
comes to the same targets by the same slots.  What is translated is remembered where the target is, so no connection
ends with a gateway.
"""

from collections.abc import Iterator, Sequence

from apps.eip.tables import SNAT
from apps.eni.facts import port_here
from apps.eni.facts import presented as bound_to
from apps.eni.model import NetworkInterface
from apps.eni.tables import ORIGIN
from apps.gateway.facts import deposed, home_of, server_of, translates_here
from apps.holder.facts import held_here, holding
from apps.holder.model import Claim, Holder
from apps.lb_public.facts import TARGET_MASK, TARGET_OUI, chosen_here, key_of, openings, public, target_mac
from apps.lb_public.tables import BACK, ENTERED, KEPT, LANDED, LEAVES, LEFT
from apps.load_balancer.facts import listens, slot_of, vip_of
from apps.load_balancer.model import Backend, Balanced, Listener, LoadBalancer, Target
from apps.load_balancer.tables import BACKEND, BY_EIP, GIVEN, SHARE, TARGET, VIP
from apps.overlay.facts import KEY_BITS, endpoint, through
from apps.overlay.tables import FROM_HOST
from apps.pipeline import NEXT_HOP, OUT_PORT, PORT, PUBLIC, VPC
from apps.reassembly.facts import not_late
from apps.vpc.facts import vpc_here
from apps.vpc.model import ROUTER_MAC, Vpc
from sdnctl.model.host import TUNNEL, Binding, LocalTunnel, Peer
from sdnctl.of.actions import Action, Instruction, load, move, nat, resubmit, set_field, set_ttl
from sdnctl.of.fields import (
    CONJ_ID,
    CT_MARK,
    CT_NEW,
    CT_STATE,
    ETH_DST,
    ETH_SRC,
    ETH_TYPE,
    ETH_TYPE_IP,
    ICMP_TYPE,
    IN_PORT,
    IP_DST,
    IP_SRC,
    TUN_ID,
    VLAN_VID,
    Field,
    Value,
)
from sdnctl.program.feature import Item, Reported, View, always, feature, placed, says
from sdnctl.program.pipeline import Priority, enter, goto, onward
from sdnctl.program.step import Step
from sdnctl.program.tracking import looked_up, noted, tracked, translated

Match = dict[Field, Value]
Actions = Sequence[Action | Instruction]
ECHO_REPLY, ECHO_REQUEST = 0, 8
TTL = 64
NEW = (CT_NEW, CT_NEW)
IP: Match = {ETH_TYPE: ETH_TYPE_IP}


@always
def known() -> Iterator[Item]:
    """A connection that has a target keeps it; any other gets one by its slot."""
    for table in (KEPT, ENTERED, LEFT):
        yield not_late(table)
    # It is new; what a trace says of its mark is that of another zone.
    yield KEPT.flow(Priority.EXACT, {**IP, CT_STATE: NEW}, [goto(SHARE)])
    # It has none yet.
    yield KEPT.flow(Priority.NORMAL, {**IP, CT_MARK: 0}, [goto(SHARE)])
    # It has one: to that, if it is there still.
    yield KEPT.flow(Priority.BROAD, IP, [move(CT_MARK, TARGET, nbits=TARGET.width), goto(GIVEN)])


@feature(each=LoadBalancer, within=placed("vpc", test=translates_here), reports=(Holder, Claim, Peer, Binding))
def presented(balancer: LoadBalancer, here: str, view: View) -> Iterator[Item]:
    """A load balancer with an elastic IP, on the host that presents it."""
    vpc, port = view.get(Vpc, balancer.vpc), view.get(NetworkInterface, balancer.port)
    balanced, vip = view.get(Balanced, balancer.vpc), vip_of(balancer, view)
    if vpc is None or port is None or balanced is None or vip is None or not view.derived(public, balancer.id):
        return
    holder = view.get(Holder, balancer.id)
    waits = holder is None or not view.derived(deposed, holder.host)
    yield from holding(balancer.id, vpc.id, here, view, fit=waits)
    if not view.derived(held_here, balancer.id):
        return
    # The region learns where its interface is: its elastic IP follows.
    yield Reported(bound_to(port, here))
    # A reply on its way out: its connection is seen to go on.
    yield BACK.flow(Priority.NORMAL, {**IP, VPC: vpc.key, IP_SRC: vip}, [looked_up(balanced.zone, SNAT)])
    if balancer.started:
        # Ping from outside: turned round, and out as whatever the load balancer sends, also where it came in.
        ping: Match = {BY_EIP: 1, VPC: vpc.key, NEXT_HOP: vip, ICMP_TYPE: ECHO_REQUEST}
        turned = [move(IP_SRC, IP_DST), set_field(IP_SRC, vip), set_field(ICMP_TYPE, ECHO_REPLY), set_ttl(TTL)]
        itself = [set_field(PORT, port.key), set_field(BY_EIP, 0), load(IN_PORT, 0)]
        yield VIP.flow(Priority.EXACT, ping, [*turned, *itself, resubmit(SNAT.id)])


@feature(each=Listener, within=placed("balancer", test=chosen_here))
def listener(listener: Listener, here: str, view: View) -> Iterator[Item]:
    """A port of a load balancer, for what comes by its elastic IP."""
    backend, balanced = view.get(Backend, listener.backend), view.get(Balanced, listener.vpc)
    match = listens(listener, view)
    if backend is not None and balanced is not None and match is not None:
        slot = [set_field(BACKEND, backend.key), slot_of(listener, backend)]
        # From outside, at the port of a listener: has the connection a target already?
        yield VIP.flow(Priority.NORMAL, {**match, BY_EIP: 1}, [*slot, looked_up(balanced.zone, KEPT)])


@feature(each=Target, within=placed("vpc", test=translates_here))
def sent(target: Target, here: str, view: View) -> Iterator[Item]:
    """A target, on the host that presents the elastic IP: the way to it."""
    balanced, way = view.get(Balanced, target.vpc), _way(target, here, view)
    for id in sorted(view.by(Backend, ("group",), target.group)):
        backend = view.get(Backend, id)
        balancer = view.get(LoadBalancer, backend.balancer) if backend is not None else None
        port = view.get(NetworkInterface, balancer.port) if balancer is not None else None
        if balanced is None or backend is None or port is None or not way:
            continue
        if view.derived(chosen_here, backend.balancer):
            match: Match = {BACKEND: backend.key, TARGET: target.key, BY_EIP: 1, **IP}
            keep = noted(balanced.zone, set_field(CT_MARK, target.key))
            # To the target's host, named by a MAC address; the connection keeps the target.
            named = [keep, set_field(OUT_PORT, port.key), set_field(ETH_DST, target_mac(target))]
            yield GIVEN.flow(Priority.NORMAL, match, [*named, *way])


def _way(target: Target, here: str, view: View) -> Actions:
    """The way to the host of a target; empty while it is on none that can be reached."""
    home = view.derived(home_of, target.port)
    if home == here:
        return [goto(LANDED)]
    tunnel, address = view.get(LocalTunnel, TUNNEL), view.derived(endpoint, home) if home else None
    return through(tunnel, address) if tunnel is not None and address else ()


@feature(each=LocalTunnel)
def inlet(tunnel: LocalTunnel, here: str, view: View) -> Iterator[Item]:
    """The way in for what is for a target here."""
    whose: Match = {ETH_DST: (TARGET_OUI, TARGET_MASK)}
    # In from the host that has chosen a target.
    yield ORIGIN.flow(
        Priority.EXACT,
        {CONJ_ID: FROM_HOST, IN_PORT: tunnel.ofport, VLAN_VID: 0, **whose},
        [move(TUN_ID, VPC, nbits=KEY_BITS), goto(LANDED)],
    )


@feature(each=Target, within=placed("port", test=port_here))
def landed(target: Target, here: str, view: View) -> Iterator[Item]:
    """A target on this host: what comes by an elastic IP gets its address, and its replies the load balancer's."""
    balanced, vpc = view.get(Balanced, target.vpc), key_of(target, view)
    named: Match = {VPC: vpc, ETH_DST: target_mac(target)}
    ports = set()
    for backend, listener, vip, field in openings(target, view):
        if balanced is None:
            return
        number = target.own_port or backend.port
        given = nat(dst=target.address, ports=(number, number))
        # For the load balancer: the target's address and port, from its router.
        through_router = [set_field(ETH_SRC, ROUTER_MAC), tracked(balanced.inner, given, ENTERED)]
        yield LANDED.flow(Priority.NORMAL, {**named, IP_DST: vip, field: listener.port}, through_router)
        if (field, number) not in ports:
            # It has got them: to the target.
            entered: Match = {**named, IP_DST: target.address, field: number}
            yield ENTERED.flow(Priority.NORMAL, entered, [move(IP_DST, NEXT_HOP), onward(ENTERED)])
        ports.add((field, number))
    if ports and balanced is not None:
        # From the target to the outside: perhaps such a reply.
        own: Match = {**IP, VPC: vpc, IP_SRC: target.address}
        yield LEAVES.flow(Priority.NORMAL, own, [translated(balanced.inner, LEFT)])


@feature(each=LoadBalancer, within=placed("vpc", test=vpc_here))
def left(balancer: LoadBalancer, here: str, view: View) -> Iterator[Item]:
    """The replies of targets to the outside, with the load balancer's address: to whoever presents its elastic IP."""
    vpc, vip = view.get(Vpc, balancer.vpc), vip_of(balancer, view)
    if vpc is None or vip is None or not view.derived(public, balancer.id):
        return
    server, tunnel = view.derived(server_of, balancer.port), view.get(LocalTunnel, TUNNEL)
    address = view.derived(endpoint, server) if server not in ("", here) else None
    way: Actions = [enter(PUBLIC)] if server == here else ()
    if tunnel is not None and address:
        way = [set_field(ETH_DST, ROUTER_MAC), *through(tunnel, address)]
    if way:
        # The reply to what came by the elastic IP leaves by it, whatever the route table of the target says.
        yield LEFT.flow(Priority.NORMAL, {**IP, VPC: vpc.key, IP_SRC: vip}, way)


@says(known)
def known_said(step: Step, view: View) -> str:
    """The connection's target, if it has one, in words."""
    new = step.value(CT_STATE) & CT_NEW or not step.value(CT_MARK)
    return "the connection has no target yet" if new else "the connection has a target"


@says(presented)
def presented_said(step: Step, view: View) -> str:
    """The load balancer that answers or sends, in words."""
    one = step.record.id
    return f"ping answered by load balancer {one}" if step.table == VIP.id else f"from load balancer {one}"


@says(listener)
def listener_said(step: Step, view: View) -> str:
    """The listener that takes a packet from outside, in words."""
    one: Listener = step.record
    return f"listener {one.id} of load balancer {one.balancer}: {one.protocol} port {one.port}, from outside"


@says(sent)
def sent_said(step: Step, view: View) -> str:
    """The target of a connection from outside, in words."""
    one: Target = step.record
    return f"to target {one.id}, {one.address} of {one.port}, on {view.derived(home_of, one.port)}"


@says(inlet)
def inlet_said(step: Step, view: View) -> str:
    """The way in for a target, in words."""
    return "in from another host, for a target of a load balancer"


@says(landed)
def landed_said(step: Step, view: View) -> str:
    """The target that gets a packet or sends it, in words."""
    one: Target = step.record
    if step.table == LEAVES.id:
        return f"from target {one.id}: is it a reply to what came by an elastic IP"
    return f"target {one.id}: {one.address} of {one.port}" if step.table == ENTERED.id else "is its connection known"


@says(left)
def left_said(step: Step, view: View) -> str:
    """The host by which a reply leaves, in words."""
    one: LoadBalancer = step.record
    return f"a reply by load balancer {one.id}, which leaves by {view.derived(server_of, one.port)}"
