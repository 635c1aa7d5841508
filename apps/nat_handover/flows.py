"""Connections of a NAT gateway go on where another host takes it over, which knows none of them.

The first packet from a machine builds its connection anew.  A machine that only listens sends none, so the host that it
is on reminds it: for each of its connections it gets an empty ACK, which its kernel answers with one of its own.  It is
given out straight to the port, behind its security groups.  And a connection whose source port was another machine's
would get a different one the second time, so the host that translates tells the region of those.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b

from apps.eip.model import ElasticIp
from apps.eni.facts import plugged_in
from apps.eni.model import NetworkInterface
from apps.nat_gateway.facts import in_force_here
from apps.nat_gateway.model import NatGateway
from apps.nat_gateway.tables import CHECK, NAT_SET, NAT_ZONE, NEW, NO_MORE, RULE
from apps.nat_handover.facts import inherited, newest
from apps.nat_handover.model import ROWS_MOST, GatewayHost, MovedPorts, ends
from apps.routing.model import Route
from apps.vpc.model import ROUTER_MAC, Subnet
from sdnctl.model.host import Binding, LocalPort
from sdnctl.of.actions import nat, output, set_field
from sdnctl.of.fields import (
    CT_STATE,
    ETH_TYPE,
    ETH_TYPE_IP,
    IP_DST,
    IP_PROTO,
    IP_PROTO_TCP,
    IP_SRC,
    TCP_DST,
    TCP_SRC,
    Field,
    Value,
)
from sdnctl.packet import tcp_probe
from sdnctl.program.connections import Census, KnownConnection
from sdnctl.program.feature import Item, View, every, feature, placed, says
from sdnctl.program.packets import Drop, PacketOut, Put, Report
from sdnctl.program.pipeline import Priority
from sdnctl.program.step import Step
from sdnctl.program.tracking import tracked

LOOK_SECONDS, TELL_SECONDS = 0.5, 5.0
REMINDED_AT = (0, 1, 2, 4, 8, 16)
"""The looks after which machines are reminded: the new host may not have all its flows yet at the first."""
SETTLED = 60
"""The looks after which what is known at the new host counts, and no longer what the old one knew."""
ESTABLISHED = "ESTABLISHED"


@every(LOOK_SECONDS)
def follow(here: str, view: View) -> Iterator[PacketOut | Report | Census]:
    """Note where each NAT gateway is; remind the machines here that use it when that is another host than before."""
    for id in view.all(NatGateway):
        natgw, known = view.get(NatGateway, id), view.get(GatewayHost, id)
        binding = view.get(Binding, natgw.port) if natgw is not None else None
        if natgw is None or binding is None:
            continue
        looks = SETTLED  # where it was before is not known: it has not moved
        if known is not None:
            looks = min(known.looks + 1, SETTLED) if known.host == binding.host else 0
        found = GatewayHost(id=id, host=binding.host, looks=looks)
        if found != known:
            yield Put(found)
        if looks in REMINDED_AT:
            yield from _users(natgw, view)
    for id in view.all(GatewayHost):
        if view.get(NatGateway, id) is None:
            yield Drop(GatewayHost, id)


def _users(natgw: NatGateway, view: View) -> Iterator[Census]:
    """The ports here whose subnets lead to a gateway, each with its own zone."""
    routes = (view.get(Route, id) for id in view.by(Route, ("next_hop",), natgw.id))
    tables = {route.table for route in routes if route is not None}
    for id in view.all(LocalPort):
        local, port = plugged_in(id, view), view.get(NetworkInterface, id)
        subnet = view.get(Subnet, port.subnet) if port is not None else None
        if local is not None and local.zone and subnet is not None and subnet.route_table in tables:
            yield Census(local.zone, id, reminded)


def reminded(id: str, connections: Sequence[KnownConnection], here: str, view: View) -> Iterator[PacketOut]:
    """A segment for each connection that a machine has begun, as if its other side had sent it, but out of order."""
    local, port = plugged_in(id, view), view.get(NetworkInterface, id)
    if local is None or port is None:
        return
    for one in connections:
        if one.state == ESTABLISHED and one.src in port.addresses:
            near, far = (one.src, one.src_port), (one.dst, one.dst_port)
            anything = int.from_bytes(blake2b(repr((near, far)).encode(), digest_size=4).digest(), "big")
            frame = tcp_probe((ROUTER_MAC, port.mac), far, near, anything)
            yield PacketOut(frame, (output(local.ofport),))


@every(TELL_SECONDS)
def tell(here: str, view: View) -> Iterator[PacketOut | Report | Census]:
    """Look at the connections of the gateways that are here; what was told before another host was is of no use."""
    for id in view.all(NatGateway):
        natgw, known = view.get(NatGateway, id), view.get(GatewayHost, id)
        own, last = view.get(MovedPorts, f"{here}/{id}"), newest(id, view)
        if natgw is not None and view.derived(in_force_here, id):
            if known is not None and (known.host, known.looks) == (here, SETTLED):
                yield Census(natgw.zone, id, moved)
        elif own is not None and last is not None and last.id != own.id:
            yield Drop(MovedPorts, own.id)


def moved(id: str, connections: Sequence[KnownConnection], here: str, view: View) -> Iterator[Report]:
    """The connections that left with another port than they came with, told where they are not what was told before."""
    natgw = view.get(NatGateway, id)
    if natgw is None or not view.derived(in_force_here, id):
        return
    eips = (view.get(ElasticIp, eip) for eip in view.by(ElasticIp, ("port",), natgw.port))
    addresses = {eip.address for eip in eips if eip is not None}
    rows = sorted(
        f"{one.src} {one.src_port} {one.dst} {one.dst_port} {one.reply_to} {one.reply_port}"
        for one in connections
        if one.state == ESTABLISHED and one.reply_port != one.src_port and one.reply_to in addresses
    )
    own, last = view.get(MovedPorts, f"{here}/{id}"), newest(id, view)
    turn = last.turn + 1 if last is not None and last != own else own.turn if own is not None else 0
    found = MovedPorts(id=f"{here}/{id}", host=here, gateway=id, vpc=natgw.vpc, turn=turn, rows=tuple(rows[:ROWS_MOST]))
    if found != own and (rows or last is not None):
        yield Put(found)


@feature(each=MovedPorts, within=placed("gateway", test=in_force_here))
def inherits(told: MovedPorts, here: str, view: View) -> Iterator[Item]:
    """Connections that the host before this one translated to another port than their own: they get that again."""
    natgw = view.get(NatGateway, told.gateway)
    if natgw is None or view.derived(inherited, told.gateway) != told.id:
        return
    for row in told.rows:
        src, src_port, dst, dst_port, eip, port = ends(row)
        connection: dict[Field, Value] = {
            IP_SRC: src,
            IP_DST: dst,
            IP_PROTO: IP_PROTO_TCP,
            TCP_SRC: src_port,
            TCP_DST: dst_port,
        }
        # Not known yet here: as it was, or not at all.
        yield RULE.flow(
            Priority.rank(0),
            {NAT_ZONE: natgw.zone, CT_STATE: NEW, ETH_TYPE: ETH_TYPE_IP, **connection},
            [set_field(NAT_SET, NO_MORE), tracked(natgw.zone, nat(src=eip, ports=(port, port)), CHECK)],
        )


@says(inherits)
def goes_on(step: Step, view: View) -> str:
    """The connection that goes on, in words."""
    return f"it goes on as it did on {step.record.host}"
