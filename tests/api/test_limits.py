"""Quotas are told, hold and can be raised; who calls too often is told to wait, and nobody else is."""

from functools import partial

import pytest

from sdnctl.api.rate import Limiter
from sdnctl.base.errors import IntentError
from tests.api.region import Refused, Region, Tenant
from tests.api.test_operations import eip, instance, network, port


def test_quotas_are_told(region: Region) -> None:
    tenant = region.tenant("told", subnet=7)
    vpc_id, subnet_id = network(tenant)
    one = port(tenant, subnet_id, secondaryIpCount=4)
    instance(tenant, subnet_id)
    eip(tenant)
    (table,) = tenant.vpc("describeVpc", vpcId=vpc_id)["vpc"]["routeTableIds"]
    for kind, parent, limit, count in (
        ("vpc", None, 10, 1),
        ("subnet", vpc_id, 7, 1),
        ("elastic_ip", None, 10, 1),
        ("ipAddressPool", None, 10, 0),
        ("network_interface", None, 100, 1),
        ("secondaryIp", one, 20, 4),
        ("routeTable", vpc_id, 10, 1),
        ("staticRoute", table, 50, 1),
    ):
        shown = tenant.vpc("describeQuota", type=kind, parentResourceId=parent)["quota"]
        assert shown == {"type": kind, "parentResourceId": parent or "", "maxLimit": limit, "count": count}
    assert tenant.vm("describeQuotas")["quotas"] == [{"resourceType": "instance", "limit": 1000, "used": 1}]
    none = tenant.vm("describeQuotas", filters=[{"name": "resourceTypes", "values": ["keypair"]}])
    assert none["quotas"] == []


@pytest.mark.parametrize(
    ("kind", "parent", "code"),
    [
        ("colour", None, 400),
        ("", None, 400),
        ("requestRate", None, 400),  # the operator's
        ("instance", None, 400),  # the vm service's
        ("subnet", None, 400),
        ("subnet", "vpc-0000000000", 404),
        ("vpcNatGateway", None, 501),
        ("securityGroupRule", "sg-1", 404),
    ],
)
def test_quotas_that_are_not(tenant: Tenant, region: Region, kind: str, parent: str | None, code: int) -> None:
    act = partial(tenant.vpc, "describeQuota", type=kind, parentResourceId=parent)
    assert region.changes_nothing(act).code == code


def test_a_raised_quota_is_told(region: Region, tenant: Tenant) -> None:
    region.operator("PATCH", "/accounts/tenant/quotas", {"quotas": {"vpc": 11, "instance": 5}})
    assert tenant.vpc("describeQuota", type="vpc")["quota"]["maxLimit"] == 11
    assert tenant.vm("describeQuotas")["quotas"][0]["limit"] == 5


def test_a_bucket_holds_two_seconds() -> None:
    now = 100.0
    limiter = Limiter(lambda: now)
    for _ in range(20):
        limiter.admit("one", 10)
    with pytest.raises(IntentError) as refusal:
        limiter.admit("one", 10)
    assert (refusal.value.code, refusal.value.status) == (429, "RATE_LIMIT_EXCEEDED")
    limiter.admit("other", 10)
    now += 0.125
    limiter.admit("one", 10)
    with pytest.raises(IntentError):
        limiter.admit("one", 10)
    now += 3600
    for _ in range(20):
        limiter.admit("one", 10)
    with pytest.raises(IntentError):
        limiter.admit("one", 10)


def test_a_bucket_of_nothing() -> None:
    with pytest.raises(IntentError):
        Limiter().admit("one", 0)


def test_who_calls_too_often_waits(region: Region) -> None:
    hasty, calm = region.tenant("hasty", requestRate=0), region.tenant("calm")
    refusal = region.changes_nothing(lambda: hasty.vpc("createVpc", vpcName="v"))
    assert (refusal.code, refusal.status) == (429, "RATE_LIMIT_EXCEEDED")
    calm.vpc("createVpc", vpcName="v")
    region.operator("PATCH", "/accounts/hasty/quotas", {"quotas": {"requestRate": 1000}})
    for _ in range(5):
        hasty.vpc("describeVpcs")


def test_a_forged_call_spends_nothing(region: Region) -> None:
    tenant = region.tenant("victim", requestRate=2)
    forged = region.client(tenant.account, tenant.access_key, "wrong")
    for _ in range(10):
        with pytest.raises(Refused, match="401"):
            forged.vpc("describeVpcs")
    tenant.vpc("describeVpcs")
