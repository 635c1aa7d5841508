"""ICMP errors across an elastic IP: the packet that one quotes is translated too (RFC 5508), if it is what it says.

An error goes back to who sent the packet that it quotes (RFC 1122, 3.2.2): what quotes another one is forged, or would
tell strangers an address of the VPC.  Messages that are for neighbours only go nowhere.
"""

from collections.abc import Iterator

from apps.eip.model import ElasticIp
from apps.eip.tables import ASK_QUOTED_IN, ASK_QUOTED_OUT, DNAT, QUOTED_IN, QUOTED_OUT
from apps.eni.model import NetworkInterface
from apps.pipeline import DELIVERY, NEXT_HOP, PORT, VPC, ask, drop, dropped
from apps.quoting.tables import FOREIGN_QUOTE, NEIGHBOURS_ONLY
from apps.uplink.tables import POOL
from apps.vpc.model import Vpc
from sdnctl.base.addresses import Ip4
from sdnctl.of.actions import resubmit, set_field
from sdnctl.of.fields import ICMP_TYPE, IP_DST, IP_PROTO, IP_PROTO_ICMP, IP_SRC
from sdnctl.packet import Ip, nat_icmp_error, parse, quoted
from sdnctl.program.feature import Item, View, always, packet_in, says
from sdnctl.program.packets import PacketIn, PacketOut
from sdnctl.program.pipeline import Priority, begin_at, enter, onward
from sdnctl.program.step import Step

ERRORS = (3, 11, 12)
"""ICMP types that quote a packet: unreachable (with path-MTU discovery), time exceeded, parameter problem."""
BETWEEN_NEIGHBOURS = {
    4: "source quench (RFC 6633)",
    5: "a redirect (RFC 1812, 5.2.7.2)",
    9: "a router's advertisement (RFC 1256)",
    10: "a router's solicitation (RFC 1256)",
}
"""ICMP types that no router forwards, and what they are."""


@always
def errors() -> Iterator[Item]:
    """Errors are looked into; what quotes no packet passes."""
    for kind in ERRORS:
        # The packet quoted inside still has the other address: the controller translates it too.
        yield QUOTED_OUT.flow(Priority.NORMAL, {ICMP_TYPE: kind}, ask(ASK_QUOTED_OUT))
        yield QUOTED_IN.flow(Priority.NORMAL, {ICMP_TYPE: kind}, ask(ASK_QUOTED_IN))
    for kind in BETWEEN_NEIGHBOURS:
        # It comes from no neighbour, and would only mislead.
        yield QUOTED_OUT.flow(Priority.NORMAL, {ICMP_TYPE: kind}, drop(NEIGHBOURS_ONLY))
        yield QUOTED_IN.flow(Priority.NORMAL, {ICMP_TYPE: kind}, drop(NEIGHBOURS_ONLY))
    # Out: it may be for another elastic IP of this region.
    yield QUOTED_OUT.flow(Priority.MISS, {}, [onward(QUOTED_OUT)])
    # In: on to the private address.
    yield QUOTED_IN.flow(Priority.MISS, {}, [enter(DELIVERY)])


@packet_in(ASK_QUOTED_IN)
def quoted_in(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut]:
    """Inbound, already translated outside: the quoted packet is one that the instance sent from its private address."""
    ip, inner = parse(packet.data).ip, quoted(packet.data)
    if ip is None or inner is None or not _sent(inner, ip.dst, packet.value(VPC), view):
        yield PacketOut(packet.data, dropped(FOREIGN_QUOTE))
        return
    frame = nat_icmp_error(packet.data, inner_src=Ip4(ip.dst))
    if frame is not None:
        into = (set_field(VPC, packet.value(VPC)), set_field(NEXT_HOP, ip.dst), begin_at(DELIVERY))
        yield PacketOut(frame, into)


def _sent(inner: Ip, private: Ip4, vpc: int, view: View) -> bool:
    """True when the quoted packet is from the elastic IP of a private address in the VPC with this key."""
    for id in view.by(ElasticIp, ("address",), inner.src):
        eip = view.get(ElasticIp, id)
        port = view.get(NetworkInterface, eip.port) if eip is not None else None
        home = view.get(Vpc, port.vpc) if port is not None else None
        if eip is not None and home is not None and (eip.private, home.key) == (private, vpc):
            return True
    return False


@packet_in(ASK_QUOTED_OUT)
def quoted_out(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut]:
    """Outbound, already translated outside: the quoted packet came to an elastic IP, the instance got it privately."""
    ip, inner = parse(packet.data).ip, quoted(packet.data)
    public = _public(ip, inner, view) if ip is not None and inner is not None and inner.src == ip.dst else None
    frame = nat_icmp_error(packet.data, inner_dst=public) if public is not None else None
    if frame is None:
        yield PacketOut(packet.data, dropped(FOREIGN_QUOTE))
    else:
        registers = (set_field(POOL, packet.value(POOL)), set_field(PORT, packet.value(PORT)))
        yield PacketOut(frame, (*registers, resubmit(DNAT.id)))


def _public(ip: Ip, inner: Ip, view: View) -> Ip4 | None:
    """The elastic IP that the quoted packet came to; None when it came to none of the sender's interface."""
    for id in view.by(ElasticIp, ("address",), ip.src):
        sender = view.get(ElasticIp, id)
        # Often the sender's own; another of the same port when the instance routes for somebody behind it.
        meant = view.by(ElasticIp, ("port", "private"), (sender.port, inner.dst)) if sender is not None else ()
        for other in sorted(meant):
            eip = view.get(ElasticIp, other)
            if eip is not None:
                return eip.address
    return None


@says(errors)
def around(step: Step, view: View) -> str:
    """The reason to look into an error, in words."""
    error = step.value(IP_PROTO) == IP_PROTO_ICMP and step.value(ICMP_TYPE) in ERRORS
    return "an ICMP error: the packet quoted in it is translated too" if error else "quotes no other packet"


@says(NEIGHBOURS_ONLY)
def between_neighbours(step: Step, view: View) -> str:
    """The message that is for neighbours only, in words."""
    return f"{BETWEEN_NEIGHBOURS.get(step.value(ICMP_TYPE), 'an ICMP message')} is for neighbours only"


@says(ASK_QUOTED_IN)
def quoted_in_said(step: Step, view: View) -> str:
    """The ICMP error that the instance gets, in words."""
    return f"the controller answers: on to {step.ip(IP_DST)}, with private addresses in the packet quoted"


@says(ASK_QUOTED_OUT)
def quoted_out_said(step: Step, view: View) -> str:
    """The ICMP error that the other side gets, in words."""
    return f"the controller answers: on as {step.ip(IP_SRC)}, with public addresses in the packet quoted"
