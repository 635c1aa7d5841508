"""What targets are, may become and keep, and how load balancers are found, through the real SDK."""

from functools import partial
from typing import Any

import pytest

from tests.api.region import Refused, Tenant
from tests.api.test_load_balancers import address, backend, group, lb, listener, made, subnet
from tests.api.test_network_acls import refused

__all__ = ("subnet",)  # a fixture


def register(tenant: Tenant, group: str, *specs: dict[str, Any]) -> None:
    ips = [{"type": "ip", **spec} for spec in specs]
    lb(tenant, "registerTargets", targetGroupId=group, targetSpecs=ips)


def targets(tenant: Tenant, group: str) -> dict[int, str]:
    """The targets of a group by their ports."""
    return {one["port"]: one["targetId"] for one in lb(tenant, "describeTargets", targetGroupId=group)["targets"]}


def test_no_two_targets_come_to_have_the_same_port(tenant: Tenant, subnet: str) -> None:
    tg = group(tenant, made(tenant, subnet))
    _, ip = address(tenant, subnet)
    register(tenant, tg, {"ipAddress": ip, "port": 80}, {"ipAddress": ip, "port": 81})
    known = targets(tenant, tg)
    update = partial(lb, tenant, "updateTargets", targetGroupId=tg)
    same = [{"targetId": known[81], "port": 80}]
    assert refused(partial(update, targetUpdateSpecs=same)) == (409, "ALREADY_EXISTS")
    update(targetUpdateSpecs=[*same, {"targetId": known[80], "port": 81}])  # they change places
    assert targets(tenant, tg) == {80: known[81], 81: known[80]}


def test_a_dnlb_takes_one_port_of_each_address(tenant: Tenant, subnet: str) -> None:
    one = made(tenant, subnet, "dnlb")
    tg = group(tenant, one)
    _, ip = address(tenant, subnet)
    register(tenant, tg, {"ipAddress": ip, "port": 80})
    assert refused(partial(register, tenant, tg, {"ipAddress": ip, "port": 81})) == (409, "ALREADY_EXISTS")
    assert refused(partial(made, tenant, subnet, "dnlb", azs=["cn-test-1a"])) == (400, "INVALID_ARGUMENT")
    web = backend(tenant, one)
    asked = {"loadBalancerId": one, "listenerName": "a", "protocol": "Tcp", "port": 1, "backendId": web}
    timed = partial(lb, tenant, "createListener", **asked, connectionIdleTimeSeconds=60)
    assert refused(timed) == (400, "INVALID_ARGUMENT")
    heard = listener(tenant, one, web)
    later = partial(lb, tenant, "updateListener", listenerId=heard, connectionIdleTimeSeconds=60)
    assert refused(later) == (400, "INVALID_ARGUMENT")


def test_a_targets_address_is_kept_by_its_interface_and_drifts_with_the_target(tenant: Tenant, subnet: str) -> None:
    tg = group(tenant, made(tenant, subnet))
    (first, _), (second, _) = address(tenant, subnet), address(tenant, subnet)
    tenant.vpc("assignSecondaryIps", networkInterfaceId=first, secondaryIps=["10.0.1.200"])
    register(tenant, tg, {"ipAddress": "10.0.1.200"})
    give_up = partial(tenant.vpc, "unassignSecondaryIps", secondaryIps=["10.0.1.200"])
    assert refused(partial(give_up, networkInterfaceId=first)) == (400, "FAILED_PRECONDITION")
    tenant.vpc("assignSecondaryIps", networkInterfaceId=second, secondaryIps=["10.0.1.200"], force=True)
    tenant.vpc("deleteNetworkInterface", networkInterfaceId=first)
    assert refused(partial(tenant.vpc, "deleteNetworkInterface", networkInterfaceId=second))[0] == 400
    lb(tenant, "deRegisterTargets", targetGroupId=tg, targetIds=list(targets(tenant, tg).values()))
    give_up(networkInterfaceId=second)


def test_load_balancers_are_found_by_their_addresses_and_targets(tenant: Tenant, subnet: str) -> None:
    one = made(tenant, subnet, privateIpAddress="10.0.1.100")
    made(tenant, subnet)
    _, ip = address(tenant, subnet)
    register(tenant, group(tenant, one), {"ipAddress": ip})
    for name, value, found in (
        ("privateIpAddresses", "10.0.1.100", [one]),
        ("targetPrivateIpAddress", ip, [one]),
        ("elasticIpAddress", "203.0.113.9", []),
        ("azs", "cn-test-1a", []),
        ("ipv6Addresses", "2001:db8::1", []),
        ("serviceCodes", "x", []),
        ("customizedConfigurationIds", "x", []),
    ):
        listed = lb(tenant, "describeLoadBalancers", filters=[{"name": name, "values": [value]}])["loadBalancers"]
        assert [balancer["loadBalancerId"] for balancer in listed] == found, name
    for operation, name in (
        ("describeBackends", "agId"),
        ("describeListeners", "urlMapIds"),
        ("describeListeners", "securityPolicyIds"),
    ):
        assert lb(tenant, operation, filters=[{"name": name, "values": ["x"]}])["totalCount"] == 0


def test_an_address_that_it_cannot_have_is_told_by_its_own_name(tenant: Tenant, subnet: str) -> None:
    for wrong in ("10.0.1.1", "10.9.9.9"):
        with pytest.raises(Refused, match="privateIpAddress: "):
            made(tenant, subnet, privateIpAddress=wrong)
