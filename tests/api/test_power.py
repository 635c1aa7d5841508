"""Starting, stopping and resizing instances, and asking after many at once, by the real SDK."""

from functools import partial

import pytest

from tests.api.region import Refused, Region, Tenant
from tests.api.test_operations import instance, network, port


def status(tenant: Tenant, id: str) -> str:
    """The state that an instance is in."""
    return str(tenant.vm("describeInstance", instanceId=id)["instance"]["status"])


def test_stop_and_start(tenant: Tenant, region: Region) -> None:
    _, subnet_id = network(tenant)
    one = instance(tenant, subnet_id)
    assert region.changes_nothing(lambda: tenant.vm("startInstance", instanceId=one)).status == "FAILED_PRECONDITION"
    before = tenant.vm("describeInstance", instanceId=one)["instance"]
    tenant.vm("stopInstance", instanceId=one, chargeOnStopped="keepCharging")
    assert tenant.vm("describeInstance", instanceId=one)["instance"] == {**before, "status": "stopped"}
    assert region.changes_nothing(lambda: tenant.vm("stopInstance", instanceId=one)).status == "FAILED_PRECONDITION"
    tenant.vm("startInstance", instanceId=one)
    assert status(tenant, one) == "running"
    region.changes_nothing(lambda: tenant.vm("stopInstance", instanceId=one, chargeOnStopped="never"))


def test_resize(tenant: Tenant, region: Region) -> None:
    _, subnet_id = network(tenant)
    one = instance(tenant, subnet_id, "g.n2.xlarge")
    for _ in range(2):
        tenant.vm("attachNetworkInterface", instanceId=one, networkInterfaceId=port(tenant, subnet_id))
    resize = partial(tenant.vm, "resizeInstance", instanceId=one)
    assert "running" in region.changes_nothing(lambda: resize(instanceType="g.n2.2xlarge")).message
    tenant.vm("stopInstance", instanceId=one)
    assert region.changes_nothing(lambda: resize(instanceType="g.n9.huge")).code == 404
    small = region.changes_nothing(lambda: resize(instanceType="g.n2.large"))
    assert small.status == "FAILED_PRECONDITION" and "at most 2" in small.message
    resize(instanceType="c.n3.4xlarge", force=True)
    assert tenant.vm("describeInstance", instanceId=one)["instance"]["instanceType"] == "c.n3.4xlarge"


def test_what_goes_along_with_an_instance(tenant: Tenant, region: Region) -> None:
    _, subnet_id = network(tenant)
    one, spare, gone = instance(tenant, subnet_id, "g.n2.xlarge"), port(tenant, subnet_id), port(tenant, subnet_id)
    modify = partial(tenant.vm, "modifyInstanceNetworkAttribute", instanceId=one)
    region.changes_nothing(lambda: modify(networks=[{"networkInterfaceId": gone, "autoDelete": True}]))
    tenant.vm("attachNetworkInterface", instanceId=one, networkInterfaceId=spare, autoDelete=True)
    tenant.vm("attachNetworkInterface", instanceId=one, networkInterfaceId=gone)
    both = [{"networkInterfaceId": spare, "autoDelete": False}, {"networkInterfaceId": gone, "autoDelete": True}]
    modify(networks=both)
    shown = tenant.vm("describeInstance", instanceId=one)["instance"]
    assert [p["autoDelete"] for p in shown["secondaryNetworkInterfaces"]] == [False, True]
    primary = shown["primaryNetworkInterface"]["networkInterface"]["networkInterfaceId"]
    wrong = [{"networkInterfaceId": spare, "autoDelete": True}, {"networkInterfaceId": primary, "autoDelete": False}]
    assert region.changes_nothing(lambda: modify(networks=wrong)).status == "FAILED_PRECONDITION"
    region.changes_nothing(lambda: modify(networks=[]))
    tenant.vm("deleteInstance", instanceId=one)
    left = [p["networkInterfaceId"] for p in tenant.vpc("describeNetworkInterfaces")["networkInterfaces"]]
    assert left == [spare]


def test_many_at_once(tenant: Tenant) -> None:
    vpc_id, subnet_id = network(tenant)
    spec = {
        "name": "many",
        "instanceType": "g.n2.large",
        "primaryNetworkInterface": {"networkInterface": {"subnetId": subnet_id}},
    }
    made = tenant.vm("createInstances", instanceSpec=spec, maxCount=12)["instanceIds"]
    tenant.vm("stopInstance", instanceId=made[3])
    states = tenant.vm("describeInstanceStatus", pageSize=100)
    assert states["totalCount"] == 12
    assert {"instanceId": made[3], "status": "stopped"} in states["instanceStatuses"]
    assert len(tenant.vm("describeInstanceStatus", pageSize=10, pageNumber=2)["instanceStatuses"]) == 2
    found = tenant.vm("describeInstancePrivateIpAddress", filters=[{"name": "instanceId", "values": made[:2]}])
    shown = [tenant.vm("describeInstance", instanceId=id)["instance"] for id in made[:2]]
    assert sorted(str(f) for f in found["instancePrivateIpAddress"]) == sorted(
        str({"instanceId": i["instanceId"], "privateIpAddress": i["privateIpAddress"]}) for i in shown
    )
    for name in ("describeInstanceStatus", "describeInstancePrivateIpAddress"):
        for filter, count in (
            ({"name": "status", "values": ["stopped"]}, 1),
            ({"name": "vpcId", "values": [vpc_id]}, 12),
            ({"name": "vpcId", "values": ["vpc-0000000000"]}, 0),
            ({"name": "name", "values": ["man"]}, 12),
            ({"name": "privateIpAddress", "values": [shown[0]["privateIpAddress"] + "x"]}, 0),
            ({"name": "privateIpAddress", "values": ["10.0.1."]}, 12),
        ):
            assert tenant.vm(name, filters=[filter])["totalCount"] == count, filter
        with pytest.raises(Refused, match="INVALID_ARGUMENT"):
            tenant.vm(name, filters=[{"name": "az", "values": ["a"]}])
