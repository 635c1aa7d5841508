"""Elastic IPs of load balancers through the real SDK: bound, shown, moved, refused and given back."""

from functools import partial
from typing import Any

from tests.api.region import Region, Tenant
from tests.api.test_load_balancers import lb, made, subnet
from tests.api.test_network_acls import refused
from tests.api.test_operations import eip, network, port

__all__ = ["subnet"]
SPEC = {"bandwidthMbps": 7, "provider": "bgp"}


def shown(tenant: Tenant, balancer: str) -> dict[str, Any]:
    return dict(lb(tenant, "describeLoadBalancer", loadBalancerId=balancer)["loadBalancer"])


def elastic_ip(tenant: Tenant, id: str) -> dict[str, Any]:
    return dict(tenant.vpc("describeElasticIp", elasticIpId=id)["elasticIp"])


def test_bound_shown_and_unbound(tenant: Tenant, subnet: str) -> None:
    one, public = made(tenant, subnet, privateIpAddress="10.0.1.100"), eip(tenant)
    both = {"loadBalancerId": one, "elasticIpId": public}
    lb(tenant, "associateElasticIp", **both)
    found = elastic_ip(tenant, public)
    assert (found["instanceType"], found["instanceId"], found["privateIpAddress"]) == ("lb", one, "10.0.1.100")
    private = {"privateIpAddress": "10.0.1.100", "elasticIpId": public, "elasticIpAddress": found["elasticIpAddress"]}
    assert shown(tenant, one)["privateIp"] == private
    lb(tenant, "updateLoadBalancer", loadBalancerId=one, privateIpAddress="10.0.1.101")
    assert elastic_ip(tenant, public)["privateIpAddress"] == "10.0.1.101", "it goes with the address"
    lb(tenant, "disassociateElasticIp", **both)
    assert shown(tenant, one)["privateIp"] == {"privateIpAddress": "10.0.1.101"}
    assert elastic_ip(tenant, public)["status"] == "NOT_ASSOCIATED"


def test_made_along_and_deleted_along_but_for_a_prepaid_one(tenant: Tenant, subnet: str) -> None:
    for charge, code in ((None, 404), ({"chargeMode": "prepaid_by_duration", "chargeUnit": "month"}, 0)):
        one = made(tenant, subnet, elasticIp={**SPEC, "chargeSpec": charge})
        public = shown(tenant, one)["privateIp"]["elasticIpId"]
        assert elastic_ip(tenant, public)["bandwidthMbps"] == 7
        lb(tenant, "deleteLoadBalancer", loadBalancerId=one, deleteElasticIp=True)
        if code:
            assert refused(partial(elastic_ip, tenant, public))[0] == code
        else:
            assert elastic_ip(tenant, public)["status"] == "NOT_ASSOCIATED"


def test_deleted_it_gives_its_elastic_ip_back(tenant: Tenant, subnet: str) -> None:
    one, public = made(tenant, subnet), eip(tenant)
    lb(tenant, "associateElasticIp", loadBalancerId=one, elasticIpId=public)
    assert refused(partial(tenant.vpc, "deleteElasticIp", elasticIpId=public))[0] == 400
    lb(tenant, "deleteLoadBalancer", loadBalancerId=one)
    assert elastic_ip(tenant, public)["status"] == "NOT_ASSOCIATED"


def test_it_moves_to_an_interface_and_back(tenant: Tenant, subnet: str) -> None:
    one, machine, public = made(tenant, subnet), port(tenant, subnet), eip(tenant)
    lb(tenant, "associateElasticIp", loadBalancerId=one, elasticIpId=public)
    own = shown(tenant, one)["networkInterface"]["networkInterfaceId"]
    for there in (machine, own):
        tenant.vpc("associateElasticIp", networkInterfaceId=there, elasticIpId=public, reassociate=True)
        assert elastic_ip(tenant, public)["networkInterfaceId"] == there
    assert shown(tenant, one)["privateIp"]["elasticIpId"] == public


def test_what_is_refused_names_the_field(region: Region, tenant: Tenant, subnet: str) -> None:
    one, other, first, second = made(tenant, subnet), made(tenant, subnet), eip(tenant), eip(tenant)
    lb(tenant, "associateElasticIp", loadBalancerId=one, elasticIpId=first)
    foreign = region.tenant("other")
    theirs = eip(foreign)
    for operation, balancer, public, code, field in (
        ("associateElasticIp", one, second, 400, "loadBalancerId"),
        ("associateElasticIp", other, first, 400, "elasticIpId"),
        ("associateElasticIp", other, theirs, 404, "elasticIpId"),
        ("associateElasticIp", "lb-0000000000", second, 404, "loadBalancerId"),
        ("disassociateElasticIp", other, first, 400, "elasticIpId"),
        ("disassociateElasticIp", one, theirs, 404, "elasticIpId"),
    ):
        act = partial(lb, tenant, operation, loadBalancerId=balancer, elasticIpId=public)
        refusal = region.changes_nothing(act)
        assert refusal.code == code and field in str(refusal), (operation, refusal)
    theft = partial(lb, foreign, "disassociateElasticIp", loadBalancerId=one, elasticIpId=first)
    assert region.changes_nothing(theft).code == 404


def test_one_that_is_made_along_counts_against_the_quota(region: Region) -> None:
    tenant = region.tenant("small", elastic_ip=1)
    place = network(tenant, "10.0.0.0/16", "10.0.1.0/24")[1]
    made(tenant, place, elasticIp=SPEC)
    more = partial(made, tenant, place, elasticIp=SPEC)
    refusal = region.changes_nothing(more)
    assert refusal.code == 429 and "elasticIp" in str(refusal)
