"""The operator's API: accounts, keys, quotas, pools, hosts; and that no tenant gets near it."""

import urllib.request
from functools import partial
from typing import Any

import pytest

from sdnctl.model.host import HostStatus, RetiredNumber
from sdnctl.model.unreadable import Unreadable
from sdnctl.store import Change
from tests.api.raw import Call
from tests.api.region import TOKEN, Refused, Region, Tenant
from tests.api.test_operations import eip


def test_accounts(region: Region) -> None:
    made = region.operator("POST", "/accounts", {"name": "acme"})
    assert set(made) == {"account", "name", "accessKey", "secretKey"}
    (listed,) = region.operator("GET", "/accounts")["accounts"]
    assert (listed["account"], listed["name"], listed["accessKeys"]) == (made["account"], "acme", [made["accessKey"]])
    assert "secret" not in str(listed).lower() and made["secretKey"] not in str(listed)
    with pytest.raises(Refused, match="409 ALREADY_EXISTS"):
        region.operator("POST", "/accounts", {"name": "acme"})
    shown = region.operator("GET", "/accounts/acme")
    assert shown["quotas"]["vpc"] == 10 and shown["quotas"]["elastic_ip"] == 10


def test_access_keys_come_and_go(region: Region) -> None:
    tenant = region.tenant("acme")
    made = region.operator("POST", f"/accounts/{tenant.account}/accessKeys", {})
    second = region.client(tenant.account, made["accessKey"], made["secretKey"])
    vpc_id = second.vpc("createVpc", vpcName="v")["vpcId"]
    assert tenant.vpc("describeVpc", vpcId=vpc_id)["vpc"]["vpcId"] == vpc_id
    region.operator("DELETE", f"/accounts/acme/accessKeys/{tenant.access_key}")
    assert region.changes_nothing(lambda: tenant.vpc("describeVpcs")).code == 401
    assert second.vpc("describeVpcs")["totalCount"] == 1


def test_pools(region: Region, tenant: Tenant) -> None:
    made = region.operator("POST", "/pools", {"cidr": "198.51.100.0/29", "gateway": "198.51.100.1"})
    assert (made["cidr"], made["gateway"], made["total"], made["used"]) == ("198.51.100.0/29", "198.51.100.1", 5, 0)
    spec = {"bandwidthMbps": 1, "provider": "bgp"}
    got = [
        tenant.vpc("createElasticIps", maxCount=1, elasticIpPoolId=made["pool"], elasticIpSpec=spec) for _ in range(5)
    ]
    addresses = {
        tenant.vpc("describeElasticIp", elasticIpId=g["elasticIpIds"][0])["elasticIp"]["elasticIpAddress"] for g in got
    }
    assert addresses == {f"198.51.100.{n}" for n in range(2, 7)}
    empty = region.changes_nothing(
        lambda: tenant.vpc("createElasticIps", maxCount=1, elasticIpPoolId=made["pool"], elasticIpSpec=spec)
    )
    assert empty.status == "FAILED_PRECONDITION"
    with pytest.raises(Refused, match="FAILED_PRECONDITION"):
        region.operator("DELETE", f"/pools/{made['pool']}")
    assert [pool["used"] for pool in region.operator("GET", "/pools")["pools"]] == [0, 5]


@pytest.mark.parametrize(
    "pool",
    [
        {"cidr": "203.0.113.128/25", "gateway": "203.0.113.129"},
        {"cidr": "198.51.100.1/24", "gateway": "198.51.100.1"},
        {"cidr": "198.51.100.0/24", "gateway": "198.51.100.0"},
        {"cidr": "198.51.100.0/24", "gateway": "198.51.100.255"},
        {"cidr": "198.51.100.1/32", "gateway": "198.51.100.1"},
        {"cidr": "127.0.0.0/24", "gateway": "127.0.0.1"},
        {"cidr": "169.254.9.0/24", "gateway": "169.254.9.1"},
        {"cidr": "198.51.100.0/24", "gateway": "198.51.100.1", "privateInternet": ["127.0.0.0/8"]},
        {"cidr": "224.0.0.0/8", "gateway": "224.0.0.1"},
        {"cidr": "0.0.0.0/0", "gateway": "1.1.1.1"},
        {"cidr": "198.51.100.0/24"},
        {},
    ],
)
def test_pools_that_are_refused(region: Region, pool: dict[str, Any]) -> None:
    region.changes_nothing(lambda: region.operator("POST", "/pools", pool))


def test_where_a_gateway_is_and_what_a_laboratory_has(region: Region) -> None:
    asked = {"cidr": "10.99.0.0/24", "gateway": "10.99.0.1", "gatewayMac": "02:00:00:00:00:01"}
    made = region.operator("POST", "/pools", {**asked, "privateInternet": ["10.0.0.0/8", "192.168.0.0/16"]})
    assert (made["gatewayMac"], made["privateInternet"]) == ("02:00:00:00:00:01", ["10.0.0.0/8", "192.168.0.0/16"])
    path = f"/pools/{made['pool']}"
    changed = region.operator("PATCH", path, {"learn": True, "privateInternet": []})
    assert (changed["gatewayMac"], changed["privateInternet"]) == ("", [])
    changed = region.operator("PATCH", path, {"gatewayMac": "02:00:00:00:00:02"})
    assert (changed["gatewayMac"], changed["gatewaySeen"]) == ("02:00:00:00:00:02", [])
    for wrong, field in (
        ({"gatewayMac": "01:00:5e:00:00:05"}, "gatewayMac"),
        ({"gatewayMac": "00:00:00:00:00:00"}, "gatewayMac"),
        ({"gatewayMac": "02:00:00:00:00:03", "learn": True}, "gatewayMac"),
        ({"privateInternet": ["169.254.0.0/16"]}, "privateInternet"),
        ({"privateInternet": ["0.0.0.0/0"]}, "privateInternet"),
        ({"privateInternet": ["10.0.0.1/8"]}, "privateInternet"),
    ):
        assert field in str(region.changes_nothing(partial(region.operator, "PATCH", path, wrong))), wrong


def test_two_pools_may_share_a_gateway_outside_of_them(region: Region, tenant: Tenant) -> None:
    for block in ("198.51.100.8/29", "198.51.100.16/29"):
        made = region.operator("POST", "/pools", {"cidr": block, "gateway": "198.51.100.1"})
        assert made["total"] == 6
    assert eip(tenant)


def test_hosts_and_status(region: Region, tenant: Tenant) -> None:
    region.host("node-1", 1)
    (host,) = region.operator("GET", "/hosts")["hosts"]
    assert (host["host"], host["applied"], host["flows"], host["errors"]) == ("node-1", 1, 0, [])
    status = region.operator("GET", "/status")
    assert status["sequence"] == region.store.state.sequence and status["hosts"] == [host]
    assert host["lag"] == status["sequence"] - 1


@pytest.mark.parametrize("quotas", [{"vpcs": 5}, {"vpc": -1}, {"vpc": "many"}, {"vpc": None}, []])
def test_quotas_that_are_refused(region: Region, tenant: Tenant, quotas: Any) -> None:
    region.changes_nothing(lambda: region.operator("PATCH", "/accounts/tenant/quotas", {"quotas": quotas}))


def test_a_tenant_gets_nowhere(region: Region, tenant: Tenant) -> None:
    for token in ("", "wrong", tenant.secret_key):
        refusal = region.changes_nothing(partial(region.operator, "POST", "/accounts", {"name": "evil"}, token))
        assert refusal.code == 401
    for target in (b"/x/v1/accounts", b"/x/v1/accounts/", b"/v1/../x/v1/accounts", b"//x/v1/accounts"):
        for service in ("operator", "vpc"):
            call = Call(target=target, service=service, region="jdcloud-api").sign(tenant)
            assert call.send(region.endpoint)[0] in (401, 404, 501)


def test_what_the_operator_gets_wrong(region: Region) -> None:
    for method, path, body, code in (
        ("POST", "/accounts", {"name": "a b"}, 400),
        ("POST", "/accounts", [], 400),
        ("GET", "/nothing", None, 404),
        ("GET", "/accounts/nobody", None, 404),
        ("DELETE", "/pools/pool-nowhere", None, 404),
        ("PUT", "/pools", {}, 404),
    ):
        assert region.changes_nothing(partial(region.operator, method, path, body)).code == code


def test_reports_that_cannot_be_read_are_shown_counted_and_deleted(region: Region) -> None:
    one = Unreadable(id="HostStatus/row-1", table="HostStatus", row="row-1", record="hv1", host="hv1", error="why")
    region.store.state.apply([Change(Unreadable, one.id, None, one)])
    shown = {"table": "HostStatus", "row": "row-1", "record": "hv1", "host": "hv1", "error": "why"}
    assert region.operator("GET", "/status")["unreadable"] == [shown]
    assert 'sdnctl_unreadable_reports{host="hv1",table="HostStatus"} 1.0' in figures(region)
    with pytest.raises(Refused, match="404"):
        region.operator("DELETE", "/reports/HostStatus/row-2")
    region.operator("DELETE", "/reports/HostStatus/row-1")
    assert region.operator("GET", "/status")["unreadable"] == []
    assert "sdnctl_unreadable_reports{" not in figures(region)


def figures(region: Region) -> str:
    """The API's figures for Prometheus."""
    wanted = urllib.request.Request(f"http://{region.endpoint}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(wanted, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def test_a_dead_host_that_holds_numbers_back_is_named(region: Region) -> None:
    region.host("hv1", 9)
    region.host("hv2", 3)
    numbers = [RetiredNumber(id=f"pool/{n}", pool="pool", sequence=n) for n in (2, 4, 5)]
    region.store.transact(lambda txn: [txn.put(one) for one in numbers])

    def errors() -> dict[str, str]:
        listed = region.operator("GET", "/status")["hosts"]
        return {host["host"]: " ".join(host["errors"]) for host in listed if host["errors"]}

    assert errors() == {}, "hosts that are alive will let go"
    status = HostStatus(id="hv2", host="hv2", applied=3, seen=1.0)
    region.store.report(lambda txn: txn.put(status))
    assert "2 numbers are not given again" in errors()["hv2"] and "sdnctl host remove hv2" in errors()["hv2"]
    assert "hv1" not in errors()
