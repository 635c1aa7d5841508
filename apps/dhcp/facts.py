"""DHCP tells an instance what its interface already is; nothing is leased that the API did not assign."""

from apps.vpc.model import Subnet
from sdnctl.base.addresses import Ip4
from sdnctl.model.host import TUNNEL, LocalTunnel
from sdnctl.packet.names import labels
from sdnctl.program.feature import View

LEASE_SECONDS = 24 * 3600
MTU = 1500
DEFAULT_DNS = (Ip4.parse("114.114.114.114"), Ip4.parse("8.8.8.8"))


def searched(subnet: Subnet) -> tuple[str, ...]:
    """The domain names that a subnet's guests are told; one that an older API took and DNS has no form for is not."""
    return tuple(name for name in subnet.domains if _written(name))


def _written(name: str) -> bool:
    try:
        labels(name)
    except ValueError:
        return False
    return True


def guest_mtu(view: View) -> int:
    """The largest packet of a guest, in bytes: what fits into a tunnel, also a jumbo one, where this host has tunnels.

    An uplink that takes less says so itself, of what goes there.
    """
    tunnel = view.get(LocalTunnel, TUNNEL)
    return tunnel.mtu if tunnel is not None else MTU
