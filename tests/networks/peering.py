"""Two VPCs that are connected, one that one of them only knows, and one that has been left."""

from apps.peering.model import VpcPeering
from apps.vpc.model import Vpc
from tests.build import ELSEWHERE, HERE, Network


def side(net: Network, vpc: Vpc, other: Vpc) -> VpcPeering:
    """The side of a VPC in a peering with another, ``vpcpr-ONE-OTHER``."""
    name = "-".join(one.id.removeprefix("vpc-") for one in (vpc, other))
    made = VpcPeering(id=f"vpcpr-{name}", account="acc", vpc=vpc.id, remote_vpc=other.id)
    net.store.transact(lambda txn: txn.put(made))
    return made


def peers() -> Network:
    """A middle VPC that is connected with three others, which are not with each other; a side without an answer.

    One of the three has ports on another host only.
    """
    net = Network()
    net.uplink()
    vpcs = {name: net.vpc(name, f"10.{n}.0.0/16") for n, name in enumerate(("left", "middle", "right", "alone", "far"))}
    for n, (name, vpc) in enumerate(vpcs.items()):
        subnet = net.subnet(vpc, name, f"10.{n}.1.0/24")
        net.port(subnet, f"{name}-1", f"10.{n}.1.10", host=ELSEWHERE if name == "far" else HERE)
        net.port(subnet, f"{name}-2", f"10.{n}.1.11", host="host-2")
    sides = {}
    both = [pair for name in ("left", "right", "far") for pair in ((name, "middle"), ("middle", name))]
    for one, other in (*both, ("left", "alone")):
        sides[one, other] = side(net, vpcs[one], vpcs[other])
        net.route(net.table_of(f"rtb-{one}"), f"10.{list(vpcs).index(other)}.0.0/16", sides[one, other])
    # The middle is no transit, whatever a route says.
    net.route(net.table_of("rtb-right"), "10.0.0.0/16", sides["right", "middle"])
    return net
