"""Every served operation is called for real by the SDK's own request class, and its answer has the fields that the
SDK's models name.

`WALK` says for each operation what it is called with and what comes back; an operation that is served and not in it
fails here.
"""

import importlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sdnctl.api import catalogue
from sdnctl.api.operations import discover
from tests.api.region import Region, Tenant, call
from tests.api.test_operations import eip, instance, network, port

SPOKEN = {(known.service, known.name) for known in catalogue.known()}
# Features whose operations are called, each with what it answers, in files of their own.
APART = {"bandwidth_package", "havip", "lb_backend", "lb_target", "load_balancer", "nat_gateway", "nat_rule", "peering"}
SERVED = {
    (o.service, o.name): o
    for o in discover()
    if (o.service, o.name) in SPOKEN and o.run.__module__.split(".")[1] not in APART
}


class World:
    """One of everything, made fresh for each operation, so that any of it may be deleted."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.vpc, self.subnet = network(tenant)
        self.empty_vpc = tenant.vpc("createVpc", vpcName="empty")["vpcId"]
        self.empty_subnet = str(self._subnet())
        self.table = tenant.vpc("createRouteTable", vpcId=self.vpc, routeTableName="custom")["routeTableId"]
        self.instance = instance(tenant, self.subnet, keyNames=["key"], dataDisks=[{"diskCategory": "cloud"}])
        self.port, self.attached = (
            port(tenant, self.subnet, secondaryIpAddresses=["10.0.1.99"]),
            port(tenant, self.subnet),
        )
        tenant.vm("attachNetworkInterface", instanceId=self.instance, networkInterfaceId=self.attached)
        self.free, self.bound, self.of_instance = eip(tenant), eip(tenant), eip(tenant)
        tenant.vpc("associateElasticIp", networkInterfaceId=self.port, elasticIpId=self.bound)
        tenant.vm("associateElasticIp", instanceId=self.instance, elasticIpId=self.of_instance)
        self.pool = tenant.vpc("createElasticIpPool", elasticIpPoolName="p", provider="bgp", cidrMask=30)[
            "elasticIpPoolId"
        ]
        hop = {"nextHopType": "instance", "nextHopId": self.instance}
        tenant.vpc(
            "addRouteTableRules",
            routeTableId=self.table,
            routeTableRuleSpecs=[{"addressPrefix": "20.0.0.0/8", **hop}],
        )
        self.spare_table = tenant.vpc("createRouteTable", vpcId=self.vpc, routeTableName="spare")["routeTableId"]
        self.rule = self._rule()
        self.acl, self.spare_acl = (self._acl() for _ in range(2))
        made = tenant.vpc("addNetworkAclRules", networkAclId=self.acl, networkAclRuleSpecs=[ACL_RULE])
        self.acl_rule = made["networkAclRules"][0]["ruleId"]

        self.group, self.spare_group = (self._group() for _ in range(2))
        made = tenant.vpc("addNetworkSecurityGroupRules", **self.group_rules(self.group))
        self.group_rule = made["securityGroupRules"][0]["ruleId"]

    def group_rules(self, group: str) -> dict[str, Any]:
        """A rule to be added to a security group."""
        return {"networkSecurityGroupId": group, "networkSecurityGroupRuleSpecs": [GROUP_RULE]}

    def _group(self) -> str:
        order = {"vpcId": self.vpc, "networkSecurityGroupName": "group"}
        return str(self.tenant.vpc("createNetworkSecurityGroup", **order)["networkSecurityGroupId"])

    def _acl(self) -> str:
        return str(self.tenant.vpc("createNetworkAcl", vpcId=self.vpc, networkAclName="acl")["networkAclId"])

    def _subnet(self) -> Any:
        made = self.tenant.vpc("createSubnet", vpcId=self.vpc, subnetName="empty", addressPrefix="10.0.2.0/24")
        return made["subnetId"]

    def _rule(self) -> str:
        shown = self.tenant.vpc("describeRouteTable", routeTableId=self.table)["routeTable"]
        return str(shown["routeTableRules"][1]["ruleId"])

    def stopped(self) -> str:
        """An instance that is stopped and that no route names."""
        made = instance(self.tenant, self.subnet)
        self.tenant.vm("stopInstance", instanceId=made)
        return made

    def followed(self) -> str:
        """The subnet, after it began to follow the custom table."""
        self.tenant.vpc("associateRouteTable", routeTableId=self.table, subnetIds=[self.subnet])
        return self.subnet

    def walled(self) -> str:
        """The subnet, after it got the network ACL."""
        self.tenant.vpc("associateNetworkAcl", networkAclId=self.acl, subnetIds=[self.subnet])
        return self.subnet


# What an operation is called with, the key under which its result is, and the SDK's model of that (None: plain).
Step = tuple[Callable[[World], dict[str, Any]], str, str | None]
SPEC = {"bandwidthMbps": 1, "provider": "bgp"}
HOP = {"nextHopType": "internet", "nextHopId": "internet"}
GROUP_RULE = {"protocol": 300, "direction": 0, "addressPrefix": "0.0.0.0/0", "fromPort": 0, "toPort": 0}
ACL_RULE = {
    "protocol": "tcp",
    "direction": "ingress",
    "addressPrefix": "0.0.0.0/0",
    "ruleAction": "allow",
    "priority": 1,
}


def nothing(world: World) -> dict[str, Any]:
    """Lists need no parameters."""
    return {}


def changes(**parameters: Callable[[World], Any] | Any) -> Step:
    """A call whose result is empty."""
    return _given(parameters), "", None


def gives(key: str, model: str | None = None, **parameters: Any) -> Step:
    """A call whose result is under a key."""
    return _given(parameters), key, model


def _given(parameters: dict[str, Any]) -> Callable[[World], dict[str, Any]]:
    return lambda world: {name: value(world) if callable(value) else value for name, value in parameters.items()}


def the(name: str) -> Callable[[World], Any]:
    """An id of the world."""
    return lambda world: getattr(world, name)


WALK: dict[tuple[str, str], Step] = {
    ("vpc", "describeVpcs"): gives("vpcs", "Vpc"),
    ("vpc", "createVpc"): gives("vpcId", vpcName="v"),
    ("vpc", "describeVpc"): gives("vpc", "Vpc", vpcId=the("vpc")),
    ("vpc", "modifyVpc"): changes(vpcId=the("vpc"), vpcName="w"),
    ("vpc", "deleteVpc"): changes(vpcId=the("empty_vpc")),
    ("vpc", "describeSubnets"): gives("subnets", "Subnet"),
    ("vpc", "createSubnet"): gives("subnetId", vpcId=the("vpc"), subnetName="s", addressPrefix="10.0.9.0/24"),
    ("vpc", "describeSubnet"): gives("subnet", "Subnet", subnetId=the("subnet")),
    ("vpc", "modifySubnet"): changes(subnetId=the("subnet"), subnetName="t"),
    ("vpc", "deleteSubnet"): changes(subnetId=the("empty_subnet")),
    ("vpc", "describeSubnetCidrIps"): gives("subnetCidrIps", "IpSubnetInfos", subnetId=the("subnet")),
    ("vpc", "describeNetworkInterfaces"): gives("networkInterfaces", "NetworkInterface"),
    ("vpc", "createNetworkInterface"): gives("networkInterfaceId", subnetId=the("subnet")),
    ("vpc", "describeNetworkInterface"): gives("networkInterface", "NetworkInterface", networkInterfaceId=the("port")),
    ("vpc", "modifyNetworkInterface"): changes(networkInterfaceId=the("port"), sanityCheck=0),
    ("vpc", "deleteNetworkInterface"): changes(networkInterfaceId=lambda w: port(w.tenant, w.subnet)),
    ("vpc", "describeNetworkInterfaceCidrIps"): gives(
        "networkInterfaceCidrIps", "IpInfos", networkInterfaceId=the("port")
    ),
    ("vpc", "assignSecondaryIps"): changes(networkInterfaceId=the("port"), secondaryIpCount=1),
    ("vpc", "unassignSecondaryIps"): changes(networkInterfaceId=the("port"), secondaryIps=["10.0.1.99"]),
    ("vpc", "associateElasticIp"): changes(networkInterfaceId=the("attached"), elasticIpId=the("free")),
    ("vpc", "disassociateElasticIp"): changes(networkInterfaceId=the("port"), elasticIpId=the("bound")),
    ("vpc", "describeElasticIps"): gives("elasticIps", "ElasticIp"),
    ("vpc", "createElasticIps"): gives("elasticIpIds", maxCount=1, elasticIpSpec=SPEC),
    ("vpc", "describeElasticIp"): gives("elasticIp", "ElasticIp", elasticIpId=the("bound")),
    ("vpc", "modifyElasticIp"): changes(elasticIpId=the("bound"), bandwidthMbps=9),
    ("vpc", "deleteElasticIp"): changes(elasticIpId=the("free")),
    ("vpc", "exportElasticIps"): gives("exportTask", "ExportTask", fileType="csv"),
    ("vpc", "describeElasticIpPools"): gives("elasticIpPools", "ElasticIpPool"),
    ("vpc", "createElasticIpPool"): gives("elasticIpPoolId", elasticIpPoolName="q", provider="bgp", cidrMask=30),
    ("vpc", "describeElasticIpPool"): gives("elasticIpPool", "ElasticIpPool", elasticIpPoolId=the("pool")),
    ("vpc", "modifyElasticIpPool"): changes(elasticIpPoolId=the("pool"), description="d"),
    ("vpc", "deleteElasticIpPool"): changes(elasticIpPoolId=the("pool")),
    ("vpc", "describeRouteTables"): gives("routeTables", "RouteTable"),
    ("vpc", "createRouteTable"): gives("routeTableId", vpcId=the("vpc"), routeTableName="t"),
    ("vpc", "describeRouteTable"): gives("routeTable", "RouteTable", routeTableId=the("table")),
    ("vpc", "modifyRouteTable"): changes(routeTableId=the("table"), description="d"),
    ("vpc", "deleteRouteTable"): changes(routeTableId=the("spare_table")),
    ("vpc", "describeRouteTableRules"): gives("routeTableRules", "RouteTableRule", routeTableId=the("table")),
    ("vpc", "addRouteTableRules"): changes(
        routeTableId=the("table"), routeTableRuleSpecs=[{"addressPrefix": "8.8.8.8", **HOP}]
    ),
    ("vpc", "modifyRouteTableRules"): changes(
        routeTableId=the("table"), modifyRouteTableRuleSpecs=lambda w: [{"ruleId": w.rule, "priority": 9}]
    ),
    ("vpc", "removeRouteTableRules"): changes(routeTableId=the("table"), ruleIds=lambda w: [w.rule]),
    ("vpc", "associateRouteTable"): changes(routeTableId=the("table"), subnetIds=lambda w: [w.subnet]),
    ("vpc", "disassociateRouteTable"): changes(subnetId=lambda w: w.followed(), routeTableId=the("table")),
    ("vpc", "describeNetworkSecurityGroups"): gives("networkSecurityGroups", "NetworkSecurityGroup"),
    ("vpc", "createNetworkSecurityGroup"): gives(
        "networkSecurityGroupId", vpcId=the("vpc"), networkSecurityGroupName="g"
    ),
    ("vpc", "describeNetworkSecurityGroup"): gives(
        "networkSecurityGroup", "NetworkSecurityGroup", networkSecurityGroupId=the("group")
    ),
    ("vpc", "modifyNetworkSecurityGroup"): changes(networkSecurityGroupId=the("group"), description="d"),
    ("vpc", "deleteNetworkSecurityGroup"): changes(networkSecurityGroupId=the("spare_group")),
    ("vpc", "describeNetworkSecurityGroupRules"): gives(
        "securityGroupRules", "SecurityGroupRule", networkSecurityGroupId=the("group")
    ),
    ("vpc", "addNetworkSecurityGroupRules"): gives(
        "securityGroupRules",
        "SecurityGroupRule",
        networkSecurityGroupId=the("spare_group"),
        networkSecurityGroupRuleSpecs=[GROUP_RULE],
    ),
    ("vpc", "modifyNetworkSecurityGroupRules"): changes(
        networkSecurityGroupId=the("group"),
        modifySecurityGroupRuleSpecs=lambda w: [{"ruleId": w.group_rule, "priority": 9}],
    ),
    ("vpc", "removeNetworkSecurityGroupRules"): changes(
        networkSecurityGroupId=the("group"), ruleIds=lambda w: [w.group_rule]
    ),
    ("vpc", "describeNetworkAcls"): gives("networkAcls", "NetworkAcl"),
    ("vpc", "createNetworkAcl"): gives("networkAclId", vpcId=the("vpc"), networkAclName="a"),
    ("vpc", "describeNetworkAcl"): gives("networkAcl", "NetworkAcl", networkAclId=the("acl")),
    ("vpc", "modifyNetworkAcl"): changes(networkAclId=the("acl"), description="d"),
    ("vpc", "deleteNetworkAcl"): changes(networkAclId=the("spare_acl")),
    ("vpc", "describeNetworkAclRules"): gives("networkAclRules", "NetworkAclRule", networkAclId=the("acl")),
    ("vpc", "addNetworkAclRules"): gives(
        "networkAclRules", "NetworkAclRule", networkAclId=the("spare_acl"), networkAclRuleSpecs=[ACL_RULE]
    ),
    ("vpc", "modifyNetworkAclRules"): changes(
        networkAclId=the("acl"), modifyNetworkAclRuleSpecs=lambda w: [{"ruleId": w.acl_rule, "priority": 9}]
    ),
    ("vpc", "removeNetworkAclRules"): changes(networkAclId=the("acl"), ruleIds=lambda w: [w.acl_rule]),
    ("vpc", "associateNetworkAcl"): changes(networkAclId=the("acl"), subnetIds=lambda w: [w.subnet]),
    ("vpc", "disassociateNetworkAcl"): changes(subnetId=lambda w: w.walled(), networkAclId=the("acl")),
    ("vpc", "describeQuota"): gives("quota", "Quota", type="subnet", parentResourceId=the("vpc")),
    ("vpc", "describeEdgeIpProviders"): gives("edgeIpProviders"),
    ("vm", "createInstances"): gives(
        "instanceIds",
        instanceSpec=lambda w: {
            "name": "vm",
            "instanceType": "g.n2.large",
            "primaryNetworkInterface": {"networkInterface": {"subnetId": w.subnet}},
        },
    ),
    ("vm", "describeInstances"): gives("instances", "Instance"),
    ("vm", "describeInstance"): gives("instance", "Instance", instanceId=the("instance")),
    ("vm", "deleteInstance"): changes(instanceId=lambda w: w.stopped()),
    ("vm", "attachNetworkInterface"): changes(
        instanceId=lambda w: w.stopped(), networkInterfaceId=lambda w: port(w.tenant, w.subnet)
    ),
    ("vm", "detachNetworkInterface"): changes(instanceId=the("instance"), networkInterfaceId=the("attached")),
    ("vm", "associateElasticIp"): changes(instanceId=lambda w: w.stopped(), elasticIpId=the("free")),
    ("vm", "disassociateElasticIp"): changes(instanceId=the("instance"), elasticIpId=the("of_instance")),
    ("vm", "startInstance"): changes(instanceId=lambda w: w.stopped()),
    ("vm", "stopInstance"): changes(instanceId=the("instance")),
    ("vm", "resizeInstance"): changes(instanceId=lambda w: w.stopped(), instanceType="m.n3.8xlarge"),
    ("vm", "rebootInstance"): changes(instanceId=the("instance")),
    ("vm", "modifyInstanceAttribute"): changes(instanceId=the("instance"), name="renamed"),
    ("vm", "modifyInstancePassword"): changes(instanceId=the("instance"), password="DevOps2018~"),
    ("vm", "modifyInstanceNetworkAttribute"): changes(
        instanceId=the("instance"), networks=lambda w: [{"networkInterfaceId": w.attached, "autoDelete": True}]
    ),
    ("vm", "describeInstanceTypes"): gives("instanceTypes", "InstanceType"),
    ("vm", "describeInstanceStatus"): gives("instanceStatuses", "InstanceStatus"),
    ("vm", "describeInstancePrivateIpAddress"): gives("instancePrivateIpAddress", "InstancePrivateIpAddress"),
    ("vm", "describeQuotas"): gives("quotas", "Quota"),
}
# What the SDK's models name beside: disks, licences, host groups, IPv6 and the like, which are not here.
BEYOND = frozenset(
    """ag architecture autoReleaseTime bootMode burstInfo chargeOnStopped cloudDiskTypes connectionTrackingConfiguration
    cpuTopology dedicatedHostId dedicatedPoolId faultDomain hostGroup hpcClusterId imageCharge ipv6EndIp ipv6StartIp
    localDisks osType osVersion platform policies providerNameCN rdma rdmaNetworkInterfaces resourceGroupId
    secondaryCidrsEx spotStatus vpcPolicyId gpu""".split()  # noqa: SIM905
)


def test_every_served_operation_is_walked() -> None:
    assert set(WALK) == set(SERVED)


@pytest.fixture(scope="module")
def region() -> Iterator[Region]:
    """One region for all operations; an account for each."""
    with Region() as served:
        served.operator("POST", "/pools", {"cidr": "198.18.0.0/16", "gateway": "198.18.0.1"})
        yield served


@pytest.mark.parametrize("key", sorted(WALK), ids=".".join)
def test_an_operation_answers_as_the_sdk_expects(region: Region, key: tuple[str, str]) -> None:
    service, name = key
    given, result_key, model = WALK[key]
    tenant = region.tenant(f"{service}-{name}"[-32:])
    world = World(tenant)
    client = tenant.vm_client if service == "vm" else tenant.vpc_client
    parameters = given(world)
    before = region.everything()
    result = call(client, service, name, parameters)
    assert (region.everything() == before) == SERVED[key].reads
    if not result_key:
        assert result == {}
        return
    found = result[result_key]
    if isinstance(found, list) and model is not None:
        assert found and result.get("totalCount", len(found)) == len(found)
        found = found[0]
    if model is not None:
        assert set(found) >= needed(service, model), needed(service, model) - set(found)
    elif SERVED[key].reads:
        assert found == [] and result["totalCount"] == 0
    else:
        (created,) = found if isinstance(found, list) else (found,)
        assert isinstance(created, str) and created in str(region.everything())


def needed(service: str, model: str) -> set[str]:
    """The fields of an SDK model, without those of what is not here."""
    module = importlib.import_module(f"jdcloud_sdk.services.{service}.models.{model}")
    return set(inspect.signature(getattr(module, model)).parameters) - BEYOND
