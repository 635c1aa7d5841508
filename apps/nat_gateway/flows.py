"""A NAT gateway is on the one host that translates, the active gateway: its interface, rules and elastic IPs.

A connection keeps its source port wherever that is free, and gets its elastic IP by a hash that is the same on every
host.  So when another gateway takes over, which knows no connection, the next packet from inside finds the way again.
"""

from collections.abc import Iterator, Sequence

from apps.eip.facts import presented
from apps.eip.model import ElasticIp
from apps.eip.tables import DNAT
from apps.eni.facts import presented as bound_to
from apps.eni.model import NetworkInterface
from apps.eni.tables import OUTPUT, SPOOFED_IP
from apps.gateway.facts import deposed, translates_here
from apps.holder.facts import held_here, holding
from apps.holder.model import Claim, Holder
from apps.nat_gateway.facts import (
    gateway_at,
    in_force_here,
    leave_by,
    nat_port,
    number_of,
)
from apps.nat_gateway.model import DnatRule, NatGateway, SnatRule
from apps.nat_gateway.tables import (
    BY_HASH,
    CHECK,
    IN,
    INTO,
    NAT_FULL,
    NAT_GONE,
    NAT_ITSELF,
    NAT_SET,
    NAT_SLOT,
    NAT_SLOTS,
    NAT_STOPPED,
    NAT_ZONE,
    NEW,
    NO_MORE,
    NO_SNAT,
    OUT,
    RULE,
    SLOT,
)
from apps.oversize.tables import ROOM
from apps.pipeline import DELIVERY, NEXT_HOP, OUT_PORT, PORT, VPC, drop
from apps.security_group.tables import INVALID
from apps.uplink.model import Pool
from apps.uplink.tables import ASK_TOO_BIG_OUT, OWN_SOURCE, POOL
from apps.vpc.model import ANYTHING, ROUTER_ITSELF_MAC, Subnet, Vpc
from sdnctl.model.host import Binding, Peer
from sdnctl.of.actions import Action, Instruction, load, meter, move, nat, resubmit, set_field
from sdnctl.of.fields import (
    CT_DNAT,
    CT_ESTABLISHED,
    CT_INVALID,
    CT_MARK,
    CT_NEW,
    CT_RELATED,
    CT_SNAT,
    CT_STATE,
    CT_TRACKED,
    ETH_TYPE,
    ETH_TYPE_IP,
    FRAGMENT_ANY,
    IP_DST,
    IP_FRAG,
    IP_PROTO,
    IP_PROTO_TCP,
    IP_PROTO_UDP,
    IP_SRC,
    TCP_DST,
    UDP_DST,
    Field,
    Value,
)
from sdnctl.of.meter import Meter
from sdnctl.of.ranges import masks
from sdnctl.packet import icmp_error, parse
from sdnctl.packet.icmp import FRAGMENTATION_NEEDED, UNREACHABLE
from sdnctl.program.feature import Item, Reported, View, always, feature, packet_in, placed, says
from sdnctl.program.packets import PacketIn, PacketOut
from sdnctl.program.pipeline import Priority, enter, goto, onward
from sdnctl.program.slots import owners
from sdnctl.program.step import Step
from sdnctl.program.tracking import tracked, translated
from sdnctl.program.zones import ZoneLimit

Match = dict[Field, Value]
Actions = Sequence[Action | Instruction]
PIECE = (FRAGMENT_ANY, FRAGMENT_ANY)
PIECES_RATE, PIECES_BURST = 256, 1024
"""The fragments a second, and at once, that leave by one gateway: all switch's wait in one place (see ``fragment``)."""
_ONE_SIDED = ("syn_sent", "syn_recv", "fin_wait", "close_wait", "last_ack", "time_wait", "close")
_OTHERS = ("udp_first", "udp_single", "udp_multiple", "icmp_first", "icmp_reply")
IDLE = (("tcp_established", 1800), *((f"tcp_{name}", 60) for name in _ONE_SIDED), *((name, 60) for name in _OTHERS))
"""The seconds of silence after which a connection is forgotten, as the public documentation has them."""
KEY_SHIFT, KEY_BITS = 8, 24
"""The bits of ct_mark that hold the key of the DNAT rule by which a connection came in; 0 for one that went out."""
KEY_MASK = (1 << KEY_BITS) - 1 << KEY_SHIFT
PROTOCOLS = {"tcp": (IP_PROTO_TCP, TCP_DST), "udp": (IP_PROTO_UDP, UDP_DST)}
KNOWN = ((CT_TRACKED | CT_ESTABLISHED, CT_TRACKED | CT_ESTABLISHED), (CT_TRACKED | CT_RELATED, CT_TRACKED | CT_RELATED))
"""ct_state of what belongs to a connection, and of an ICMP error about one."""
UNTRANSLATED = (CT_TRACKED | CT_NEW, CT_TRACKED | CT_NEW | CT_SNAT | CT_DNAT)
AGAIN = "again"
"""The word in the number of a set that is tried once more."""
NO_CONNECTION = (CT_TRACKED | CT_INVALID, CT_TRACKED | CT_INVALID)


@always
def passing() -> Iterator[Item]:
    """Packets of a connection go their way; nothing leaves without an elastic IP."""
    ip: Match = {ETH_TYPE: ETH_TYPE_IP}
    # No connection can begin with it.
    yield RULE.flow(Priority.EXCEPTION, {CT_STATE: NO_CONNECTION, **ip}, drop(INVALID))
    for known in KNOWN:
        # Of a connection: already translated as it was before.
        yield RULE.flow(Priority.NORMAL, {CT_STATE: known, **ip}, [goto(CHECK)])
        # Back to whoever began the connection.
        yield IN.flow(Priority.NORMAL, {CT_STATE: known, CT_MARK: (0, KEY_MASK), **ip}, _inward())
    for bit in (CT_SNAT, CT_DNAT):
        # Translated, but to an address that the gateway has no more.
        yield CHECK.flow(Priority.BROAD, {CT_STATE: (bit, bit), **ip}, drop(NAT_GONE))
    # Not translated: once more, by another elastic IP if there is one.
    yield CHECK.flow(Priority.BROAD, {CT_STATE: UNTRANSLATED, **ip}, [resubmit(SLOT.id)])
    # There is none, or it has no room either.
    yield SLOT.flow(Priority.NORMAL, {NAT_SET: NO_MORE}, drop(NAT_FULL))


def _inward() -> Actions:
    """On into the VPC, to the address that the packet has got."""
    return [move(IP_DST, NEXT_HOP), enter(DELIVERY)]


@feature(each=NatGateway, within=placed("vpc", test=translates_here), reports=(Holder, Claim, Peer, Binding))
def gateway(natgw: NatGateway, here: str, view: View) -> Iterator[Item]:
    """A NAT gateway on the host that translates: the way in from its interface."""
    vpc, port = view.get(Vpc, natgw.vpc), view.get(NetworkInterface, natgw.port)
    subnet = view.get(Subnet, natgw.subnet)
    if vpc is None or port is None or subnet is None:
        return
    known = view.get(Holder, natgw.id)
    waits = known is None or not view.derived(deposed, known.host)
    yield from holding(natgw.id, vpc.id, here, view, fit=waits)
    if not view.derived(held_here, natgw.id):
        return
    # The region learns where its interface is: routes and elastic IPs follow.
    yield Reported(bound_to(port, here))
    mine: Match = {VPC: vpc.key, OUT_PORT: port.key}
    if not natgw.running:
        # To a gateway that is stopped.
        yield OUTPUT.flow(Priority.NORMAL, mine, drop(NAT_STOPPED))
        return
    yield ZoneLimit(natgw.zone, natgw.connections, IDLE)
    yield Meter(natgw.piece_meter, PIECES_RATE, PIECES_BURST, packets=True)
    # To the gateway: it has no switch port, but tables.
    yield OUTPUT.flow(Priority.NORMAL, mine, [set_field(NAT_ZONE, natgw.zone), set_field(PORT, port.key), goto(OUT)])
    zone: Match = {NAT_ZONE: natgw.zone, ETH_TYPE: ETH_TYPE_IP}
    inside = subnet.cidr if vpc.cidr == ANYTHING else vpc.cidr
    # For the gateway's own address: it offers no service, and nothing for the VPC goes outside.
    yield OUT.flow(Priority.EXACT, {**zone, IP_DST: (inside.network, inside.mask)}, drop(NAT_ITSELF))
    through = translated(natgw.zone, RULE)
    # A fragment: connection tracking waits for all of its datagram.
    yield OUT.flow(Priority.NORMAL, {**zone, IP_FRAG: PIECE}, [meter(natgw.piece_meter), through])
    # Anything else: is its connection known?
    yield OUT.flow(Priority.BROAD, zone, [through])
    # From outside as if from the VPC.
    own: Match = {**zone, IP_SRC: (inside.network, inside.mask)}
    yield IN.flow(Priority.EXCEPTION, own, drop(OWN_SOURCE))


@feature(each=ElasticIp, within=placed("port", test=nat_port))
def address(eip: ElasticIp, here: str, view: View) -> Iterator[Item]:
    """An elastic IP of a NAT gateway: the only address, with its others, that anything leaves with."""
    natgw, pool = gateway_at(eip.port, view), view.get(Pool, eip.pool)
    if natgw is None or pool is None or not presented(eip, here, view) or not view.derived(in_force_here, natgw.id):
        return
    zone: Match = {NAT_ZONE: natgw.zone, ETH_TYPE: ETH_TYPE_IP}
    # Nobody inside sends from it.
    yield OUT.flow(Priority.EXCEPTION, {**zone, IP_SRC: eip.address}, drop(SPOOFED_IP))
    # It has got the address: out, within the ordered bandwidth.
    out: Actions = [meter(eip.out_meter), set_field(POOL, pool.key), onward(CHECK)]
    yield CHECK.flow(Priority.NORMAL, {**zone, IP_SRC: eip.address}, out)


@feature(each=SnatRule, within=placed("gateway", test=in_force_here))
def snat(rule: SnatRule, here: str, view: View) -> Iterator[Item]:
    """A rule for the connections that some sources begin: by which elastic IPs they leave."""
    natgw = view.get(NatGateway, rule.gateway)
    if natgw is None or not rule.enabled:
        return
    eips = leave_by(rule, view)
    match: Match = {NAT_ZONE: natgw.zone, CT_STATE: NEW, ETH_TYPE: ETH_TYPE_IP}
    if rule.cidr.length:
        match[IP_SRC] = (rule.cidr.network, rule.cidr.mask)
    priority = Priority.prefix(rule.cidr.length)
    if not eips:
        # A connection begins, and there is no elastic IP for it: by no other rule either.
        yield RULE.flow(priority, match, drop(NO_SNAT))
        return
    if len(eips) == 1:
        # A connection begins: by the only elastic IP there is for it.
        yield RULE.flow(priority, match, [set_field(NAT_SET, NO_MORE), _leaves(natgw, eips[0])])
        return
    number = number_of(natgw.zone, eips)
    by = [move(IP_SRC, NAT_SLOT, nbits=NAT_SLOT.width), goto(SLOT)] if rule.affinity else [BY_HASH.through()]
    # A connection begins: its addresses and ports say which of several, or the source address alone.
    yield RULE.flow(priority, match, [set_field(NAT_SET, number), *by])
    ids = [eip.id for eip in eips]
    for slot, owner in enumerate(owners(ids, NAT_SLOTS)):
        place = ids.index(owner)
        # An elastic IP has the slot, and another only when that one goes; it is remembered which.
        own: Match = {NAT_SET: number, NAT_SLOT: slot, ETH_TYPE: ETH_TYPE_IP}
        first = [set_field(NAT_SET, number_of(natgw.zone, eips, AGAIN)), set_field(NAT_SLOT, place)]
        yield SLOT.flow(Priority.NORMAL, own, [*first, _leaves(natgw, eips[place])])
    for place in range(len(eips)):
        # It has no port left to the destination: the next one, and no further.
        full: Match = {NAT_SET: number_of(natgw.zone, eips, AGAIN), NAT_SLOT: place, ETH_TYPE: ETH_TYPE_IP}
        after = _leaves(natgw, eips[(place + 1) % len(eips)])
        yield SLOT.flow(Priority.NORMAL, full, [set_field(NAT_SET, NO_MORE), after])


def _leaves(natgw: NatGateway, eip: ElasticIp) -> Action:
    """Remember the connection with its elastic IP; it keeps its source port where nobody has that."""
    return tracked(natgw.zone, nat(src=eip.address), CHECK)


@feature(each=DnatRule, within=placed("gateway", test=in_force_here))
def dnat(rule: DnatRule, here: str, view: View) -> Iterator[Item]:
    """A rule that opens ports of an elastic IP to connections from outside."""
    natgw, eip = view.get(NatGateway, rule.gateway), view.get(ElasticIp, rule.eip)
    if natgw is None or eip is None or eip.port != natgw.port:
        return
    zone: Match = {NAT_ZONE: natgw.zone, ETH_TYPE: ETH_TYPE_IP}
    begins: Match = {**zone, CT_STATE: NEW, IP_DST: eip.address}
    mark = load(CT_MARK, rule.key, KEY_SHIFT, KEY_BITS)
    for match, change in _opened(rule):
        # A connection begins at a port that is open: remember by which rule.
        yield IN.flow(
            Priority.EXACT if match else Priority.BROAD,
            {**begins, **match},
            [tracked(natgw.zone, change, INTO, mark)],
        )
    for known in KNOWN:
        # Of a connection that began by this rule; without the rule it ends.
        by_it: Match = {**zone, CT_STATE: known, CT_MARK: (rule.key << KEY_SHIFT, KEY_MASK)}
        yield IN.flow(Priority.NORMAL, by_it, _inward())
    # Translated: enter the VPC.
    yield INTO.flow(Priority.NORMAL, {NAT_ZONE: natgw.zone, IP_DST: rule.address}, _inward())


def _opened(rule: DnatRule) -> Iterator[tuple[Match, Action]]:
    """The packets that a rule is for, and what becomes of their destination."""
    if rule.protocol == "all":
        yield {}, nat(dst=rule.address)
        return
    proto, port = PROTOCOLS[rule.protocol]
    if rule.first == rule.inside:
        for some in masks(rule.first, rule.last):
            yield {IP_PROTO: proto, port: some}, nat(dst=rule.address)
        return
    for number in range(rule.first, rule.last + 1):
        inside = rule.inside + number - rule.first
        yield {IP_PROTO: proto, port: number}, nat(dst=rule.address, ports=(inside, inside))


@packet_in(ASK_TOO_BIG_OUT, first=True)
def too_big_out(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut]:
    """Tell a machine behind a gateway how much fits into the uplink: as if the error came from outside (RFC 5508).

    Connection tracking knows whose packet it quotes, and translates both.
    """
    ip = parse(packet.data).ip
    for id in view.by(ElasticIp, ("address",), ip.src) if ip is not None else ():
        eip = view.get(ElasticIp, id)
        pool = view.get(Pool, eip.pool) if eip is not None else None
        if eip is None or pool is None or gateway_at(eip.port, view) is None:
            continue
        room = packet.value(ROOM)
        frame = icmp_error(packet.data, UNREACHABLE, FRAGMENTATION_NEEDED, pool.gateway, ROUTER_ITSELF_MAC, room)
        if frame is not None:
            yield PacketOut(frame, (resubmit(DNAT.id),))


@says(passing)
def passed(step: Step, view: View) -> str:
    """The connection that a packet belongs to, in words."""
    return "it belongs to a connection of the NAT gateway"


@says(gateway)
def at_gateway(step: Step, view: View) -> str:
    """The NAT gateway, in words."""
    return f"to NAT gateway {step.record.id}" if step.table == OUTPUT.id else "is its connection known"


@says(address)
def translated_as(step: Step, view: View) -> str:
    """The elastic IP that a packet leaves with, in words."""
    return f"out as {step.record.address}, elastic IP {step.record.id}, at most {step.record.bandwidth} Mbit/s"


@says(snat)
def leaving(step: Step, view: View) -> str:
    """The rule by which a connection leaves, in words."""
    return (
        f"rule {step.record.id} of {step.record.gateway}: connections from {step.record.cidr} leave by its elastic IPs"
    )


@says(dnat)
def entering(step: Step, view: View) -> str:
    """The rule by which a connection comes in, in words."""
    return f"rule {step.record.id} of {step.record.gateway} leads to {step.record.address}"
