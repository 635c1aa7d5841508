"""The real SDK drives every operation, and its answers have the fields that the contract names."""

from functools import partial
from typing import Any

import pytest

from apps.vpc.model import ROUTER_MAC
from tests.api.region import Refused, Region, Tenant


def network(tenant: Tenant, vpc: str = "10.0.0.0/16", subnet: str = "10.0.1.0/24") -> tuple[str, str]:
    """A VPC and a subnet in it."""
    vpc_id = tenant.vpc("createVpc", vpcName="net", addressPrefix=vpc)["vpcId"]
    made = tenant.vpc("createSubnet", vpcId=vpc_id, subnetName="sub", addressPrefix=subnet)
    return vpc_id, made["subnetId"]


def eip(tenant: Tenant, **spec: Any) -> str:
    """An elastic IP."""
    spec = {"bandwidthMbps": 5, "provider": "bgp", **spec}
    (made,) = tenant.vpc("createElasticIps", maxCount=1, elasticIpSpec=spec)["elasticIpIds"]
    assert isinstance(made, str)
    return made


def groups_of(tenant: Tenant, vpc: str, *names: str) -> list[str]:
    """The default security group of a VPC, and new ones of these names."""
    asked = [{"name": "vpcId", "values": [vpc]}]
    known = tenant.vpc("describeNetworkSecurityGroups", filters=asked, pageSize=100)["networkSecurityGroups"]
    (default,) = (group for group in known if group["networkSecurityGroupType"] == "default")
    order = {"vpcId": vpc}
    made = [tenant.vpc("createNetworkSecurityGroup", **order, networkSecurityGroupName=name) for name in names]
    return [default["networkSecurityGroupId"], *(one["networkSecurityGroupId"] for one in made)]


def port(tenant: Tenant, subnet: str, **parameters: Any) -> str:
    """A secondary network interface."""
    made = tenant.vpc("createNetworkInterface", subnetId=subnet, **parameters)["networkInterfaceId"]
    assert isinstance(made, str)
    return made


def instance(tenant: Tenant, subnet: str, kind: str = "g.n2.large", **spec: Any) -> str:
    """A virtual machine."""
    spec = {"name": "vm-1", "instanceType": kind, "imageId": "img-1", "az": "cn-test-1a", **spec}
    spec.setdefault("primaryNetworkInterface", {"networkInterface": {"subnetId": subnet}})
    (made,) = tenant.vm("createInstances", instanceSpec=spec)["instanceIds"]
    assert isinstance(made, str)
    return made


def test_vpc(tenant: Tenant, region: Region) -> None:
    made = tenant.vpc(
        "createVpc",
        vpcName="生产-1_a",
        addressPrefix="10.0.0.0/16",
        description="两个",
        userTags=[{"key": "env", "value": "test"}],
    )
    vpc = tenant.vpc("describeVpc", vpcId=made["vpcId"])["vpc"]
    assert vpc["vpcId"].startswith("vpc-") and len(vpc["vpcId"]) == 14
    assert (vpc["vpcName"], vpc["addressPrefix"], vpc["description"]) == ("生产-1_a", "10.0.0.0/16", "两个")
    assert vpc["tags"] == [{"key": "env", "value": "test"}] and vpc["subnets"] == [] and vpc["aclIds"] == []
    tenant.vpc("modifyVpc", vpcId=vpc["vpcId"], vpcName="new", addressPrefix="")
    changed = tenant.vpc("describeVpc", vpcId=vpc["vpcId"])["vpc"]
    assert changed == {**vpc, "vpcName": "new", "addressPrefix": ""}
    tenant.vpc("deleteVpc", vpcId=vpc["vpcId"])
    gone = region.changes_nothing(lambda: tenant.vpc("describeVpc", vpcId=vpc["vpcId"]))
    assert (gone.code, gone.status) == (404, "NOT_FOUND")
    assert tenant.vpc("describeRouteTables")["totalCount"] == 0


def test_a_vpc_is_born_with_a_default_route_table(tenant: Tenant) -> None:
    vpc_id, subnet_id = network(tenant)
    (table_id,) = tenant.vpc("describeVpc", vpcId=vpc_id)["vpc"]["routeTableIds"]
    table = tenant.vpc("describeRouteTable", routeTableId=table_id)["routeTable"]
    assert (table["routeTableType"], table["associateType"], table["vpcId"]) == ("default", "subnet", vpc_id)
    assert table["subnetIds"] == [subnet_id]
    rules = [(r["addressPrefix"], r["nextHopType"], r["priority"], r["origin"]) for r in table["routeTableRules"]]
    assert rules == [("10.0.0.0/16", "local", 100, "static"), ("0.0.0.0/0", "internet", 100, "static")]
    assert tenant.vpc("describeRouteTables")["routeTables"] == [table]


def test_subnet(tenant: Tenant, region: Region) -> None:
    vpc_id, subnet_id = network(tenant)
    subnet = tenant.vpc("describeSubnet", subnetId=subnet_id)["subnet"]
    assert (subnet["vpcId"], subnet["addressPrefix"]) == (vpc_id, "10.0.1.0/24")
    assert (subnet["startIp"], subnet["endIp"], subnet["availableIpCount"]) == ("10.0.1.3", "10.0.1.254", 252)
    assert subnet["publicSubnet"] is True
    tenant.vpc(
        "modifySubnet",
        subnetId=subnet_id,
        subnetName="x",
        domainNameServers=["114.114.114.114", "8.8.8.8"],
        domainNames=["a.example"],
    )
    changed = tenant.vpc("describeSubnet", subnetId=subnet_id)["subnet"]
    servers = {"domainNameServers": ["114.114.114.114", "8.8.8.8"], "domainNames": ["a.example"]}
    assert changed == {**subnet, "subnetName": "x", **servers}
    used = region.changes_nothing(lambda: tenant.vpc("deleteVpc", vpcId=vpc_id))
    assert used.status == "FAILED_PRECONDITION" and subnet_id in used.message
    tenant.vpc("deleteSubnet", subnetId=subnet_id)
    tenant.vpc("deleteVpc", vpcId=vpc_id)


@pytest.mark.parametrize(
    ("block", "code"),
    [
        ("10.1.0.0/24", 400),  # outside the VPC
        ("10.0.0.0/15", 400),  # too large
        ("10.0.0.0/29", 400),  # too small
        ("10.0.0.1/24", 400),  # host bits
        ("11.0.0.0/24", 400),  # not private
        ("", 400),
        ("0.0.0.0/0", 400),
        ("nonsense", 400),
        ("10.0.1.0/25", 409),  # overlaps a sibling
        ("10.0.0.0/16", 409),
    ],
)
def test_subnet_blocks_that_are_refused(tenant: Tenant, region: Region, block: str, code: int) -> None:
    vpc_id, _ = network(tenant)
    refusal = region.changes_nothing(
        lambda: tenant.vpc("createSubnet", vpcId=vpc_id, subnetName="s", addressPrefix=block)
    )
    assert refusal.code == code and "addressPrefix" in refusal.message


def test_an_unrestricted_vpc_takes_any_private_block(tenant: Tenant) -> None:
    vpc_id = tenant.vpc("createVpc", vpcName="any")["vpcId"]
    for block in ("10.0.0.0/16", "172.31.255.0/24", "192.168.9.16/28"):
        tenant.vpc("createSubnet", vpcId=vpc_id, subnetName="s", addressPrefix=block)
    assert len(tenant.vpc("describeVpc", vpcId=vpc_id)["vpc"]["subnets"]) == 3


def test_network_interface(tenant: Tenant, region: Region) -> None:
    vpc_id, subnet_id = network(tenant)
    default, *groups = groups_of(tenant, vpc_id, "a", "b", "c")
    port_id = port(
        tenant,
        subnet_id,
        networkInterfaceName="eni",
        primaryIpAddress="10.0.1.77",
        secondaryIpAddresses=["10.0.1.80"],
        secondaryIpCount=2,
        securityGroups=groups[:2],
        sanityCheck=0,
    )
    shown = tenant.vpc("describeNetworkInterface", networkInterfaceId=port_id)["networkInterface"]
    assert shown["macAddress"].startswith("fa:16:3e:") and shown["role"] == "Secondary"
    assert (shown["vpcId"], shown["subnetId"], shown["sanityCheck"]) == (vpc_id, subnet_id, 0)
    assert shown["networkSecurityGroupIds"] == [default, *groups[:2]]
    assert shown["primaryIp"]["privateIpAddress"] == "10.0.1.77" and len(shown["secondaryIps"]) == 3
    assert (shown["attachmentStatus"], shown["deviceIndex"], shown["instanceId"]) == ("detached", 0, "")
    assert tenant.vpc("describeSubnet", subnetId=subnet_id)["subnet"]["availableIpCount"] == 252 - 4
    tenant.vpc("modifyNetworkInterface", networkInterfaceId=port_id, securityGroups=groups[2:], description="d")
    changed = tenant.vpc("describeNetworkInterface", networkInterfaceId=port_id)["networkInterface"]
    assert changed == {**shown, "networkSecurityGroupIds": [default, groups[2]], "description": "d"}
    used = region.changes_nothing(lambda: tenant.vpc("deleteSubnet", subnetId=subnet_id))
    assert used.status == "FAILED_PRECONDITION" and port_id in used.message
    tenant.vpc("deleteNetworkInterface", networkInterfaceId=port_id)
    assert tenant.vpc("describeSubnet", subnetId=subnet_id)["subnet"]["availableIpCount"] == 252


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"primaryIpAddress": "10.0.1.0"}, 400),
        ({"primaryIpAddress": "10.0.1.1"}, 400),
        ({"primaryIpAddress": "10.0.1.2"}, 400),
        ({"primaryIpAddress": "10.0.1.255"}, 400),
        ({"primaryIpAddress": "10.0.2.5"}, 400),
        ({"primaryIpAddress": "10.0.1.10"}, 409),
        ({"secondaryIpAddresses": ["10.0.1.10"]}, 409),
        ({"primaryIpAddress": "10.0.1.11", "secondaryIpAddresses": ["10.0.1.11"]}, 409),
        ({"secondaryIpCount": 21}, 429),
        ({"secondaryIpCount": -1}, 400),
        ({"securityGroups": [f"sg-{n}" for n in range(6)]}, 400),
        ({"securityGroups": ["sg-nowhere"]}, 404),
        ({"sanityCheck": 2}, 400),
        ({"networkInterfaceName": "x" * 33}, 400),
        ({"networkInterfaceName": "a b"}, 400),
        ({"subnetId": "subnet-nowhere"}, 404),
    ],
)
def test_interfaces_that_are_refused(tenant: Tenant, region: Region, parameters: dict[str, Any], code: int) -> None:
    _, subnet_id = network(tenant)
    port(tenant, subnet_id, primaryIpAddress="10.0.1.10")
    wanted = {"subnetId": subnet_id, **parameters}
    assert region.changes_nothing(lambda: tenant.vpc("createNetworkInterface", **wanted)).code == code


def test_a_mac_address_is_unique_in_its_vpc(tenant: Tenant, region: Region) -> None:
    _, subnet_id = network(tenant)
    one, other = port(tenant, subnet_id), port(tenant, subnet_id)
    tenant.vpc("modifyNetworkInterface", networkInterfaceId=one, macAddress="52:54:00:00:00:01")
    refused = ("52:54:00:00:00:01", "fa:16:3e:00:99:99", "ff:ff:ff:ff:ff:ff", "x", str(ROUTER_MAC))
    for wrong in (*refused, "00:00:00:00:00:00", "01:00:5e:00:00:05"):
        said = region.changes_nothing(
            partial(tenant.vpc, "modifyNetworkInterface", networkInterfaceId=other, macAddress=wrong)
        )
        assert "macAddress" in str(said), wrong


def test_elastic_ip(tenant: Tenant, region: Region) -> None:
    made = tenant.vpc(
        "createElasticIps",
        maxCount=2,
        elasticIpName="web",
        elasticIpSpec={"bandwidthMbps": 200, "provider": "bgp", "chargeSpec": {"chargeMode": "postpaid_by_usage"}},
        userTags=[{"key": "a", "value": "b"}],
    )
    assert made["requestId"]
    one, other = (tenant.vpc("describeElasticIp", elasticIpId=id)["elasticIp"] for id in made["elasticIpIds"])
    assert one["elasticIpAddress"] != other["elasticIpAddress"]
    assert one["elasticIpId"].startswith("fip-") and one["elasticIpAddress"].startswith("203.0.113.")
    assert (one["bandwidthMbps"], one["provider"], one["ipType"]) == (200, "bgp", "standard")
    assert (one["status"], one["charge"]["chargeMode"]) == ("NOT_ASSOCIATED", "postpaid_by_usage")
    assert one["charge"]["chargeStatus"] == "normal" and one["charge"]["chargeExpiredTime"] is None
    tenant.vpc("modifyElasticIp", elasticIpId=one["elasticIpId"], bandwidthMbps=100, elasticIpName="api")
    changed = tenant.vpc("describeElasticIp", elasticIpId=one["elasticIpId"])["elasticIp"]
    assert changed == {**one, "bandwidthMbps": 100, "elasticIpName": "api"}
    tenant.vpc("deleteElasticIp", elasticIpId=one["elasticIpId"])
    assert tenant.vpc("describeElasticIps")["totalCount"] == 1
    wrong = partial(tenant.vpc, "modifyElasticIp", elasticIpId=other["elasticIpId"], bandwidthMbps=201)
    assert region.changes_nothing(wrong).status == "OUT_OF_RANGE"


def test_an_elastic_ip_is_up_when_every_switch_has_confirmed_it(tenant: Tenant, region: Region) -> None:
    made = eip(tenant)

    def state() -> str:
        return str(tenant.vpc("describeElasticIp", elasticIpId=made)["elasticIp"]["state"])

    assert state() == "PROCESSING"
    region.host("one", region.store.state.sequence)
    assert state() == "UP"
    region.host("two", 0)
    assert state() == "PROCESSING"
    region.host("two", region.store.state.sequence)
    assert state() == "UP"
    tenant.vpc("modifyElasticIp", elasticIpId=made, elasticIpName="renamed")
    assert state() == "UP"
    tenant.vpc("modifyElasticIp", elasticIpId=made, bandwidthMbps=50)
    assert state() == "PROCESSING"
    for host in ("one", "two"):
        region.host(host, region.store.state.sequence)
    assert state() == "UP"


def test_a_chosen_address(tenant: Tenant, region: Region) -> None:
    spec = {"bandwidthMbps": 1, "provider": "bgp"}
    tenant.vpc("createElasticIps", maxCount=1, elasticIpAddress="203.0.113.99", elasticIpSpec=spec)
    for wrong, code in (("203.0.113.99", 409), ("203.0.113.1", 409), ("203.0.113.0", 400), ("198.51.100.7", 400)):
        refusal = region.changes_nothing(
            partial(tenant.vpc, "createElasticIps", maxCount=1, elasticIpAddress=wrong, elasticIpSpec=spec)
        )
        assert refusal.code == code


@pytest.mark.parametrize(
    "spec",
    [
        {"bandwidthMbps": 0},
        {"bandwidthMbps": 1001},
        {"bandwidthMbps": 201, "chargeSpec": {"chargeMode": "postpaid_by_usage"}},
        {"chargeSpec": {"chargeMode": "free"}},
        {"chargeSpec": {"chargeMode": "prepaid_by_duration", "chargeUnit": "month", "chargeDuration": 10}},
        {"chargeSpec": {"chargeMode": "prepaid_by_duration", "chargeUnit": "year", "chargeDuration": 4}},
        {"bandwidthMbps": "many"},
        {"bandwidthMbps": True},
    ],
)
def test_orders_of_elastic_ips_that_are_refused(tenant: Tenant, region: Region, spec: dict[str, Any]) -> None:
    assert region.changes_nothing(lambda: eip(tenant, **spec)).code == 400


def test_what_is_prepaid_stays(tenant: Tenant, region: Region) -> None:
    charge = {"chargeMode": "prepaid_by_duration", "chargeUnit": "month", "chargeDuration": 2}
    made = eip(tenant, bandwidthMbps=10, chargeSpec=charge)
    before = tenant.vpc("describeElasticIp", elasticIpId=made)["elasticIp"]["charge"]
    assert before["chargeExpiredTime"].endswith("T23:59:59Z")
    refusal = region.changes_nothing(lambda: tenant.vpc("deleteElasticIp", elasticIpId=made))
    assert refusal.status == "FAILED_PRECONDITION"
    tenant.vpc("modifyElasticIp", elasticIpId=made, bandwidthMbps=20)
    after = tenant.vpc("describeElasticIp", elasticIpId=made)["elasticIp"]["charge"]
    assert before["chargeStartTime"] < after["chargeExpiredTime"] < before["chargeExpiredTime"]


def test_binding(tenant: Tenant, region: Region) -> None:
    _, subnet_id = network(tenant)
    one, other, public = port(tenant, subnet_id, secondaryIpCount=1), port(tenant, subnet_id), eip(tenant)
    tenant.vpc("associateElasticIp", networkInterfaceId=one, elasticIpId=public)
    bound = tenant.vpc("describeElasticIp", elasticIpId=public)["elasticIp"]
    shown = tenant.vpc("describeNetworkInterface", networkInterfaceId=one)["networkInterface"]
    assert (bound["status"], bound["networkInterfaceId"]) == ("ASSOCIATED", one)
    assert shown["primaryIp"]["elasticIpId"] == public
    assert shown["primaryIp"]["privateIpAddress"] == bound["privateIpAddress"]
    again = region.changes_nothing(
        lambda: tenant.vpc("associateElasticIp", networkInterfaceId=other, elasticIpId=public)
    )
    assert again.status == "FAILED_PRECONDITION" and one in again.message
    for act in (
        lambda: tenant.vpc("deleteNetworkInterface", networkInterfaceId=one),
        lambda: tenant.vpc("deleteElasticIp", elasticIpId=public),
        lambda: tenant.vpc("disassociateElasticIp", networkInterfaceId=other, elasticIpId=public),
    ):
        assert region.changes_nothing(act).status == "FAILED_PRECONDITION"
    tenant.vpc("disassociateElasticIp", networkInterfaceId=one, elasticIpAddress=bound["elasticIpAddress"])
    secondary = shown["secondaryIps"][0]["privateIpAddress"]
    tenant.vpc("associateElasticIp", networkInterfaceId=one, elasticIpId=public, privateIpAddress=secondary)
    assert tenant.vpc("describeElasticIp", elasticIpId=public)["elasticIp"]["privateIpAddress"] == secondary


def test_one_private_address_has_one_elastic_ip(tenant: Tenant, region: Region) -> None:
    _, subnet_id = network(tenant)
    one, first, second = port(tenant, subnet_id), eip(tenant), eip(tenant)
    tenant.vpc("associateElasticIp", networkInterfaceId=one, elasticIpId=first)
    refusal = region.changes_nothing(
        lambda: tenant.vpc("associateElasticIp", networkInterfaceId=one, elasticIpId=second)
    )
    assert refusal.status == "FAILED_PRECONDITION" and first in refusal.message


def test_instance(tenant: Tenant, region: Region) -> None:
    vpc_id, subnet_id = network(tenant)
    default, web = groups_of(tenant, vpc_id, "web")
    wanted = {"subnetId": subnet_id, "primaryIpAddress": "10.0.1.9", "securityGroups": [web], "sanityCheck": 1}
    made = instance(
        tenant,
        subnet_id,
        description="d",
        primaryNetworkInterface={"networkInterface": wanted},
        elasticIp={"bandwidthMbps": 3, "provider": "bgp", "chargeSpec": {"chargeMode": "postpaid_by_duration"}},
    )
    shown = tenant.vm("describeInstance", instanceId=made)["instance"]
    assert (shown["instanceName"], shown["instanceType"], shown["status"]) == ("vm-1", "g.n2.large", "running")
    assert (shown["vpcId"], shown["subnetId"], shown["privateIpAddress"]) == (vpc_id, subnet_id, "10.0.1.9")
    assert (shown["imageId"], shown["az"]) == ("img-1", "cn-test-1a")
    primary = shown["primaryNetworkInterface"]
    assert primary["deviceIndex"] == 1
    named = [{"groupId": default, "groupName": "default"}, {"groupId": web, "groupName": "web"}]
    assert primary["networkInterface"]["securityGroups"] == named
    public = tenant.vpc("describeElasticIp", elasticIpId=shown["elasticIpId"])["elasticIp"]
    assert (public["instanceId"], public["instanceType"], public["bandwidthMbps"]) == (made, "compute", 3)
    assert tenant.vm("describeInstances")["instances"] == [shown]
    port_id = primary["networkInterface"]["networkInterfaceId"]
    refusal = region.changes_nothing(lambda: tenant.vpc("deleteNetworkInterface", networkInterfaceId=port_id))
    assert refusal.status == "FAILED_PRECONDITION"
    tenant.vm("deleteInstance", instanceId=made)
    assert tenant.vpc("describeNetworkInterfaces")["totalCount"] == 0
    assert tenant.vpc("describeElasticIp", elasticIpId=shown["elasticIpId"])["elasticIp"]["status"] == "NOT_ASSOCIATED"
    with pytest.raises(Refused, match="404"):
        tenant.vm("describeInstance", instanceId=made)


def test_an_instance_may_take_its_elastic_ip_along(tenant: Tenant) -> None:
    _, subnet_id = network(tenant)
    made = instance(tenant, subnet_id, elasticIp={"bandwidthMbps": 3, "provider": "bgp"})
    tenant.vm("deleteInstance", instanceId=made, deletePrimaryNetworkInterfaceAllElasticIp=True)
    assert tenant.vpc("describeElasticIps")["totalCount"] == 0


def test_many_instances_at_once(tenant: Tenant) -> None:
    _, subnet_id = network(tenant)
    spec = {
        "name": "many",
        "instanceType": "c.n2.xlarge",
        "primaryNetworkInterface": {"networkInterface": {"subnetId": subnet_id}},
    }
    made = tenant.vm("createInstances", instanceSpec=spec, maxCount=30)["instanceIds"]
    shown = tenant.vm("describeInstances", pageSize=100)
    assert shown["totalCount"] == 30 and {i["instanceId"] for i in shown["instances"]} == set(made)
    assert len({i["privateIpAddress"] for i in shown["instances"]}) == 30


def test_attaching(tenant: Tenant, region: Region) -> None:
    _, subnet_id = network(tenant)
    one, other = instance(tenant, subnet_id, "g.n2.medium"), instance(tenant, subnet_id, "g.n2.xlarge")
    moving, spare = port(tenant, subnet_id), port(tenant, subnet_id)
    public = eip(tenant)
    tenant.vpc("associateElasticIp", networkInterfaceId=moving, elasticIpId=public)
    tenant.vm("attachNetworkInterface", instanceId=one, networkInterfaceId=moving)
    shown = tenant.vpc("describeNetworkInterface", networkInterfaceId=moving)["networkInterface"]
    assert (shown["deviceIndex"], shown["instanceId"], shown["attachmentStatus"]) == (2, one, "attached")
    full = region.changes_nothing(lambda: tenant.vm("attachNetworkInterface", instanceId=one, networkInterfaceId=spare))
    assert full.status == "QUOTA_EXCEEDED" and "at most 2" in full.message
    busy = region.changes_nothing(
        lambda: tenant.vm("attachNetworkInterface", instanceId=other, networkInterfaceId=moving)
    )
    assert busy.status == "FAILED_PRECONDITION" and one in busy.message
    tenant.vm("detachNetworkInterface", instanceId=one, networkInterfaceId=moving)
    tenant.vm("attachNetworkInterface", instanceId=other, networkInterfaceId=moving)
    moved = tenant.vpc("describeNetworkInterface", networkInterfaceId=moving)["networkInterface"]
    assert moved["primaryIp"] == shown["primaryIp"] and moved["primaryIp"]["elasticIpId"] == public
    tenant.vm("attachNetworkInterface", instanceId=other, networkInterfaceId=spare, autoDelete=True)
    tenant.vm("deleteInstance", instanceId=other)
    left = {p["networkInterfaceId"] for p in tenant.vpc("describeNetworkInterfaces")["networkInterfaces"]}
    assert moving in left and spare not in left
    assert tenant.vpc("describeElasticIp", elasticIpId=public)["elasticIp"]["networkInterfaceId"] == moving


def test_what_cannot_be_attached_or_detached(tenant: Tenant, region: Region) -> None:
    _, subnet_id = network(tenant)
    _, elsewhere = network(tenant)
    one = instance(tenant, subnet_id)
    foreign = port(tenant, elsewhere)
    shown = tenant.vm("describeInstance", instanceId=one)["instance"]
    primary = shown["primaryNetworkInterface"]["networkInterface"]["networkInterfaceId"]
    for name, port_id in (
        ("attachNetworkInterface", foreign),
        ("detachNetworkInterface", foreign),
        ("detachNetworkInterface", primary),
    ):
        refusal = region.changes_nothing(partial(tenant.vm, name, instanceId=one, networkInterfaceId=port_id))
        assert refusal.status == "FAILED_PRECONDITION"


def test_elastic_ip_of_an_instance(tenant: Tenant, region: Region) -> None:
    _, subnet_id = network(tenant)
    one, public = instance(tenant, subnet_id), eip(tenant)
    tenant.vm("associateElasticIp", instanceId=one, elasticIpId=public)
    assert tenant.vm("describeInstance", instanceId=one)["instance"]["elasticIpId"] == public
    tenant.vm("disassociateElasticIp", instanceId=one, elasticIpId=public)
    assert tenant.vm("describeInstance", instanceId=one)["instance"]["elasticIpId"] == ""
    again = region.changes_nothing(lambda: tenant.vm("disassociateElasticIp", instanceId=one, elasticIpId=public))
    assert again.status == "FAILED_PRECONDITION"


def test_instance_types(tenant: Tenant) -> None:
    shown = tenant.vm("describeInstanceTypes")
    assert shown["totalCount"] == len(shown["instanceTypes"]) and shown["specificInstanceTypes"] == []
    limits = {kind["cpu"]: kind["nicLimit"] for kind in shown["instanceTypes"]}
    assert limits == {1: 2, 2: 2, 4: 4, 8: 4, 16: 8, 32: 8, 64: 8}
    one = tenant.vm("describeInstanceTypes", filters=[{"name": "instanceTypes", "values": ["g.n2.large"]}])
    assert [kind["instanceType"] for kind in one["instanceTypes"]] == ["g.n2.large"]


def test_a_repeated_client_token_makes_nothing_new(tenant: Tenant, region: Region) -> None:
    _, subnet_id = network(tenant)
    spec = {
        "name": "once",
        "instanceType": "g.n2.large",
        "primaryNetworkInterface": {"networkInterface": {"subnetId": subnet_id}},
    }
    first = tenant.vm("createInstances", instanceSpec=spec, clientToken="t1")
    assert tenant.vm("createInstances", instanceSpec=spec, clientToken="t1") == first
    assert tenant.vm("describeInstances")["totalCount"] == 1
    other = region.changes_nothing(
        lambda: tenant.vm("createInstances", instanceSpec={**spec, "name": "twice"}, clientToken="t1")
    )
    assert other.code == 409
    assert tenant.vm("createInstances", instanceSpec=spec, clientToken="t2") != first


def test_a_dry_run_changes_nothing(tenant: Tenant, region: Region) -> None:
    vpc_id, _ = network(tenant)
    before = region.everything()
    tenant.vpc("createSubnet", vpcId=vpc_id, subnetName="s", addressPrefix="10.0.2.0/24", dryRun=True)
    tenant.vpc("createElasticIps", maxCount=1, elasticIpSpec={"bandwidthMbps": 1, "provider": "bgp"}, dryRun=True)
    assert region.everything() == before


def test_quotas_hold_and_the_operator_raises_them(region: Region) -> None:
    tenant = region.tenant("limited", vpc=2)
    for _ in range(2):
        tenant.vpc("createVpc", vpcName="v")
    full = region.changes_nothing(lambda: tenant.vpc("createVpc", vpcName="v"))
    assert (full.code, full.status) == (429, "QUOTA_EXCEEDED")
    region.operator("PATCH", "/accounts/limited/quotas", {"quotas": {"vpc": 3}})
    tenant.vpc("createVpc", vpcName="v")
    with pytest.raises(Refused, match="QUOTA_EXCEEDED"):
        tenant.vpc("createElasticIps", maxCount=11, elasticIpSpec={"bandwidthMbps": 1, "provider": "bgp"})
