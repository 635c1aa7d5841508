"""HaVips by signed calls beside the public API, with the SDK's request class and the names of its models."""

from functools import partial
from typing import Any

import pytest
from jdcloud_sdk.services.vpc.models import HaVipElement

from apps.havip.model import HaVip, HaVipEvent, HaVipMember, MemberHealth
from sdnctl.model.host import Binding, Host
from sdnctl.store import Txn
from tests.api.region import Region, Tenant, beside
from tests.api.test_network_acls import refused
from tests.api.test_operations import network

HAVIPS = "/regions/{regionId}/haVips/"


def call(tenant: Tenant, method: str, path: str = "", **parameters: Any) -> Any:
    """An operation that the SDK has no class for, sent by the SDK."""
    return beside(tenant.vpc_client, method, HAVIPS + path, parameters)


def shown(tenant: Tenant, id: str) -> Any:
    return call(tenant, "GET", id)["haVip"]


def act(tenant: Tenant, id: str, action: str, **parameters: Any) -> Any:
    return call(tenant, "POST", f"{id}:{action}", haVipId=id, **parameters)


def eni(tenant: Tenant, subnet: str) -> str:
    return str(tenant.vpc("createNetworkInterface", subnetId=subnet)["networkInterfaceId"])


def named(*ports: str) -> list[dict[str, str]]:
    return [{"resourceType": "elastic_network_interface", "resourceId": port} for port in ports]


@pytest.fixture
def subnet(tenant: Tenant) -> str:
    return str(network(tenant, "10.0.0.0/16", "10.0.1.0/24")[1])


def make(tenant: Tenant, subnet: str, **more: Any) -> str:
    return str(call(tenant, "POST", haVipName="shared", subnetId=subnet, **more)["haVipId"])


def test_a_havip_is_shown_by_the_names_of_the_sdk_s_model(tenant: Tenant, subnet: str) -> None:
    id = make(tenant, subnet, ipAddress="10.0.1.77", description="ours")
    found = shown(tenant, id)
    extensions = {"networkInterfaceId", "tags", "healthCheck", "memberHealth"}
    assert found.keys() == set(vars(HaVipElement.HaVipElement())) | extensions
    assert (found["ipAddress"], found["description"], found["subnetId"]) == ("10.0.1.77", "ours", subnet)
    assert (found["masterResource"], found["associatedResources"], found["elasticIp"]) == (None, [], None)
    port = tenant.vpc("describeNetworkInterface", networkInterfaceId=found["networkInterfaceId"])["networkInterface"]
    assert (port["role"], port["instanceType"], port["instanceId"]) == ("Managed", "havip", id)
    call(tenant, "PATCH", id, haVipName="other")
    assert (shown(tenant, id)["haVipName"], shown(tenant, id)["description"]) == ("other", "ours")
    wanted = [{"name": "haVipNames", "values": ["other"]}, {"name": "subnetId", "values": [subnet]}]
    assert call(tenant, "GET", filters=wanted)["totalCount"] == 1
    spec = call(tenant, "POST", haVipSpec={"haVipName": "two", "subnetId": subnet})["haVipId"]
    assert call(tenant, "GET")["totalCount"] == 2
    call(tenant, "DELETE", spec)
    call(tenant, "DELETE", id)
    assert call(tenant, "GET")["totalCount"] == 0


def test_a_dry_run_makes_nothing(tenant: Tenant, subnet: str) -> None:
    call(tenant, "POST", haVipName="shared", subnetId=subnet, dryRun=True)
    assert call(tenant, "GET")["totalCount"] == 0


def test_what_is_refused(tenant: Tenant, region: Region, subnet: str) -> None:
    id, port = make(tenant, subnet), eni(tenant, subnet)
    elsewhere = eni(tenant, network(tenant, "10.1.0.0/16", "10.1.1.0/24")[1])
    associate = partial(act, tenant, id, "associateHaVipResources")
    own = shown(tenant, id)["networkInterfaceId"]
    assert refused(partial(make, tenant, subnet, ipAddress=shown(tenant, id)["ipAddress"])) == (409, "ALREADY_EXISTS")
    assert refused(partial(make, tenant, subnet, ipAddress="10.9.0.1")) == (400, "INVALID_ARGUMENT")
    assert refused(partial(associate, resources=named(elsewhere))) == (400, "FAILED_PRECONDITION")
    assert refused(partial(associate, resources=named(own))) == (400, "FAILED_PRECONDITION")
    assert refused(partial(associate, resources=named("port-0000000000"))) == (404, "NOT_FOUND")
    associate(resources=named(port))
    assert refused(partial(associate, resources=named(port))) == (409, "ALREADY_EXISTS")
    assert refused(partial(call, tenant, "DELETE", id)) == (400, "FAILED_PRECONDITION")
    other = region.tenant("other")
    assert refused(partial(shown, other, id)) == (404, "NOT_FOUND")
    assert refused(partial(tenant.vpc, "deleteSubnet", subnetId=subnet)) == (400, "FAILED_PRECONDITION")
    move = partial(act, tenant, id, "setHaVipMaster")
    assert refused(partial(move, masterResource=named(port)[0])) == (400, "FAILED_PRECONDITION")
    assert refused(partial(move, masterResource=named(elsewhere)[0])) == (404, "NOT_FOUND")


def test_quotas(tenant: Tenant, subnet: str) -> None:
    id = make(tenant, subnet)
    vpc = shown(tenant, id)["vpcId"]
    limit = tenant.vpc("describeQuota", type="haVip", parentResourceId=vpc)["quota"]
    assert (limit["maxLimit"], limit["count"]) == (50, 1)
    ports = [eni(tenant, subnet) for _ in range(11)]
    full = partial(act, tenant, id, "associateHaVipResources", resources=named(*ports))
    assert refused(full) == (429, "QUOTA_EXCEEDED") and shown(tenant, id)["associatedResources"] == []
    act(tenant, id, "associateHaVipResources", resources=named(*ports[:10]))
    limit = tenant.vpc("describeQuota", type="haVipBinding", parentResourceId=id)["quota"]
    assert (limit["maxLimit"], limit["count"]) == (10, 10)


def test_it_is_moved_by_hand_and_whoever_leaves_is_master_no_more(tenant: Tenant, region: Region, subnet: str) -> None:
    id, ports = make(tenant, subnet), [eni(tenant, subnet) for _ in range(2)]
    act(tenant, id, "associateHaVipResources", resources=named(*ports))
    own = shown(tenant, id)

    def work(txn: Txn) -> None:
        for number, port in enumerate(ports):
            txn.put(Host(id=f"hv{number}"))
            txn.put(Binding(id=port, port=port, vpc=own["vpcId"], host=f"hv{number}", row=f"row-{number}"))

    region.store.report(work)
    for number, port in enumerate(ports):
        act(tenant, id, "setHaVipMaster", masterResource=named(port)[0])
        assert shown(tenant, id)["masterResource"] == named(port)[0]
        with region.store.read() as state:
            known = state.get(Binding, own["networkInterfaceId"])
        assert known is not None and (known.host, known.behind, known.turn) == (f"hv{number}", port, number + 1)
    act(tenant, id, "disassociateHaVipResources", resources=named(ports[1]))
    assert shown(tenant, id)["masterResource"] is None


def test_an_elastic_ip_and_a_route_keep_it(tenant: Tenant, region: Region, subnet: str) -> None:
    id = make(tenant, subnet)
    own = shown(tenant, id)
    (table,) = tenant.vpc("describeVpc", vpcId=own["vpcId"])["vpc"]["routeTableIds"]
    rule = {"addressPrefix": "192.0.2.0/24", "nextHopType": "havip", "nextHopId": id}
    tenant.vpc("addRouteTableRules", routeTableId=table, routeTableRuleSpecs=[rule])
    assert refused(partial(call, tenant, "DELETE", id)) == (400, "FAILED_PRECONDITION")
    rules = tenant.vpc("describeRouteTable", routeTableId=table)["routeTable"]["routeTableRules"]
    ids = [one["ruleId"] for one in rules if one["nextHopId"] == id]
    tenant.vpc("removeRouteTableRules", routeTableId=table, ruleIds=ids)
    call(tenant, "DELETE", id)


def test_members_are_checked_as_asked(tenant: Tenant, region: Region, subnet: str) -> None:
    id = make(
        tenant, subnet, healthCheck={"protocol": "Tcp", "port": 80, "intervalSeconds": 2, "checkTimeoutSeconds": 2}
    )
    usual = {"healthyThresholdCount": 2, "unhealthyThresholdCount": 2}
    asked = {"protocol": "Tcp", "port": 80, "intervalSeconds": 2, "checkTimeoutSeconds": 2, **usual}
    assert shown(tenant, id)["healthCheck"] == asked
    port = eni(tenant, subnet)
    act(tenant, id, "associateHaVipResources", resources=named(port))
    assert shown(tenant, id)["memberHealth"] == [{**named(port)[0], "status": "N/A"}]

    def work(txn: Txn) -> None:
        (member,) = txn.by(HaVipMember, ("havip",), id)
        txn.put(Host(id="hv0"))
        vpc = txn.get(HaVip, id).vpc
        txn.put(MemberHealth(id=member, host="hv0", vpc=vpc, member=member, havip=id, healthy=False, seen=1.0))

    region.store.report(work)
    assert shown(tenant, id)["memberHealth"][0]["status"] == "unhealthy"
    call(tenant, "PATCH", id, healthCheck={"protocol": "Icmp"})
    assert shown(tenant, id)["healthCheck"] == {
        "protocol": "Icmp",
        "port": 0,
        "intervalSeconds": 5,
        "checkTimeoutSeconds": 3,
        **usual,
    }
    call(tenant, "PATCH", id, closeHealthCheck=True)
    assert shown(tenant, id)["healthCheck"] is None and shown(tenant, id)["memberHealth"][0]["status"] == "N/A"


@pytest.mark.parametrize(
    "check",
    [
        {"protocol": "Http", "port": 80},
        {"protocol": "Tcp"},
        {"protocol": "Icmp", "port": 80},
        {"protocol": "Icmp", "intervalSeconds": 2},
        {"protocol": "Icmp", "intervalSeconds": 4, "checkTimeoutSeconds": 5},
    ],
)
def test_a_check_that_cannot_be_is_refused(tenant: Tenant, subnet: str, check: dict[str, Any]) -> None:
    """One of HTTP, one of TCP without a port, one that waits longer than until the next."""
    id = make(tenant, subnet)
    assert refused(partial(call, tenant, "PATCH", id, healthCheck=check)) == (400, "INVALID_ARGUMENT")
    both = partial(call, tenant, "PATCH", id, healthCheck={"protocol": "Icmp"}, closeHealthCheck=True)
    assert refused(both) == (400, "INVALID_ARGUMENT") and shown(tenant, id)["healthCheck"] is None


def test_events_are_shown_to_their_owner(tenant: Tenant, region: Region, subnet: str) -> None:
    ids = [make(tenant, subnet) for _ in range(2)]

    def work(txn: Txn) -> None:
        txn.put(Host(id="hv0"))
        for number, id in enumerate(ids):
            made = HaVipEvent(
                id=f"hv0/{id}/1", host="hv0", vpc=txn.get(HaVip, id).vpc, havip=id, number=1, turn=1, cause="claim",
                before="port-a", after="port-b", began=100.0, at=100.25 + number, detected_ms=0,
            )  # fmt: skip
            txn.put(made)

    region.store.report(work)
    events = partial(beside, tenant.vpc_client, "GET", "/regions/{regionId}/haVipEvents/")
    found = events({})
    assert found["totalCount"] == 2 and [one["haVipId"] for one in found["haVipEvents"]] == ids[::-1]
    last = events({"haVipId": ids[0]})["haVipEvents"]
    assert [(one["from"], one["to"], one["cause"], one["detectedMs"], one["blackoutMs"]) for one in last] == [
        ("port-a", "port-b", "claim", 0, 250)
    ]
    other = region.tenant("other")
    assert beside(other.vpc_client, "GET", "/regions/{regionId}/haVipEvents/", {})["totalCount"] == 0
    foreign = partial(beside, other.vpc_client, "GET", "/regions/{regionId}/haVipEvents/", {"haVipId": ids[0]})
    assert refused(foreign) == (404, "NOT_FOUND")
