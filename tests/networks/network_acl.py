"""Subnets with network ACLs."""

from typing import Any

from apps.network_acl.model import AclRule, AclSubnet, NetworkAcl
from apps.prefix_list.model import PrefixList, VpcPrefixes
from apps.vpc.model import Subnet, Vpc
from sdnctl.base.addresses import Cidr
from sdnctl.store import Txn
from tests.build import Network


def acl(net: Network, vpc: Vpc, name: str, *subnets: Subnet) -> NetworkAcl:
    """An ACL without rules, and the subnets that have it."""

    def work(txn: Txn) -> NetworkAcl:
        made = NetworkAcl(id=f"acl-{name}", account="acc", vpc=vpc.id, key=txn.allocate(NetworkAcl, "key"))
        txn.put(made)
        for subnet in subnets:
            txn.put(AclSubnet(id=subnet.id, account="acc", vpc=vpc.id, subnet=subnet.id, acl=made.id))
        return made

    return net.store.transact(work)


def ruled(
    net: Network,
    of: NetworkAcl,
    direction: Any,
    action: Any,
    protocol: Any,
    remote: str,
    ports: tuple[int, int] = (0, 0),
    priority: int = 100,
) -> AclRule:
    """A rule of an ACL, for a block or the id of a prefix list; of TCP and UDP it names ``ports``."""
    side: dict[str, Any] = {"prefix_list": remote} if remote.startswith("pl-") else {"cidr": Cidr.parse(remote)}
    what = f"{direction}-{action}-{protocol}-{remote.replace('/', '-')}-{ports[0]}-{ports[1]}-{priority}"
    made = AclRule(
        id=f"aclr-{of.id.removeprefix('acl-')}-{what}",
        account="acc",
        vpc=of.vpc,
        acl=of.id,
        direction=direction,
        action=action,
        protocol=protocol,
        first=ports[0],
        last=ports[1],
        priority=priority,
        **side,
    )
    net.store.transact(lambda txn: txn.put(made))
    return made


def listed(net: Network, vpc: Vpc, *blocks: str) -> str:
    """The id of a prefix list of these blocks, which rules of the VPC may name."""
    id = f"pl-{vpc.id.removeprefix('vpc-')}"

    def work(txn: Txn) -> None:
        txn.put(PrefixList(id=id, account="acc", most=len(blocks)))
        known = tuple(sorted(map(Cidr.parse, blocks)))
        txn.put(VpcPrefixes(id=f"plv-{id}", vpc=vpc.id, prefix_list=id, blocks=known))

    net.store.transact(work)
    return id


def walled() -> Network:
    """A VPC of four subnets: one in front and one behind, each with an ACL, one with an empty ACL, one without any."""
    net = Network()
    net.uplink()
    vpc = net.vpc("a", "10.0.0.0/16")
    front, back, shut, free = (
        net.subnet(vpc, name, f"10.0.{number}.0/24") for number, name in enumerate(("front", "back", "shut", "free"), 1)
    )
    for subnet, number in ((front, 1), (back, 2), (shut, 3), (free, 4)):
        name = subnet.id.removeprefix("subnet-")
        net.port(subnet, f"{name}1", f"10.0.{number}.10")
        net.port(subnet, f"{name}2", f"10.0.{number}.11")
    net.port(front, "far", "10.0.1.20", host="host-2")
    router = net.port(free, "router", "10.0.4.20", check=False)
    net.eip("front1", "203.0.113.10", net.port_of("port-front1"))
    net.eip("free1", "203.0.113.11", net.port_of("port-free1"))
    net.route(net.table(vpc, "custom", back), "192.168.0.0/16", router)
    _front(net, vpc, front)
    _back(net, vpc, back)
    acl(net, vpc, "shut", shut)
    return net


def _front(net: Network, vpc: Vpc, subnet: Subnet) -> None:
    """Everybody may ask for the web and ping, but for some; answers get out."""
    made = acl(net, vpc, "front", subnet)
    ruled(net, made, "in", "allow", "tcp", "0.0.0.0/0", (80, 80))
    ruled(net, made, "in", "allow", "icmp", "0.0.0.0/0")
    ruled(net, made, "in", "deny", "all", listed(net, vpc, "198.51.100.0/24", "10.0.4.11/32"), priority=1)
    ruled(net, made, "in", "allow", "tcp", "0.0.0.0/0", (1024, 65535), priority=200)
    ruled(net, made, "in", "allow", "udp", "10.0.0.0/8", (1024, 5000), priority=200)
    ruled(net, made, "out", "allow", "all", "0.0.0.0/0", priority=32768)


def _back(net: Network, vpc: Vpc, subnet: Subnet) -> None:
    """Names are asked for here; of two rules that say otherwise at one priority the denial counts."""
    made = acl(net, vpc, "back", subnet)
    ruled(net, made, "in", "allow", "udp", "10.0.0.0/8", (53, 53), priority=1)
    ruled(net, made, "in", "deny", "udp", "10.0.4.0/24", (1, 65535), priority=1)
    ruled(net, made, "in", "allow", "icmp", "10.0.1.0/24", priority=2)
    ruled(net, made, "out", "allow", "all", "10.0.0.0/8")
    ruled(net, made, "out", "deny", "icmp", "10.0.4.0/24")
    ruled(net, made, "out", "allow", "all", "192.168.0.0/16")
