"""Paging, filters and tags, as the real SDK sends them."""

from typing import Any

import pytest
from jdcloud_sdk.services.common.models.Filter import Filter

from tests.api.region import Region, Tenant
from tests.api.test_operations import eip, instance, network, port


@pytest.fixture
def crowd(region: Region) -> Tenant:
    """An account with 25 VPCs, every fifth of them tagged."""
    tenant = region.tenant("crowd", vpc=30)
    for n in range(25):
        tags = [{"key": "fifth", "value": str(n)}] if n % 5 == 0 else []
        tenant.vpc("createVpc", vpcName=f"vpc-{n:02}", userTags=tags)
    return tenant


def names(found: dict[str, Any]) -> list[str]:
    """The names in a list of VPCs."""
    return [vpc["vpcName"] for vpc in found["vpcs"]]


def test_pages(crowd: Tenant) -> None:
    every = [f"vpc-{n:02}" for n in range(25)]
    assert sorted(names(crowd.vpc("describeVpcs"))) == sorted(every[:20])
    pages = [names(crowd.vpc("describeVpcs", pageNumber=n, pageSize=10)) for n in (1, 2, 3)]
    assert [len(page) for page in pages] == [10, 10, 5] and [*pages[0], *pages[1], *pages[2]] == every
    beyond = crowd.vpc("describeVpcs", pageNumber=99, pageSize=10)
    assert names(beyond) == pages[2] and beyond["totalCount"] == 25
    assert len(names(crowd.vpc("describeVpcs", pageSize=100))) == 25


@pytest.mark.parametrize(
    "wrong",
    [
        {"pageNumber": 0},
        {"pageNumber": -1},
        {"pageSize": 9},
        {"pageSize": 101},
        {"pageSize": "x"},
        {"pageNumber": "1.5"},
    ],
)
def test_pages_that_are_none(region: Region, tenant: Tenant, wrong: dict[str, Any]) -> None:
    refusal = region.changes_nothing(lambda: tenant.vpc("describeVpcs", **wrong))
    assert refusal.code == 400 and next(iter(wrong)) in refusal.message


def test_filters(crowd: Tenant) -> None:
    found = crowd.vpc("describeVpcs", filters=[Filter("vpcNames", ["vpc-03", "vpc-04", "none"])])
    assert names(found) == ["vpc-03", "vpc-04"] and found["totalCount"] == 2
    like = crowd.vpc("describeVpcs", filters=[Filter("vpcNames", ["c-1"], "like")])
    assert names(like) == [f"vpc-{n}" for n in range(10, 20)]
    one = found["vpcs"][0]["vpcId"]
    both = [Filter("vpcIds", [one]), Filter("vpcNames", ["vpc-04"])]
    assert names(crowd.vpc("describeVpcs", filters=both)) == []
    assert names(crowd.vpc("describeVpcs", filters=[Filter("vpcIds", [one])])) == ["vpc-03"]


def test_tags(crowd: Tenant) -> None:
    tagged = crowd.vpc("describeVpcs", tags=[{"key": "fifth", "values": ["5", "10", "11"]}])
    assert names(tagged) == ["vpc-05", "vpc-10"]
    assert len(names(crowd.vpc("describeVpcs", tags=[{"key": "fifth"}]))) == 5


def test_a_filter_nobody_knows_is_refused(region: Region, tenant: Tenant) -> None:
    refusal = region.changes_nothing(lambda: tenant.vpc("describeVpcs", filters=[Filter("colour", ["red"])]))
    assert refusal.code == 400 and "vpcNames" in refusal.message


def test_the_filters_of_each_resource(tenant: Tenant, region: Region) -> None:
    vpc_id, subnet_id = network(tenant)
    network(tenant)
    one, public = port(tenant, subnet_id, networkInterfaceName="eni"), eip(tenant)
    machine = instance(tenant, subnet_id, name="machine", elasticIp={"bandwidthMbps": 1, "provider": "bgp"})
    tenant.vpc("associateElasticIp", networkInterfaceId=one, elasticIpId=public)
    bound = tenant.vpc("describeElasticIp", elasticIpId=public)["elasticIp"]
    shown = tenant.vm("describeInstance", instanceId=machine)["instance"]

    def count(service: str, operation: str, /, **filters: str) -> int:
        wanted = [Filter(key, [value]) for key, value in filters.items()]
        return int(getattr(tenant, service)(operation, filters=wanted)["totalCount"])

    assert count("vpc", "describeSubnets", vpcId=vpc_id) == 1
    assert count("vpc", "describeSubnets", subnetIds=subnet_id, subnetType="standard", types="all") == 1
    assert count("vpc", "describeRouteTables", vpcId=vpc_id, associateType="subnet") == 1
    assert count("vpc", "describeNetworkInterfaces", subnetId=subnet_id) == 2
    assert count("vpc", "describeNetworkInterfaces", role="Primary") == 1
    assert count("vpc", "describeNetworkInterfaces", networkInterfaceNames="eni") == 1
    assert count("vpc", "describeElasticIps", status="ASSOCIATED") == 2
    assert count("vpc", "describeElasticIps", status="NOT_ASSOCIATED") == 0
    assert count("vpc", "describeElasticIps", status="ALL", ipType="all", chargeStatus="normal") == 2
    assert count("vpc", "describeElasticIps", elasticIpAddress=bound["elasticIpAddress"]) == 1
    assert count("vm", "describeInstances", name="mach", vpcId=vpc_id, status="running") == 1
    assert count("vm", "describeInstances", privateIpAddress=shown["privateIpAddress"][:-1]) == 1
    assert count("vm", "describeInstances", elasticIpAddress=shown["elasticIpAddress"]) == 1
    assert count("vm", "describeInstances", elasticIpAddress=bound["elasticIpAddress"]) == 0
