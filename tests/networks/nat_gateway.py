"""NAT gateways: one and several elastic IPs, rules of both kinds, one that is stopped."""

from dataclasses import replace

from apps.nat_gateway.model import SnatRule
from sdnctl.base.addresses import Cidr, Ip4
from tests.build import Network


def natted() -> Network:
    """Three VPCs with equal addresses: a gateway with one elastic IP, one with two and a rule for each, one stopped.

    The first opens ports to machines; its second machine has an elastic IP of its own, and routes of its own.
    """
    net = Network()
    net.uplink()
    for number, name in enumerate("abc"):
        vpc = net.vpc(name, "10.0.0.0/16")
        front, edge = net.subnet(vpc, f"{name}-front", "10.0.1.0/24"), net.subnet(vpc, f"{name}-edge", "10.0.9.0/24")
        ports = [net.port(front, f"{name}{n}", f"10.0.1.{9 + n}") for n in (1, 2)]
        base = 10 * number + 10
        natgw = net.nat_gateway(f"nat-{name}", edge, *(f"203.0.113.{base + n}" for n in range(1 + (name == "b"))))
        net.route(net.table(vpc, f"{name}-nat", front), "0.0.0.0/0", natgw)
        if name == "a":
            net.eip("own", "203.0.113.99", ports[1])
            net.route(net.table_of(f"rtb-{name}-nat"), "198.51.100.0/24")
            net.dnat("web", natgw, "fip-nat-a-0", "tcp", ports[0], 80, 80)
            net.dnat("game", natgw, "fip-nat-a-0", "udp", ports[1], 5000, 5003)
        if name == "b":
            one = SnatRule(
                id="snat-one", account="acc", vpc=vpc.id, gateway=natgw.id, cidr=Cidr(Ip4.parse("10.0.1.11"), 32),
                eips=("fip-nat-b-1",),
            )  # fmt: skip
            net.store.transact(lambda txn, rule=one: txn.put(rule))
            net.dnat("all", natgw, "fip-nat-b-1", "all", ports[1])
        if name == "c":
            net.store.transact(lambda txn, natgw=natgw: txn.put(replace(natgw, running=False)))
    return net
