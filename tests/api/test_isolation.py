"""One account never sees or reaches another's resources: their ids are as unknown as ids that never were."""

from dataclasses import fields as fields_of
from functools import partial
from typing import Any

import pytest

from sdnctl.api.operations import OPERATOR, Operation, discover
from sdnctl.model.account import Account
from tests.api.region import Refused, Region, Tenant, beside, call
from tests.api.test_operations import eip, groups_of, instance, network, port
from tests.api.test_walk import ACL_RULE
from tests.product import CLASSES


def owned(tenant: Tenant) -> dict[str, Any]:
    """One resource of every kind, by the name of the parameter that names it."""
    vpc_id, subnet_id = network(tenant)
    port_id = port(tenant, subnet_id)
    (table_id,) = tenant.vpc("describeVpc", vpcId=vpc_id)["vpc"]["routeTableIds"]
    acl_id = tenant.vpc("createNetworkAcl", vpcId=vpc_id, networkAclName="acl")["networkAclId"]
    public = eip(tenant)
    table = tenant.vpc("describeRouteTable", routeTableId=table_id)["routeTable"]
    far_id, _ = network(tenant, "10.9.0.0/16", "10.9.1.0/24")
    peering = tenant.vpc("createVpcPeering", vpcPeeringName=f"p-{vpc_id[-6:]}", vpcId=vpc_id, remoteVpcId=far_id)[
        "vpcPeering"
    ]
    kept = tenant.vpc("createElasticIpPool", elasticIpPoolName="kept", provider="bgp", cidrMask=30)
    return {
        "elasticIpPoolId": kept["elasticIpPoolId"],
        "networkSecurityGroupId": groups_of(tenant, vpc_id, "web")[1],
        "subnetIds": [subnet_id],
        "ruleIds": [table["routeTableRules"][1]["ruleId"]],
        "parentResourceId": table_id,
        "vpcId": vpc_id,
        "subnetId": subnet_id,
        "networkInterfaceId": port_id,
        "routeTableId": table_id,
        "networkAclId": acl_id,
        "vpcPeeringId": peering["vpcPeeringId"],
        "elasticIpId": public,
        "instanceId": instance(tenant, subnet_id),
        "elasticIpAddress": tenant.vpc("describeElasticIp", elasticIpId=public)["elasticIp"]["elasticIpAddress"],
    }


# Those of load balancers are called by a client of their own, in tests/api/test_load_balancers.py.
OPERATIONS = [o for o in discover() if o.service not in (OPERATOR, "lb") and not o.path.endswith("instanceTypes")]
GROUP_RULE = {"protocol": 300, "direction": 0, "addressPrefix": "0.0.0.0/0"}
# What an operation needs beside ids; none of it is foreign.
BESIDE: dict[str, dict[str, Any]] = {
    "addNetworkAclRules": {"networkAclRuleSpecs": [ACL_RULE]},
    "modifyNetworkAclRules": {"modifyNetworkAclRuleSpecs": [{"ruleId": "aclr-0000000000", "priority": 1}]},
    "createNetworkAcl": {"networkAclName": "a"},
    "addRouteTableRules": {"routeTableRuleSpecs": [{"addressPrefix": "1.2.3.4", "nextHopType": "internet"}]},
    "addNetworkSecurityGroupRules": {"networkSecurityGroupRuleSpecs": [GROUP_RULE]},
    "createNetworkSecurityGroup": {"networkSecurityGroupName": "g"},
    "modifyNetworkSecurityGroupRules": {"modifySecurityGroupRuleSpecs": [{"ruleId": "sgr-0000000000", "priority": 1}]},
    "assignSecondaryIps": {"secondaryIpCount": 1},
    "createElasticIpPool": {"elasticIpPoolName": "p", "provider": "bgp", "cidrMask": 30},
    "createHaVip": {"haVipName": "h"},
    "createNatGateway": {"natGatewayName": "n"},
    "createRouteTable": {"routeTableName": "t"},
    "createVpcPeering": {"vpcPeeringName": "q", "remoteVpcId": "vpc-0000000000"},
    "describeQuota": {"type": "staticRoute"},
    "modifyInstancePassword": {"password": "DevOps2018~"},
    "modifyInstanceNetworkAttribute": {"networks": [{"networkInterfaceId": "port-0000000000"}]},
    "modifyRouteTableRules": {"modifyRouteTableRuleSpecs": [{"ruleId": "route-0000000000", "priority": 1}]},
    "resizeInstance": {"instanceType": "g.n2.large"},
    "unassignSecondaryIps": {"secondaryIps": ["10.0.1.99"]},
    "createSubnet": {"subnetName": "s", "addressPrefix": "10.0.9.0/24"},
    "createVpc": {"vpcName": "v"},
    "createElasticIps": {"maxCount": 1, "elasticIpSpec": {"bandwidthMbps": 1, "provider": "bgp"}},
}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: f"{o.service}.{o.name}")
def test_foreign_ids_are_unknown(region: Region, operation: Operation) -> None:
    victim, attacker = region.tenant("victim"), region.tenant("attacker")
    theirs, mine = owned(victim), owned(attacker)
    fields = [name for name in operation.request.model_fields if name in theirs]
    if operation.name == "createInstances":
        fields = ["subnetId"]
    for foreign in fields:
        ids = {name: (theirs if name == foreign else mine)[name] for name in fields if not _either(foreign, name)}
        if operation.name == "createInstances":
            wanted = {"networkInterface": {"subnetId": ids.pop("subnetId")}}
            spec = {"name": "vm", "instanceType": "g.n2.large", "primaryNetworkInterface": wanted}
            ids["instanceSpec"] = spec  # type: ignore[assignment]
        client = attacker.vm_client if operation.service == "vm" else attacker.vpc_client
        parameters = {**BESIDE.get(operation.name, {}), **ids}
        refusal = region.changes_nothing(partial(send, client, operation, parameters))
        if (
            foreign == "elasticIpAddress" and operation.name == "createElasticIps"
        ):  # asks for an address by name, which is taken
            assert refusal.code == 409
        else:
            assert (refusal.code, refusal.status) == (404, "NOT_FOUND"), (foreign, refusal)


def send(client: Any, operation: Operation, parameters: dict[str, Any]) -> dict[str, Any]:
    """Call an operation, of the public API or beside it."""
    try:
        return call(client, operation.service, operation.name, parameters)
    except ImportError:
        return beside(client, operation.method, operation.path.removeprefix("/v1"), parameters)


def _either(foreign: str, name: str) -> bool:
    """Id, address and block of an elastic IP are given one at a time."""
    return name != foreign and {foreign, name} <= {"elasticIpId", "elasticIpAddress", "elasticIpPoolId"}


def test_lists_show_ones_own(region: Region) -> None:
    one, other = region.tenant("one"), region.tenant("other")
    theirs, mine = owned(one), owned(other)
    for service, name in (
        ("vpc", "describeVpcs"),
        ("vpc", "describeSubnets"),
        ("vpc", "describeNetworkInterfaces"),
        ("vpc", "describeElasticIps"),
        ("vpc", "describeRouteTables"),
        ("vpc", "describeElasticIpPools"),
        ("vm", "describeInstanceStatus"),
        ("vm", "describeInstancePrivateIpAddress"),
        ("vm", "describeInstances"),
    ):
        shown = str(getattr(other, service)(name))
        assert not any(id in shown for id in theirs.values() if isinstance(id, str))
        assert any(id in shown for id in mine.values() if isinstance(id, str))


def test_every_tenants_resource_has_an_owner() -> None:
    # VpcPrefixes is a VPC's own record of a list, which no operation shows.
    free = {
        "Account",
        "GroupDefaults",
        "MemberShare",
        "Balanced",
        "OperatorToken",
        "Region",
        "Pool",
        "RetiredNumber",
        "Lease",
        "Unsealed",
        "VpcPrefixes",
    }
    for cls in CLASSES:
        name = cls.__name__
        described = {field.name for field in fields_of(cls)}
        reported = {"host", "ofport"} & described or name == "Host"
        assert name in free or reported or "account" in described, name


def test_an_account_has_its_own_quotas(region: Region) -> None:
    one, other = region.tenant("one", vpc=1), region.tenant("other", vpc=1)
    one.vpc("createVpc", vpcName="v")
    other.vpc("createVpc", vpcName="v")
    with pytest.raises(Refused, match="429"):
        one.vpc("createVpc", vpcName="v")
    assert len(region.everything()[Account.__name__]) == 2
