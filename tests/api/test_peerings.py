"""VPC peerings through the real SDK: one side each, states, who may know what, and what is refused."""

from functools import partial
from typing import Any

import pytest

from tests.api.region import Region, Tenant
from tests.api.test_network_acls import refused
from tests.api.test_operations import network

WIDE = {"left": "10.0.0.0/16", "right": "10.1.0.0/16"}


def peer(tenant: Tenant, vpc: str, other: str, name: str = "peer", **more: Any) -> dict[str, Any]:
    made = tenant.vpc("createVpcPeering", vpcPeeringName=name, vpcId=vpc, remoteVpcId=other, **more)["vpcPeering"]
    assert made["vpcPeeringId"].startswith("vpcpr-")
    return dict(made)


def shown(tenant: Tenant, id: str) -> dict[str, Any]:
    return dict(tenant.vpc("describeVpcPeering", vpcPeeringId=id)["vpcPeering"])


def state(tenant: Tenant, id: str) -> str:
    return str(shown(tenant, id)["vpcPeeringState"])


@pytest.fixture
def left(tenant: Tenant) -> str:
    return network(tenant, WIDE["left"], "10.0.1.0/24")[0]


@pytest.fixture
def other(region: Region) -> Tenant:
    return region.tenant("other")


@pytest.fixture
def right(other: Tenant) -> str:
    return network(other, WIDE["right"], "10.1.1.0/24")[0]


def test_two_accounts_connect_and_each_may_cut(tenant: Tenant, other: Tenant, left: str, right: str) -> None:
    """P8: the other account learns the VPC's id, name and addresses, no more."""
    first = peer(tenant, left, right, description="ours", userTags=[{"key": "a", "value": "b"}])
    assert first == {
        "vpcPeeringId": first["vpcPeeringId"],
        "vpcPeeringName": "peer",
        "vpcPeeringState": "Initiated",
        "description": "ours",
        "vpcInfo": {"vpcId": left, "vpcName": "net", "addressPrefix": [WIDE["left"]]},
        "remoteVpcInfo": {"vpcId": right, "vpcName": "net", "addressPrefix": [WIDE["right"]]},
        "routesPresent": "none",
        "createdTime": first["createdTime"],
        "tags": [{"key": "a", "value": "b"}],
    }
    mine = first["vpcPeeringId"]
    assert shown(tenant, mine) == first and other.vpc("describeVpcPeerings")["totalCount"] == 0
    theirs = peer(other, right, left)["vpcPeeringId"]
    assert state(tenant, mine) == state(other, theirs) == "Connected"
    assert refused(partial(shown, tenant, theirs)) == (404, "NOT_FOUND")
    assert refused(partial(other.vpc, "deleteVpcPeering", vpcPeeringId=mine)) == (404, "NOT_FOUND")
    tenant.vpc("deleteVpcPeering", vpcPeeringId=mine)
    assert state(other, theirs) == "Disconnected" and refused(partial(shown, tenant, mine)) == (404, "NOT_FOUND")
    again = peer(tenant, left, right)["vpcPeeringId"]
    assert state(tenant, again) == state(other, theirs) == "Connected"


def test_routes_are_told_of_both_sides(tenant: Tenant, other: Tenant, left: str, right: str) -> None:
    mine, theirs = peer(tenant, left, right)["vpcPeeringId"], peer(other, right, left)["vpcPeeringId"]
    for owner, vpc, id, prefix, told in (
        (tenant, left, mine, WIDE["right"], "one"),
        (other, right, theirs, "10.0.1.0/24", "both"),
    ):
        (table,) = owner.vpc("describeVpc", vpcId=vpc)["vpc"]["routeTableIds"]
        rule = {"addressPrefix": prefix, "nextHopType": "vpc_peering", "nextHopId": id}
        owner.vpc("addRouteTableRules", routeTableId=table, routeTableRuleSpecs=[rule])
        assert shown(tenant, mine)["routesPresent"] == shown(other, theirs)["routesPresent"] == told
    own = tenant.vpc("describeVpc", vpcId=left)["vpc"]["routeTableIds"][0]
    foreign = {"addressPrefix": "10.1.9.0/24", "nextHopType": "vpc_peering", "nextHopId": theirs}
    add = partial(tenant.vpc, "addRouteTableRules", routeTableId=own, routeTableRuleSpecs=[foreign])
    assert refused(add) == (404, "NOT_FOUND")


def test_one_account_has_both_sides(tenant: Tenant, left: str) -> None:
    right, _ = network(tenant, WIDE["right"], "10.1.1.0/24")
    mine, back = peer(tenant, left, right, "there"), peer(tenant, right, left, "back")
    tenant.vpc("modifyVpcPeering", vpcPeeringId=mine["vpcPeeringId"], vpcPeeringName="way", description="d")
    found = shown(tenant, mine["vpcPeeringId"])
    assert (found["vpcPeeringName"], found["description"], found["vpcPeeringState"]) == ("way", "d", "Connected")
    for key, value in (("vpcId", left), ("remoteVpcId", right), ("vpcPeeringNames", "way")):
        page = tenant.vpc("describeVpcPeerings", filters=[{"name": key, "values": [value]}])
        assert page == {"vpcPeerings": [found], "totalCount": 1}
    ids = [{"name": "vpcPeeringIds", "values": [mine["vpcPeeringId"], back["vpcPeeringId"]]}]
    assert tenant.vpc("describeVpcPeerings", filters=ids)["totalCount"] == 2
    rename = partial(tenant.vpc, "modifyVpcPeering", vpcPeeringId=back["vpcPeeringId"], vpcPeeringName="way")
    assert refused(rename) == (409, "ALREADY_EXISTS")


def test_what_is_refused(tenant: Tenant, other: Tenant, left: str, right: str, region: Region) -> None:
    """P2, P3: addresses are told apart, one peering a pair, and not with oneself."""
    same, _ = network(other, "10.0.0.0/16", "10.0.9.0/24")
    wider, _ = network(other, "10.0.0.0/16", "10.0.1.0/24")
    make = partial(tenant.vpc, "createVpcPeering", vpcPeeringName="p", vpcId=left)
    assert region.changes_nothing(partial(make, remoteVpcId=same)).status == "CONFLICT"
    assert region.changes_nothing(partial(make, remoteVpcId=wider)).status == "CONFLICT"
    assert region.changes_nothing(partial(make, remoteVpcId=left)).code == 400
    assert region.changes_nothing(partial(make, remoteVpcId="vpc-0000000000")).code == 404
    assert (
        region.changes_nothing(
            partial(other.vpc, "createVpcPeering", vpcPeeringName="p", vpcId=left, remoteVpcId=right)
        ).code
        == 404
    )
    peer(tenant, left, right)
    assert region.changes_nothing(partial(make, remoteVpcId=right)).status == "ALREADY_EXISTS"
    third, _ = network(tenant, "10.2.0.0/16", "10.2.1.0/24")
    named = partial(tenant.vpc, "createVpcPeering", vpcPeeringName="peer", vpcId=left, remoteVpcId=third)
    assert region.changes_nothing(named).status == "ALREADY_EXISTS"


def test_without_a_prefix_the_subnets_are_told_apart(tenant: Tenant, other: Tenant, right: str) -> None:
    """P2: a VPC for any address is judged by its subnets, now and whenever it gets another."""
    free = tenant.vpc("createVpc", vpcName="free")["vpcId"]
    subnet = partial(tenant.vpc, "createSubnet", vpcId=free, subnetName="s")
    subnet(addressPrefix="10.0.5.0/24")
    made = peer(tenant, free, right)
    assert made["vpcInfo"]["addressPrefix"] == ["10.0.5.0/24"]
    assert refused(partial(subnet, addressPrefix="10.1.7.0/24")) == (409, "CONFLICT")
    subnet(addressPrefix="10.3.7.0/24")
    tenant.vpc("deleteVpcPeering", vpcPeeringId=made["vpcPeeringId"])
    subnet(addressPrefix="10.1.7.0/24")
    assert refused(partial(peer, tenant, free, right)) == (409, "CONFLICT")
    assert refused(partial(peer, other, right, free)) == (409, "CONFLICT")


def test_a_vpc_goes_after_its_own_peerings_only(tenant: Tenant, other: Tenant, left: str, right: str) -> None:
    """Nobody can keep another's VPC alive; what is left says so."""
    mine = peer(tenant, left, right)["vpcPeeringId"]
    for vpc, owner in ((left, tenant), (right, other)):
        for found in owner.vpc("describeVpc", vpcId=vpc)["vpc"]["subnets"]:
            owner.vpc("deleteSubnet", subnetId=found["subnetId"])
    assert refused(partial(tenant.vpc, "deleteVpc", vpcId=left)) == (400, "FAILED_PRECONDITION")
    other.vpc("deleteVpc", vpcId=right)
    assert shown(tenant, mine)["remoteVpcInfo"] == {"vpcId": right, "vpcName": "", "addressPrefix": []}
    assert state(tenant, mine) == "Initiated"
    tenant.vpc("deleteVpcPeering", vpcPeeringId=mine)
    tenant.vpc("deleteVpc", vpcId=left)


def test_how_many_a_vpc_may_have(region: Region) -> None:
    """P3: ten of a VPC, unless the operator says otherwise."""
    few = region.tenant("few", vpcpeering=1)
    one, two, three = (network(few, f"10.{n}.0.0/16", f"10.{n}.1.0/24")[0] for n in range(3))
    peer(few, one, two, "a")
    assert refused(partial(peer, few, one, three, "b"))[1] == "QUOTA_EXCEEDED"
    peer(few, two, three, "b")
    quota = few.vpc("describeQuota", type="vpcpeering", parentResourceId=one)["quota"]
    assert (quota["maxLimit"], quota["count"]) == (1, 1)
