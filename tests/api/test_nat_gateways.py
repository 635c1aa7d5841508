"""NAT gateways through the real SDK: all operations, fields, errors, quotas; rules by the extension operations."""

from functools import partial
from typing import Any

import pytest

from tests.api.region import Refused, Region, Tenant
from tests.api.test_network_acls import refused
from tests.api.test_operations import network


class Site:
    """A VPC with a subnet for machines and one for a gateway."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.vpc, self.front = network(tenant, "10.0.0.0/16", "10.0.1.0/24")
        asked = {"vpcId": self.vpc, "subnetName": "edge", "addressPrefix": "10.0.9.0/24"}
        self.edge = tenant.vpc("createSubnet", **asked)["subnetId"]

    def create(self, name: str = "nat", **more: Any) -> str:
        asked = {"natGatewayName": name, "vpcId": self.vpc, "subnetId": self.edge, **more}
        return str(self.tenant.vpc("createNatGateway", **asked)["natGatewayId"])

    def shown(self, id: str) -> dict[str, Any]:
        return dict(self.tenant.vpc("describeNatGateway", natGatewayId=id)["natGateway"])

    def eips(self, number: int, **charge: Any) -> list[str]:
        spec = {"bandwidthMbps": 5, "provider": "bgp", "chargeSpec": charge or None}
        return list(self.tenant.vpc("createElasticIps", maxCount=number, elasticIpSpec=spec)["elasticIpIds"])

    def route(self, table: str, id: str) -> None:
        rule = {"addressPrefix": "0.0.0.0/0", "nextHopType": "natgw", "nextHopId": id}
        self.tenant.vpc("addRouteTableRules", routeTableId=table, routeTableRuleSpecs=[rule])

    def table(self, name: str, *subnets: str) -> str:
        made = self.tenant.vpc("createRouteTable", vpcId=self.vpc, routeTableName=name, associateType="subnet")
        if subnets:
            self.tenant.vpc("associateRouteTable", routeTableId=made["routeTableId"], subnetIds=list(subnets))
        return str(made["routeTableId"])


@pytest.fixture
def site(tenant: Tenant) -> Site:
    return Site(tenant)


def test_a_gateway_with_old_and_new_elastic_ips(site: Site) -> None:
    (mine,) = site.eips(1)
    more = {"elasticIpCount": 2, "elasticIpSpec": {"bandwidthMbps": 7, "provider": "bgp"}}
    id = site.create(elasticIpIds=[mine], natGatewaySpec="medium", description="d", **more)
    found = site.shown(id)
    assert id.startswith("natgw-") and found["state"] == {"status": "RUNNING", "adminStatus": "UP"}
    assert (found["natGatewaySpec"], found["networkType"], found["description"]) == ("medium", "internet", "d")
    assert found["privateIpAddress"].startswith("10.0.9.") and found["natGatewayCharge"]["chargeStatus"] == "normal"
    assert sorted(eip["bandwidthMbps"] for eip in found["elasticIps"]) == [5, 7, 7]
    assert {eip["status"] for eip in found["elasticIps"]} == {"online"}
    eip = site.tenant.vpc("describeElasticIp", elasticIpId=mine)["elasticIp"]
    assert (eip["instanceType"], eip["instanceId"], eip["privateIpAddress"]) == ("natgw", id, found["privateIpAddress"])
    for name, value in (
        ("natGatewayIds", id),
        ("natGatewayNames", "nat"),
        ("elasticIpAddress", eip["elasticIpAddress"]),
        ("natGatewayPrivateIp", found["privateIpAddress"]),
        ("networkType", "internet"),
        ("vpcId", site.vpc),
        ("subnetId", site.edge),
    ):
        listed = site.tenant.vpc("describeNatGateways", filters=[{"name": name, "values": [value]}])
        assert [one["natGatewayId"] for one in listed["natGateways"]] == [id], name
    none = site.tenant.vpc("describeNatGateways", filters=[{"name": "networkType", "values": ["intranet"]}])
    assert none["totalCount"] == 0


def test_size_and_deletion_need_it_stopped(site: Site) -> None:
    id = site.create()
    change = partial(site.tenant.vpc, "modifyNatGateway", natGatewayId=id)
    assert refused(partial(change, natGatewaySpec="large")) == (409, "CONFLICT")
    assert refused(partial(site.tenant.vpc, "deleteNatGateway", natGatewayId=id)) == (409, "CONFLICT")
    change(natGatewayName="other", description="new")
    site.tenant.vpc("stopNatGateway", natGatewayId=id)
    change(natGatewaySpec="large")
    found = site.shown(id)
    assert (found["natGatewayName"], found["natGatewaySpec"], found["state"]["status"]) == ("other", "large", "STOPPED")
    site.tenant.vpc("startNatGateway", natGatewayId=id)
    assert site.shown(id)["state"]["status"] == "RUNNING"


def test_deleted_it_gives_its_elastic_ips_back_but_for_prepaid_ones(site: Site) -> None:
    prepaid = {"chargeMode": "prepaid_by_duration", "chargeUnit": "month", "chargeDuration": 1}
    (mine,), (paid,) = site.eips(1), site.eips(1, **prepaid)
    id = site.create(elasticIpIds=[mine, paid])
    table = site.table("t", site.front)
    site.route(table, id)
    site.tenant.vpc("stopNatGateway", natGatewayId=id)
    delete = partial(site.tenant.vpc, "deleteNatGateway", natGatewayId=id, deleteElasticIp=True)
    assert refused(delete)[0] == 400  # a route leads to it
    assert site.shown(id)["routeTableIds"] == [table]
    rules = site.tenant.vpc("describeRouteTable", routeTableId=table)["routeTable"]["routeTableRules"]
    gone = [rule["ruleId"] for rule in rules if rule["nextHopType"] == "natgw"]
    site.tenant.vpc("removeRouteTableRules", routeTableId=table, ruleIds=gone)
    assert [failed["elasticIpId"] for failed in delete()["failedList"]] == [paid]
    assert refused(partial(site.shown, id)) == (404, "NOT_FOUND")
    assert refused(partial(site.tenant.vpc, "describeElasticIp", elasticIpId=mine)) == (404, "NOT_FOUND")
    assert site.tenant.vpc("describeElasticIp", elasticIpId=paid)["elasticIp"]["status"] == "NOT_ASSOCIATED"
    site.tenant.vpc("deleteSubnet", subnetId=site.edge)


def test_elastic_ips_come_and_go(site: Site) -> None:
    one, two = site.eips(2)
    id, other = site.create(elasticIpIds=[one]), site.create("other")
    act = partial(site.tenant.vpc, natGatewayId=id)
    act("associateElasticIps", elasticIpIds=[one, two])
    taken = partial(site.tenant.vpc, "associateElasticIps", natGatewayId=other, elasticIpIds=[two])
    assert refused(taken) == (409, "CONFLICT")
    assert refused(partial(site.tenant.vpc, "deleteElasticIp", elasticIpId=two))[0] == 400
    act("setElasticIpStatus", elasticIpIds=[two], status="offline")
    assert {e["elasticIpId"]: e["status"] for e in site.shown(id)["elasticIps"]} == {one: "online", two: "offline"}
    assert refused(partial(act, "disassociateElasticIps", elasticIpIds=["fip-none"])) == (404, "NOT_FOUND")
    assert act("disassociateElasticIps", elasticIpIds=[two], deleteElasticIp=True) == {"failedList": []}
    assert [eip["elasticIpId"] for eip in site.shown(id)["elasticIps"]] == [one]
    assert refused(partial(act, "disassociateElasticIps", elasticIpIds=[two])) == (404, "NOT_FOUND")


def test_n6_its_own_subnet_leads_nothing_back_to_it(site: Site) -> None:
    id = site.create()
    table = site.table("users", site.front)
    site.route(table, id)
    associate = partial(site.tenant.vpc, "associateRouteTable", routeTableId=table, subnetIds=[site.edge])
    assert refused(associate) == (409, "CONFLICT")
    (default,) = set(site.tenant.vpc("describeVpc", vpcId=site.vpc)["vpc"]["routeTableIds"]) - {table}
    assert refused(partial(site.route, default, id)) == (409, "CONFLICT")
    assert refused(partial(site.tenant.vpc, "deleteSubnet", subnetId=site.edge))[0] == 400


def test_snat_rules(site: Site) -> None:
    (eip,) = site.eips(1)
    id = site.create(elasticIpIds=[eip])
    act = partial(site.tenant.vpc, natGatewayId=id)
    address = site.shown(id)["elasticIps"][0]["elasticIpAddress"]
    (system,) = act("describeSnatRules")["snatRules"]
    assert (system["sourceCidr"], system["snatRuleType"], system["snatRuleStatus"]) == ("0.0.0.0/0", "SYSTEM", "ENABLE")
    specs = [
        {"sourceCidr": "10.0.1.5/32", "snatIpAddresses": [address], "ipAffinity": "ENABLE"},
        {"subnetId": site.front, "snatRuleStatus": "DISABLE"},
    ]
    one, two = act("addSnatRules", snatRuleSpecs=specs)["snatRuleIds"]
    found = {rule["snatRuleId"]: rule for rule in act("describeSnatRules")["snatRules"]}
    assert found[one]["snatIpAddresses"] == [address] and found[one]["ipAffinity"] == "ENABLE"
    assert (found[two]["subnetId"], found[two]["snatRuleStatus"]) == (site.front, "DISABLE")
    assert refused(partial(act, "addSnatRules", snatRuleSpecs=[specs[0]])) == (409, "ALREADY_EXISTS")
    strange = {"sourceCidr": "10.0.2.0/24", "snatIpAddresses": ["203.0.113.250"]}
    assert refused(partial(act, "addSnatRules", snatRuleSpecs=[strange])) == (400, "INVALID_ARGUMENT")
    assert refused(partial(act, "disassociateElasticIps", elasticIpIds=[eip])) == (409, "CONFLICT")
    act("modifySnatRules", snatRuleSpecs=[{"snatRuleId": one, "snatIpAddresses": []}])
    act("disassociateElasticIps", elasticIpIds=[eip])
    assert refused(partial(act, "removeSnatRules", snatRuleIds=[system["snatRuleId"]])) == (400, "FAILED_PRECONDITION")
    act("removeSnatRules", snatRuleIds=[one, two])
    assert act("describeSnatRules")["totalCount"] == 1


def test_dnat_rules(site: Site) -> None:
    (eip,) = site.eips(1)
    id = site.create(elasticIpIds=[eip])
    port = site.tenant.vpc("createNetworkInterface", subnetId=site.front, primaryIpAddress="10.0.1.5")
    assert port["networkInterfaceId"]
    act = partial(site.tenant.vpc, natGatewayId=id)
    address = site.shown(id)["elasticIps"][0]["elasticIpAddress"]
    ends = {"externalIpAddress": address, "internalIpAddress": "10.0.1.5"}
    web = {**ends, "protocol": "TCP", "externalPortStart": 8080, "internalPortStart": 80}
    (made,) = act("addDnatRules", dnatRuleSpecs=[web])["dnatRuleIds"]
    (found,) = act("describeDnatRules")["dnatRules"]
    assert (found["externalPortEnd"], found["internalPortEnd"], found["protocol"]) == (8080, 80, "TCP")
    for spec, code in (
        (web, 409),
        ({**ends, "protocol": "ALL"}, 409),
        ({**web, "externalPortStart": 1, "externalPortEnd": 9, "internalPortEnd": 80}, 400),
        (
            {
                **web,
                "externalPortStart": 1000,
                "externalPortEnd": 2000,
                "internalPortStart": 3000,
                "internalPortEnd": 4000,
            },
            400,
        ),
        ({**web, "externalPortStart": None}, 400),
        ({**web, "externalPortStart": 9, "internalIpAddress": "10.0.1.99"}, 400),
        ({**web, "externalPortStart": 9, "externalIpAddress": "203.0.113.250"}, 400),
    ):
        assert refused(partial(act, "addDnatRules", dnatRuleSpecs=[spec]))[0] == code, spec
    act("modifyDnatRules", dnatRuleSpecs=[{"dnatRuleId": made, "externalPortStart": 90, "externalPortEnd": 90}])
    assert act("describeDnatRules")["dnatRules"][0]["externalPortStart"] == 90
    assert refused(partial(act, "disassociateElasticIps", elasticIpIds=[eip])) == (409, "CONFLICT")
    act("removeDnatRules", dnatRuleIds=[made])
    (whole,) = act("addDnatRules", dnatRuleSpecs=[{**ends, "protocol": "ALL"}])["dnatRuleIds"]
    assert refused(partial(act, "addDnatRules", dnatRuleSpecs=[web]))[0] == 409
    assert act("describeDnatRules")["dnatRules"][0]["dnatRuleId"] == whole


def test_quotas_and_what_is_not_served(site: Site, region: Region) -> None:
    ids = [site.create(f"n{n}") for n in range(5)]
    assert refused(site.create) == (429, "QUOTA_EXCEEDED")
    for kind, parent, limit, count in (
        ("natGateway", None, 5, 5),
        ("natGatewayFip", ids[0], 20, 0),
        ("natGatewaySnat", ids[0], 100, 1),
        ("natGatewayDnat", ids[0], 100, 0),
    ):
        found = site.tenant.vpc("describeQuota", type=kind, parentResourceId=parent)["quota"]
        assert (found["maxLimit"], found["count"]) == (limit, count), kind
    assert refused(partial(site.create, networkType="intranet")) == (501, "NOT_IMPLEMENTED")
    for operation, more in (("describeNatIps", {}), ("allocateNatIp", {"natIpCidrId": "x"})):
        assert refused(partial(site.tenant.vpc, operation, natGatewayId=ids[0], **more)) == (501, "NOT_IMPLEMENTED")
    other = region.tenant("other")
    assert refused(partial(other.vpc, "describeNatGateway", natGatewayId=ids[0])) == (404, "NOT_FOUND")
    wrong = partial(site.tenant.vpc, "createNatGateway", natGatewayName="x", vpcId=site.vpc, subnetId="subnet-none")
    assert refused(wrong) == (404, "NOT_FOUND")


def test_whichever_call_takes_an_elastic_ip_away_it_is_named_by_no_rule_and_comes_back_online(site: Site) -> None:
    one, two = site.eips(2)
    id = site.create(elasticIpIds=[one, two])
    act = partial(site.tenant.vpc, natGatewayId=id)
    shown = site.shown(id)
    port, address = shown["networkInterface"]["networkInterfaceId"], shown["elasticIps"][0]["elasticIpAddress"]
    act("addSnatRules", snatRuleSpecs=[{"sourceCidr": "10.0.1.5/32", "snatElasticIpAddresses": [address]}])
    first = shown["elasticIps"][0]["elasticIpId"]
    (second,) = {one, two} - {first}
    leave = partial(site.tenant.vpc, "disassociateElasticIp", networkInterfaceId=port)
    assert refused(partial(leave, elasticIpId=first)) == (409, "CONFLICT")
    machine = site.tenant.vpc("createNetworkInterface", subnetId=site.front)["networkInterfaceId"]
    move = partial(site.tenant.vpc, "associateElasticIp", networkInterfaceId=machine, elasticIpId=first)
    assert refused(partial(move, reassociate=True)) == (409, "CONFLICT")
    act("setElasticIpStatus", elasticIpIds=[second], status="offline")
    leave(elasticIpId=second)
    site.tenant.vpc("associateElasticIp", networkInterfaceId=port, elasticIpId=second)
    assert {eip["status"] for eip in site.shown(id)["elasticIps"]} == {"online"}


def test_a_gateway_has_no_more_elastic_ips_than_its_quota_by_whichever_call(region: Region) -> None:
    site = Site(region.tenant("few", natGatewayFip=1))
    one, two = site.eips(2)
    id = site.create(elasticIpIds=[one])
    port = site.shown(id)["networkInterface"]["networkInterfaceId"]
    bind = partial(site.tenant.vpc, "associateElasticIp", networkInterfaceId=port, elasticIpId=two)
    assert refused(bind) == (429, "QUOTA_EXCEEDED")


def test_an_elastic_ip_of_a_package_outlives_its_gateway_and_the_answer_says_why(site: Site) -> None:
    mine, shared = site.eips(2)
    id = site.create(elasticIpIds=[mine, shared])
    package = site.tenant.vpc("createBandwidthPackage", name="p", bandwidthMbps=50)["bandwidthPackageId"]
    specs = [{"publicIpId": shared}]
    site.tenant.vpc("addBandwidthPackageIP", bandwidthPackageId=package, bandwidthPackageIPSpecs=specs)
    site.tenant.vpc("stopNatGateway", natGatewayId=id)
    (failed,) = site.tenant.vpc("deleteNatGateway", natGatewayId=id, deleteElasticIp=True)["failedList"]
    assert failed["elasticIpId"] == shared and package in failed["reason"]
    assert refused(partial(site.shown, id)) == (404, "NOT_FOUND")
    assert [eip["elasticIpId"] for eip in site.tenant.vpc("describeElasticIps")["elasticIps"]] == [shared]


def test_zone_charge_and_ordered_elastic_ips(site: Site) -> None:
    assert site.shown(site.create(azs=["cn-test-1a"]))["azs"] == ["cn-test-1a"]
    prepaid = {"chargeMode": "prepaid_by_duration", "chargeUnit": "month", "chargeDuration": 1}
    bought = {"elasticIpCount": 1, "elasticIpSpec": {"bandwidthMbps": 5, "provider": "bgp", "chargeSpec": prepaid}}
    assert refused(partial(site.create, **bought)) == (400, "INVALID_ARGUMENT")
    for charge in (prepaid, {"chargeMode": "postpaid_by_usage"}):
        assert refused(partial(site.create, natGatewayCharge=charge)) == (400, "INVALID_ARGUMENT")


def test_a_mistake_in_a_rule_is_told_by_the_parameter_that_was_sent(site: Site) -> None:
    (eip,) = site.eips(1)
    id = site.create(elasticIpIds=[eip])
    site.tenant.vpc("createNetworkInterface", subnetId=site.front, primaryIpAddress="10.0.1.5")
    shown = site.shown(id)
    ends = {"externalIpAddress": shown["elasticIps"][0]["elasticIpAddress"], "internalIpAddress": "10.0.1.5"}
    web = {**ends, "protocol": "TCP", "externalPortStart": 80, "internalPortStart": 80}
    for operation, parameter, value, field in (
        ("removeSnatRules", "snatRuleIds", ["snat-none"], "snatRuleIds"),
        ("removeDnatRules", "dnatRuleIds", ["dnat-none"], "dnatRuleIds"),
        (
            "addSnatRules",
            "snatRuleSpecs",
            [{"sourceCidr": "10.0.1.0/24", "snatElasticIpAddresses": ["203.0.113.250"]}],
            "snatElasticIpAddresses",
        ),
        ("addDnatRules", "dnatRuleSpecs", [{**web, "internalPortEnd": 90}], "internalPortEnd"),
        ("addDnatRules", "dnatRuleSpecs", [{**web, "internalPortEnd": 70}], "internalPortEnd"),
        ("addDnatRules", "dnatRuleSpecs", [{**web, "externalPortEnd": 90}], "externalPortEnd"),
        (
            "addDnatRules",
            "dnatRuleSpecs",
            [{**web, "internalIpAddress": shown["privateIpAddress"]}],
            "internalIpAddress",
        ),
    ):
        with pytest.raises(Refused) as found:
            site.tenant.vpc(operation, natGatewayId=id, **{parameter: value})
        assert found.value.message.startswith(f"{field}: "), found.value
