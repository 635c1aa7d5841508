"""Elastic IPs that share a bandwidth package."""

from tests.build import Network


def packaged() -> Network:
    """Four elastic IPs: two share a package freely, one may carry nothing within it, and one is in none."""
    net = Network()
    net.uplink()
    subnet = net.subnet(net.vpc("a"), "a", "10.0.1.0/24")
    for number, name in enumerate(("free", "slow", "shut", "out")):
        port = net.port(subnet, name, f"10.0.1.{10 + number}")
        net.eip(name, f"203.0.113.{10 + number}", port, mbps=5)
    net.package("one", 50, free=-1, slow=10, shut=0)
    return net
