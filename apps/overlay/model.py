"""Instances of one VPC talk across hosts as if on one: their packets travel in tunnels between the hosts."""

from sdnctl.addresses import Ip4
from sdnctl.feature import View
from sdnctl.host import Host

KEY_BITS = 24
"""How many bits of a tunnel's number (the VNI) are the VPC's key, and how many of the MAC address the port's."""


def endpoint(host: str, here: str, view: View) -> Ip4:
    """Where a host's tunnels end, 0 when it has none; other news of the host do not concern who asks this."""
    found = view.get(Host, host)
    return found.encap_ip if found is not None else Ip4(0)
