"""VPC peerings on hosts: who has ports of one side knows the other side, and nothing beyond it."""

from apps.eni.model import NetworkInterface
from apps.neighbour.tables import RESOLVE
from apps.overlay.tables import REMOTE
from apps.peering.model import VpcPeering
from sdnctl.store.reach import reach
from tests.apps.test_overlay import THIRD, Region
from tests.build import ELSEWHERE, HERE, Network
from tests.networks.peering import side


def three() -> tuple[Network, list[NetworkInterface]]:
    """Three VPCs with an interface each; the second has a peering with both others, the third has one with it."""
    net = Network()
    vpcs = [net.vpc(name, f"10.{n}.0.0/16") for n, name in enumerate("abc")]
    subnets = [net.subnet(vpc, vpc.id[-1], f"10.{n}.1.0/24") for n, vpc in enumerate(vpcs)]
    ports = [net.port(subnet, subnet.id[-1], f"10.{n}.1.10", host="") for n, subnet in enumerate(subnets)]
    for one, other in ((1, 0), (1, 2), (2, 1)):
        side(net, vpcs[one], vpcs[other])
    return net, ports


def test_a_host_knows_the_vpcs_that_its_own_are_connected_with() -> None:
    net, ports = three()
    region = Region(net)
    for port, host in zip(ports, (HERE, ELSEWHERE, THIRD), strict=True):
        region.plug(port, host, f"row-{host}")
    # One of the two sides is missing: nothing is known of each other.
    assert region.flows(HERE, REMOTE.id) == 0
    assert (region.flows(ELSEWHERE, REMOTE.id), region.flows(THIRD, REMOTE.id)) == (1, 1)
    before = {host: region.flows(host, RESOLVE.id) for host in region.engines}
    net.store.transact(lambda txn: txn.put(VpcPeering(id="vpcpr-a-b", account="acc", vpc="vpc-a", remote_vpc="vpc-b")))
    region.settle()
    assert [region.flows(host, REMOTE.id) for host in (HERE, ELSEWHERE, THIRD)] == [1, 2, 1]
    assert region.flows(HERE, RESOLVE.id) == before[HERE] + 1
    net.store.transact(lambda txn: txn.delete(VpcPeering, "vpcpr-b-a"))
    region.settle()
    assert [region.flows(host, REMOTE.id) for host in (HERE, ELSEWHERE, THIRD)] == [0, 1, 1]
    assert {host: region.flows(host, RESOLVE.id) for host in region.engines} == before


def test_a_host_follows_what_its_vpcs_lead_to_and_no_further() -> None:
    net, ports = three()
    state = net.store.state
    for port, vpcs in zip(ports, (["vpc-a"], ["vpc-a", "vpc-b", "vpc-c"], ["vpc-b", "vpc-c"]), strict=True):
        followed = reach(state, HERE, [port.id])[NetworkInterface]
        assert followed is not None and sorted(str(value) for field, value in followed if field == "vpc") == vpcs
