"""Plain VPCs: subnets, neighbours and tenants with equal addresses."""

from tests.build import ELSEWHERE, Network


def routed() -> Network:
    """One VPC, two subnets, two local ports in the first, one in the second, one on another host."""
    net = Network()
    vpc = net.vpc("a", "10.0.0.0/16")
    web, data = net.subnet(vpc, "web", "10.0.1.0/24"), net.subnet(vpc, "data", "10.0.2.0/24")
    net.port(web, "web1", "10.0.1.10")
    net.port(web, "web2", "10.0.1.11")
    net.port(data, "data1", "10.0.2.10")
    net.port(data, "data2", "10.0.2.11", host=ELSEWHERE)
    return net


def two_tenants() -> Network:
    """Two VPCs with the same addresses, on the same host, and a third that only another host has."""
    net = Network()
    for name in ("a", "b"):
        vpc = net.vpc(name, "10.0.0.0/16")
        subnet = net.subnet(vpc, name, "10.0.1.0/24")
        net.port(subnet, f"{name}1", "10.0.1.10")
        net.port(subnet, f"{name}2", "10.0.1.11")
    far = net.vpc("far", "10.0.0.0/16")
    net.port(net.subnet(far, "far", "10.0.1.0/24"), "far1", "10.0.1.10", host=ELSEWHERE)
    return net
