"""Interfaces that are unlike most."""

from tests.build import Network


def appliances() -> Network:
    """An interface without source check, one with several addresses, one that is not plugged in anywhere."""
    net = Network()
    subnet = net.subnet(net.vpc("a"), "a", "192.168.7.0/24")
    net.port(subnet, "router", "192.168.7.10", check=False)
    net.port(subnet, "many", "192.168.7.20", "192.168.7.21", "192.168.7.22")
    net.port(subnet, "loose", "192.168.7.30", host="")
    return net
