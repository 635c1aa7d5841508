"""Elastic IPs."""

from tests.build import ELSEWHERE, Network


def elastic() -> Network:
    """Elastic IPs in two VPCs with equal addresses, one bound to nothing, one on another host."""
    net = Network()
    net.uplink()
    for number, name in enumerate(("a", "b")):
        subnet = net.subnet(net.vpc(name), name, "10.0.1.0/24")
        port = net.port(subnet, f"{name}1", "10.0.1.10")
        net.port(subnet, f"{name}2", "10.0.1.11")
        net.eip(name, f"203.0.113.{10 + number}", port, mbps=5 + number * 95)
        far = net.port(subnet, f"{name}-far", "10.0.1.12", host=ELSEWHERE)
        net.eip(f"{name}-far", f"203.0.113.{20 + number}", far)
    net.eip("free", "203.0.113.30")
    return net
