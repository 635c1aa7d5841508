"""The router of a VPC is in every switch: it counts hops down, answers ping, and looks the rest up in a route table."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b

from apps.neighbour.tables import RESOLVE
from apps.pipeline import ASKS, NEXT_HOP, SUBNET, VPC, ask, checked, drop
from apps.routing.facts import equal_routes
from apps.routing.model import INTERNET, LOCAL, Route, RouteTable
from apps.routing.tables import (
    ASK_EXPIRED,
    ASK_UNREACHABLE,
    BY_HASH,
    ECMP,
    EQUAL,
    HOP_LIMIT,
    NO_NEXT_HOP,
    NO_ROUTE,
    ROUTE,
    ROUTE_TABLE,
    ROUTER_ITSELF,
    SLOT,
    SLOTS,
    TABLE_OF,
    WAYS,
)
from apps.routing.targets import Hop, alive, lost, way
from apps.vpc.facts import vpc_here
from apps.vpc.model import ROUTER_MAC, Subnet, Vpc
from apps.vpc.tables import SWITCH
from sdnctl.base.addresses import Ip4
from sdnctl.of.actions import IN_PORT, Action, Instruction, dec_ttl, move, output, set_field, set_ttl
from sdnctl.of.fields import (
    ETH_DST,
    ETH_SRC,
    ETH_TYPE,
    ETH_TYPE_IP,
    FRAGMENT_ANY,
    ICMP_TYPE,
    IP_DST,
    IP_FRAG,
    IP_PROTO,
    IP_PROTO_UDP,
    IP_SRC,
    IP_TTL,
    UDP_DST,
    UDP_SRC,
    Field,
    OxmField,
    Value,
)
from sdnctl.of.flow import Flow
from sdnctl.packet import icmp_error, parse
from sdnctl.program.feature import Item, View, always, feature, packet_in, placed, says
from sdnctl.program.packets import PacketIn, PacketOut
from sdnctl.program.pipeline import Priority, goto, onward
from sdnctl.program.slots import owners
from sdnctl.program.step import Step

ECHO_REPLY, UNREACHABLE, ECHO_REQUEST, TIME_EXCEEDED = 0, 3, 8, 11
PORT_UNREACHABLE = 3
DYNAMIC, SYSTEM = (0x8000, 0x8000), (0, 0xFC00)
"""UDP ports from 32768 up, and below 1024."""


@always
def hop() -> Iterator[Item]:
    """Each router takes one off the hop limit and says so when none is left (RFC 1812, 5.3.1)."""
    for last in (0, 1):
        # It will come to its end at the router, whatever else is in it.
        yield ASKS.flow(Priority.NORMAL, {ETH_DST: ROUTER_MAC, IP_TTL: last}, checked())
        # No hop left: the controller tells the sender, which is how traceroute sees the router.
        yield HOP_LIMIT.flow(Priority.NORMAL, {IP_TTL: last}, ask(ASK_EXPIRED))
    # One hop further, from the router's own MAC address.
    yield HOP_LIMIT.flow(
        Priority.BROAD,
        {ETH_TYPE: ETH_TYPE_IP},
        [dec_ttl(), set_field(ETH_SRC, ROUTER_MAC), onward(HOP_LIMIT)],
    )


@feature(each=Subnet, within=placed("vpc", test=vpc_here))
def router(subnet: Subnet, here: str, view: View) -> Iterator[Item]:
    """The subnet's first two addresses, router and DHCP server: ARP and ping are answered by the switch."""
    vpc = view.get(Vpc, subnet.vpc)
    if vpc is None:
        return
    for address in (subnet.router, subnet.dhcp_server):
        # ARP for it: it is at the router's MAC address.
        yield RESOLVE.flow(
            Priority.NORMAL, {VPC: vpc.key, NEXT_HOP: address}, [set_field(ETH_DST, ROUTER_MAC), onward(RESOLVE)]
        )
        # Ping to it: turned round on the spot.
        yield SWITCH.flow(
            Priority.EXCEPTION, {VPC: vpc.key, IP_DST: address, ICMP_TYPE: ECHO_REQUEST}, _turn_round(address)
        )
        # UDP to it will be a question, whatever else is in it.
        yield ASKS.flow(Priority.NORMAL, {VPC: vpc.key, IP_DST: address, IP_PROTO: IP_PROTO_UDP}, checked())
        # UDP to it: the controller answers "port unreachable", which is how traceroute ends.
        yield SWITCH.flow(
            Priority.EXCEPTION, {VPC: vpc.key, IP_DST: address, IP_PROTO: IP_PROTO_UDP}, ask(ASK_UNREACHABLE)
        )
        # Anything else to it: there is no such service.
        yield SWITCH.flow(Priority.EXACT, {VPC: vpc.key, IP_DST: address}, drop(ROUTER_ITSELF))


def _turn_round(address: Ip4) -> list[Action]:
    return [
        move(ETH_SRC, ETH_DST),
        set_field(ETH_SRC, ROUTER_MAC),
        move(IP_SRC, IP_DST),
        set_field(IP_SRC, address),
        set_field(ICMP_TYPE, ECHO_REPLY),
        set_ttl(64),
        output(IN_PORT),
    ]


@always
def shared() -> Iterator[Item]:
    """Spread connections over slots: both directions of one have the same, and what senders write costs no lookup each.

    The datapath's hash knows no ports of UDP.  There the client's port says the slot: the one that lies in the upper
    range of the two, dynamic ports above all others, system ports below (RFC 6335; Linux begins at 32768).
    """
    by_hash, by_source, by_target = [BY_HASH.through()], *(_by_port(port) for port in (UDP_SRC, UDP_DST))
    # TCP by addresses and ports; what has no ports, or none that tell, by addresses.
    yield EQUAL.flow(Priority.MISS, {}, by_hash)
    # All fragments of a datagram the same way: only the first has ports.
    yield EQUAL.flow(Priority.EXCEPTION, {IP_FRAG: (FRAGMENT_ANY, FRAGMENT_ANY)}, by_hash)
    # Two dynamic ports, or two system ports: no client is to be told.
    yield EQUAL.flow(Priority.EXCEPTION, {UDP_SRC: DYNAMIC, UDP_DST: DYNAMIC}, by_hash)
    yield EQUAL.flow(Priority.NORMAL, {UDP_SRC: SYSTEM, UDP_DST: SYSTEM}, by_hash)
    # From a client to a service, and back.
    yield EQUAL.flow(Priority.EXACT, {UDP_SRC: DYNAMIC}, by_source)
    yield EQUAL.flow(Priority.EXACT, {UDP_DST: DYNAMIC}, by_target)
    yield EQUAL.flow(Priority.BROAD, {UDP_DST: SYSTEM}, by_source)
    yield EQUAL.flow(Priority.BROAD, {UDP_SRC: SYSTEM}, by_target)


def _by_port(port: OxmField) -> Hop:
    return [move(port, SLOT, nbits=SLOT.width), goto(ECMP)]


@feature(each=Route, within=placed("vpc", test=vpc_here))
def route(route: Route, here: str, view: View) -> Iterator[Item]:
    """One rule of a route table; rules that are equal but for their next hop share the traffic, those that lead on."""
    table, vpc = view.get(RouteTable, route.table), view.get(Vpc, route.vpc)
    if table is None or vpc is None or route.next_hop_type == LOCAL:
        return
    priority = Priority.prefix(route.prefix.length, route.priority)
    match: dict[Field, Value] = {ROUTE_TABLE: table.key, IP_DST: (route.prefix.network, route.prefix.mask)}
    equal = alive(equal_routes(route, view), view)
    if route not in equal:
        return
    if len(equal) == 1:
        # The only way there.
        yield ROUTE.flow(priority, match, _to(route, view))
        return
    hops = tuple(sorted({other.next_hop for other in equal}))
    if route is equal[0]:
        # Several ways: a connection keeps to its slot, in both directions.
        yield ROUTE.flow(priority, match, [set_field(WAYS, _number(hops)), goto(EQUAL)])
    # A slot belongs to one next hop, and to another only when that one goes.
    yield from _slots(vpc.key, hops, route.next_hop, tuple(_to(route, view)))


@lru_cache(1024)
def _slots(vpc: int, hops: tuple[str, ...], mine: str, way: tuple[Action | Instruction, ...]) -> tuple[Flow, ...]:
    """The flows of the slots that one of several next hops has; prefixes with the same next hops share them."""
    own = (slot for slot, owner in enumerate(owners(hops, SLOTS)) if owner == mine)
    number = _number(hops)
    return tuple(
        ECMP.flow(Priority.NORMAL, {ETH_TYPE: ETH_TYPE_IP, VPC: vpc, WAYS: number, SLOT: slot}, way) for slot in own
    )


def _number(hops: tuple[str, ...]) -> int:
    """The number of a set of next hops, the same on every host; two sets of one VPC share one in 2**-32 cases."""
    return int.from_bytes(blake2b(" ".join(hops).encode(), digest_size=4).digest(), "big")


def _to(route: Route, view: View) -> Hop:
    """The actions towards a route's next hop, or those of a drop where it leads nowhere."""
    return way(route, view) or drop(lost(route))


@packet_in(ASK_EXPIRED)
def expired(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut]:
    """Tell the sender that the hop limit was reached, as the router of its subnet (RFC 792)."""
    for id in view.by(Subnet, ("key",), packet.value(SUBNET)):
        subnet = view.get(Subnet, id)
        if subnet is not None:
            yield from _error(packet, TIME_EXCEEDED, 0, subnet.router)


@packet_in(ASK_UNREACHABLE)
def unreachable(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut]:
    """Tell the sender that the router has no such UDP port (RFC 1122, 4.1.3.1)."""
    ip = parse(packet.data).ip
    if ip is not None:
        yield from _error(packet, UNREACHABLE, PORT_UNREACHABLE, Ip4(ip.dst))


def _error(packet: PacketIn, kind: int, code: int, source: Ip4) -> Iterator[PacketOut]:
    frame = icmp_error(packet.data, kind, code, source, ROUTER_MAC)
    if frame is not None:
        yield PacketOut(frame, (output(packet.in_port),))


@says(hop)
def one_hop(step: Step, view: View) -> str:
    """The rest of the hop limit, in words."""
    left = step.after.get(IP_TTL, 0)
    if step.table == ASKS.id:
        return "its last hop is answered within the sender's limit"
    return f"one router further: hop limit {left}" if left != step.value(IP_TTL) else f"hop limit {left}: none is left"


@says(router)
def to_router(step: Step, view: View) -> str:
    """The service wanted of the router, in words."""
    address = step.ip(NEXT_HOP if step.table == RESOLVE.id else IP_DST)
    who = f"{address}, {'router' if address == step.record.router else 'DHCP server'} of {step.record.id}"
    if step.table == RESOLVE.id:
        return f"{who}, is at {ROUTER_MAC}"
    if step.table == ASKS.id:
        return f"UDP to {who} is answered within the sender's limit"
    return f"UDP to {who}" if step.value(IP_PROTO) == IP_PROTO_UDP else f"ping answered by {who}"


@says(ROUTER_ITSELF)
def router_itself(step: Step, view: View) -> str:
    """The router that offers no such service, in words."""
    return f"{step.ip(IP_DST)} belongs to the router of {step.record.id}, which offers no service but ping"


@says(shared)
def slot_found(step: Step, view: View) -> str:
    """The part of the packet by which equal routes are chosen from, in words."""
    by = "the client's UDP port" if step.priority in (Priority.EXACT, Priority.BROAD) else "addresses and TCP ports"
    return f"the connection has one of {SLOTS} slots, by {by}"


@says(route)
def routed(step: Step, view: View) -> str:
    """The route of the table that was taken, in words."""
    return _leads(step, view)


def _leads(step: Step, view: View) -> str:
    """The route that a packet takes: a prefix with the same next hops may share its slots, so the packet decides."""
    routes = _meant(step, view)
    if step.table == ROUTE.id and len(routes) > 1:
        return f"{len(routes)} equal routes {routes[0].prefix} of {routes[0].table}: the connection keeps to one"
    owner = owners([route.next_hop for route in routes], SLOTS)[step.value(SLOT)] if len(routes) > 1 else ""
    taken = next((route for route in routes if route.next_hop == owner), routes[0])
    where = "the internet" if taken.next_hop_type == INTERNET else taken.next_hop
    return f"route {taken.prefix} of {taken.table} leads to {where}"


def _meant(step: Step, view: View) -> Sequence[Route]:
    """The routes that a step's packet is for: the longest prefix, then the lowest priority; several that are equal."""
    every = (view.get(Route, id) for id in sorted(view.by(Route, ("table",), step.record.table)))
    known = [route for route in every if route is not None and route.next_hop_type != LOCAL]
    here = [route for route in known if route.prefix.contains(step.value(IP_DST))]
    best = max(Priority.prefix(route.prefix.length, route.priority) for route in here)
    return alive([route for route in here if Priority.prefix(route.prefix.length, route.priority) == best], view)


@says(NO_NEXT_HOP)
def no_next_hop(step: Step, view: View) -> str:
    """The route that leads nowhere, in words."""
    return f"{_leads(step, view)}, which has no network interface in this VPC"


@says(NO_ROUTE)
def no_route(step: Step, view: View) -> str:
    """The table that has no such route, in words."""
    table = next(iter(view.by(RouteTable, ("key",), step.value(ROUTE_TABLE))), "the subnet's route table")
    return f"{table} has no route to {step.ip(IP_DST)}"


@says(ASK_EXPIRED)
def expired_said(step: Step, view: View) -> str:
    """The router that tells the sender, in words."""
    subnets = (view.get(Subnet, id) for id in view.by(Subnet, ("key",), step.value(SUBNET)))
    who = next((f"{subnet.router}, the router of {subnet.id}" for subnet in subnets if subnet), "the router")
    return f"the controller answers: ICMP time exceeded, from {who}"


@says(ASK_UNREACHABLE)
def unreachable_said(step: Step, view: View) -> str:
    """The router that tells the sender, in words."""
    return f"the controller answers: ICMP port unreachable, from {step.ip(IP_DST)}"


@feature(each=Subnet, within=placed("vpc", test=vpc_here))
def route_table_of(subnet: Subnet, here: str, view: View) -> Iterator[Item]:
    """Look up packets that leave the VPC in the route table of the subnet they came from."""
    table = view.get(RouteTable, subnet.route_table)
    if table is not None:
        # Off the VPC: remember which table to look in.
        yield TABLE_OF.flow(
            Priority.NORMAL, {SUBNET: subnet.key}, [set_field(ROUTE_TABLE, table.key), onward(TABLE_OF)]
        )


@says(route_table_of)
def table_used(step: Step, view: View) -> str:
    """The route table that decides, in words."""
    return f"{step.record.id} uses route table {step.record.route_table}"
