"""Instances of one VPC talk across hosts as if on one: their packets travel in tunnels between the hosts."""

from collections.abc import Iterator, Sequence

from apps.eni.facts import mac_of
from apps.eni.model import NetworkInterface
from apps.overlay.tables import ENCAP, REMOTE
from apps.oversize.facts import measured
from apps.oversize.tables import ROOM
from apps.pipeline import OUT_PORT, SUBNET, VPC
from apps.vpc.model import ROUTER_MAC, Subnet, Vpc
from sdnctl.base.addresses import Ip4
from sdnctl.model.host import TUNNEL, Binding, Host, LocalTunnel, Peer
from sdnctl.of.actions import Action, Instruction, set_field
from sdnctl.of.fields import ETH_DST, TUN_DST
from sdnctl.packet import icmp_error
from sdnctl.packet.icmp import FRAGMENTATION_NEEDED, UNREACHABLE
from sdnctl.program.feature import Item, Reported, View
from sdnctl.program.packets import PacketIn
from sdnctl.program.pipeline import Priority, goto

KEY_BITS = 24
"""The bits of a tunnel's number (the VNI) that are the VPC's key, and those of the MAC address that are the port's."""


def endpoint(host: str, here: str, view: View) -> Ip4:
    """The endpoint of a host's tunnels, 0 when it has none; other news of the host do not concern who asks this."""
    found = view.get(Host, host)
    return found.encap_ip if found is not None else Ip4(0)


def to_host(binding: Binding, here: str, view: View) -> Iterator[Item]:
    """The way to a port on another host: nothing while one of both hosts has no tunnels."""
    tunnel, address = view.get(LocalTunnel, TUNNEL), view.derived(endpoint, binding.host)
    vpc, port = view.get(Vpc, binding.vpc), view.get(NetworkInterface, binding.port)
    if tunnel is None or not address or vpc is None or port is None:
        return
    # The tunnel names the port by the end of a MAC address, which need not be the port's own.
    named = [] if port.mac == mac_of(port.key) else [set_field(ETH_DST, mac_of(port.key))]
    # On another host: into the tunnel, if it fits.
    way = [*named, *through(tunnel, address)]
    yield REMOTE.flow(Priority.NORMAL, {VPC: vpc.key, OUT_PORT: port.key}, way)
    yield from watched(binding.host, view)


def watched(host: str, view: View) -> Iterator[Item]:
    """Yield the report that the way to another host is to be watched, where both have tunnels."""
    known = view.derived(peer, host)
    if known is not None:
        # BFD says whether packets get there.
        yield Reported(known)


def peer(host: str, here: str, view: View) -> Peer | None:
    """The way to another host, None while one of both has no tunnels; all that lies behind it shares the record."""
    address = view.derived(endpoint, host)
    known = address and view.get(LocalTunnel, TUNNEL) is not None
    return Peer(id=host, host=here, address=address) if known else None


def through(tunnel: LocalTunnel, address: Ip4) -> Sequence[Action | Instruction]:
    """Into the tunnel to the host at ``address``, once it is known whether the packet fits."""
    return [*measured(tunnel.mtu), set_field(TUN_DST, address), goto(ENCAP)]


def does_not_fit(packet: PacketIn, subnet: Subnet) -> bytes | None:
    """The error by which the router of a subnet tells a sender there what fits (RFC 1191); None where none is due."""
    return icmp_error(packet.data, UNREACHABLE, FRAGMENTATION_NEEDED, subnet.router, ROUTER_MAC, packet.value(ROOM))


def subnet_of(packet: PacketIn, view: View) -> Subnet | None:
    """The subnet that a packet came from, None when it came from outside."""
    found = (view.get(Subnet, id) for id in view.by(Subnet, ("key",), packet.value(SUBNET)))
    return next(found, None)
