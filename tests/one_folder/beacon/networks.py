"""A network with beacons, which golden tables, any order, isolation and reference run over."""

from sdnctl.base.addresses import Ip4
from tests.build import Network
from tests.one_folder.beacon.writes import new_beacon


def beacons() -> Network:
    """Two VPCs with equal addresses, each with a beacon at the same one; a machine on another host."""
    net = Network()
    net.uplink()
    for name in "ab":
        subnet = net.subnet(net.vpc(name, "10.0.0.0/16"), name, "10.0.1.0/24")
        net.port(subnet, f"{name}1", "10.0.1.10")
        net.port(subnet, f"{name}2", "10.0.1.11", host="host-2")
        net.store.transact(lambda txn, subnet=subnet: new_beacon(txn, subnet, "light", 10, Ip4.parse("10.0.1.50")))
    return net
