"""Named networks that the suites run over: golden tables, any order, isolation."""

from collections.abc import Callable
from functools import partial
from itertools import count

from tests.build import ELSEWHERE, Network
from topologies.scenarios import SCENARIOS, Scenario


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


def appliances() -> Network:
    """An interface without source check, one with several addresses, one that is not plugged in anywhere."""
    net = Network()
    subnet = net.subnet(net.vpc("a"), "a", "192.168.7.0/24")
    net.port(subnet, "router", "192.168.7.10", check=False)
    net.port(subnet, "many", "192.168.7.20", "192.168.7.21", "192.168.7.22")
    net.port(subnet, "loose", "192.168.7.30", host="")
    return net


def detours() -> Network:
    """A subnet whose own route table leads through appliances: one way, two equal ways, a better and a worse one."""
    net = Network()
    net.uplink()
    vpc = net.vpc("a", "10.0.0.0/16")
    inside, edge = net.subnet(vpc, "inside", "10.0.1.0/24"), net.subnet(vpc, "edge", "10.0.9.0/24")
    vm = net.port(inside, "vm", "10.0.1.10")
    hops = [net.port(edge, f"nfv{n}", f"10.0.9.1{n}", check=False) for n in range(3)]
    net.eip("vm", "203.0.113.10", vm)
    net.eip("nfv0", "203.0.113.11", hops[0])
    table = net.table(vpc, "custom", inside)
    net.route(table, "0.0.0.0/0", hops[0])
    net.route(table, "172.16.0.0/16", hops[1])
    net.route(table, "172.16.0.0/16", hops[2])
    net.route(table, "172.16.8.0/24", hops[0])
    net.route(table, "192.168.0.0/16", hops[1], priority=10)
    net.route(table, "192.168.0.0/16", hops[2], priority=20)
    return net


def from_scenario(scenario: Scenario) -> Network:
    """A scenario of ``topologies``, as the API would have written it."""
    net = Network()
    net.uplink(pool=scenario.pool, gateway=scenario.gateway)
    free = count(5)
    for account in scenario.accounts:
        for wanted in account.vpcs:
            prefix = f"{account.name}-{wanted.name}"
            vpc = net.vpc(prefix, wanted.cidr)
            subnets = {s.name: net.subnet(vpc, f"{prefix}-{s.name}", s.cidr) for s in wanted.subnets}
            for machine in wanted.instances:
                for number, nic in enumerate(machine.interfaces):
                    addresses = (nic.address, *nic.secondary)
                    port = net.port(subnets[nic.subnet], f"{machine.name}-{number}", *addresses, check=nic.source_check)
                    for private, mbps in nic.elastic:
                        public = next(free)
                        net.eip(str(public), f"203.0.113.{public}", port, mbps, addresses.index(private))
    return net


NETWORKS: dict[str, Callable[[], Network]] = {
    **{made.__name__: made for made in (routed, two_tenants, elastic, appliances, detours)},
    **{f"scenario_{name}": partial(from_scenario, make()) for name, make in SCENARIOS.items()},
}
