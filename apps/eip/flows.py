"""An elastic IP is a public address that is an instance's own: translated one to one, at the instance's own switch.

Where that has no uplink, a gateway's translates; one host answers for an address at a time.  There is no connection
state: a translation is two flows, so binding, moving and unbinding take effect for every packet at once and leave
nothing behind.  Only ICMP errors need a controller, because they quote a packet inside.
"""

from collections.abc import Iterator

from apps.eip.facts import arrives, leads_to, presented, shares
from apps.eip.model import INBOUND_FLOOR_MBPS, ElasticIp
from apps.eip.tables import DNAT, NO_EIP, QUOTED_IN, SNAT
from apps.eip.targets import limit_words
from apps.eni.facts import called, known_by_key
from apps.eni.model import NetworkInterface
from apps.gateway.facts import (
    behind_gateway,
    deposed,
    gateways,
    home_of,
    leaves_elsewhere,
    served_here,
    server_of,
)
from apps.holder.facts import held_here, holding
from apps.holder.model import Claim, Holder
from apps.neighbour.facts import resolved
from apps.neighbour.tables import RESOLVE
from apps.overlay.facts import does_not_fit, endpoint, through, to_host, watched
from apps.overlay.tables import ASK_TOO_BIG
from apps.oversize.tables import ROOM
from apps.pipeline import (
    ANOTHER_HOST,
    ASKER,
    DELIVERY,
    NEXT_HOP,
    OUT_PORT,
    OUTSIDE,
    PORT,
    UPLINK_STAGE,
    VPC,
    asker,
    drop,
    within,
)
from apps.routing.facts import leads_to_internet
from apps.uplink.model import Pool
from apps.uplink.tables import ARRIVAL, ASK_EXPIRED_OUTSIDE, ASK_TOO_BIG_OUT, NOT_OURS, OWN_SOURCE, POOL, PUBLIC_ARP
from apps.vpc.model import ANYTHING, ROUTER_ITSELF_MAC, ROUTER_MAC, Subnet, Vpc
from sdnctl.base.addresses import Ip4
from sdnctl.model.host import TUNNEL, Binding, LocalTunnel, LocalUplink, Peer
from sdnctl.model.host import UPLINK as UPLINK_ID
from sdnctl.of.actions import IN_PORT as BACK
from sdnctl.of.actions import meter, move, output, set_field
from sdnctl.of.fields import (
    ARP_OP,
    ARP_SHA,
    ARP_SPA,
    ARP_THA,
    ARP_TPA,
    ETH_DST,
    ETH_SRC,
    ETH_TYPE,
    ETH_TYPE_ARP,
    IP_DST,
    IP_SRC,
    Field,
    Value,
)
from sdnctl.packet import gratuitous_arp, icmp_error, nat_icmp_error, parse
from sdnctl.packet.icmp import FRAGMENTATION_NEEDED, UNREACHABLE
from sdnctl.program.feature import Announce, Item, View, always, feature, packet_in, placed, says
from sdnctl.program.packets import PacketIn, PacketOut
from sdnctl.program.pipeline import Priority, begin_at, enter, onward
from sdnctl.program.step import Step

REQUEST, REPLY = 1, 2
TIME_EXCEEDED = 11


@always
def translated() -> Iterator[Item]:
    """Around the translation: what nobody here owns goes out or is dropped."""
    # From the public network, for no elastic IP.
    yield DNAT.flow(Priority.NORMAL, {PORT: OUTSIDE}, drop(NOT_OURS))
    # From an instance, for somebody outside.
    yield DNAT.flow(Priority.MISS, {}, [enter(UPLINK_STAGE)])


@feature(each=ElasticIp, within=placed("port", test=served_here), reports=(Holder, Claim, Peer))
def eip(eip: ElasticIp, here: str, view: View) -> Iterator[Item]:
    """One elastic IP that this host presents, translated one to one."""
    pool, vpc = view.get(Pool, eip.pool), leads_to(eip, here, view)
    if pool is None or vpc is None:
        return
    key = str(eip.address)
    known = view.get(Holder, key)
    # One that is shared goes with the role of the active gateway.
    gone = known is not None and view.derived(shares, eip.port) and view.derived(deposed, known.host)
    yield from holding(key, vpc.id, here, view, fit=not gone)
    if view.derived(held_here, key):
        yield from _translate(eip, pool, vpc, view)
        yield from _present(eip, vpc, view)
        yield from _asked(eip, vpc, here, view)


def _translate(eip: ElasticIp, pool: Pool, vpc: Vpc, view: View) -> Iterator[Item]:
    if view.derived(shares, eip.port):
        # From outside, or from another elastic IP: to whoever shares it out, within the ordered bandwidth.
        into = [meter(eip.in_meter), set_field(VPC, vpc.key), *arrives(eip, view)]
        yield DNAT.flow(Priority.EXACT, {IP_DST: eip.address}, into)
        return
    # From the instance: leave with the public address, within the ordered bandwidth.
    yield SNAT.flow(
        Priority.NORMAL,
        {VPC: vpc.key, IP_SRC: eip.private},
        [meter(eip.out_meter), set_field(IP_SRC, eip.address), set_field(POOL, pool.key), onward(SNAT)],
    )
    # From outside, or from another elastic IP: enter the VPC at the private address.
    yield DNAT.flow(
        Priority.EXACT,
        {IP_DST: eip.address},
        [
            meter(eip.in_meter),
            set_field(IP_DST, eip.private),
            set_field(VPC, vpc.key),
            *arrives(eip, view),
            onward(DNAT),
        ],
    )


def _asked(eip: ElasticIp, vpc: Vpc, here: str, view: View) -> Iterator[Item]:
    """One limit for all that is asked from outside about this address."""
    # Still at the public address, or already on the way to the private one.
    public: dict[Field, Value] = {PORT: OUTSIDE, VPC: 0, IP_DST: eip.address}
    private: dict[Field, Value] = {PORT: OUTSIDE, VPC: vpc.key, NEXT_HOP: eip.private}
    # Of one that is shared only the way from outside tells which it is.
    known = (public,) if view.derived(shares, eip.port) else (public, private)
    yield from asker(eip.meter, *known, vpc=vpc.key)
    if view.derived(home_of, eip.port) != here:
        # From the instance on another host, which has no port here to be told by.
        sent_on: dict[Field, Value] = {PORT: ANOTHER_HOST, IP_SRC: eip.address}
        yield ASKER.flow(Priority.NORMAL, sent_on, within(eip.meter))


def _from_inside(eip: ElasticIp, vpc: Vpc, view: View) -> Iterator[Item]:
    port = view.get(NetworkInterface, eip.port)
    subnet = view.get(Subnet, port.subnet) if port is not None else None
    block = subnet.cidr if subnet is not None and vpc.cidr == ANYTHING else vpc.cidr
    inside: dict[Field, Value] = {VPC: vpc.key, PORT: OUTSIDE, IP_SRC: (block.network, block.mask)}
    # From outside as if from the VPC.
    yield QUOTED_IN.flow(Priority.EXCEPTION, inside, drop(OWN_SOURCE))


def _present(eip: ElasticIp, vpc: Vpc, view: View) -> Iterator[Item]:
    uplink = view.get(LocalUplink, UPLINK_ID)
    if uplink is None:
        return
    # From outside as if from itself.
    itself: dict[Field, Value] = {ETH_DST: uplink.mac, IP_SRC: eip.address}
    yield ARRIVAL.flow(Priority.prefix(32, 0), itself, drop(OWN_SOURCE))
    yield from _from_inside(eip, vpc, view)
    # Whoever asks for the public address on the uplink is told this host's MAC address.
    answer = PUBLIC_ARP.flow(
        Priority.EXACT,
        {ARP_OP: REQUEST, ARP_TPA: eip.address},
        [
            set_field(ARP_OP, REPLY),
            move(ETH_SRC, ETH_DST),
            set_field(ETH_SRC, uplink.mac),
            move(ARP_SHA, ARP_THA),
            set_field(ARP_SHA, uplink.mac),
            move(ARP_SPA, ARP_TPA),
            set_field(ARP_SPA, eip.address),
            output(BACK),
        ],
    )
    yield answer
    # And all are told at once when it comes here (RFC 5227, 2.3).
    yield Announce(answer, PacketOut(gratuitous_arp(uplink.mac, eip.address), (output(uplink.ofport),)))


@packet_in(ASK_TOO_BIG, first=True)
def too_big(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut]:
    """Tell a sender how much fits into a tunnel where an elastic IP stands between it and the receiver (RFC 1191)."""
    ip = parse(packet.data).ip
    met = _met(packet, Ip4(ip.dst), view) if ip is not None else None
    if ip is None or met is None:
        return
    if packet.value(PORT) == OUTSIDE:
        yield from _tell_outside(packet, met, view)
        return
    for id in view.by(ElasticIp, ("address",), ip.src):
        yield from _tell_inside(packet, id, view, met.address)


def _met(packet: PacketIn, private: Ip4, view: View) -> ElasticIp | None:
    """The elastic IP of the private address that a packet is on its way to."""
    port = known_by_key(packet.value(OUT_PORT), view)
    found = view.by(ElasticIp, ("port", "private"), (port.id, private)) if port is not None else ()
    return next((view.get(ElasticIp, id) for id in found), None)


def _tell_outside(packet: PacketIn, eip: ElasticIp, view: View) -> Iterator[PacketOut]:
    """Tell a sender in the public network, as the elastic IP that it aimed at."""
    uplink, pool = view.get(LocalUplink, UPLINK_ID), view.get(Pool, eip.pool)
    if uplink is None or pool is None:
        return
    frame = icmp_error(packet.data, UNREACHABLE, FRAGMENTATION_NEEDED, eip.private, uplink.mac, packet.value(ROOM))
    public = nat_icmp_error(frame, outer_src=eip.address, inner_dst=eip.address) if frame is not None else None
    if public is not None:
        yield PacketOut(public, (set_field(POOL, pool.key), begin_at(UPLINK_STAGE)))


def _tell_inside(packet: PacketIn, id: str, view: View, met: Ip4 | None = None) -> Iterator[PacketOut]:
    """Tell whoever left by an elastic IP, on any host, as its router; ``met`` is the elastic IP that it aimed at."""
    eip = view.get(ElasticIp, id)
    port = view.get(NetworkInterface, eip.port) if eip is not None else None
    vpc = view.get(Vpc, port.vpc) if port is not None else None
    subnet = view.get(Subnet, port.subnet) if port is not None else None
    sender = known_by_key(packet.value(PORT), view)
    if eip is None or vpc is None or subnet is None or (sender is not None and sender.vpc != vpc.id):
        return
    frame = does_not_fit(packet, subnet)
    if frame is not None:
        # The sender knows its private address only, and of the receiver the public one.
        frame = nat_icmp_error(frame, outer_dst=eip.private, inner_src=eip.private, inner_dst=met)
    if frame is not None:
        # From the router itself: it may have to travel, and nothing at the receiver's border concerns it.
        into = (set_field(VPC, vpc.key), set_field(NEXT_HOP, eip.private), set_field(ETH_SRC, ROUTER_ITSELF_MAC))
        yield PacketOut(frame, (*into, begin_at(DELIVERY)))


@packet_in(ASK_TOO_BIG_OUT)
def too_big_out(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut]:
    """Tell whoever sends to the public network, on whatever host, how much fits into this uplink (RFC 1191)."""
    ip = parse(packet.data).ip
    for id in view.by(ElasticIp, ("address",), ip.src) if ip is not None else ():
        yield from _tell_inside(packet, id, view)


@packet_in(ASK_EXPIRED_OUTSIDE)
def expired_outside(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut]:
    """Tell a sender outside that its hop limit was reached, as the elastic IP it aimed at (RFC 792)."""
    ip = parse(packet.data).ip
    uplink = view.get(LocalUplink, UPLINK_ID)
    for id in view.by(ElasticIp, ("address",), ip.dst) if ip is not None else ():
        eip = view.get(ElasticIp, id)
        # One that has moved away, or works no more, is not this host's to answer for.
        if ip is None or uplink is None or eip is None or not presented(eip, here, view):
            continue
        frame = icmp_error(packet.data, TIME_EXCEEDED, 0, ip.dst, uplink.mac)
        if frame is not None:
            yield PacketOut(frame, (output(packet.in_port),))


@says(eip)
def translated_as(step: Step, view: View) -> str:
    """Out as the public address, in to the private one, and how fast."""
    ip: ElasticIp = step.record
    if step.table == ASKER.id:
        return f"within the limit of what is asked of elastic IP {ip.id}"
    if step.table == SNAT.id:
        limit = limit_words(ip, ip.bandwidth, view)
        return f"elastic IP {ip.id}: out as {ip.address} from {ip.private}, {limit}"
    if step.table == DNAT.id:
        limit = limit_words(ip, max(ip.bandwidth, INBOUND_FLOOR_MBPS), view)
        where = f"to {ip.port}, which shares it" if view.derived(shares, ip.port) else f"to {ip.private} of {ip.port}"
        return f"elastic IP {ip.id}: in {where}, {limit}"
    return f"ARP answered: {ip.address}, elastic IP {ip.id}, is here"


@says(translated)
def around(step: Step, view: View) -> str:
    """The reason for a packet to leave this region, in words."""
    return f"{step.ip(IP_DST)} is no elastic IP of this host: out"


@says(NO_EIP)
def no_eip(step: Step, view: View) -> str:
    """The sender without an elastic IP, or with one that is of no use here, in words."""
    port, source = known_by_key(step.value(PORT), view), step.ip(IP_SRC)
    if port is None:
        return f"the route leads to the internet, but {source} has no elastic IP"
    for id in view.by(ElasticIp, ("port", "private"), (port.id, source)):
        where = f"does not serve {source} on this host{_elsewhere(port.id, view)}"
        return f"the route leads to the internet, but {id} {where}"
    return f"the route leads to the internet, but {source} of {called(port)} has no elastic IP"


def _elsewhere(port: str, view: View) -> str:
    """The host that is to present the elastic IPs of a port, in words to be added."""
    server = view.derived(server_of, port)
    return f": {server} presents it" if server else ""


@says(NOT_OURS)
def not_ours(step: Step, view: View) -> str:
    """The address that is nobody's, or somebody's elsewhere, in words."""
    address = step.ip(ARP_TPA if step.value(ETH_TYPE) == ETH_TYPE_ARP else IP_DST)
    for id in view.by(ElasticIp, ("address",), address):
        eip = view.get(ElasticIp, id)
        if eip is not None:
            here = f"bound to {eip.port}, which does not get it on this host{_elsewhere(eip.port, view)}"
            return f"elastic IP {id} ({address}) is {here if eip.port else 'bound to nothing'}"
    return f"{address} is nobody's elastic IP"


@says(ASK_EXPIRED_OUTSIDE)
def expired_outside_said(step: Step, view: View) -> str:
    """The elastic IP that tells the sender, in words."""
    return f"the controller answers: ICMP time exceeded, from {step.ip(IP_DST)}"


@feature(each=ElasticIp, within=placed("port", test=leaves_elsewhere), reports=(Peer,))
def outbound(eip: ElasticIp, here: str, view: View) -> Iterator[Item]:
    """An elastic IP that another host presents: what leaves by it here goes there first."""
    port, tunnel = view.get(NetworkInterface, eip.port), view.get(LocalTunnel, TUNNEL)
    vpc = view.get(Vpc, port.vpc) if port is not None else None
    subnet = view.get(Subnet, port.subnet) if port is not None else None
    if vpc is None or subnet is None or tunnel is None or view.derived(shares, eip.port):
        return
    for gateway in view.derived(gateways, None) if view.derived(home_of, eip.port) == here else ():
        # Each that may have to serve it is watched, and watches this host.
        yield from watched(gateway, view)
    address = view.derived(endpoint, view.derived(server_of, eip.port))
    if address and view.derived(leads_to_internet, subnet.route_table):
        # From the instance's address: on to who presents it, and knows it by VPC and address.
        onward = [set_field(ETH_DST, ROUTER_MAC), *through(tunnel, address)]
        yield SNAT.flow(Priority.NORMAL, {VPC: vpc.key, IP_SRC: eip.private}, onward)


@feature(each=ElasticIp, within=placed("port", test=behind_gateway), reports=(Peer,))
def inbound(eip: ElasticIp, here: str, view: View) -> Iterator[Item]:
    """An elastic IP of an instance on a host without uplink: the way from a gateway to the instance's address.

    A standby has it too; nothing enters the VPC there before it serves the address.
    """
    port, binding = view.get(NetworkInterface, eip.port), view.get(Binding, eip.port)
    vpc = view.get(Vpc, port.vpc) if port is not None else None
    if vpc is None or port is None or binding is None or eip.private not in port.addresses:
        return
    yield resolved(vpc, port, eip.private)
    yield from to_host(binding, here, view)


@says(outbound)
def by_gateway(step: Step, view: View) -> str:
    """The host that presents the elastic IP, in words."""
    ip: ElasticIp = step.record
    server = view.derived(server_of, ip.port)
    return f"elastic IP {ip.id}: {ip.private} leaves as {ip.address} by {server}, through the tunnel"


@says(inbound)
def to_instance(step: Step, view: View) -> str:
    """The port of the address, and its host, in words."""
    ip: ElasticIp = step.record
    if step.table == RESOLVE.id:
        return f"{ip.private} is {ip.port}"
    binding = view.get(Binding, ip.port)
    return f"{ip.port} is on {binding.host}" if binding is not None else f"{ip.port} is on another host"
