"""The public command line, unmodified, against a region: everyday work, bad values, and pages.

It asks the same of the server as the SDK does, with an older SDK of its own, which sends keys that are no more.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.jdc import Jdc, install
from tests.api.region import Refused, Region, Tenant
from tests.api.test_operations import eip, network


@pytest.fixture(scope="module", autouse=True)
def venv() -> None:
    """The venv with the command line; made when it is missing."""
    install()


@pytest.fixture(scope="module")
def region() -> Iterator[Region]:
    """One region for all tests of this file: the command line takes half a second to start."""
    with Region() as served:
        served.operator("POST", "/pools", {"cidr": "203.0.113.0/24", "gateway": "203.0.113.1"})
        yield served


@pytest.fixture(scope="module")
def user(region: Region, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tenant, Jdc]:
    """An account and its command line."""
    tenant = region.tenant("user", elastic_ip=30)
    return tenant, Jdc.of(tenant, tmp_path_factory.mktemp("home"))


def test_vpcs_and_subnets(user: tuple[Tenant, Jdc]) -> None:
    _, jdc = user
    made = jdc.call("vpc", "create-vpc", vpc_name="网-1", address_prefix="10.0.0.0/16", description="a b & c=d")
    vpc_id = made["vpcId"]
    shown = jdc.call("vpc", "describe-vpc", vpc_id=vpc_id)["vpc"]
    assert (shown["vpcName"], shown["description"]) == ("网-1", "a b & c=d")
    jdc.call("vpc", "modify-vpc", vpc_id=vpc_id, vpc_name="new")
    subnet = jdc.call("vpc", "create-subnet", vpc_id=vpc_id, subnet_name="s", address_prefix="10.0.1.0/24")
    subnet_id = subnet["subnetId"]
    jdc.call("vpc", "modify-subnet", subnet_id=subnet_id, description="d")
    listed = jdc.call("vpc", "describe-subnets", filters=[{"name": "vpcId", "values": [vpc_id]}])
    assert [s["subnetId"] for s in listed["subnets"]] == [subnet_id]
    assert jdc.call("vpc", "describe-subnet", subnet_id=subnet_id)["subnet"]["description"] == "d"
    with pytest.raises(Refused, match="FAILED_PRECONDITION"):
        jdc.call("vpc", "delete-vpc", vpc_id=vpc_id)
    jdc.call("vpc", "delete-subnet", subnet_id=subnet_id)
    jdc.call("vpc", "delete-vpc", vpc_id=vpc_id)
    left = jdc.call("vpc", "describe-vpcs", filters=[{"name": "vpcIds", "values": [vpc_id]}])
    assert left == {"vpcs": [], "totalCount": 0}


def test_interfaces_and_elastic_ips(user: tuple[Tenant, Jdc]) -> None:
    tenant, jdc = user
    _, subnet_id = network(tenant)
    made = jdc.call(
        "vpc",
        "create-network-interface",
        subnet_id=subnet_id,
        network_interface_name="eni",
        primary_ip_address="10.0.1.9",
        secondary_ip_addresses=["10.0.1.10"],
        sanity_check=0,
    )
    port = made["networkInterfaceId"]
    jdc.call("vpc", "modify-network-interface", network_interface_id=port, description="d")
    jdc.call("vpc", "assign-secondary-ips", network_interface_id=port, secondary_ip_count=2)
    jdc.call("vpc", "unassign-secondary-ips", network_interface_id=port, secondary_ips=["10.0.1.10"])
    shown = jdc.call("vpc", "describe-network-interface", network_interface_id=port)["networkInterface"]
    assert (shown["primaryIp"]["privateIpAddress"], len(shown["secondaryIps"])) == ("10.0.1.9", 2)
    assert (shown["sanityCheck"], shown["description"]) == (0, "d")
    listed = jdc.call("vpc", "describe-network-interfaces", filters=[{"name": "role", "values": ["Secondary"]}])
    assert listed["totalCount"] == 1
    spec = {"bandwidthMbps": 5, "provider": "bgp", "chargeSpec": {"chargeMode": "postpaid_by_duration"}}
    (public,) = jdc.call("vpc", "create-elastic-ips", max_count=1, elastic_ip_spec=spec)["elasticIpIds"]
    jdc.call("vpc", "associate-elastic-ip", network_interface_id=port, elastic_ip_id=public)
    jdc.call("vpc", "modify-elastic-ip", elastic_ip_id=public, bandwidth_mbps=20)
    shown = jdc.call("vpc", "describe-elastic-ip", elastic_ip_id=public)["elasticIp"]
    assert (shown["networkInterfaceId"], shown["bandwidthMbps"]) == (port, 20)
    assert jdc.call("vpc", "describe-elastic-ips")["totalCount"] == 1
    with pytest.raises(Refused, match=port):
        jdc.call("vpc", "delete-elastic-ip", elastic_ip_id=public)
    jdc.call("vpc", "disassociate-elastic-ip", network_interface_id=port, elastic_ip_id=public)
    jdc.call("vpc", "delete-elastic-ip", elastic_ip_id=public)
    jdc.call("vpc", "delete-network-interface", network_interface_id=port)
    assert tenant.vpc("describeNetworkInterfaces")["totalCount"] == tenant.vpc("describeElasticIps")["totalCount"] == 0


def test_route_tables(user: tuple[Tenant, Jdc]) -> None:
    tenant, jdc = user
    vpc_id, subnet_id = network(tenant)
    table = jdc.call("vpc", "create-route-table", vpc_id=vpc_id, route_table_name="t")["routeTableId"]
    rule = {"nextHopType": "internet", "nextHopId": "internet", "addressPrefix": "0.0.0.0/0"}
    jdc.call("vpc", "add-route-table-rules", route_table_id=table, route_table_rule_specs=[rule])
    jdc.call("vpc", "associate-route-table", route_table_id=table, subnet_ids=[subnet_id])
    shown = jdc.call("vpc", "describe-route-table", route_table_id=table)["routeTable"]
    assert shown["subnetIds"] == [subnet_id] and len(shown["routeTableRules"]) == 2
    jdc.call("vpc", "disassociate-route-table", route_table_id=table, subnet_id=subnet_id)
    jdc.call("vpc", "delete-route-table", route_table_id=table)
    quota = jdc.call("vpc", "describe-quota", type="routeTable", parent_resource_id=vpc_id)["quota"]
    assert (quota["maxLimit"], quota["count"]) == (10, 1)


def test_security_groups(user: tuple[Tenant, Jdc]) -> None:
    tenant, jdc = user
    vpc_id, subnet_id = network(tenant)
    order = {"vpc_id": vpc_id, "network_security_group_name": "网-web", "description": "a & b"}
    group = jdc.call("vpc", "create-network-security-group", **order)["networkSecurityGroupId"]
    here: dict[str, Any] = {"network_security_group_id": group}
    specs = [
        {"protocol": 6, "direction": 0, "addressPrefix": "0.0.0.0/0", "fromPort": 80, "toPort": 80},
        {"protocol": 300, "direction": 1, "addressPrefix": "10.0.0.0/8", "fromPort": 0, "toPort": 0, "priority": 9},
    ]
    added = jdc.call("vpc", "add-network-security-group-rules", **here, network_security_group_rule_specs=specs)
    rules = jdc.call("vpc", "describe-network-security-group", **here)["networkSecurityGroup"]["securityGroupRules"]
    assert rules == added["securityGroupRules"]
    assert [{name: rule[name] for name in spec} for rule, spec in zip(rules, specs, strict=True)] == specs
    change = [{"ruleId": rules[0]["ruleId"], "toPort": 90}]
    jdc.call("vpc", "modify-network-security-group-rules", **here, modify_security_group_rule_specs=change)
    jdc.call("vpc", "remove-network-security-group-rules", **here, rule_ids=[rules[1]["ruleId"]])
    jdc.call("vpc", "modify-network-security-group", **here, network_security_group_name="web")
    (left,) = tenant.vpc("describeNetworkSecurityGroupRules", networkSecurityGroupId=group)["securityGroupRules"]
    assert left == {**rules[0], "toPort": 90}
    nic = {"subnet_id": subnet_id, "security_groups": [group]}
    port = jdc.call("vpc", "create-network-interface", **nic)["networkInterfaceId"]
    asked = [{"name": "vpcId", "values": [vpc_id]}]
    listed = jdc.call("vpc", "describe-network-security-groups", filters=asked)["networkSecurityGroups"]
    assert {one["networkSecurityGroupName"]: one["networkInterfaceIds"] for one in listed} == {
        "default": [port],
        "web": [port],
    }
    with pytest.raises(Refused, match=port):
        jdc.call("vpc", "delete-network-security-group", **here)
    jdc.call("vpc", "modify-network-interface", network_interface_id=port, security_groups=[])
    jdc.call("vpc", "delete-network-security-group", **here)
    jdc.call("vpc", "delete-network-interface", network_interface_id=port)
    with pytest.raises(Refused, match="404"):
        jdc.call("vpc", "describe-network-security-group", **here)


def test_network_acls(user: tuple[Tenant, Jdc]) -> None:
    """What was added is read back, and nothing else; this command line lacks the list of rules, which the SDK has."""
    tenant, jdc = user
    vpc_id, subnet_id = network(tenant)
    order = {"vpc_id": vpc_id, "network_acl_name": "边-1", "description": "a & b"}
    acl = jdc.call("vpc", "create-network-acl", **order)["networkAclId"]
    other = jdc.call("vpc", "create-network-acl", vpc_id=vpc_id, network_acl_name="other")["networkAclId"]
    here: dict[str, Any] = {"network_acl_id": acl}
    common = {"addressPrefix": "0.0.0.0/0", "ruleAction": "allow", "priority": 9}
    specs: list[dict[str, Any]] = [
        {"protocol": "TCP", "direction": "ingress", "fromPort": 80, "toPort": 80, **common},
        {"protocol": "All", "direction": "egress", "fromPort": 0, "toPort": 0, **common},
    ]
    jdc.call("vpc", "add-network-acl-rules", **here, network_acl_rule_specs=specs)
    rules = jdc.call("vpc", "describe-network-acl", **here)["networkAcl"]["networkAclRules"]
    assert tenant.vpc("describeNetworkAclRules", networkAclId=acl) == {"networkAclRules": rules, "totalCount": 2}
    assert [{name: rule[name] for name in spec} for rule, spec in zip(rules, specs, strict=True)] == specs
    change = [{"ruleId": rules[0]["ruleId"], "toPort": 90}]
    jdc.call("vpc", "modify-network-acl-rules", **here, modify_network_acl_rule_specs=change)
    jdc.call("vpc", "remove-network-acl-rules", **here, rule_ids=[rules[1]["ruleId"]])
    jdc.call("vpc", "modify-network-acl", **here, network_acl_name="web")
    for id in (other, acl):
        jdc.call("vpc", "associate-network-acl", network_acl_id=id, subnet_ids=[subnet_id])
    asked = [{"name": "vpcId", "values": [vpc_id]}]
    listed = jdc.call("vpc", "describe-network-acls", filters=asked)["networkAcls"]
    assert {one["networkAclName"]: one["subnetIds"] for one in listed} == {"web": [subnet_id], "other": []}
    shown = jdc.call("vpc", "describe-network-acl", **here)["networkAcl"]
    assert shown["networkAclRules"] == [{**rules[0], "toPort": 90}]
    with pytest.raises(Refused, match=subnet_id):
        jdc.call("vpc", "delete-network-acl", **here)
    jdc.call("vpc", "disassociate-network-acl", **here, subnet_id=subnet_id)
    for id in (other, acl):
        jdc.call("vpc", "delete-network-acl", network_acl_id=id)
        with pytest.raises(Refused, match="404"):
            jdc.call("vpc", "describe-network-acl", network_acl_id=id)


@pytest.mark.parametrize(
    ("operation", "options", "code"),
    [
        ("create-vpc", {"vpc_name": "v", "address_prefix": "8.8.8.0/24"}, 400),
        ("create-subnet", {"vpc_id": "vpc-0000000000", "subnet_name": "s", "address_prefix": "10.0.0.0/24"}, 404),
        ("create-elastic-ips", {"max_count": 1, "elastic_ip_spec": {"bandwidthMbps": 0, "provider": "bgp"}}, 400),
        ("modify-elastic-ip", {"elastic_ip_id": "fip-0000000000", "bandwidth_mbps": 5}, 404),
        ("delete-vpc", {"vpc_id": "vpc-0000000000"}, 404),
        ("describe-vpcs", {"page_size": 101}, 400),
        ("describe-vpcs", {"filters": [{"name": "colour", "values": ["red"]}]}, 400),
    ],
)
def test_bad_values(
    region: Region, user: tuple[Tenant, Jdc], operation: str, options: dict[str, Any], code: int
) -> None:
    _, jdc = user
    assert region.changes_nothing(lambda: jdc.call("vpc", operation, **options)).code == code


def test_pages(user: tuple[Tenant, Jdc]) -> None:
    tenant, jdc = user
    made = [eip(tenant) for _ in range(23)]
    pages = [jdc.call("vpc", "describe-elastic-ips", page_number=n, page_size=10) for n in (1, 2, 3)]
    assert [len(page["elasticIps"]) for page in pages] == [10, 10, 3]
    assert [e["elasticIpId"] for page in pages for e in page["elasticIps"]] == made
    assert jdc.call("vpc", "describe-elastic-ips", page_number=99, page_size=10) == pages[2]


def test_more_body_keys_pass(user: tuple[Tenant, Jdc]) -> None:
    tenant, jdc = user
    more = {"vpcName": "more", "userTags": [{"key": "a", "value": "b"}], "unknown": [1]}
    made = jdc.call("vpc", "create-vpc", vpc_name="x", input_json=more)
    shown = tenant.vpc("describeVpc", vpcId=made["vpcId"])["vpc"]
    assert shown["tags"] == [{"key": "a", "value": "b"}]


def test_a_wrong_key(region: Region, tmp_path: Path) -> None:
    tenant = region.tenant("wrong")
    forged = Jdc.of(region.client(tenant.account, tenant.access_key, "nonsense"), tmp_path)
    assert region.changes_nothing(lambda: forged.call("vpc", "create-vpc", vpc_name="v")).code == 401
