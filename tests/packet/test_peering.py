"""VPC peerings with real packets: who reaches whom, over what consent, which routes and which rules."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import product

import pytest

from tests.packet.groups import confirmed
from topologies.cloud import Cloud
from topologies.scenarios import Account, Scenario, Subnet, Vpc, machine
from topologies.tenant import Tenant

ADDRESS = {"left": "10.0.1.10", "middle": "10.1.1.10", "right": "10.2.1.10"}
ALL = {"direction": 0, "protocol": 300, "addressPrefix": "0.0.0.0/0"}


def three() -> Scenario:
    """Three VPCs of three accounts with a machine each, one with a public address."""
    accounts = []
    for n, (name, address) in enumerate(ADDRESS.items()):
        one = machine(name, "net", address, mbps=10 if name == "middle" else 0)
        vpc = Vpc(name, f"10.{n}.0.0/16", (Subnet("net", f"10.{n}.1.0/24"),), (one,))
        accounts.append(Account(name, (vpc,)))
    return Scenario("three", tuple(accounts))


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as made:
        yield made.build(three())


def vpc_of(cloud: Cloud, name: str) -> tuple[Tenant, str]:
    return cloud.owners[name], cloud.ids[name, name]


def peer(cloud: Cloud, name: str, other: str) -> str:
    """The side of one VPC in a peering with another."""
    owner, vpc = vpc_of(cloud, name)
    asked = {"vpcPeeringName": f"{name}-{other}", "vpcId": vpc, "remoteVpcId": vpc_of(cloud, other)[1]}
    return str(owner.vpc("createVpcPeering", **asked)["vpcPeering"]["vpcPeeringId"])


def cut(cloud: Cloud, name: str, id: str) -> None:
    vpc_of(cloud, name)[0].vpc("deleteVpcPeering", vpcPeeringId=id)
    confirmed(cloud)


def route(cloud: Cloud, name: str, prefix: str, peering: str) -> tuple[Tenant, str, list[str]]:
    """A route of a VPC's default table by its peering; what takes it away again."""
    owner, vpc = vpc_of(cloud, name)
    (table,) = owner.vpc("describeVpc", vpcId=vpc)["vpc"]["routeTableIds"]
    rule = {"addressPrefix": prefix, "nextHopType": "vpc_peering", "nextHopId": peering}
    owner.vpc("addRouteTableRules", routeTableId=table, routeTableRuleSpecs=[rule])
    rules = owner.vpc("describeRouteTable", routeTableId=table)["routeTable"]["routeTableRules"]
    return (
        owner,
        table,
        [one["ruleId"] for one in rules if (one["nextHopId"], one["addressPrefix"]) == (peering, prefix)],
    )


def unroute(owner: Tenant, table: str, rules: list[str]) -> None:
    owner.vpc("removeRouteTableRules", routeTableId=table, ruleIds=rules)


@contextmanager
def connected(cloud: Cloud, one: str, other: str, routed: str = "both") -> Iterator[tuple[str, str]]:
    """Two VPCs with a peering each during a `with` block, and routes of ``both``, of the "first", or of none."""
    sides, ways = (peer(cloud, one, other), peer(cloud, other, one)), []
    for name, far, id in ((one, other, sides[0]), (other, one, sides[1])):
        if routed == "both" or (routed == "first" and name == one):
            ways.append(route(cloud, name, f"{ADDRESS[far].rsplit('.', 2)[0]}.0.0/16", id))
    confirmed(cloud)
    try:
        yield sides
    finally:
        for way in ways:
            unroute(*way)
        for name, id in zip((one, other), sides, strict=True):
            known = cloud.owners[name].vpc("describeVpcPeerings")["vpcPeerings"]
            if id in {found["vpcPeeringId"] for found in known}:
                cloud.owners[name].vpc("deleteVpcPeering", vpcPeeringId=id)
        confirmed(cloud)


def pings(cloud: Cloud, sender: str, target: str) -> bool:
    return cloud.guests[sender].ping(ADDRESS[target], count=2, wait=0.5) > 0


def test_p1_nothing_passes_before_both_sides_and_both_routes_are_there(cloud: Cloud) -> None:
    assert not pings(cloud, "left", "middle")
    side = peer(cloud, "left", "middle")
    way = route(cloud, "left", "10.1.0.0/16", side)
    confirmed(cloud)
    with cloud.guests["middle"].sniff() as wire:
        assert not pings(cloud, "left", "middle")
        assert not wire.seen(lambda frame: frame[12:14] == b"\x08\x00")
    unroute(*way)
    cut(cloud, "left", side)
    for routed, whole in (("none", False), ("first", False), ("both", True)):
        with connected(cloud, "left", "middle", routed):
            assert pings(cloud, "left", "middle") == pings(cloud, "middle", "left") == whole


def test_p1_a_lonely_packet_arrives_and_its_answer_needs_a_route(cloud: Cloud) -> None:
    with connected(cloud, "left", "middle", "first"), cloud.guests["middle"].sniff() as wire:
        assert not pings(cloud, "left", "middle")
        assert wire.seen(lambda frame: frame[12:14] == b"\x08\x00" and frame[23] == 1)
        told = cloud.cli(
            "trace", "--from", cloud.interfaces["middle", 0]["networkInterfaceId"], "--to", ADDRESS["left"]
        )
        assert "dropped" in told["verdict"]


def test_p4_not_transitive_and_no_way_to_the_internet(cloud: Cloud) -> None:
    with connected(cloud, "left", "middle") as (left, _), connected(cloud, "middle", "right") as (_, right):
        ways = [route(cloud, "left", "10.2.0.0/16", left), route(cloud, "right", "10.0.0.0/16", right)]
        ways.append(route(cloud, "left", "198.51.100.0/24", left))
        confirmed(cloud)
        assert pings(cloud, "left", "middle") and pings(cloud, "middle", "right")
        assert not pings(cloud, "left", "right") and not pings(cloud, "right", "left")
        assert cloud.guests["left"].ping("198.51.100.10", count=2, wait=0.5) == 0
        assert cloud.guests["left"].ping("10.1.1.1", count=2, wait=0.5) == 0  # the other VPC's router
        for way in ways:
            unroute(*way)


def test_p5_each_side_cuts_at_once_and_may_connect_again(cloud: Cloud) -> None:
    for name, far in (("left", "middle"), ("middle", "left")):
        with connected(cloud, "left", "middle") as sides:
            assert pings(cloud, "left", "middle")
            cut(cloud, name, sides[name == "middle"])
            assert not pings(cloud, "left", "middle") and not pings(cloud, "middle", "left")
            again = peer(cloud, name, far)
            way = route(cloud, name, f"{ADDRESS[far].rsplit('.', 2)[0]}.0.0/16", again)
            confirmed(cloud)
            assert pings(cloud, "left", "middle")
            unroute(*way)
            cut(cloud, name, again)


@pytest.mark.parametrize(("left", "middle"), list(product((True, False), repeat=2)))
def test_p6_groups_judge_the_real_addresses(cloud: Cloud, left: bool, middle: bool) -> None:
    """Who begins needs no rule of its own; who is asked may refuse the other VPC's addresses."""
    with connected(cloud, "left", "middle"), ExitStack() as closed:
        for name, open_, far in (("left", left, "10.1.0.0/16"), ("middle", middle, "10.0.0.0/16")):
            if not open_:
                closed.enter_context(refusing(cloud, name, far))
        confirmed(cloud)
        assert pings(cloud, "left", "middle") == middle
        assert pings(cloud, "middle", "left") == left


@contextmanager
def refusing(cloud: Cloud, name: str, prefix: str) -> Iterator[None]:
    """The default group of a VPC refuses what comes from these addresses during a `with` block."""
    owner, vpc = vpc_of(cloud, name)
    found = owner.vpc("describeNetworkSecurityGroups", filters=[{"name": "vpcId", "values": [vpc]}])
    id = found["networkSecurityGroups"][0]["networkSecurityGroupId"]
    rule = {"direction": 0, "protocol": 300, "addressPrefix": prefix, "ruleAction": "DENY", "priority": 1}
    act = {"networkSecurityGroupId": id}
    made = owner.vpc("addNetworkSecurityGroupRules", **act, networkSecurityGroupRuleSpecs=[rule])
    yield
    rules = [one["ruleId"] for one in made["securityGroupRules"]]
    owner.vpc("removeNetworkSecurityGroupRules", **act, ruleIds=rules)


def test_large_and_many_packets_pass(cloud: Cloud) -> None:
    """P7: as much as within a VPC, and what is too large for one frame in fragments."""
    with connected(cloud, "left", "middle"):
        assert cloud.guests["left"].ping(ADDRESS["middle"], "-s", "8000", count=3) == 3
        assert cloud.guests["left"].ping(ADDRESS["middle"], count=200, interval=0.002) == 200
