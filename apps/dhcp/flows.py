"""DHCP is answered at the switch, by the controller, with exactly what the API says of the interface (RFC 2131)."""

from collections.abc import Iterator

from apps.dhcp.facts import DEFAULT_DNS, LEASE_SECONDS, guest_mtu, searched
from apps.dhcp.tables import ASK_DHCP, MALFORMED
from apps.eni.facts import known_by_key
from apps.eni.model import NetworkInterface
from apps.neighbour.tables import SERVICE
from apps.pipeline import ASKS, PORT, VPC, ask, checked, dropped
from apps.vpc.facts import vpc_here
from apps.vpc.model import ROUTER_MAC, Subnet, Vpc
from sdnctl.base.addresses import Ip4
from sdnctl.of.actions import output
from sdnctl.of.fields import IP_DST, UDP_DST, UDP_SRC
from sdnctl.packet import DhcpError, DhcpRequest, DhcpType, dhcp_reply, parse_dhcp
from sdnctl.packet.dhcp import CLIENT_PORT, EVERYBODY, SERVER_PORT
from sdnctl.program.feature import Item, View, always, feature, packet_in, placed, says
from sdnctl.program.packets import PacketIn, PacketOut
from sdnctl.program.pipeline import Priority
from sdnctl.program.step import Step


@always
def asked_by_all() -> Iterator[Item]:
    """A client that has no address yet asks everybody; only the switch hears it."""
    # Whatever else is in it, it is a question.
    yield ASKS.flow(Priority.NORMAL, {UDP_SRC: CLIENT_PORT, UDP_DST: SERVER_PORT}, checked())
    # DISCOVER, or REQUEST by broadcast.
    yield SERVICE.flow(Priority.EXACT, {IP_DST: EVERYBODY, UDP_SRC: CLIENT_PORT, UDP_DST: SERVER_PORT}, ask(ASK_DHCP))


@feature(each=Subnet, within=placed("vpc", test=vpc_here))
def renewal(subnet: Subnet, here: str, view: View) -> Iterator[Item]:
    """A client that has an address asks the server it got it from."""
    vpc = view.get(Vpc, subnet.vpc)
    if vpc is not None:
        # REQUEST to the subnet's own server.
        yield SERVICE.flow(
            Priority.EXACT,
            {VPC: vpc.key, IP_DST: subnet.dhcp_server, UDP_SRC: CLIENT_PORT, UDP_DST: SERVER_PORT},
            ask(ASK_DHCP),
        )


@packet_in(ASK_DHCP)
def answer(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut]:
    """Offer, acknowledge or refuse; silence to whom the server was not meant."""
    try:
        yield from list(_answers(packet, view))
    except DhcpError:
        # Nothing that could be answered: the switch counts it as dropped.
        yield PacketOut(packet.data, dropped(MALFORMED))


def _answers(packet: PacketIn, view: View) -> Iterator[PacketOut]:
    request = parse_dhcp(packet.data)
    if request is None:
        raise DhcpError("no message of a client")
    for id in view.by(NetworkInterface, ("key",), packet.value(PORT)):
        port = view.get(NetworkInterface, id)
        subnet = view.get(Subnet, port.subnet) if port is not None else None
        if port is None or subnet is None or request.chaddr != port.mac:
            continue
        kind = _kind(request, port.addresses[0], subnet.dhcp_server)
        if kind is not None:
            frame = dhcp_reply(
                request,
                kind,
                your_ip=port.addresses[0],
                server_ip=subnet.dhcp_server,
                server_mac=ROUTER_MAC,
                mask=subnet.cidr.mask,
                router=subnet.router,
                dns=subnet.dns or DEFAULT_DNS,
                mtu=guest_mtu(view),
                lease_s=LEASE_SECONDS,
                domains=searched(subnet),
            )
            yield PacketOut(frame, (output(packet.in_port),))


def _kind(request: DhcpRequest, address: Ip4, server: Ip4) -> DhcpType | None:
    """The message to answer with, None to stay silent (RFC 2131, 4.3)."""
    if request.type == DhcpType.DISCOVER:
        return DhcpType.OFFER
    if request.type == DhcpType.INFORM:
        return DhcpType.ACK
    if request.type != DhcpType.REQUEST or request.server_id not in (0, server):
        return None
    wanted = request.requested_ip or request.ciaddr
    return DhcpType.ACK if wanted == address else DhcpType.NAK


@says(asked_by_all)
def discover(step: Step, view: View) -> str:
    """A client without an address."""
    if step.table == ASKS.id:
        return "DHCP is answered within the sender's limit"
    return "DHCP: who gives me an address?"


@says(renewal)
def renew(step: Step, view: View) -> str:
    """A client with an address."""
    return f"DHCP: asks the server of {step.record.id}, {step.record.dhcp_server}"


@says(MALFORMED)
def malformed(step: Step, view: View) -> str:
    """A DHCP message that the controller could not read, in words."""
    return "the DHCP message is broken, or has no answer that fits"


@says(ASK_DHCP)
def answered(step: Step, view: View) -> str:
    """The address that the interface is given, in words."""
    port = known_by_key(step.value(PORT), view)
    return f"the controller answers: DHCP, {port.addresses[0]} for {port.id}" if port is not None else ASK_DHCP.purpose
