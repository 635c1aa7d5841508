"""A packet for another host goes there in a tunnel that names its VPC; its destination MAC address names the port.

Geneve and VXLAN number their networks with 24 bits: that is the VPC's key.  The MAC address that a port gets when it is
made ends with the port's key, so the far side needs neither an option nor a second lookup: it delivers by VPC and port.
A port that has another MAC address is named by that one all the same, and gets its own back where it is delivered.
Tunnels are not encrypted and prove nothing (RFC 8926, 6): what comes from no host of the region is dropped, and who can
forge a host's address on the underlay can forge its packets.
"""

from collections.abc import Iterator

from apps.eni.facts import called, known_by_key
from apps.eni.model import NetworkInterface
from apps.eni.tables import ORIGIN
from apps.overlay.facts import KEY_BITS, does_not_fit, endpoint, subnet_of, to_host
from apps.overlay.tables import ASK_TOO_BIG, ENCAP, FROM_HOST, REMOTE, UNKNOWN_HOST
from apps.oversize.facts import cut_again, too_big
from apps.oversize.tables import ROOM, TOO_BIG
from apps.pipeline import EGRESS, OUT_PORT, PORT, VPC, drop
from apps.vpc.facts import vpc_here
from sdnctl.model.host import TUNNEL, Binding, Host, LocalTunnel, Peer
from sdnctl.of.actions import conjunction, load, move, output, set_field
from sdnctl.of.fields import CONJ_ID, ETH_DST, IN_PORT, TUN_ID, TUN_SRC, VLAN_VID
from sdnctl.of.flow import Flow
from sdnctl.program.feature import Item, View, always, counts, feature, packet_in, placed, says
from sdnctl.program.packets import PacketIn, PacketOut
from sdnctl.program.pipeline import Priority, enter, onward
from sdnctl.program.step import Step


@always
def here_or_there() -> Iterator[Item]:
    """Deliver here what is on no other host; answer what is too big for a tunnel."""
    # Not on another host.
    yield REMOTE.flow(Priority.MISS, {}, [onward(REMOTE)])
    # Too big: cut, or its sender is told how much fits.
    yield ENCAP.flow(Priority.NORMAL, {TOO_BIG: 1}, too_big(ASK_TOO_BIG))
    yield cut_again(ASK_TOO_BIG, ENCAP)


@feature(each=Host)
def far_end(host: Host, here: str, view: View) -> Iterator[Item]:
    """Tunnels come from the hosts of the region; who was deleted is none."""
    tunnel = view.get(LocalTunnel, TUNNEL)
    address = view.derived(endpoint, host.id)
    if tunnel is not None and address and host.id != here:
        # From this host, whichever way it came in.
        yield ORIGIN.flow(Priority.NORMAL, {TUN_SRC: address}, [conjunction(FROM_HOST, 2, 2)])


@feature(each=LocalTunnel)
def inlet(tunnel: LocalTunnel, here: str, view: View) -> Iterator[Item]:
    """The way in by the tunnels, for hosts that are known."""
    # In by the tunnels, which is one half; the host that it is from is the other.
    yield ORIGIN.flow(Priority.NORMAL, {IN_PORT: tunnel.ofport, VLAN_VID: 0}, [conjunction(FROM_HOST, 1, 2)])
    # In by the tunnels, from nobody.
    yield ORIGIN.flow(Priority.BROAD, {IN_PORT: tunnel.ofport, VLAN_VID: 0}, drop(UNKNOWN_HOST))


@feature(each=LocalTunnel)
def tunnel(tunnel: LocalTunnel, here: str, view: View) -> Iterator[Item]:
    """This host's end of the tunnels."""
    # In from another host, which has already decided: straight to the port.
    yield ORIGIN.flow(
        Priority.NORMAL,
        {CONJ_ID: FROM_HOST, IN_PORT: tunnel.ofport, VLAN_VID: 0},
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


@counts(tunnel, "tunnel", ORIGIN)
def direction(tunnel: LocalTunnel, flow: Flow) -> str:
    """In from other hosts, for the ports of this one; no meter of this host stands before it."""
    return "in"


@packet_in(ASK_TOO_BIG)
def tell(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut]:
    """Tell an interface on this host how much fits, as its router (RFC 1191)."""
    sender, subnet = known_by_key(packet.value(PORT), view), subnet_of(packet, view)
    frame = does_not_fit(packet, subnet) if subnet is not None else None
    if sender is not None and frame is not None:
        yield PacketOut(frame, (set_field(ETH_DST, sender.mac), output(packet.in_port)))


@says(far_end)
def from_host(step: Step, view: View) -> str:
    """The host at the far end of a tunnel, in words."""
    return f"the tunnel comes from {step.record.id}"


@says(UNKNOWN_HOST)
def from_nobody(step: Step, view: View) -> str:
    """The address at the far end of a tunnel, in words."""
    return f"no host of the region has the tunnel address {step.ip(TUN_SRC)}"


@says(tunnel)
def travels(step: Step, view: View) -> str:
    """The way in from another host or out to it, in words."""
    return "in from another host" if step.table == ORIGIN.id else "through the tunnel"


@says(remote)
def elsewhere(step: Step, view: View) -> str:
    """The host on which the receiver is, in words."""
    port = view.get(NetworkInterface, step.record.port)
    return f"{called(port) if port is not None else step.record.port} is on {step.record.host}"


@says(here_or_there)
def where(step: Step, view: View) -> str:
    """The receiver's place here, or a packet's being too big to travel, in words."""
    return "on this host" if step.table == REMOTE.id else "larger than what a tunnel takes"


@says(ASK_TOO_BIG)
def too_big_said(step: Step, view: View) -> str:
    """The size in bytes that fits, in words."""
    return f"the controller answers: ICMP fragmentation needed, {step.value(ROOM)} bytes fit"
