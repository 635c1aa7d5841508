"""Two tenants' VPCs that are connected, with machines on different hosts."""

import pytest

from topologies.region import Region
from topologies.scenarios import Account, Scenario, Subnet, Vpc, machine

GREEN = {"green1": "10.50.1.11", "green4": "10.50.1.14"}


@pytest.fixture(scope="module")
def connected(region: Region) -> Region:
    """A third tenant on the first and the last host, connected with the red one."""
    machines = (
        machine("green1", "only", GREEN["green1"], 0, "hv1"),
        machine("green4", "only", GREEN["green4"], 0, "hv4"),
    )
    vpc = Vpc("green", "10.50.0.0/16", (Subnet("only", "10.50.1.0/24"),), machines)
    region.build(Scenario("green", (Account("green", (vpc,)),)))
    ends = {
        name: (region.owners[guest], region.ids[name, vpc])
        for name, guest, vpc in (("red", "red1", "net"), ("green", "green1", "green"))
    }
    for name, other, prefix in (("red", "green", "10.50.0.0/16"), ("green", "red", "10.0.0.0/16")):
        owner, id = ends[name]
        asked = {"vpcPeeringName": other, "vpcId": id, "remoteVpcId": ends[other][1]}
        made = owner.vpc("createVpcPeering", **asked)["vpcPeering"]["vpcPeeringId"]
        (table,) = owner.vpc("describeVpc", vpcId=id)["vpc"]["routeTableIds"]
        rule = {"addressPrefix": prefix, "nextHopType": "vpc_peering", "nextHopId": made}
        owner.vpc("addRouteTableRules", routeTableId=table, routeTableRuleSpecs=[rule])
    region.cli("wait", "--timeout", "20")
    return region


def test_machines_of_peers_reach_each_other_on_every_host(connected: Region) -> None:
    """On the same host, through a tunnel, and from a host that has no machine of the other side."""
    for green, address in GREEN.items():
        for red in ("red1", "red2", "red3", "red4"):
            assert connected.guests[red].reaches(address, 10), (red, green)
            assert connected.guests[green].reaches(connected.address(red), 10), (green, red)
    assert connected.guests["blue2"].ping(GREEN["green1"], count=2, wait=0.5) == 0
    assert (
        connected.guests["green1"].ping("10.0.0.99", count=2, wait=0.5) == 0
    )  # the other tenant's with the same block


def test_a_trace_goes_with_the_packet(connected: Region) -> None:
    origin = connected.interfaces["red2", 0]["networkInterfaceId"]
    told = connected.cli("trace", "--from", origin, "--to", GREEN["green4"])
    receiver = connected.interfaces["green4", 0]["networkInterfaceId"]
    assert told["verdict"].startswith(f"delivered to {receiver}"), told
