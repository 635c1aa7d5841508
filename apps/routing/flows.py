"""The router of a VPC is in every switch: it counts hops down, answers ping, and looks the rest up in a route table."""

from collections.abc import Iterator

from apps.pipeline import (
    ASK_EXPIRED,
    ASK_UNREACHABLE,
    FORWARD,
    HOP_LIMIT,
    LOCAL_ROUTE,
    NEXT_HOP,
    RESOLVE,
    ROUTE,
    ROUTE_TABLE,
    ROUTER_ITSELF,
    SNAT,
    SUBNET,
    SWITCH,
    VPC,
    drop,
)
from apps.routing.model import INTERNET, Route, RouteTable
from apps.vpc.model import ROUTER_MAC, Subnet, Vpc, vpc_here
from sdnctl.addresses import Ip4
from sdnctl.feature import Item, View, always, feature, packet_in, placed
from sdnctl.of.actions import IN_PORT, Action, dec_ttl, move, output, set_field, set_ttl
from sdnctl.of.fields import (
    ETH_DST,
    ETH_SRC,
    ETH_TYPE,
    ETH_TYPE_IP,
    ICMP_TYPE,
    IP_DST,
    IP_PROTO,
    IP_PROTO_UDP,
    IP_SRC,
    IP_TTL,
)
from sdnctl.packet import icmp_error, parse
from sdnctl.packets import PacketIn, PacketOut
from sdnctl.pipeline import Priority, goto

ECHO_REPLY, UNREACHABLE, ECHO_REQUEST, TIME_EXCEEDED = 0, 3, 8, 11
PORT_UNREACHABLE = 3


@always
def hop() -> Iterator[Item]:
    """Each router takes one off the hop limit and says so when none is left (RFC 1812, 5.3.1)."""
    for last in (0, 1):
        # No hop left: the controller tells the sender, which is how traceroute sees the router.
        yield HOP_LIMIT.flow(Priority.NORMAL, {IP_TTL: last}, [goto(ASK_EXPIRED)])
    # One hop further, from the router's own MAC address.
    yield HOP_LIMIT.flow(
        Priority.BROAD,
        {ETH_TYPE: ETH_TYPE_IP},
        [dec_ttl(), set_field(ETH_SRC, ROUTER_MAC), goto(LOCAL_ROUTE)],
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
            Priority.NORMAL, {VPC: vpc.key, NEXT_HOP: address}, [set_field(ETH_DST, ROUTER_MAC), goto(FORWARD)]
        )
        # Ping to it: turned round on the spot.
        yield SWITCH.flow(
            Priority.EXCEPTION, {VPC: vpc.key, IP_DST: address, ICMP_TYPE: ECHO_REQUEST}, _turn_round(address)
        )
        # UDP to it: the controller answers "port unreachable", which is how traceroute ends.
        yield SWITCH.flow(
            Priority.EXCEPTION, {VPC: vpc.key, IP_DST: address, IP_PROTO: IP_PROTO_UDP}, [goto(ASK_UNREACHABLE)]
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


@feature(each=Route, within=placed("vpc", test=vpc_here))
def route(route: Route, here: str, view: View) -> Iterator[Item]:
    """One rule of a route table."""
    table = view.get(RouteTable, route.table)
    if table is None or route.next_hop_type != INTERNET:
        return
    # To the internet: as one of the VPC's elastic IPs.
    yield ROUTE.flow(
        Priority.prefix(route.prefix.length, route.priority),
        {ROUTE_TABLE: table.key, IP_DST: (route.prefix.network, route.prefix.mask)},
        [goto(SNAT)],
    )


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
