"""Bandwidth packages through the real SDK: all operations, their limits, and what is refused (K1 to K6)."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from apps.bandwidth_package.model import BandwidthPackage
from sdnctl.api.charge import first_whole_month
from sdnctl.store import Txn
from tests.api.region import Refused, Region, Tenant

PREPAID = {"chargeMode": "prepaid_by_duration", "chargeUnit": "month", "chargeDuration": 1}
USAGE = {"chargeMode": "postpaid_by_usage"}


def create(tenant: Tenant, mbps: int = 50, name: str = "shared", **more: Any) -> str:
    made = tenant.vpc("createBandwidthPackage", name=name, bandwidthMbps=mbps, **more)
    assert made["bandwidthPackageId"].startswith("bwp-") and made["requestId"]
    return str(made["bandwidthPackageId"])


def shown(tenant: Tenant, id: str) -> dict[str, Any]:
    return dict(tenant.vpc("describeBandwidthPackage", bandwidthPackageId=id)["bandwidthPackage"])


def elastic(tenant: Tenant, count: int = 1, mbps: int = 5, **charge: Any) -> list[str]:
    spec = {"bandwidthMbps": mbps, "provider": "bgp", **({"chargeSpec": charge} if charge else {})}
    return list(tenant.vpc("createElasticIps", maxCount=count, elasticIpSpec=spec)["elasticIpIds"])


def act(tenant: Tenant, operation: str, package: str, *specs: dict[str, Any]) -> dict[str, Any]:
    return tenant.vpc(operation, bandwidthPackageId=package, bandwidthPackageIPSpecs=list(specs))


def member(eip: str, mbps: int | None = None) -> dict[str, Any]:
    return {"publicIpId": eip} if mbps is None else {"publicIpId": eip, "bandwidthMbps": mbps}


def limits(tenant: Tenant, package: str) -> dict[str, int]:
    return {one["publicIpId"]: one["bandwidthMbps"] for one in shown(tenant, package)["publicIps"]}


def refused(code: int, status: str, field: str, run: Callable[[], Any]) -> None:
    with pytest.raises(Refused) as found:
        run()
    assert (found.value.code, found.value.status) == (code, status) and field in str(found.value)


@pytest.fixture
def tenant(region: Region) -> Tenant:
    return region.tenant("sharer")


def test_a_package_is_made_shown_changed_and_deleted(tenant: Tenant) -> None:
    id = create(tenant, description="d", userTags=[{"key": "a", "value": "b"}])
    found = shown(tenant, id)
    assert (
        found.items()
        >= {
            "bandwidthPackageId": id,
            "bandwidthPackageName": "shared",
            "description": "d",
            "bandwidthMbps": 50,
            "provider": "bgp",
            "publicIps": [],
            "ipCount": 0,
            "guaranteedRatio": -1,
            "guaranteedBandwidth": -1,
            "adminStatus": "UP",
            "sharing": "meters",
            "tags": [{"key": "a", "value": "b"}],
        }.items()
    )
    assert found["charge"]["chargeMode"] == "postpaid_by_duration" and found["createdTime"]
    tenant.vpc("modifyBandwidthPackage", bandwidthPackageId=id, bandwidthMbps=60, name="other", description="")
    found = shown(tenant, id)
    assert (found["bandwidthMbps"], found["bandwidthPackageName"], found["description"]) == (60, "other", "")
    for name, value in (("bwpIds", id), ("name", "other")):
        listed = tenant.vpc("describeBandwidthPackages", filters=[{"name": name, "values": [value]}])
        assert listed["totalCount"] == 1 and listed["bandwidthPackages"] == [found]
    assert tenant.vpc("describeBandwidthPackages", filters=[{"name": "name", "values": ["no"]}])["totalCount"] == 0
    tenant.vpc("deleteBandwidthPackage", bandwidthPackageId=id)
    refused(404, "NOT_FOUND", "bandwidthPackageId", partial(shown, tenant, id))


@pytest.mark.parametrize(
    ("mbps", "charge"), [(49, {}), (5001, {}), (99, PREPAID), (199, USAGE)], ids=["least", "most", "prepaid", "usage"]
)
def test_the_bandwidth_by_way_of_paying(tenant: Tenant, mbps: int, charge: dict[str, Any]) -> None:
    more = {"chargeSpec": charge} if charge else {}
    with pytest.raises(Exception, match="bandwidthMbps"):
        create(tenant, mbps, **more)


def test_k2_k3_members_share_and_get_their_own_back(tenant: Tenant) -> None:
    package, (one, two) = create(tenant), elastic(tenant, 2)
    act(tenant, "addBandwidthPackageIP", package, member(one), member(two, 10))
    assert limits(tenant, package) == {one: -1, two: 10} and shown(tenant, package)["ipCount"] == 2
    eip = tenant.vpc("describeElasticIp", elasticIpId=one)["elasticIp"]
    assert (eip["bandwidthPackageId"], eip["bandwidthMbps"]) == (package, 5)
    asked = [{"name": "bandwidthPackageId", "values": [package]}]
    assert tenant.vpc("describeElasticIps", filters=asked)["totalCount"] == 2
    act(tenant, "modifyBandwidthPackageIpBandwidth", package, member(one, 0), member(two))
    assert limits(tenant, package) == {one: 0, two: -1}
    act(tenant, "removeBandwidthPackageIP", package, member(one))
    assert limits(tenant, package) == {two: -1}
    eip = tenant.vpc("describeElasticIp", elasticIpId=one)["elasticIp"]
    assert (eip["bandwidthPackageId"], eip["bandwidthMbps"]) == ("", 5)
    for mbps in (51, -2):
        with pytest.raises(Exception, match="bandwidth"):
            act(tenant, "modifyBandwidthPackageIpBandwidth", package, member(two, mbps))
    assert limits(tenant, package) == {two: -1}


def test_k1_what_cannot_join(region: Region, tenant: Tenant) -> None:
    package, other, (one,) = create(tenant), create(tenant, name="other"), elastic(tenant)
    act(tenant, "addBandwidthPackageIP", other, member(one))
    join = partial(act, tenant, "addBandwidthPackageIP", package)
    field, failed = "bandwidthPackageIPSpecs", (400, "FAILED_PRECONDITION")
    refused(*failed, field, partial(join, member(one)))
    (paid,) = elastic(tenant, **PREPAID)
    refused(*failed, field, partial(join, member(paid)))
    spec = {"bandwidthMbps": 5, "provider": "no_bgp"}
    (line,) = tenant.vpc("createElasticIps", maxCount=1, elasticIpSpec=spec)["elasticIpIds"]
    refused(*failed, field, partial(join, member(line)))
    (theirs,) = elastic(region.tenant("another"))
    refused(404, "NOT_FOUND", field, partial(join, member(theirs)))
    refused(*failed, field, partial(act, tenant, "removeBandwidthPackageIP", package, member(one)))
    refused(*failed, field, partial(act, tenant, "modifyBandwidthPackageIpBandwidth", package, member(one)))


def test_k1_the_quota_is_the_package_s(region: Region, tenant: Tenant) -> None:
    package = create(tenant)
    quota = tenant.vpc("describeQuota", type="bandwidthPackageIp", parentResourceId=package)["quota"]
    assert (quota["maxLimit"], quota["count"]) == (20, 0)
    eips = elastic(tenant, 2)
    act(tenant, "addBandwidthPackageIP", package, *map(member, eips))
    quota = tenant.vpc("describeQuota", type="bandwidthPackageIp", parentResourceId=package)["quota"]
    assert quota["count"] == 2
    assert tenant.vpc("describeQuota", type="bwpByUsage")["quota"]["count"] == 0


def test_k4_not_below_what_a_member_may_have(tenant: Tenant) -> None:
    package, (one,) = create(tenant, 100), elastic(tenant)
    act(tenant, "addBandwidthPackageIP", package, member(one, 80))
    modify = partial(tenant.vpc, "modifyBandwidthPackage", bandwidthPackageId=package)
    refused(400, "OUT_OF_RANGE", "bandwidthMbps", partial(modify, bandwidthMbps=79))
    modify(bandwidthMbps=80)
    assert shown(tenant, package)["bandwidthMbps"] == 80


def test_k5_k6_what_cannot_be_deleted_or_changed(tenant: Tenant) -> None:
    package, (one,) = create(tenant), elastic(tenant)
    act(tenant, "addBandwidthPackageIP", package, member(one))
    failed = (400, "FAILED_PRECONDITION")
    refused(*failed, "bandwidthPackageId", partial(tenant.vpc, "deleteBandwidthPackage", bandwidthPackageId=package))
    refused(*failed, "elasticIpId", partial(tenant.vpc, "deleteElasticIp", elasticIpId=one))
    refused(*failed, "bandwidthMbps", partial(tenant.vpc, "modifyElasticIp", elasticIpId=one, bandwidthMbps=9))
    tenant.vpc("modifyElasticIp", elasticIpId=one, elasticIpName="renamed")
    for charge in (PREPAID, USAGE):
        id = create(tenant, 200, chargeSpec=charge)
        refused(*failed, "bandwidthPackageId", partial(tenant.vpc, "deleteBandwidthPackage", bandwidthPackageId=id))
    by_usage = shown(tenant, id)
    assert (by_usage["guaranteedRatio"], by_usage["guaranteedBandwidth"]) == (20, 40)


def test_the_first_whole_month() -> None:
    assert first_whole_month(1_764_400_000.0) == 1_767_225_600.0  # 2025-11-29: until 2026-01-01
    assert first_whole_month(1_767_225_600.0) == 1_772_323_200.0  # 2026-01-01: until 2026-03-01


def test_the_kind_of_package_and_when_a_member_was_added(tenant: Tenant) -> None:
    package, (one,) = create(tenant), elastic(tenant)
    act(tenant, "addBandwidthPackageIP", package, member(one))
    added = shown(tenant, package)["publicIps"][0]["addedTime"]
    act(tenant, "modifyBandwidthPackageIpBandwidth", package, member(one, 7))
    assert added.endswith("Z") and shown(tenant, package)["publicIps"][0]["addedTime"] == added
    for name, value, found in (("bandwidthPackageType", "standard", 1), ("bandwidthPackageType", "edge", 0)):
        asked = [{"name": name, "values": [value]}]
        assert tenant.vpc("describeBandwidthPackages", filters=asked)["totalCount"] == found
    refused(501, "NOT_IMPLEMENTED", "bandwidthPackageType", partial(create, tenant, bandwidthPackageType="edge"))


def test_k1_k4_one_that_has_expired_is_down_and_takes_and_changes_nothing(region: Region, tenant: Tenant) -> None:
    package, (one, two) = create(tenant, 100, chargeSpec=PREPAID), elastic(tenant, 2)
    act(tenant, "addBandwidthPackageIP", package, member(one))

    def expire(txn: Txn) -> None:
        known = txn.get(BandwidthPackage, package)
        assert known is not None
        txn.put(replace(known, charge_expiry=1.0))

    region.store.transact(expire)
    assert shown(tenant, package)["adminStatus"] == "DOWN"
    failed = (400, "FAILED_PRECONDITION", "bandwidthPackageId")
    refused(*failed, partial(act, tenant, "addBandwidthPackageIP", package, member(two)))
    refused(*failed, partial(act, tenant, "modifyBandwidthPackageIpBandwidth", package, member(one, 9)))
    change = partial(tenant.vpc, "modifyBandwidthPackage", bandwidthPackageId=package, bandwidthMbps=200)
    refused(*failed, change)
    act(tenant, "removeBandwidthPackageIP", package, {"publicIpId": one})
    tenant.vpc("deleteBandwidthPackage", bandwidthPackageId=package)
