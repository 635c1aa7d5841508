"""What public clients and the scripts written for them really send: JavaScript, Go, Terraform, packer, keepalived."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.jdc import Jdc, install
from tests.api.raw import Call
from tests.api.region import Refused, Region, Tenant
from tests.api.test_operations import eip, instance, network, port

SIGNS = quote("网 a+b*'(c)!~")
R = b"/v1/regions/cn-test-1"
SPEC = {"bandwidthMbps": 1, "provider": "bgp"}
QUERIES = {
    "page before filter": "pageSize=10&filters.1.name=vpcNames&filters.1.values.1=one&pageNumber=1",
    "ten values": "pageNumber=1&filters.1.name=vpcNames&" + "&".join(f"filters.1.values.{n}=one" for n in range(1, 12)),
    "spaces and signs": f"pageNumber=1&filters.1.values.1=one&filters.1.values.2={SIGNS}&filters.1.name=vpcNames",
    "a plus for a space": "pageNumber=1&filters.1.values.2=a+b&filters.1.values.1=one&filters.1.name=vpcNames",
    "encoded names": "pageNumber=1&filters%2E1%2Evalues%2E1=one&filters.1.name=vpcNames",
    "what is not set": "pageSize=&pageNumber=&filters.1.operator=&filters.1.values.1=one&filters.1.name=vpcNames",
    "sorted already": "filters.1.name=vpcNames&filters.1.values.1=one&pageNumber=1&pageSize=10",
}


@pytest.mark.parametrize("as_sent", [True, False], ids=["go", "javascript"])
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_version_2_signs_a_query_as_it_is_or_in_order(
    region: Region, tenant: Tenant, query: str, as_sent: bool
) -> None:
    for name in ("one", "two"):
        tenant.vpc("createVpc", vpcName=name)
    call = Call(target=R + b"/vpcs/?" + query.encode(), version="2", as_sent=as_sent)
    call.headers["accept"] = "application/json"
    code, _, answer = call.sign(tenant, signed="accept;content-type;host;x-jdcloud-date").send(region.endpoint)
    assert code == 200, answer
    assert [vpc["vpcName"] for vpc in answer["result"]["vpcs"]] == ["one"]


@pytest.mark.parametrize("as_sent", [True, False])
@pytest.mark.parametrize("change", [lambda q: q.replace(b"one", b"two"), lambda q: q + b"&pageNumber=2", lambda q: b""])
def test_neither_form_lets_another_query_pass(
    region: Region, tenant: Tenant, as_sent: bool, change: Callable[[bytes], bytes]
) -> None:
    query = b"pageSize=10&filters.1.values.1=one&filters.1.name=vpcNames"
    call = Call(target=R + b"/vpcs/?" + query, version="2", as_sent=as_sent).sign(tenant)
    call.target = R + b"/vpcs/?" + change(query)
    assert call.send(region.endpoint)[0] == 401


def test_an_action_in_a_path_that_is_escaped(region: Region, tenant: Tenant) -> None:
    """The JavaScript SDK escapes the colon, and signs it so."""
    made = instance(tenant, network(tenant)[1])
    target = R + b"/instances/" + made.encode() + b"%3ArebootInstance"
    call = Call("POST", target, b"{}", "vm", version="2", as_sent=False).sign(tenant)
    code, _, answer = call.send(region.endpoint)
    assert (code, answer["result"]) == (200, {})


# An instance as Terraform's provider orders it: everything that a plan compares, with nulls for what is not set.
DISK = {"az": None, "name": "data", "description": "d", "diskType": "ssd.gp1", "diskSizeGB": 60, "snapshotId": None}
ORDERED = {
    "az": "cn-test-1b",
    "instanceType": "g.n2.large",
    "imageId": "img-1",
    "name": "vm-1",
    "description": "web",
    "password": "Secret-123",
    "keyNames": ["my-key"],
    "charge": None,
    "elasticIp": {"bandwidthMbps": 2, "provider": "BGP", "chargeSpec": None},
    "systemDisk": {"diskCategory": "local", "autoDelete": True, "cloudDiskSpec": {"diskSizeGB": 40}},
    "dataDisks": [
        {"diskCategory": "cloud", "autoDelete": False, "deviceName": "vdb", "cloudDiskSpec": DISK},
        {"diskCategory": "cloud", "autoDelete": True, "cloudDiskSpec": {**DISK, "name": "more", "diskSizeGB": 20}},
    ],
}  # fmt: skip


def shown(tenant: Tenant, id: str) -> dict[str, Any]:
    """An instance as the API shows it; in the list it is the same."""
    one: dict[str, Any] = tenant.vm("describeInstance", instanceId=id)["instance"]
    listed = tenant.vm("describeInstances", filters=[{"name": "instanceId", "values": [id]}])
    assert listed["instances"] == [one]
    return one


def test_an_instance_comes_back_as_terraform_ordered_it(region: Region, tenant: Tenant) -> None:
    _, subnet = network(tenant)
    first = {"subnetId": subnet, "primaryIpAddress": "10.0.1.9", "secondaryIpCount": None, "securityGroups": None}
    spec = {**ORDERED, "primaryNetworkInterface": {"networkInterface": first}}
    body = json.dumps({"regionId": "cn-test-1", "instanceSpec": spec, "maxCount": 1, "clientToken": None}).encode()
    code, _, answer = Call("POST", R + b"/instances", body, "vm", version="2").sign(tenant).send(region.endpoint)
    assert code == 200, answer
    (id,) = answer["result"]["instanceIds"]
    found = shown(tenant, id)
    plain = {name: found[name] for name in ("az", "instanceType", "imageId", "description", "keyNames", "subnetId")}
    assert plain == {**{name: ORDERED[name] for name in plain if name != "subnetId"}, "subnetId": subnet}
    assert (found["instanceName"], found["status"], found["privateIpAddress"]) == ("vm-1", "running", "10.0.1.9")
    system, (data, more) = found["systemDisk"], found["dataDisks"]
    assert (system["diskCategory"], system["autoDelete"], system["localDisk"]["diskSizeGB"]) == ("local", True, 40)
    assert (data["diskCategory"], data["autoDelete"], data["deviceName"]) == ("cloud", False, "vdb")
    assert data["status"] == more["status"] == "attached"
    kept = {"name": "data", "description": "d", "diskType": "ssd.gp1", "diskSizeGB": 60, "az": "cn-test-1b"}
    assert {name: data["cloudDisk"][name] for name in kept} == kept
    assert data["cloudDisk"]["diskId"].startswith("vol-") and "deviceName" not in more
    assert (more["cloudDisk"]["name"], more["cloudDisk"]["diskSizeGB"], more["autoDelete"]) == ("more", 20, True)
    assert tenant.vpc("describeElasticIps")["elasticIps"][0]["provider"] == "BGP"
    again = shown(tenant, id)
    assert again["dataDisks"] == found["dataDisks"] and again["systemDisk"] == system
    tenant.vm("deleteInstance", instanceId=id)
    assert region.everything()["Disk"] == {}


def test_disks_that_are_refused(region: Region, tenant: Tenant) -> None:
    _, subnet = network(tenant)
    for disks in ([{}] * 9, [{"cloudDiskSpec": {"diskSizeGB": -1}}], [{"diskCategory": "x\n"}], "none", [None]):
        assert region.changes_nothing(partial(instance, tenant, subnet, dataDisks=disks)).code == 400
    made = instance(tenant, subnet, dataDisks=[{"deviceName": "vdb", "noDevice": True}], systemDisk=None)
    assert "dataDisks" not in shown(tenant, made) and shown(tenant, made)["systemDisk"]["deviceName"] == "vda"


def test_what_was_not_said_of_a_disk_is_not_made_up(tenant: Tenant) -> None:
    """As in the JavaScript SDK's own example."""
    made = instance(tenant, network(tenant)[1], systemDisk={"diskCategory": "local"}, dataDisks=[{}])
    found = shown(tenant, made)
    assert found["systemDisk"]["localDisk"] == {} and found["systemDisk"]["diskCategory"] == "local"
    (data,) = found["dataDisks"]
    assert not {"diskCategory", "deviceName"} & set(data) and not {"diskSizeGB", "diskType"} & set(data["cloudDisk"])


def test_lists_of_an_instance_that_would_be_empty_are_absent(tenant: Tenant) -> None:
    """Scripts of keepalived wait until the key is gone after they have detached an interface."""
    _, subnet = network(tenant)
    made, other = instance(tenant, subnet), port(tenant, subnet)
    lists = {"secondaryNetworkInterfaces", "dataDisks", "keyNames"}
    assert not lists & set(shown(tenant, made))
    assert "secondaryIps" not in shown(tenant, made)["primaryNetworkInterface"]["networkInterface"]
    tenant.vm("attachNetworkInterface", instanceId=made, networkInterfaceId=other)
    (attached,) = shown(tenant, made)["secondaryNetworkInterfaces"]
    assert attached["networkInterface"]["networkInterfaceId"] == other
    tenant.vm("detachNetworkInterface", instanceId=made, networkInterfaceId=other)
    assert not lists & set(shown(tenant, made))


def test_an_instance_is_renamed_restarted_and_gets_a_password(region: Region, tenant: Tenant) -> None:
    made = instance(tenant, network(tenant)[1], description="before", hostname="host-1")
    tenant.vm("modifyInstanceAttribute", instanceId=made, name="renamed", description="")
    found = shown(tenant, made)
    assert (found["instanceName"], found["description"], found["hostname"]) == ("renamed", "", "host-1")
    tenant.vm("modifyInstanceAttribute", instanceId=made, name="", hostname="host-2", metadata=[{"key": "a"}])
    assert (shown(tenant, made)["instanceName"], shown(tenant, made)["hostname"]) == ("renamed", "host-2")
    before = region.everything()
    tenant.vm("rebootInstance", instanceId=made)
    tenant.vm("modifyInstancePassword", instanceId=made, password="DevOps2018~")
    assert region.everything() == before
    for password in ("short1A", "onlysmall", "small123", "Ab1" * 11, "Pass word1\n", ""):
        with pytest.raises(Refused, match="password"):
            tenant.vm("modifyInstancePassword", instanceId=made, password=password)
    with pytest.raises(Refused, match="instanceId"):
        tenant.vm("modifyInstancePassword", instanceId="i-0000000000", password="DevOps2018~")
    with pytest.raises(Refused, match="name"):
        tenant.vm("modifyInstanceAttribute", instanceId=made, name="x")
    tenant.vm("stopInstance", instanceId=made)
    with pytest.raises(Refused, match="is stopped, not running"):
        tenant.vm("rebootInstance", instanceId=made)


def test_empty_strings_of_optional_parameters_are_absent(tenant: Tenant) -> None:
    vpc, subnet = network(tenant)
    eni = port(tenant, subnet, networkInterfaceName="", primaryIpAddress="", secondaryIpAddresses="", sanityCheck="")
    spec = {**SPEC, "provider": "", "chargeSpec": {"chargeMode": "", "chargeUnit": ""}}
    unused = dict.fromkeys(("elasticIpName", "elasticIpAddress", "elasticIpPoolId", "ipType"), "")
    made = tenant.vpc("createElasticIps", maxCount=1, elasticIpSpec=spec, **unused)
    (public,) = made["elasticIpIds"]
    either = {"networkInterfaceId": eni, "elasticIpId": public, "elasticIpAddress": ""}
    tenant.vpc("associateElasticIp", **either, privateIpAddress="")
    assert tenant.vpc("describeElasticIp", elasticIpId=public)["elasticIp"]["networkInterfaceId"] == eni
    tenant.vpc("disassociateElasticIp", **either)
    unused = dict.fromkeys(
        ("force", "secondaryIpMaskLen", "secondaryIpAddress", "secondaryIpSubnetId", "secondaryIps"), ""
    )
    tenant.vpc("assignSecondaryIps", networkInterfaceId=eni, secondaryIpCount=1, **unused)
    tenant.vpc("modifyNetworkInterface", networkInterfaceId=eni, networkInterfaceName="", macAddress="", sanityCheck="")
    tenant.vpc("modifyElasticIp", elasticIpId=public, bandwidthMbps="", elasticIpName="kept")
    tenant.vpc("modifyElasticIp", elasticIpId=public, bandwidthMbps=3, elasticIpName="")
    assert tenant.vpc("describeElasticIp", elasticIpId=public)["elasticIp"]["elasticIpName"] == "kept"
    nic = {"subnetId": subnet, "primaryIpAddress": "", "networkInterfaceName": "", "queueNum": ""}
    instance(tenant, subnet, elasticIp="", charge="", systemDisk="", primaryNetworkInterface={"networkInterface": nic})
    tenant.vpc("createSubnet", vpcId=vpc, subnetName="t", addressPrefix="10.0.9.0/24", routeTableId="", ipMaskLen="")
    found = tenant.vpc(
        "describeSubnets", pageNumber="", pageSize="", filters=[{"name": "vpcId", "operator": "", "values": [vpc]}]
    )
    assert found["totalCount"] == 2


def test_an_empty_string_that_is_a_value_is_one(region: Region, tenant: Tenant) -> None:
    vpc, subnet = network(tenant)
    tenant.vpc("modifyVpc", vpcId=vpc, description="d")
    tenant.vpc("modifyVpc", vpcId=vpc, description="", vpcName="", addressPrefix="")
    found = tenant.vpc("describeVpc", vpcId=vpc)["vpc"]
    assert (found["vpcName"], found["description"], found["addressPrefix"]) == ("net", "", "")
    tenant.vpc("modifySubnet", subnetId=subnet, domainNames="a.example", domainNameServers="10.0.0.9")
    tenant.vpc("modifySubnet", subnetId=subnet, domainNames="", domainNameServers="")
    found = tenant.vpc("describeSubnet", subnetId=subnet)["subnet"]
    assert (found["domainNames"], found["domainNameServers"]) == ([], [])
    for required in ({"vpcId": ""}, {"subnetName": ""}, {"addressPrefix": ""}):
        order = {"vpcId": vpc, "subnetName": "s", "addressPrefix": "10.0.9.0/24", **required}
        refusal = region.changes_nothing(partial(tenant.vpc, "createSubnet", **order))
        assert refusal.code == 400 and next(iter(required)) in refusal.message


@pytest.mark.parametrize(
    "name", [".", "a..b", ".a", "x" * 64, "-a.example", "a b", "名.example", ".".join(["x" * 62] * 5), "a\n.example", 5]
)
def test_domain_names_that_no_guest_could_be_told_are_refused(region: Region, tenant: Tenant, name: Any) -> None:
    vpc, subnet = network(tenant)
    for names in ([name], ["good.example", name]):
        order = {"vpcId": vpc, "subnetName": "s", "addressPrefix": "10.0.9.0/24", "domainNames": names}
        for act in (
            partial(tenant.vpc, "createSubnet", **order),
            partial(tenant.vpc, "modifySubnet", subnetId=subnet, domainNames=names),
        ):
            refusal = region.changes_nothing(act)
            assert refusal.code == 400 and "domainNames" in refusal.message


def test_domain_names_come_back_as_they_were_given(tenant: Tenant) -> None:
    _, subnet = network(tenant)
    for names in (["shop.example", "corp.example"], ["Shop-1._x.example."], ["a", "b", "a"], ["x" * 63 + ".example"]):
        tenant.vpc("modifySubnet", subnetId=subnet, domainNames=names)
        assert tenant.vpc("describeSubnet", subnetId=subnet)["subnet"]["domainNames"] == names


@pytest.mark.parametrize("provider", ["bgp", "BGP", "Bgp", "no_bgp", "No_BGP"])
def test_a_provider_in_any_case(tenant: Tenant, provider: str) -> None:
    public = eip(tenant, provider=provider)
    assert tenant.vpc("describeElasticIp", elasticIpId=public)["elasticIp"]["provider"] == provider
    for asked in (provider, provider.lower(), provider.upper()):
        found = tenant.vpc("describeElasticIps", filters=[{"name": "providers", "values": [asked]}])
        assert [one["elasticIpId"] for one in found["elasticIps"]] == [public]
    with pytest.raises(Refused, match="provider: must be bgp or no_bgp"):
        eip(tenant, provider="telecom")
    made = tenant.vpc("createElasticIpPool", elasticIpPoolName="p", provider="CN-BGP", cidrMask=30)
    shown = tenant.vpc("describeElasticIpPool", elasticIpPoolId=made["elasticIpPoolId"])["elasticIpPool"]
    assert (shown["provider"], shown["providerNameCN"]) == ("CN-BGP", "BGP")


def test_a_filter_without_values_is_none(tenant: Tenant) -> None:
    all_types = tenant.vm("describeInstanceTypes")["totalCount"]
    for unasked in (
        {"name": "_offline", "values": [], "operator": "eq"},
        {"name": "az"},
        {"name": "az", "values": None},
    ):
        assert tenant.vm("describeInstanceTypes", filters=[unasked])["totalCount"] == all_types
    network(tenant)
    named = {"name": "vpcNames", "values": ["net"]}
    assert tenant.vpc("describeVpcs", filters=[{"name": "vpcIds", "values": []}, named])["totalCount"] == 1
    with pytest.raises(Refused, match="'_offline' is not one of"):
        tenant.vm("describeInstanceTypes", filters=[{"name": "_offline", "values": ["x"]}])


def test_an_address_that_is_there_already_is_assigned_again(region: Region, tenant: Tenant) -> None:
    """keepalived becomes master twice."""
    eni = port(tenant, network(tenant)[1])
    for force in (None, True, False):
        tenant.vpc("assignSecondaryIps", networkInterfaceId=eni, secondaryIps=["10.0.1.55"], force=force)
    before = region.everything()
    tenant.vpc("assignSecondaryIps", networkInterfaceId=eni, secondaryIps=["10.0.1.55"])
    assert region.everything() == before
    tenant.vpc("assignSecondaryIps", networkInterfaceId=eni, secondaryIps=["10.0.1.55", "10.0.1.56"])
    found = tenant.vpc("describeNetworkInterface", networkInterfaceId=eni)["networkInterface"]
    assert [one["privateIpAddress"] for one in found["secondaryIps"]] == ["10.0.1.55", "10.0.1.56"]


def test_the_addresses_that_are_there_already_are_no_more_of_the_quota(tenant: Tenant) -> None:
    eni = port(tenant, network(tenant)[1])
    many = [f"10.0.1.{n}" for n in range(100, 120)]
    tenant.vpc("assignSecondaryIps", networkInterfaceId=eni, secondaryIps=many)
    tenant.vpc("assignSecondaryIps", networkInterfaceId=eni, secondaryIps=many)


def test_the_same_from_the_public_command_line(tenant: Tenant, tmp_path: Path) -> None:
    install()
    jdc = Jdc.of(tenant, tmp_path)
    _, subnet = network(tenant)
    spec = {**ORDERED, "primaryNetworkInterface": {"networkInterface": {"subnetId": subnet, "primaryIpAddress": ""}}}
    (made,) = jdc.call("vm", "create-instances", instance_spec=spec, max_count=1)["instanceIds"]
    jdc.call("vm", "modify-instance-attribute", instance_id=made, name="renamed", description="d")
    jdc.call("vm", "modify-instance-password", instance_id=made, password="DevOps2018~")
    jdc.call("vm", "reboot-instance", instance_id=made)
    found = jdc.call("vm", "describe-instance", instance_id=made)["instance"]
    assert (found["instanceName"], found["description"], found["keyNames"]) == ("renamed", "d", ["my-key"])
    assert [disk["cloudDisk"]["diskSizeGB"] for disk in found["dataDisks"]] == [60, 20]
    assert "secondaryNetworkInterfaces" not in found
    with pytest.raises(Refused, match="501 NOT_IMPLEMENTED"):
        jdc.call("disk", "describe-disks")
