"""DHCP tells an instance what its interface already is; nothing is leased that the API did not assign."""

from sdnctl.base.addresses import Ip4
from sdnctl.model.host import TUNNEL, LocalTunnel
from sdnctl.program.feature import View

LEASE_SECONDS = 24 * 3600
MTU = 1500
DEFAULT_DNS = (Ip4.parse("114.114.114.114"), Ip4.parse("8.8.8.8"))


def guest_mtu(view: View) -> int:
    """The largest packet of a guest, in bytes: what also fits into a tunnel, where this host has tunnels."""
    tunnel = view.get(LocalTunnel, TUNNEL)
    return min(MTU, tunnel.mtu) if tunnel is not None else MTU
