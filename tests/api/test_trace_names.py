"""The sender of a trace goes by id, by name, or by VPC/NAME; a refusal says which one was meant."""

import pytest

from tests.api.region import Refused, Region, Tenant

SPEC = {"az": "cn-test-1a", "instanceType": "g.n2.medium", "imageId": "img-x"}
NOWHERE = "is plugged into no host"


class Site:
    """Two VPCs of one tenant with a machine ``web`` each; one has an interface ``spare`` too."""

    def __init__(self, region: Region, tenant: Tenant) -> None:
        self.region = region
        self.ports: dict[str, str] = {}
        self.instances: dict[str, str] = {}
        for name in ("one", "two"):
            vpc = tenant.vpc("createVpc", vpcName=name, addressPrefix="10.0.0.0/16")["vpcId"]
            subnet = tenant.vpc("createSubnet", vpcId=vpc, subnetName="s", addressPrefix="10.0.1.0/24")["subnetId"]
            interface = {"networkInterface": {"subnetId": subnet}}
            spec = {**SPEC, "name": "web", "primaryNetworkInterface": interface}
            made = tenant.vm("createInstances", maxCount=1, instanceSpec=spec)["instanceIds"][0]
            shown = tenant.vm("describeInstance", instanceId=made)["instance"]["primaryNetworkInterface"]
            self.instances[name] = made
            self.ports[name] = shown["networkInterface"]["networkInterfaceId"]
        made = tenant.vpc("createNetworkInterface", subnetId=subnet, networkInterfaceName="spare")
        self.ports["spare"] = made["networkInterfaceId"]

    def meant(self, sender: str) -> str:
        """The refusal of a trace from somebody who is plugged in nowhere: it names the interface."""
        with pytest.raises(Refused) as refusal:
            self.region.operator("POST", "/flowTraces", {"from": sender, "to": "10.0.1.9"})
        return refusal.value.message


@pytest.fixture
def site(region: Region, tenant: Tenant) -> Site:
    return Site(region, tenant)


def test_every_way_to_name_the_sender(site: Site) -> None:
    for sender, port in (
        (site.ports["one"], "one"),
        (site.instances["two"], "two"),
        ("one/web", "one"),
        ("two/web", "two"),
        ("spare", "spare"),
        ("two/spare", "spare"),
    ):
        assert f"{site.ports[port]} {NOWHERE}" in site.meant(sender), sender


def test_a_name_of_several_is_refused_with_their_ids(site: Site) -> None:
    told = site.meant("web")
    assert "2 go by 'web': name one by its id" in told and "VPC/NAME" in told
    assert all(id in told for id in site.instances.values())


def test_a_name_of_nobody(site: Site) -> None:
    for sender in ("nobody", "one/spare", "three/web", "/", "one/"):
        assert "does not exist" in site.meant(sender)


def test_others_names_are_unknown(site: Site) -> None:
    other = site.region.tenant("other")
    vpc = other.vpc("createVpc", vpcName="three", addressPrefix="10.0.0.0/16")["vpcId"]
    subnet = other.vpc("createSubnet", vpcId=vpc, subnetName="s", addressPrefix="10.0.1.0/24")["subnetId"]
    mine = other.vpc("createNetworkInterface", subnetId=subnet, networkInterfaceName="spare")["networkInterfaceId"]
    told = site.meant("spare")
    assert "2 go by 'spare'" in told and mine in told
    assert f"{mine} {NOWHERE}" in site.meant("three/spare")
