"""A packet for another host goes there in a tunnel that names its VPC; its destination MAC address names the port.

Geneve and VXLAN number their networks with 24 bits: that is the VPC's key.  A port's MAC address ends with the port's
key, so the far side needs neither an option nor a second lookup: it delivers by VPC and port.
"""

from collections.abc import Iterator

from apps.eip.model import ElasticIp
from apps.eni.facts import called, known_by_key
from apps.eni.model import NetworkInterface
from apps.eni.tables import ORIGIN
from apps.overlay.facts import KEY_BITS, to_host
from apps.overlay.tables import ASK_TOO_BIG, ENCAP, REMOTE, TOO_BIG
from apps.pipeline import EGRESS, OUT_PORT, PORT, SUBNET, UPLINK_STAGE, VPC, ask
from apps.uplink.model import Pool
from apps.uplink.tables import POOL
from apps.vpc.facts import vpc_here
from apps.vpc.model import ROUTER_MAC, Subnet
from sdnctl.base.addresses import Ip4
from sdnctl.model.host import TUNNEL, Binding, LocalTunnel, LocalUplink, Peer
from sdnctl.model.host import UPLINK as UPLINK_ID
from sdnctl.of.actions import load, move, output, set_field
from sdnctl.of.fields import ETH_DST, IN_PORT, TUN_ID, VLAN_VID
from sdnctl.packet import icmp_error, nat_icmp_error, parse
from sdnctl.packet.icmp import FRAGMENTATION_NEEDED, UNREACHABLE
from sdnctl.program.feature import Item, View, always, feature, packet_in, placed, says
from sdnctl.program.packets import PacketIn, PacketOut
from sdnctl.program.pipeline import Priority, begin_at, enter, onward
from sdnctl.program.step import Step


@always
def here_or_there() -> Iterator[Item]:
    """What is on no other host is delivered here; what is too big for a tunnel is answered."""
    # Not on another host.
    yield REMOTE.flow(Priority.MISS, {}, [onward(REMOTE)])
    # Too big: the controller tells the sender how much fits.
    yield ENCAP.flow(Priority.NORMAL, {TOO_BIG: 1}, ask(ASK_TOO_BIG))


@feature(each=LocalTunnel)
def tunnel(tunnel: LocalTunnel, here: str, view: View) -> Iterator[Item]:
    """This host's end of the tunnels."""
    # In from another host, which has already decided: straight to the port.
    yield ORIGIN.flow(
        Priority.NORMAL,
        {IN_PORT: tunnel.ofport, VLAN_VID: 0},
        [move(TUN_ID, VPC, nbits=KEY_BITS), move(ETH_DST, OUT_PORT, nbits=KEY_BITS), enter(EGRESS)],
    )
    # Out to another host, numbered with the VPC; back into the tunnels it came from, if it has to.
    out = [move(VPC, TUN_ID, nbits=KEY_BITS), load(IN_PORT, 0), output(tunnel.ofport)]
    yield ENCAP.flow(Priority.NORMAL, {TOO_BIG: 0}, out)


@feature(each=Binding, within=placed("vpc", test=vpc_here), reports=(Peer,))
def remote(binding: Binding, here: str, view: View) -> Iterator[Item]:
    """A network interface on another host, of a VPC that is here too."""
    if binding.host != here:
        yield from to_host(binding, here, view)


@packet_in(ASK_TOO_BIG)
def too_big(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut]:
    """Tell the sender how much fits (RFC 1191), as its router, or as the elastic IP that it aimed at."""
    tunnel = view.get(LocalTunnel, TUNNEL)
    if tunnel is None:
        return
    sender = known_by_key(packet.value(PORT), view)
    if sender is not None:
        yield from _tell_sender(packet, sender, tunnel.mtu, view)
    else:
        yield from _tell_outside(packet, tunnel.mtu, view)


def _tell_sender(packet: PacketIn, sender: NetworkInterface, mtu: int, view: View) -> Iterator[PacketOut]:
    ip = parse(packet.data).ip
    for id in view.by(Subnet, ("key",), packet.value(SUBNET)):
        subnet = view.get(Subnet, id)
        if subnet is None or ip is None:
            continue
        frame = icmp_error(packet.data, UNREACHABLE, FRAGMENTATION_NEEDED, subnet.router, ROUTER_MAC, mtu)
        private = _private(Ip4(ip.src), sender, view)
        if frame is not None and private is not None:
            # It had already left its elastic IP behind: the sender knows its private address only.
            frame = nat_icmp_error(frame, outer_dst=private, inner_src=private)
        if frame is not None:
            yield PacketOut(frame, (set_field(ETH_DST, sender.mac), output(packet.in_port)))


def _private(source: Ip4, sender: NetworkInterface, view: View) -> Ip4 | None:
    """The private address behind a source that is the sender's elastic IP, None for any other source."""
    eips = (view.get(ElasticIp, id) for id in view.by(ElasticIp, ("address",), source))
    return next((eip.private for eip in eips if eip is not None and eip.port == sender.id), None)


def _tell_outside(packet: PacketIn, mtu: int, view: View) -> Iterator[PacketOut]:
    ip, uplink = parse(packet.data).ip, view.get(LocalUplink, UPLINK_ID)
    port = known_by_key(packet.value(OUT_PORT), view)
    if ip is None or uplink is None or port is None:
        return
    for id in view.by(ElasticIp, ("port", "private"), (port.id, Ip4(ip.dst))):
        eip = view.get(ElasticIp, id)
        frame = icmp_error(packet.data, UNREACHABLE, FRAGMENTATION_NEEDED, ip.dst, uplink.mac, mtu)
        if eip is not None and frame is not None:
            public = nat_icmp_error(frame, outer_src=eip.address, inner_dst=eip.address)
            yield from _out(public, eip, view)


def _out(frame: bytes | None, eip: ElasticIp, view: View) -> Iterator[PacketOut]:
    pool = view.get(Pool, eip.pool)
    if frame is not None and pool is not None:
        yield PacketOut(frame, (set_field(POOL, pool.key), begin_at(UPLINK_STAGE)))


@says(tunnel)
def travels(step: Step, view: View) -> str:
    """In from, or out to another host."""
    return "in from another host" if step.table == ORIGIN.id else "through the tunnel"


@says(remote)
def elsewhere(step: Step, view: View) -> str:
    """On which host the receiver is."""
    port = view.get(NetworkInterface, step.record.port)
    return f"{called(port) if port is not None else step.record.port} is on {step.record.host}"


@says(here_or_there)
def where(step: Step, view: View) -> str:
    """Here, or too big to travel."""
    return "on this host" if step.table == REMOTE.id else "larger than what a tunnel takes"


@says(ASK_TOO_BIG)
def too_big_said(step: Step, view: View) -> str:
    """How much fits."""
    tunnel = view.get(LocalTunnel, TUNNEL)
    fits = f", {tunnel.mtu} bytes fit" if tunnel is not None else ""
    return f"the controller answers: ICMP fragmentation needed{fits}"
