"""Route tables of a subnet's own."""

from tests.build import Network


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
