"""Blocks of public addresses that a tenant keeps, edge lines, and elastic IPs as a file, by the real SDK."""

import csv
import io
from base64 import b64decode
from functools import partial
from typing import Any

import pytest

from tests.api.region import Region, Tenant
from tests.api.test_operations import eip, network, port

SPEC = {"bandwidthMbps": 1, "provider": "bgp"}


def keep(tenant: Tenant, **parameters: Any) -> str:
    """A block of public addresses."""
    wanted = {"elasticIpPoolName": "mine", "provider": "bgp", **parameters}
    return str(tenant.vpc("createElasticIpPool", **wanted)["elasticIpPoolId"])


def show(tenant: Tenant, id: str) -> dict[str, Any]:
    """A block as the API shows it."""
    found: dict[str, Any] = tenant.vpc("describeElasticIpPool", elasticIpPoolId=id)["elasticIpPool"]
    return found


def address(tenant: Tenant, **parameters: Any) -> str:
    """The address of a new elastic IP."""
    (made,) = tenant.vpc("createElasticIps", maxCount=1, elasticIpSpec=SPEC, **parameters)["elasticIpIds"]
    return str(tenant.vpc("describeElasticIp", elasticIpId=made)["elasticIp"]["elasticIpAddress"])


def test_a_block(tenant: Tenant, region: Region) -> None:
    made = keep(tenant, cidrMask=29, description="d", userTags=[{"key": "a", "value": "b"}])
    shown = show(tenant, made)
    assert (shown["elasticIpPoolName"], shown["provider"], shown["status"]) == ("mine", "bgp", "UP")
    assert (shown["cidr"], shown["usedIpNum"], shown["availableIpNum"]) == ("203.0.113.8/29", 0, 8)
    assert shown["charge"]["chargeMode"] == "postpaid_by_usage" and shown["userTags"] == [{"key": "a", "value": "b"}]
    tenant.vpc("modifyElasticIpPool", elasticIpPoolId=made, elasticIpPoolName="new", description="")
    assert show(tenant, made) == {**shown, "elasticIpPoolName": "new", "description": ""}
    taken = {address(tenant, elasticIpPoolId=made) for _ in range(8)}
    assert taken == {f"203.0.113.{n}" for n in range(8, 16)}
    assert (show(tenant, made)["usedIpNum"], show(tenant, made)["availableIpNum"]) == (8, 0)
    full = partial(tenant.vpc, "createElasticIps", maxCount=1, elasticIpSpec=SPEC, elasticIpPoolId=made)
    assert region.changes_nothing(full).status == "FAILED_PRECONDITION"
    used = region.changes_nothing(lambda: tenant.vpc("deleteElasticIpPool", elasticIpPoolId=made))
    assert used.status == "FAILED_PRECONDITION"
    mine = [{"name": "elasticIpPoolId", "values": [made]}]
    for one in tenant.vpc("describeElasticIps", filters=mine)["elasticIps"]:
        assert one["elasticIpPoolId"] == made
        tenant.vpc("deleteElasticIp", elasticIpId=one["elasticIpId"])
    tenant.vpc("deleteElasticIpPool", elasticIpPoolId=made)
    assert tenant.vpc("describeElasticIpPools")["totalCount"] == 0


def test_a_block_is_its_owners(region: Region) -> None:
    owner, other = region.tenant("owner"), region.tenant("other", elastic_ip=100)
    made = keep(owner, cidrBlock="203.0.113.4/30")
    others = {address(other) for _ in range(8)}
    assert not others & {f"203.0.113.{n}" for n in range(4, 8)}
    taken = partial(other.vpc, "createElasticIps", maxCount=1, elasticIpSpec=SPEC, elasticIpAddress="203.0.113.5")
    assert region.changes_nothing(taken).code == 409
    assert address(owner, elasticIpAddress="203.0.113.5") == "203.0.113.5"
    assert show(owner, made)["usedIpNum"] == 1
    assert address(owner) not in {f"203.0.113.{n}" for n in range(4, 8)}
    pool = region.operator("GET", "/pools")["pools"][0]["pool"]
    assert made in str(region.changes_nothing(lambda: region.operator("DELETE", f"/pools/{pool}")))


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, 400),
        ({"cidrMask": 29, "cidrBlock": "203.0.113.8/29"}, 400),
        ({"cidrMask": 23}, 400),
        ({"cidrMask": 31}, 400),
        ({"cidrMask": 24}, 400),  # no such block is free
        ({"cidrBlock": "203.0.113.0/30"}, 400),  # an end of the pool
        ({"cidrBlock": "203.0.113.8/31"}, 400),
        ({"cidrBlock": "198.51.100.0/28"}, 400),  # in no pool
        ({"cidrBlock": "203.0.113.16/30"}, 409),  # kept already
        ({"cidrBlock": "203.0.113.32/28"}, 409),  # an elastic IP is in it
        ({"cidrMask": 29, "provider": "carrier-pigeon"}, 400),
        ({"cidrMask": 29, "chargeSpec": {"chargeMode": "prepaid_by_duration"}}, 400),
        ({"cidrMask": 29, "elasticIpPoolName": ""}, 400),
    ],
)
def test_blocks_that_are_refused(tenant: Tenant, region: Region, parameters: dict[str, Any], code: int) -> None:
    keep(tenant, cidrBlock="203.0.113.16/29")
    address(tenant, elasticIpAddress="203.0.113.40")
    assert region.changes_nothing(lambda: keep(tenant, **parameters)).code == code


def test_blocks_go_round_what_is_in_use(tenant: Tenant) -> None:
    address(tenant, elasticIpAddress="203.0.113.9")
    first, second = keep(tenant, cidrMask=29), keep(tenant, cidrMask=30)
    assert (show(tenant, first)["cidr"], show(tenant, second)["cidr"]) == ("203.0.113.16/29", "203.0.113.4/30")
    for name, value, count in (
        ("elasticIpPoolIds", first, 1),
        ("elasticIpPoolNames", "mine", 2),
        ("cidrBlocks", "203.0.113.4/30", 1),
        ("providers", "cn-bgp", 0),
    ):
        found = tenant.vpc("describeElasticIpPools", filters=[{"name": name, "values": [value]}])
        assert found["totalCount"] == count


def test_once_and_not_at_all(tenant: Tenant, region: Region) -> None:
    first = keep(tenant, cidrMask=30, clientToken="t")
    assert keep(tenant, cidrMask=30, clientToken="t") == first
    assert region.changes_nothing(lambda: keep(tenant, cidrMask=29, clientToken="t")).code == 409
    before = region.everything()
    tenant.vpc("createElasticIpPool", elasticIpPoolName="p", provider="bgp", cidrMask=30, dryRun=True)
    assert region.everything() == before


def test_a_quota_of_blocks(region: Region) -> None:
    tenant = region.tenant("few", ipAddressPool=1)
    keep(tenant, cidrMask=30)
    assert region.changes_nothing(lambda: keep(tenant, cidrMask=30)).status == "QUOTA_EXCEEDED"


def test_there_is_no_edge(tenant: Tenant, region: Region) -> None:
    assert tenant.vpc("describeEdgeIpProviders") == {"edgeIpProviders": [], "totalCount": 0}
    found = tenant.vpc("describeEdgeIpProviders", filters=[{"name": "serviceTypes", "values": ["bgp"]}])
    assert found["totalCount"] == 0
    region.changes_nothing(
        lambda: tenant.vpc("describeEdgeIpProviders", filters=[{"name": "colour", "values": ["red"]}])
    )


def rows(exported: dict[str, Any]) -> list[dict[str, str]]:
    """The lines of an exported file by their titles."""
    task = exported["exportTask"]
    assert (task["taskId"], task["status"]) == (exported["taskId"], 3) and task["fileName"].endswith(".csv")
    kind, _, text = task["downloadUrl"].partition(",")
    assert kind == "data:text/csv;charset=utf-8;base64"
    return list(csv.DictReader(io.StringIO(b64decode(text).decode())))


def test_export(tenant: Tenant, region: Region) -> None:
    _, subnet_id = network(tenant)
    one = eip(tenant)
    bound = port(tenant, subnet_id)
    tenant.vpc("associateElasticIp", networkInterfaceId=bound, elasticIpId=one)
    tags = [{"key": "a", "value": "b,c"}]
    tenant.vpc("createElasticIps", maxCount=2, elasticIpName="名", elasticIpSpec=SPEC, userTags=tags)
    export = partial(tenant.vpc, "exportElasticIps", fileType="csv")
    before = region.everything()
    first, second, _ = rows(export())
    assert list(first) == ["ElasticIP ID", "ElasticIP Address", "ElasticIP Name", "Bandwidth (Mbps)", "Region"]
    assert (first["ElasticIP ID"], first["Bandwidth (Mbps)"], second["ElasticIP Name"]) == (one, "5", "名")
    columns = ["az", "type", "status", "associatedResource", "tag", "bandwidthPackage", "resourceGroup"]
    first, second, _ = rows(export(columns=[*columns, "charge", "elasticIpPoolId"]))
    assert (first["Port ID"], first["Associate Status"], first["State"]) == (bound, "ASSOCIATED", "PROCESSING")
    assert (second["Tag"], second["Billing Type"], second["Ip Type"]) == ("a=b,c", "postpaid_by_duration", "standard")
    assert len(rows(export(filters=[{"name": "status", "values": ["ASSOCIATED"]}]))) == 1
    assert len(rows(export(tags=[{"key": "a", "values": ["b,c"]}]))) == 2
    assert len(rows(export(startPage=1, endPage=9, pageSize=10))) == 3
    assert region.everything() == before
    for wrong, code in (
        ({"fileType": "pdf"}, 400),
        ({"fileType": "excel"}, 501),
        ({"columns": ["colour"]}, 400),
        ({"startPage": 2, "endPage": 2, "pageSize": 10}, 400),
        ({"startPage": 2, "endPage": 1, "pageSize": 10}, 400),
        ({"filters": [{"name": "colour", "values": ["red"]}]}, 400),
    ):
        assert region.changes_nothing(partial(export, **wrong)).code == code
