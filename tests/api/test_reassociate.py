"""An elastic IP moves in one call, and in one transaction: it is never seen unbound."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apps.eip.model import ElasticIp
from apps.holder.model import Holder
from sdnctl.base.addresses import Ip4
from sdnctl.model.host import Binding, Host
from sdnctl.store import Batch
from tests.api.jdc import Jdc, install
from tests.api.raw import Call
from tests.api.region import Refused, Region, Tenant
from tests.api.test_operations import eip, instance, network, port

Place = tuple[str, str]


def places(region: Region) -> list[Place]:
    """Where elastic IPs have been since now, each place once; grows while the region is used."""
    seen: list[Place] = []

    def took(batch: Batch) -> None:
        for change in batch.changes:
            if change.cls is ElasticIp and change.new is not None:
                place = (change.new.port, str(change.new.private))
                seen.extend([place] if place not in seen[-1:] else [])

    region.store.subscribe(took)
    return seen


def primary(tenant: Tenant, id: str) -> str:
    """The primary interface of an instance."""
    shown = tenant.vm("describeInstance", instanceId=id)["instance"]["primaryNetworkInterface"]
    return str(shown["networkInterface"]["networkInterfaceId"])


def test_from_one_interface_to_another(region: Region, tenant: Tenant) -> None:
    _, subnet = network(tenant)
    one = port(tenant, subnet, primaryIpAddress="10.0.1.10")
    other = port(tenant, subnet, primaryIpAddress="10.0.1.20", secondaryIpAddresses=["10.0.1.21"])
    public = eip(tenant)
    tenant.vpc("associateElasticIp", networkInterfaceId=one, elasticIpId=public)
    seen = places(region)
    move = {"elasticIpId": public, "reassociate": True}
    with pytest.raises(Refused, match="disassociate it first"):
        tenant.vpc("associateElasticIp", networkInterfaceId=other, elasticIpId=public, reassociate=False)
    tenant.vpc("associateElasticIp", networkInterfaceId=other, **move)
    tenant.vpc("associateElasticIp", networkInterfaceId=other, privateIpAddress="10.0.1.21", **move)
    tenant.vpc("associateElasticIp", networkInterfaceId=one, privateIpAddress="", **move)
    assert seen == [(one, "10.0.1.10"), (other, "10.0.1.20"), (other, "10.0.1.21"), (one, "10.0.1.10")]
    before = region.everything()
    tenant.vpc("associateElasticIp", networkInterfaceId=one, **move)
    assert region.everything() == before, "it is there already"
    address = tenant.vpc("describeElasticIp", elasticIpId=public)["elasticIp"]["elasticIpAddress"]
    tenant.vpc("associateElasticIp", networkInterfaceId=other, elasticIpAddress=address, reassociate=True)
    shown = tenant.vpc("describeElasticIp", elasticIpId=public)["elasticIp"]
    assert (shown["networkInterfaceId"], shown["status"]) == (other, "ASSOCIATED")


def test_one_that_is_bound_to_nothing_may_be_asked_for_alike(tenant: Tenant) -> None:
    made, public = instance(tenant, network(tenant)[1]), eip(tenant)
    tenant.vm("associateElasticIp", instanceId=made, elasticIpId=public, reassociate=True)
    assert tenant.vpc("describeElasticIp", elasticIpId=public)["elasticIp"]["instanceId"] == made


def test_from_instance_to_instance_of_another_vpc(region: Region, tenant: Tenant) -> None:
    one, other = (instance(tenant, network(tenant)[1]) for _ in range(2))
    public = eip(tenant)
    tenant.vm("associateElasticIp", instanceId=one, elasticIpId=public)
    seen = places(region)
    tenant.vm("associateElasticIp", instanceId=other, elasticIpId=public, reassociate=True)
    assert [place for place, _ in seen] == [primary(tenant, one), primary(tenant, other)]
    record = region.everything()["ElasticIp"][public]
    assert record.vpc == tenant.vm("describeInstance", instanceId=other)["instance"]["vpcId"]


def refusals(tenant: Tenant, foreign: str) -> dict[str, Callable[[], Any]]:
    """Moves that cannot be, by what the refusal says."""
    _, subnet = network(tenant)
    one, other = port(tenant, subnet), port(tenant, subnet)
    public, second = eip(tenant), eip(tenant)
    tenant.vpc("associateElasticIp", networkInterfaceId=one, elasticIpId=public)
    tenant.vpc("associateElasticIp", networkInterfaceId=other, elasticIpId=second)

    def move(to: str = other, which: str = public, **more: Any) -> Any:
        return tenant.vpc("associateElasticIp", networkInterfaceId=to, elasticIpId=which, reassociate=True, **more)

    return {
        f"has {second} already": move,
        "is not an address of": lambda: move(privateIpAddress="10.0.1.99"),
        "'port-0000000000'": lambda: move("port-0000000000"),
        f"'{foreign}'": lambda: move(which=foreign),
    }


def test_a_move_that_is_refused_leaves_it_where_it_is(region: Region, tenant: Tenant) -> None:
    other = region.tenant("other")
    foreign = eip(other)
    other.vpc("associateElasticIp", networkInterfaceId=port(other, network(other)[1]), elasticIpId=foreign)
    for said, act in refusals(tenant, foreign).items():
        assert said in region.changes_nothing(act).message


def test_the_new_vpcs_hosts_learn_who_must_let_go(region: Region, tenant: Tenant) -> None:
    """With the move itself; also when a secondary address takes its elastic IP along to another host."""
    vpc, subnet = network(tenant)
    one, other = port(tenant, subnet, secondaryIpAddresses=["10.0.1.99"]), port(tenant, subnet)
    public = eip(tenant)

    def plug(txn: Any) -> None:
        for id, host in ((one, "h1"), (other, "h2")):
            txn.put(Host(id=host, uplink=True))
            txn.put(Binding(id=id, port=id, vpc=vpc, host=host))

    region.store.report(plug)
    tenant.vpc("associateElasticIp", networkInterfaceId=one, elasticIpId=public, privateIpAddress="10.0.1.99")
    address = tenant.vpc("describeElasticIp", elasticIpId=public)["elasticIp"]["elasticIpAddress"]
    noted = region.everything()["Holder"][address]
    assert (noted.host, noted.vpc) == ("h1", vpc)
    tenant.vpc("assignSecondaryIps", networkInterfaceId=other, secondaryIps=["10.0.1.99"])
    record, again = region.everything()["ElasticIp"][public], region.everything()["Holder"][address]
    assert (record.port, record.private) == (other, Ip4.parse("10.0.1.99"))
    assert again == Holder(id=address, vpc=vpc, host="h1", turn=record.sequence) and again.turn > noted.turn


def test_the_same_as_go_and_the_public_command_line_send_it(region: Region, tenant: Tenant, tmp_path: Path) -> None:
    install()
    _, subnet = network(tenant)
    one, other = port(tenant, subnet), port(tenant, subnet)
    public = eip(tenant)
    tenant.vpc("associateElasticIp", networkInterfaceId=one, elasticIpId=public)
    body = {"elasticIpId": public, "elasticIpAddress": None, "privateIpAddress": None, "reassociate": True}
    target = f"/v1/regions/cn-test-1/networkInterfaces/{other}:associateElasticIp".encode()
    call = Call("POST", target, json.dumps(body).encode(), version="2").sign(tenant)
    assert call.send(region.endpoint)[0] == 200
    assert tenant.vpc("describeElasticIp", elasticIpId=public)["elasticIp"]["networkInterfaceId"] == other
    more = {"regionId": "cn-test-1", "networkInterfaceId": one, "elasticIpId": public, "reassociate": True}
    Jdc.of(tenant, tmp_path).call("vpc", "associate-elastic-ip", network_interface_id=one, input_json=more)
    assert tenant.vpc("describeElasticIp", elasticIpId=public)["elasticIp"]["networkInterfaceId"] == one
