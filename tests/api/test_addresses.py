"""Secondary addresses by the real SDK: added, moved, taken away, and listed for a subnet or an interface."""

from functools import partial
from typing import Any

import pytest

from tests.api.region import Region, Tenant
from tests.api.test_operations import eip, instance, network, port


def addresses(tenant: Tenant, port_id: str) -> list[str]:
    """The private addresses of an interface, primary first."""
    shown = tenant.vpc("describeNetworkInterface", networkInterfaceId=port_id)["networkInterface"]
    return [a["privateIpAddress"] for a in (shown["primaryIp"], *shown["secondaryIps"])]


def test_assigning(tenant: Tenant) -> None:
    _, subnet_id = network(tenant)
    one = port(tenant, subnet_id, primaryIpAddress="10.0.1.10")
    tenant.vpc("assignSecondaryIps", networkInterfaceId=one, secondaryIps=["10.0.1.30", "10.0.1.20"])
    assert addresses(tenant, one) == ["10.0.1.10", "10.0.1.30", "10.0.1.20"]
    tenant.vpc("assignSecondaryIps", networkInterfaceId=one, secondaryIpCount=3, secondaryIpSubnetId=subnet_id)
    assert len(set(addresses(tenant, one))) == 6
    tenant.vpc("unassignSecondaryIps", networkInterfaceId=one, secondaryIps=addresses(tenant, one)[2:])
    assert addresses(tenant, one) == ["10.0.1.10", "10.0.1.30"]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, 400),
        ({"secondaryIps": ["10.0.1.10"]}, 409),  # its own primary one
        ({"secondaryIps": ["10.0.1.50"]}, 409),  # another's primary one
        ({"secondaryIps": ["10.0.1.51"], "force": False}, 409),
        ({"secondaryIps": ["10.0.1.2"]}, 400),
        ({"secondaryIps": ["10.0.2.9"]}, 400),
        ({"secondaryIps": ["10.0.1.60", "10.0.1.60"]}, 400),
        ({"secondaryIps": ["x"]}, 400),
        ({"secondaryIpCount": 20}, 429),
        ({"secondaryIpCount": -1}, 400),
        ({"secondaryIpMaskLen": 28}, 400),
        ({"secondaryIpMaskLen": 29}, 400),
        ({"secondaryIpMaskLen": 28, "secondaryIpCount": 1}, 400),
        ({"secondaryIpCount": 1, "secondaryIpSubnetId": "subnet-0000000000"}, 501),
        ({"networkInterfaceId": "port-0000000000", "secondaryIpCount": 1}, 404),
    ],
)
def test_what_cannot_be_assigned(tenant: Tenant, region: Region, parameters: dict[str, Any], code: int) -> None:
    _, subnet_id = network(tenant)
    one = port(tenant, subnet_id, primaryIpAddress="10.0.1.10", secondaryIpAddresses=["10.0.1.11"])
    port(tenant, subnet_id, primaryIpAddress="10.0.1.50", secondaryIpAddresses=["10.0.1.51"])
    wanted = {"networkInterfaceId": one, **parameters}
    assert region.changes_nothing(lambda: tenant.vpc("assignSecondaryIps", **wanted)).code == code


@pytest.mark.parametrize("force", [None, True])
def test_an_address_moves_with_its_elastic_ip(tenant: Tenant, force: bool | None) -> None:
    _, subnet_id = network(tenant)
    one, other = port(tenant, subnet_id), port(tenant, subnet_id, secondaryIpAddresses=["10.0.1.99"])
    public = eip(tenant)
    bind = {"elasticIpId": public, "privateIpAddress": "10.0.1.99"}
    tenant.vpc("associateElasticIp", networkInterfaceId=other, **bind)
    tenant.vpc("assignSecondaryIps", networkInterfaceId=one, secondaryIps=["10.0.1.99"], force=force)
    assert addresses(tenant, one)[1:] == ["10.0.1.99"] and addresses(tenant, other)[1:] == []
    shown = tenant.vpc("describeElasticIp", elasticIpId=public)["elasticIp"]
    assert (shown["networkInterfaceId"], shown["privateIpAddress"]) == (one, "10.0.1.99")


def test_the_last_free_address(tenant: Tenant, region: Region) -> None:
    _, subnet_id = network(tenant, subnet="10.0.1.0/28")
    one = port(tenant, subnet_id)
    tenant.vpc("assignSecondaryIps", networkInterfaceId=one, secondaryIpCount=11)
    act = partial(tenant.vpc, "assignSecondaryIps", networkInterfaceId=one, secondaryIpCount=1)
    assert region.changes_nothing(act).status == "FAILED_PRECONDITION"


def test_unassigning(tenant: Tenant, region: Region) -> None:
    _, subnet_id = network(tenant)
    one = port(tenant, subnet_id, primaryIpAddress="10.0.1.10", secondaryIpAddresses=["10.0.1.11", "10.0.1.12"])
    kept, lost = eip(tenant), eip(tenant)
    for public, address in ((kept, "10.0.1.11"), (lost, "10.0.1.12")):
        tenant.vpc("associateElasticIp", networkInterfaceId=one, elasticIpId=public, privateIpAddress=address)
    take = partial(tenant.vpc, "unassignSecondaryIps", networkInterfaceId=one)
    for wrong, code in (
        ({}, 400),
        ({"secondaryIps": ["10.0.1.10"]}, 400),
        ({"secondaryIps": ["10.0.1.11", "10.0.1.13"]}, 404),
        ({"secondaryCidrs": ["10.0.1.16/28"]}, 404),
    ):
        assert region.changes_nothing(partial(take, **wrong)).code == code
    take(secondaryIps=["10.0.1.11"])
    take(secondaryIps=["10.0.1.12"], deleteElasticIp=True)
    (left,) = tenant.vpc("describeElasticIps")["elasticIps"]
    assert (left["elasticIpId"], left["status"]) == (kept, "NOT_ASSOCIATED")
    assert addresses(tenant, one) == ["10.0.1.10"]


def test_lists_of_addresses(tenant: Tenant, region: Region) -> None:
    _, subnet_id = network(tenant)
    vm = instance(tenant, subnet_id)
    one = port(tenant, subnet_id, primaryIpAddress="10.0.1.200", secondaryIpCount=12)
    public = eip(tenant)
    tenant.vpc("associateElasticIp", networkInterfaceId=one, elasticIpId=public)
    in_subnet = partial(tenant.vpc, "describeSubnetCidrIps", subnetId=subnet_id)
    first = in_subnet(pageSize=10)
    assert first["totalCount"] == 14 and len(first["subnetCidrIps"]) == 10
    everything = in_subnet(pageSize=100)["subnetCidrIps"]
    assert everything[10:] == in_subnet(pageSize=10, pageNumber=2)["subnetCidrIps"]
    assert everything[-1] == {
        "privateIpAddress": "10.0.1.200",
        "instanceType": "",
        "instanceId": "",
        "cidr": "",
        "ipType": "IPV4",
    }
    assert [a["instanceType"] for a in everything if a["instanceId"] == vm] == ["compute"]
    of_port = partial(tenant.vpc, "describeNetworkInterfaceCidrIps", networkInterfaceId=one)
    shown = of_port(pageSize=100)
    assert shown["totalCount"] == 13
    top, second = shown["networkInterfaceCidrIps"][:2]
    assert (top["privateIpType"], top["privateIpAddress"], top["subnetId"]) == ("primary", "10.0.1.200", subnet_id)
    assert (top["elasticIpId"], top["bindMode"], second["privateIpType"]) == (public, "STANDARD", "secondary")
    for search in (in_subnet, of_port):
        assert search(filters=[{"name": "ipAddresses", "values": ["10.0.1.200"]}])["totalCount"] == 1
        assert search(filters=[{"name": "type", "values": ["CIDR"]}])["totalCount"] == 0
        region.changes_nothing(partial(search, filters=[{"name": "type", "values": ["COLOUR"]}]))
        region.changes_nothing(partial(search, filters=[{"name": "colour", "values": ["red"]}]))
    assert in_subnet(filters=[{"name": "ipType", "values": ["IPV6"]}])["totalCount"] == 0
