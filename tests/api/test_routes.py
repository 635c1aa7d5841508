"""Route tables by the real SDK: rules and their next hops, which subnet follows which table, and what is refused."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from tests.api.region import Refused, Region, Tenant
from tests.api.test_operations import instance, network, port


@dataclass(frozen=True, slots=True)
class Net:
    """A VPC with a subnet, a custom table, an instance and a secondary interface."""

    tenant: Tenant
    vpc: str
    subnet: str
    table: str
    instance: str
    port: str

    def rules(self, table: str = "") -> list[dict[str, Any]]:
        """The rules of the custom table, or of another one."""
        shown = self.tenant.vpc("describeRouteTable", routeTableId=table or self.table)
        found: list[dict[str, Any]] = shown["routeTable"]["routeTableRules"]
        return found

    def add(self, *rules: dict[str, Any], table: str = "") -> None:
        """Add rules."""
        self.tenant.vpc("addRouteTableRules", routeTableId=table or self.table, routeTableRuleSpecs=list(rules))

    @property
    def default(self) -> str:
        """The VPC's default table."""
        tables = self.tenant.vpc("describeVpc", vpcId=self.vpc)["vpc"]["routeTableIds"]
        (found,) = set(tables) - {self.table}
        return str(found)

    def public(self) -> bool:
        """True when the subnet leads to the internet."""
        return bool(self.tenant.vpc("describeSubnet", subnetId=self.subnet)["subnet"]["publicSubnet"])


@pytest.fixture
def net(tenant: Tenant) -> Net:
    """The network of a test."""
    vpc_id, subnet_id = network(tenant)
    table = tenant.vpc("createRouteTable", vpcId=vpc_id, routeTableName="custom", description="d")["routeTableId"]
    return Net(tenant, vpc_id, subnet_id, table, instance(tenant, subnet_id), port(tenant, subnet_id))


INTERNET = {"addressPrefix": "0.0.0.0/0", "nextHopType": "internet", "nextHopId": "internet"}


def test_a_custom_table_starts_with_its_vpc_only(net: Net) -> None:
    table = net.tenant.vpc("describeRouteTable", routeTableId=net.table)["routeTable"]
    assert (table["routeTableName"], table["routeTableType"], table["vpcId"]) == ("custom", "custom", net.vpc)
    assert (table["description"], table["subnetIds"]) == ("d", [])
    assert [(r["addressPrefix"], r["nextHopType"]) for r in table["routeTableRules"]] == [("10.0.0.0/16", "local")]
    net.tenant.vpc("modifyRouteTable", routeTableId=net.table, routeTableName="renamed")
    changed = net.tenant.vpc("describeRouteTable", routeTableId=net.table)["routeTable"]
    assert changed == {**table, "routeTableName": "renamed"}
    net.tenant.vpc("deleteRouteTable", routeTableId=net.table)
    with pytest.raises(Refused, match="404"):
        net.rules()


def test_rules(net: Net) -> None:
    net.add(
        {"addressPrefix": "172.16.0.0/12", "nextHopType": "instance", "nextHopId": net.instance, "priority": 7},
        {"addressPrefix": "8.8.8.8", "nextHopType": "elastic_network_interface", "nextHopId": net.port},
        {**INTERNET, "description": "out"},
    )
    shown = [(r["addressPrefix"], r["nextHopType"], r["nextHopId"], r["priority"]) for r in net.rules()]
    assert shown == [
        ("10.0.0.0/16", "local", "local", 100),
        ("8.8.8.8/32", "elastic_network_interface", net.port, 100),
        ("172.16.0.0/12", "instance", net.instance, 7),
        ("0.0.0.0/0", "internet", "internet", 100),
    ]
    rule = net.rules()[3]
    assert (rule["origin"], rule["addressPrefixType"], rule["description"]) == ("static", "CIDR", "out")
    changes = {"ruleId": rule["ruleId"], "priority": 3, "nextHopType": "instance", "nextHopId": net.instance}
    net.tenant.vpc("modifyRouteTableRules", routeTableId=net.table, modifyRouteTableRuleSpecs=[changes])
    changed = {**rule, "priority": 3, "nextHopType": "instance", "nextHopId": net.instance}
    assert net.rules()[3] == changed
    prefix = {"ruleId": rule["ruleId"], "addressPrefix": "1.0.0.0/8", "description": ""}
    net.tenant.vpc("modifyRouteTableRules", routeTableId=net.table, modifyRouteTableRuleSpecs=[prefix])
    assert net.rules()[3] == {**changed, "addressPrefix": "1.0.0.0/8", "description": ""}
    net.tenant.vpc("removeRouteTableRules", routeTableId=net.table, ruleIds=[r["ruleId"] for r in net.rules()[1:]])
    assert len(net.rules()) == 1


def test_rules_can_be_searched(net: Net) -> None:
    net.add(
        *({"addressPrefix": f"20.0.{n}.0/24", "nextHopType": "instance", "nextHopId": net.instance} for n in range(15)),
        {**INTERNET, "description": "the way out"},
    )
    search = partial(net.tenant.vpc, "describeRouteTableRules", routeTableId=net.table)
    everything = search(pageSize=100)
    assert (everything["totalCount"], everything["routeTableRules"]) == (17, net.rules())
    assert search(pageSize=10, pageNumber=2)["routeTableRules"] == net.rules()[10:]
    for name, values, operator, count in (
        ("nextHopTypes", ["internet", "local"], "eq", 2),
        ("ruleIds", [net.rules()[0]["ruleId"]], "eq", 1),
        ("origins", ["static"], "eq", 17),
        ("origins", ["propagated"], "eq", 0),
        ("addressPrefix", ["20.0.1"], "like", 6),
        ("addressPrefix", ["20.0.1.0/24"], "eq", 1),
        ("description", ["way"], "like", 1),
        ("nextHopId", [net.instance], "eq", 15),
    ):
        found = search(filters=[{"name": name, "values": values, "operator": operator}])
        assert found["totalCount"] == count, name
    with pytest.raises(Refused, match="INVALID_ARGUMENT"):
        search(filters=[{"name": "colour", "values": ["red"]}])


def test_subnets_follow_tables(net: Net, region: Region) -> None:
    assert net.public()
    net.tenant.vpc("associateRouteTable", routeTableId=net.table, subnetIds=[net.subnet])
    assert net.tenant.vpc("describeRouteTable", routeTableId=net.table)["routeTable"]["subnetIds"] == [net.subnet]
    assert not net.public()
    net.add(INTERNET)
    assert net.public()
    refusal = region.changes_nothing(lambda: net.tenant.vpc("deleteRouteTable", routeTableId=net.table))
    assert refusal.status == "FAILED_PRECONDITION" and net.subnet in refusal.message
    net.tenant.vpc("disassociateRouteTable", routeTableId=net.table, subnetId=net.subnet)
    subnet = net.tenant.vpc("describeSubnet", subnetId=net.subnet)["subnet"]
    assert subnet["routeTableId"] == net.default
    for table in (net.table, net.default):
        region.changes_nothing(
            partial(net.tenant.vpc, "disassociateRouteTable", routeTableId=table, subnetId=net.subnet)
        )
    net.tenant.vpc("deleteRouteTable", routeTableId=net.table)
    refusal = region.changes_nothing(lambda: net.tenant.vpc("deleteRouteTable", routeTableId=subnet["routeTableId"]))
    assert "default" in refusal.message


def test_the_default_tables_way_out_may_go(net: Net) -> None:
    (rule,) = (r for r in net.rules(net.default) if r["nextHopType"] == "internet")
    net.tenant.vpc("removeRouteTableRules", routeTableId=net.default, ruleIds=[rule["ruleId"]])
    assert not net.public()


def test_a_table_serves_its_own_vpc(net: Net, region: Region) -> None:
    _, elsewhere = network(net.tenant)
    foreign = port(net.tenant, elsewhere)
    act = partial(net.tenant.vpc, "associateRouteTable", routeTableId=net.table, subnetIds=[net.subnet, elsewhere])
    assert region.changes_nothing(act).status == "FAILED_PRECONDITION"
    for kind, hop in (("elastic_network_interface", foreign), ("instance", instance(net.tenant, elsewhere))):
        rule = {"addressPrefix": "0.0.0.0/0", "nextHopType": kind, "nextHopId": hop}
        assert region.changes_nothing(partial(net.add, rule)).status == "FAILED_PRECONDITION"


@pytest.mark.parametrize("kind", ["bgw", "l2gw"])
def test_next_hops_that_are_not_served_are_named(net: Net, region: Region, kind: str) -> None:
    rule = {"addressPrefix": "0.0.0.0/0", "nextHopType": kind, "nextHopId": "x-0000000000"}
    refusal = region.changes_nothing(lambda: net.add(INTERNET, rule))
    assert (refusal.code, refusal.status) == (400, "FAILED_PRECONDITION") and kind in refusal.message


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"addressPrefix": "10.0.0.0/16"}, 400),  # is local
        ({"addressPrefix": "10.0.3.0/24"}, 400),  # lies inside
        ({"addressPrefix": "10.0.1.7"}, 400),
        ({"addressPrefix": "224.0.0.0/4"}, 400),
        ({"addressPrefix": "127.0.0.1"}, 400),
        ({"addressPrefix": "169.254.0.0/16"}, 400),
        ({"addressPrefix": "20.0.0.1/8"}, 400),  # host bits
        ({"addressPrefix": "nonsense"}, 400),
        ({"addressPrefix": ""}, 400),
        ({"addressPrefixType": "PREFIXLIST"}, 501),
        ({"priority": 0}, 400),
        ({"priority": 256}, 400),
        ({"nextHopType": "local", "nextHopId": "local"}, 400),
        ({"nextHopType": "nowhere"}, 400),
        ({"nextHopType": "internet", "nextHopId": "port-0000000000"}, 400),
        ({"nextHopType": "internet", "nextHopId": "internet", "addressPrefix": "30.0.0.0/8"}, 409),
        ({"nextHopId": "port-0000000000"}, 404),
        ({"nextHopId": ""}, 404),
        ({"nextHopType": "instance"}, 404),
        ({"description": "x" * 257}, 400),
        ({}, 409),  # twice the same
    ],
)
def test_rules_that_are_refused(net: Net, region: Region, change: dict[str, Any], code: int) -> None:
    known = {"addressPrefix": "30.0.0.0/8", "nextHopType": "elastic_network_interface", "nextHopId": net.port}
    net.add(known)
    good = {"addressPrefix": "40.0.0.0/8", "nextHopType": "instance", "nextHopId": net.instance}
    assert region.changes_nothing(lambda: net.add(good, {**known, **change})).code == code
    net.add(good)
    rule = next(r for r in net.rules() if r["addressPrefix"] == "40.0.0.0/8")
    changes = {"ruleId": rule["ruleId"], **known, **change}
    act = partial(net.tenant.vpc, "modifyRouteTableRules", routeTableId=net.table, modifyRouteTableRuleSpecs=[changes])
    assert region.changes_nothing(act).code == code


def test_equal_routes_share_the_traffic(net: Net) -> None:
    second = port(net.tenant, net.subnet)
    for hop in (net.port, second):
        net.add({"addressPrefix": "0.0.0.0/0", "nextHopType": "elastic_network_interface", "nextHopId": hop})
    assert {r["nextHopId"] for r in net.rules()[1:]} == {net.port, second}


def test_a_primary_interface_is_no_next_hop(net: Net, region: Region) -> None:
    shown = net.tenant.vm("describeInstance", instanceId=net.instance)["instance"]["primaryNetworkInterface"]
    primary = shown["networkInterface"]["networkInterfaceId"]
    rule = {"addressPrefix": "0.0.0.0/0", "nextHopType": "elastic_network_interface", "nextHopId": primary}
    assert net.instance in region.changes_nothing(lambda: net.add(rule)).message


def test_the_rule_local_is_read_only(net: Net, region: Region) -> None:
    local = net.rules()[0]["ruleId"]
    for name, more in (
        ("removeRouteTableRules", {"ruleIds": [local]}),
        ("modifyRouteTableRules", {"modifyRouteTableRuleSpecs": [{"ruleId": local, "priority": 1}]}),
    ):
        act = partial(net.tenant.vpc, name, routeTableId=net.table, **more)
        assert region.changes_nothing(act).status == "FAILED_PRECONDITION"


def test_a_rule_of_another_table_is_unknown(net: Net, region: Region) -> None:
    other = net.rules(net.default)[1]["ruleId"]
    act = partial(net.tenant.vpc, "removeRouteTableRules", routeTableId=net.table, ruleIds=[other])
    assert region.changes_nothing(act).code == 404


def test_in_an_unrestricted_vpc_only_subnets_are_local(tenant: Tenant, region: Region) -> None:
    vpc_id = tenant.vpc("createVpc", vpcName="any")["vpcId"]
    made = tenant.vpc("createSubnet", vpcId=vpc_id, subnetName="s", addressPrefix="10.0.0.0/16")
    table = tenant.vpc("createRouteTable", vpcId=vpc_id, routeTableName="t")["routeTableId"]
    add = partial(tenant.vpc, "addRouteTableRules", routeTableId=table)
    hop = {"nextHopType": "elastic_network_interface", "nextHopId": port(tenant, made["subnetId"])}
    add(routeTableRuleSpecs=[{"addressPrefix": "10.1.0.0/16", **hop}, {"addressPrefix": "0.0.0.0/0", **hop}])
    region.changes_nothing(lambda: add(routeTableRuleSpecs=[{"addressPrefix": "10.0.9.0/24", **hop}]))


def test_a_next_hop_stays(net: Net, region: Region) -> None:
    net.add(
        {"addressPrefix": "30.0.0.0/8", "nextHopType": "elastic_network_interface", "nextHopId": net.port},
        {"addressPrefix": "40.0.0.0/8", "nextHopType": "instance", "nextHopId": net.instance},
    )
    rules = {r["nextHopId"]: r["ruleId"] for r in net.rules()}
    deletes = (
        (net.port, partial(net.tenant.vpc, "deleteNetworkInterface", networkInterfaceId=net.port)),
        (net.instance, partial(net.tenant.vm, "deleteInstance", instanceId=net.instance)),
    )
    for hop, delete in deletes:
        refusal = region.changes_nothing(delete)
        assert refusal.status == "FAILED_PRECONDITION" and rules[hop] in refusal.message
    net.tenant.vpc("removeRouteTableRules", routeTableId=net.table, ruleIds=[rules[net.instance]])
    net.tenant.vm("attachNetworkInterface", instanceId=net.instance, networkInterfaceId=net.port, autoDelete=True)
    refusal = region.changes_nothing(deletes[1][1])  # its interface would go along
    assert rules[net.port] in refusal.message
    net.tenant.vpc("removeRouteTableRules", routeTableId=net.table, ruleIds=[rules[net.port]])
    deletes[1][1]()


def test_limits(region: Region) -> None:
    tenant = region.tenant("small", routeTable=2, staticRoute=3)
    vpc_id, subnet_id = network(tenant)
    table = tenant.vpc("createRouteTable", vpcId=vpc_id, routeTableName="t")["routeTableId"]
    full = region.changes_nothing(lambda: tenant.vpc("createRouteTable", vpcId=vpc_id, routeTableName="t"))
    assert full.status == "QUOTA_EXCEEDED"
    hop = {"nextHopType": "instance", "nextHopId": instance(tenant, subnet_id)}
    rules = [{"addressPrefix": f"20.{n}.0.0/16", **hop} for n in range(4)]
    add = partial(tenant.vpc, "addRouteTableRules", routeTableId=table)
    assert region.changes_nothing(lambda: add(routeTableRuleSpecs=rules)).status == "QUOTA_EXCEEDED"
    add(routeTableRuleSpecs=rules[:3])
    assert region.changes_nothing(lambda: add(routeTableRuleSpecs=rules[3:])).status == "QUOTA_EXCEEDED"


def test_a_gateways_table_is_not_served(net: Net, region: Region) -> None:
    act = partial(net.tenant.vpc, "createRouteTable", vpcId=net.vpc, routeTableName="t", associateType="gateway")
    assert region.changes_nothing(act).code == 501
