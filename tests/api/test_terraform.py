"""Every resource of Terraform's provider that is served: what it orders it reads again, so that a second plan is empty.

The provider is a Go program: its calls are sent here byte by byte, with version 2 of the signature and a null for what
a configuration leaves out.  A field that a plan compares must come back as it was given.
"""

import json
from typing import Any

import pytest

from tests.api.raw import Call
from tests.api.region import NAME, Region, Tenant


class Provider:
    """The provider's calls for one account; each answer must be a success unless ``code`` says otherwise."""

    def __init__(self, region: Region, tenant: Tenant) -> None:
        self.region = region
        self.tenant = tenant

    def call(self, service: str, method: str, path: str, *, code: int = 200, **given: Any) -> Any:
        """One call; its parameters are the body, which the Go SDK sends with the path's and with nulls."""
        body = json.dumps({"regionId": NAME, **given}).encode() if method in ("POST", "PATCH") else b""
        target = f"/v1/regions/{NAME}/{path}".encode()
        found, _, answer = Call(method, target, body, service, version="2").sign(self.tenant).send(self.region.endpoint)
        assert found == code, answer
        return answer["result"] if code == 200 else answer["error"]

    def read(self, service: str, path: str, key: str, *names: str) -> dict[str, Any]:
        """The fields that a plan compares, as they are read."""
        shown = self.call(service, "GET", path)[key]
        return {name: shown[name] for name in names}


@pytest.fixture
def terraform(region: Region, tenant: Tenant) -> Provider:
    return Provider(region, tenant)


def network(terraform: Provider) -> tuple[str, str]:
    """A VPC and a subnet, as the first two resources of a configuration."""
    vpc = {"vpcName": "my-vpc", "addressPrefix": "172.16.0.0/19", "description": None}
    made = terraform.call("vpc", "POST", "vpcs/", **vpc)["vpcId"]
    subnet = {"vpcId": made, "subnetName": "my-subnet", "addressPrefix": "172.16.0.0/26", "routeTableId": None}
    return made, terraform.call("vpc", "POST", "subnets/", **subnet, description="d")["subnetId"]


def test_networks(terraform: Provider) -> None:
    vpc, subnet = network(terraform)
    read = terraform.read("vpc", f"vpcs/{vpc}", "vpc", "vpcName", "addressPrefix", "description")
    assert read == {"vpcName": "my-vpc", "addressPrefix": "172.16.0.0/19", "description": ""}
    names = ("subnetName", "addressPrefix", "vpcId", "description")
    read = terraform.read("vpc", f"subnets/{subnet}", "subnet", *names)
    assert list(read.values()) == ["my-subnet", "172.16.0.0/26", vpc, "d"]
    # A description that is taken out of the configuration is sent as an empty one.
    terraform.call("vpc", "PATCH", f"subnets/{subnet}", subnetId=subnet, subnetName="other", description="")
    read = terraform.read("vpc", f"subnets/{subnet}", "subnet", "subnetName", "description")
    assert read == {"subnetName": "other", "description": ""}
    terraform.call("vpc", "PATCH", f"vpcs/{vpc}", vpcId=vpc, vpcName="my-vpc", description="new")
    assert terraform.read("vpc", f"vpcs/{vpc}", "vpc", "description") == {"description": "new"}


def test_route_tables(terraform: Provider) -> None:
    vpc, subnet = network(terraform)
    order = {"vpcId": vpc, "routeTableName": "my-table", "description": ""}
    table = terraform.call("vpc", "POST", "routeTables/", **order)["routeTableId"]
    assert terraform.read("vpc", f"routeTables/{table}", "routeTable", *order) == order
    rules = [
        {"nextHopType": "internet", "nextHopId": "internet", "addressPrefix": "0.0.0.0/0", "priority": 100},
        {"nextHopType": "internet", "nextHopId": "internet", "addressPrefix": "10.0.0.0/16", "priority": 40},
    ]
    terraform.call("vpc", "POST", f"routeTables/{table}:addRouteTableRules", routeTableRuleSpecs=rules)
    local, *own = terraform.call("vpc", "GET", f"routeTables/{table}")["routeTable"]["routeTableRules"]
    assert local["nextHopType"] == "local"
    kept = [{name: rule[name] for name in rules[0]} for rule in own]
    assert sorted(kept, key=str) == sorted(rules, key=str)
    terraform.call("vpc", "POST", f"routeTables/{table}:associateRouteTable", subnetIds=[subnet])
    assert terraform.read("vpc", f"routeTables/{table}", "routeTable", "subnetIds") == {"subnetIds": [subnet]}
    terraform.call("vpc", "POST", f"routeTables/{table}:disassociateRouteTable", subnetId=subnet)
    ids = [rule["ruleId"] for rule in own]
    terraform.call("vpc", "POST", f"routeTables/{table}:removeRouteTableRules", ruleIds=ids)
    terraform.call("vpc", "DELETE", f"routeTables/{table}")
    assert terraform.call("vpc", "GET", f"routeTables/{table}", code=404)["status"] == "NOT_FOUND"


class GroupRules:
    """The provider's resource of a security group's rules: a set, which it compares with what it reads."""

    def __init__(self, terraform: Provider, group: str) -> None:
        self.terraform = terraform
        self.item = f"networkSecurityGroups/{group}"

    def add(self, *rules: tuple[Any, ...]) -> None:
        """Rules that a plan adds, perhaps none; the provider sends ports that a configuration leaves out as 0."""
        specs = [self._spec(*rule) for rule in rules]
        action = f"{self.item}:addNetworkSecurityGroupRules"
        self.terraform.call("vpc", "POST", action, networkSecurityGroupRuleSpecs=specs)

    def _spec(self, prefix: str, direction: int, first: int, protocol: int, last: int) -> dict[str, Any]:
        unset = dict.fromkeys(("ruleAction", "priority", "addressPrefixType", "description"))
        ports = {"fromPort": first, "toPort": last}
        return {"protocol": protocol, "direction": direction, "addressPrefix": prefix, **ports, **unset}

    def remove(self, *ids: str) -> None:
        """Rules that a plan removes, perhaps none."""
        self.terraform.call("vpc", "POST", f"{self.item}:removeNetworkSecurityGroupRules", ruleIds=list(ids))

    def read(self) -> dict[tuple[Any, ...], str]:
        """The rules as a plan compares them, each with its id."""
        rules = self.terraform.call("vpc", "GET", self.item)["networkSecurityGroup"]["securityGroupRules"]
        names = ("addressPrefix", "direction", "fromPort", "protocol", "toPort")
        return {tuple(rule[name] for name in names): rule["ruleId"] for rule in rules}


def test_security_groups(terraform: Provider) -> None:
    """Made with rules, read back exactly, changed, emptied; deleting is seen by 404."""
    vpc, subnet = network(terraform)
    order = {"vpcId": vpc, "networkSecurityGroupName": "my-group"}
    group = terraform.call("vpc", "POST", "networkSecurityGroups/", **order, description=None)["networkSecurityGroupId"]
    item = f"networkSecurityGroups/{group}"
    names = ("networkSecurityGroupName", "vpcId", "description")
    assert list(terraform.read("vpc", item, "networkSecurityGroup", *names).values()) == ["my-group", vpc, ""]
    rules = GroupRules(terraform, group)
    first = {
        ("0.0.0.0/0", 0, 0, 300, 0),
        ("10.0.0.0/8", 0, 22, 6, 22),
        ("10.0.0.1", 0, 0, 6, 0),
        ("172.16.0.0/12", 1, 0, 1, 0),
        ("0.0.0.0/0", 1, 1, 17, 65535),
    }
    rules.add(*first)
    assert rules.read().keys() == first, "a second plan is empty"
    second = first - {("10.0.0.0/8", 0, 22, 6, 22)} | {("10.0.0.0/8", 0, 443, 6, 8443)}
    known = rules.read()
    rules.remove(*(known[rule] for rule in first - second))
    rules.add(*(second - first))
    rules.remove()
    rules.add()
    assert rules.read().keys() == second
    change = {"networkSecurityGroupName": "other", "description": ""}
    terraform.call("vpc", "PATCH", item, **change)

    nic = {"subnetId": subnet, "networkInterfaceName": "my-port", "securityGroups": [group]}
    eni = f"networkInterfaces/{terraform.call('vpc', 'POST', 'networkInterfaces/', **nic)['networkInterfaceId']}"
    _, *own = terraform.call("vpc", "GET", eni)["networkInterface"]["networkSecurityGroupIds"]
    assert own == [group], "the provider leaves the first one out"
    rename = {"networkInterfaceName": "renamed", "description": None}
    terraform.call("vpc", "PATCH", eni, **rename, securityGroups=own)
    assert terraform.call("vpc", "DELETE", item, code=409)["code"] == 409
    terraform.call("vpc", "PATCH", eni, **rename, securityGroups=[])
    assert len(terraform.call("vpc", "GET", eni)["networkInterface"]["networkSecurityGroupIds"]) == 1

    rules.remove(*rules.read().values())
    terraform.call("vpc", "DELETE", item)
    assert terraform.call("vpc", "GET", item, code=404)["code"] == 404


def test_network_acls(terraform: Provider) -> None:
    """The provider has the ACL itself; its rules and subnets are set by the calls of the same SDK, with nulls."""
    vpc, subnet = network(terraform)
    order = {"vpcId": vpc, "networkAclName": "my-acl"}
    made = terraform.call("vpc", "POST", "networkAcls/", **order, description=None)["networkAclId"]
    names = (*order, "description", "createdTime")
    assert list(terraform.read("vpc", f"networkAcls/{made}", "networkAcl", *names).values())[:3] == [vpc, "my-acl", ""]
    unset = dict.fromkeys(("fromPort", "toPort", "addressPrefixType", "description"))
    rule = {
        "protocol": "All",
        "direction": "egress",
        "addressPrefix": "0.0.0.0/0",
        "ruleAction": "allow",
        "priority": 1,
    }
    ported = {**rule, "protocol": "TCP", "direction": "ingress", "fromPort": 22, "toPort": 22}
    specs = [{**unset, **rule}, {**unset, **ported, "addressPrefixType": ""}]
    item = f"networkAcls/{made}"
    terraform.call("vpc", "POST", f"{item}:addNetworkAclRules", networkAclRuleSpecs=specs)
    into, out = terraform.call("vpc", "GET", item)["networkAcl"]["networkAclRules"]
    assert ({name: out[name] for name in rule}, {name: into[name] for name in ported}) == (rule, ported)
    change = {"ruleId": into["ruleId"], **dict.fromkeys(("protocol", "ruleAction", "priority")), "toPort": 23}
    terraform.call("vpc", "POST", f"{item}:modifyNetworkAclRules", modifyNetworkAclRuleSpecs=[change])
    into, _ = terraform.call("vpc", "GET", item)["networkAcl"]["networkAclRules"]
    assert (into["fromPort"], into["toPort"], into["priority"]) == (22, 23, 1)
    terraform.call("vpc", "POST", f"{item}:associateNetworkAcl", subnetIds=[subnet])
    assert terraform.read("vpc", f"subnets/{subnet}", "subnet", "aclId") == {"aclId": made}
    terraform.call("vpc", "DELETE", item, code=400)
    terraform.call("vpc", "POST", f"{item}:removeNetworkAclRules", ruleIds=[into["ruleId"]])
    assert terraform.call("vpc", "GET", item)["networkAcl"]["networkAclRules"] == [out]
    second = terraform.call("vpc", "POST", "networkAcls/", **order)["networkAclId"]
    terraform.call("vpc", "POST", f"networkAcls/{second}:associateNetworkAcl", subnetIds=[subnet])
    assert terraform.read("vpc", f"subnets/{subnet}", "subnet", "aclId") == {"aclId": second}
    assert terraform.call("vpc", "GET", item)["networkAcl"]["subnetIds"] == []
    terraform.call("vpc", "DELETE", item)
    assert terraform.call("vpc", "GET", item, code=404)["status"] == "NOT_FOUND"
    second_item = f"networkAcls/{second}"
    terraform.call("vpc", "POST", f"{second_item}:disassociateNetworkAcl", subnetId=subnet)
    assert terraform.read("vpc", f"subnets/{subnet}", "subnet", "aclId") == {"aclId": ""}
    terraform.call("vpc", "DELETE", second_item)
    terraform.call("vpc", "GET", second_item, code=404)


@pytest.mark.parametrize("provider", ["bgp", "BGP"])
def test_elastic_ips_and_interfaces(terraform: Provider, provider: str) -> None:
    _, subnet = network(terraform)
    charge = dict.fromkeys(("chargeMode", "chargeUnit", "chargeDuration"))
    spec = {"bandwidthMbps": 10, "provider": provider, "chargeSpec": charge}
    order = {"maxCount": 1, "elasticIpAddress": "203.0.113.77", "elasticIpSpec": spec}
    (public,) = terraform.call("vpc", "POST", "elasticIps/", **order)["elasticIpIds"]
    names = ("elasticIpAddress", "bandwidthMbps", "provider")
    read = terraform.read("vpc", f"elasticIps/{public}", "elasticIp", *names)
    assert list(read.values()) == ["203.0.113.77", 10, provider]

    order = {"subnetId": subnet, "networkInterfaceName": "my-port", "description": "d", "sanityCheck": 0}
    unset = dict.fromkeys(("az", "primaryIpAddress", "secondaryIpCount", "securityGroups"))
    wanted = ["172.16.0.10", "172.16.0.11"]
    made = terraform.call("vpc", "POST", "networkInterfaces/", **order, **unset, secondaryIpAddresses=wanted)
    eni = made["networkInterfaceId"]
    assert terraform.read("vpc", f"networkInterfaces/{eni}", "networkInterface", *order) == order
    change = {"networkInterfaceName": "other", "description": "d", "securityGroups": []}
    terraform.call("vpc", "PATCH", f"networkInterfaces/{eni}", **change)
    terraform.call("vpc", "POST", f"networkInterfaces/{eni}:unassignSecondaryIps", secondaryIps=wanted[:1])
    more = {"force": True, "secondaryIps": ["172.16.0.11", "172.16.0.12"], "secondaryIpCount": None}
    terraform.call("vpc", "POST", f"networkInterfaces/{eni}:assignSecondaryIps", **more)
    shown = terraform.call("vpc", "GET", f"networkInterfaces/{eni}")["networkInterface"]
    assert {one["privateIpAddress"] for one in shown["secondaryIps"]} == {"172.16.0.11", "172.16.0.12"}


def test_an_instance_from_order_to_end(terraform: Provider) -> None:
    _, subnet = network(terraform)
    disk = {"diskCategory": "cloud", "autoDelete": True, "deviceName": "vdb"}
    volume = {
        "diskType": "premium-hdd",
        "diskSizeGB": 50,
        "az": "cn-north-1a",
        "name": "my-disk",
        "description": "data",
    }
    system = {"diskCategory": "local", "autoDelete": True, "deviceName": "vda", "cloudDiskSpec": {"diskSizeGB": 40}}
    plain = {"az": "cn-north-1a", "instanceType": "g.n2.medium", "imageId": "bba85cab", "keyNames": ["k"]}
    first = {"networkInterface": {"subnetId": subnet, "secondaryIpCount": 1}}
    disks = {"systemDisk": system, "dataDisks": [{**disk, "cloudDiskSpec": volume}]}
    spec = {"name": "my-vm", **plain, "password": "Aa123456!", "description": None, "primaryNetworkInterface": first}
    order = {"instanceSpec": {**spec, **disks}, "maxCount": 1}
    (vm,) = terraform.call("vm", "POST", "instances", **order)["instanceIds"]
    item = f"instances/{vm}"
    assert terraform.read("vm", item, "instance", *plain) == plain
    read = terraform.read("vm", item, "instance", "instanceName", "subnetId")
    assert list(read.values()) == ["my-vm", subnet]
    shown = terraform.call("vm", "GET", item)["instance"]
    (data,), found = shown["dataDisks"], shown["systemDisk"]
    assert {name: data[name] for name in disk} == disk and data["status"] != "detached"
    assert {name: data["cloudDisk"][name] for name in volume} == volume
    assert (found["diskCategory"], found["deviceName"], found["localDisk"]["diskSizeGB"]) == ("local", "vda", 40)

    terraform.call("vm", "POST", f"{item}:modifyInstanceAttribute", name="renamed", description="web")
    terraform.call("vm", "POST", f"{item}:stopInstance")
    terraform.call("vm", "POST", f"{item}:modifyInstancePassword", password="Bb123456!")
    terraform.call("vm", "POST", f"{item}:startInstance")
    read = terraform.read("vm", item, "instance", "instanceName", "description", "status", "dataDisks")
    assert list(read.values()) == ["renamed", "web", "running", [data]]

    eni = terraform.call("vpc", "POST", "networkInterfaces/", subnetId=subnet)["networkInterfaceId"]
    terraform.call("vm", "POST", f"{item}:attachNetworkInterface", networkInterfaceId=eni, autoDelete=None)
    read = terraform.read("vpc", f"networkInterfaces/{eni}", "networkInterface", "instanceId")
    assert read == {"instanceId": vm}
    terraform.call("vm", "POST", f"{item}:detachNetworkInterface", networkInterfaceId=eni)
    assert terraform.read("vpc", f"networkInterfaces/{eni}", "networkInterface", "instanceId") == {"instanceId": ""}

    terraform.call("vm", "POST", f"{item}:stopInstance")
    terraform.call("vm", "DELETE", item)
    assert terraform.call("vm", "GET", item, code=404)["code"] == 404
