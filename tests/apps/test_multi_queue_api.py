"""Queues of an interface, asked for and told through the real SDK: never more than type and vCPUs allow."""

from collections.abc import Iterator
from itertools import count

import pytest

from apps.instance.model import INSTANCE_TYPES
from tests.api.region import Region, Tenant
from tests.api.test_operations import instance, network, port


@pytest.fixture(scope="module")
def region() -> Iterator[Region]:
    with Region() as served:
        yield served


NUMBERS = count()


@pytest.fixture
def tenant(region: Region) -> Tenant:
    return region.tenant(f"tenant-{next(NUMBERS)}")


def queues(tenant: Tenant, port_id: str) -> int:
    """The queues of an interface, as describeNetworkInterface and describeNetworkInterfaces alike say."""
    (listed,) = [
        shown
        for shown in tenant.vpc("describeNetworkInterfaces")["networkInterfaces"]
        if shown["networkInterfaceId"] == port_id
    ]
    shown = tenant.vpc("describeNetworkInterface", networkInterfaceId=port_id)["networkInterface"]
    assert shown["queueNum"] == listed["queueNum"]
    return int(shown["queueNum"])


def test_every_instance_type_says_how_many_queues_an_interface_has(tenant: Tenant) -> None:
    shown = {kind["instanceType"]: kind for kind in tenant.vm("describeInstanceTypes")["instanceTypes"]}
    assert set(shown) == set(INSTANCE_TYPES)
    for kind in shown.values():
        assert kind["queueNum"] == {1: 1, 2: 2, 3: 2}.get(kind["cpu"], 4)


def test_an_interface_follows_the_instance_that_it_is_attached_to(tenant: Tenant) -> None:
    _, subnet = network(tenant)
    small, big = instance(tenant, subnet, "g.n2.medium"), instance(tenant, subnet, "c.n3.4xlarge")
    eni = port(tenant, subnet)
    assert queues(tenant, eni) == 0  # as many as whoever takes it allows
    for holder, expected in ((small, 1), (big, 4)):
        tenant.vm("attachNetworkInterface", instanceId=holder, networkInterfaceId=eni)
        assert queues(tenant, eni) == expected
        (shown,) = tenant.vm("describeInstance", instanceId=holder)["instance"]["secondaryNetworkInterfaces"]
        assert shown["networkInterface"]["queueNum"] == expected
        tenant.vm("detachNetworkInterface", instanceId=holder, networkInterfaceId=eni)


def test_another_instance_type_plans_again(tenant: Tenant, region: Region) -> None:
    _, subnet = network(tenant)
    spec = {"networkInterface": {"subnetId": subnet, "queueNum": 3}}
    vm = instance(tenant, subnet, "g.n2.xlarge", primaryNetworkInterface=spec)
    primary = tenant.vm("describeInstance", instanceId=vm)["instance"]["primaryNetworkInterface"]["networkInterface"]
    assert primary["queueNum"] == 3
    tenant.vm("stopInstance", instanceId=vm)
    for kind, expected in (("g.n2.large", 2), ("g.n2.small", 1), ("g.n2.2xlarge", 3)):
        tenant.vm("resizeInstance", instanceId=vm, instanceType=kind)
        assert queues(tenant, primary["networkInterfaceId"]) == expected
    tenant.vpc("modifyNetworkInterface", networkInterfaceId=primary["networkInterfaceId"], queueNum=0)
    assert queues(tenant, primary["networkInterfaceId"]) == 4


def test_more_queues_than_the_type_has_are_refused_with_its_limit(tenant: Tenant, region: Region) -> None:
    _, subnet = network(tenant)
    spec = {"networkInterface": {"subnetId": subnet, "queueNum": 4}}
    refusal = region.changes_nothing(lambda: instance(tenant, subnet, "g.n2.large", primaryNetworkInterface=spec))
    assert (refusal.code, refusal.status) == (400, "OUT_OF_RANGE")
    assert "queueNum: g.n2.large with 2 vCPU has at most 2 queues an interface, not 4" in refusal.message
    vm, eni = instance(tenant, subnet, "g.n2.large"), port(tenant, subnet, queueNum=4)
    assert queues(tenant, eni) == 4
    tenant.vm("attachNetworkInterface", instanceId=vm, networkInterfaceId=eni)
    assert queues(tenant, eni) == 2
    again = region.changes_nothing(lambda: tenant.vpc("modifyNetworkInterface", networkInterfaceId=eni, queueNum=3))
    assert "at most 2 queues" in again.message
    tenant.vpc("modifyNetworkInterface", networkInterfaceId=eni, queueNum=1)
    assert queues(tenant, eni) == 1


@pytest.mark.parametrize("wrong", [5, -1, 2**40, "many", 1.5, True])
def test_what_is_no_number_of_queues_is_refused(tenant: Tenant, region: Region, wrong: object) -> None:
    _, subnet = network(tenant)
    refusal = region.changes_nothing(lambda: port(tenant, subnet, queueNum=wrong))
    assert refusal.code == 400 and "queueNum" in refusal.message
