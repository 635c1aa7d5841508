"""Instances of one VPC talk across hosts as if on one: their packets travel in tunnels between the hosts."""

from collections.abc import Iterator, Sequence

from apps.eni.model import NetworkInterface
from apps.overlay.tables import ENCAP, REMOTE, TOO_BIG
from apps.pipeline import OUT_PORT, SUBNET, VPC
from apps.vpc.model import ROUTER_MAC, Subnet, Vpc
from sdnctl.base.addresses import Ip4
from sdnctl.model.host import TUNNEL, Binding, Host, LocalTunnel, Peer
from sdnctl.of.actions import Action, Instruction, check_pkt_larger, set_field
from sdnctl.of.fields import TUN_DST
from sdnctl.packet import icmp_error
from sdnctl.packet.icmp import FRAGMENTATION_NEEDED, UNREACHABLE
from sdnctl.program.feature import Item, Reported, View
from sdnctl.program.packets import PacketIn
from sdnctl.program.pipeline import Priority, goto

KEY_BITS = 24
"""The bits of a tunnel's number (the VNI) that are the VPC's key, and those of the MAC address that are the port's."""
ETHERNET_HEADER = 14


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
    # On another host: into the tunnel, if it fits.
    yield REMOTE.flow(Priority.NORMAL, {VPC: vpc.key, OUT_PORT: port.key}, through(tunnel, address))
    yield from watched(binding.host, here, view)


def watched(host: str, here: str, view: View) -> Iterator[Item]:
    """Yield the report that the way to another host is to be watched, where both have tunnels."""
    address = view.derived(endpoint, host)
    if address and view.get(LocalTunnel, TUNNEL) is not None:
        # BFD says whether packets get there.
        yield Reported(Peer(id=host, host=here, address=address))


def through(tunnel: LocalTunnel, address: Ip4) -> Sequence[Action | Instruction]:
    """Into the tunnel to the host at ``address``, once it is known whether the packet fits."""
    return [check_pkt_larger(tunnel.mtu + ETHERNET_HEADER, TOO_BIG, 0), set_field(TUN_DST, address), goto(ENCAP)]


def does_not_fit(packet: PacketIn, view: View) -> bytes | None:
    """The error by which the router of its subnet tells a sender what fits into a tunnel (RFC 1191); None for none."""
    tunnel = view.get(LocalTunnel, TUNNEL)
    subnets = (view.get(Subnet, id) for id in view.by(Subnet, ("key",), packet.value(SUBNET)))
    subnet = next(subnets, None)
    if tunnel is None or subnet is None:
        return None
    return icmp_error(packet.data, UNREACHABLE, FRAGMENTATION_NEEDED, subnet.router, ROUTER_MAC, tunnel.mtu)
