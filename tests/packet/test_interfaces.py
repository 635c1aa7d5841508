"""Network interfaces: several addresses, several interfaces, moved between machines, and no lies about the sender."""

import itertools
import time
from collections.abc import Iterator

import pytest

from topologies import frames, scenarios
from topologies.cloud import Cloud
from topologies.internet import SERVER
from topologies.tenant import ApiError

_marks = itertools.count(1)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as made:
        made.build(scenarios.many_interfaces())
        assert made.guests["multi"].reaches("10.0.0.1", 10)
        yield made


def arrives(cloud: Cloud, sender: str, receiver: str, source: tuple[str, str], target: tuple[str, str]) -> bool:
    needle = b"[%06d]" % next(_marks)
    with cloud.guests[receiver].sniff() as wire:
        for _ in range(2):
            cloud.guests[sender].send(frames.udp(source, target, needle))
        return wire.wait(lambda one: needle in one, 0.4) is not None


def test_secondary_addresses_answer(cloud: Cloud) -> None:
    for target in ("10.0.0.10", "10.0.0.20", "10.0.0.21"):
        assert cloud.guests["vm-a"].ping(target, count=3) == 3
        assert frames.who_has(cloud.guests["vm-a"], target, "10.0.0.11") == [cloud.guests["multi"].mac()]
        assert cloud.guests["vm-c"].ping(target, count=3) == 3


def test_secondary_addresses_may_send(cloud: Cloud) -> None:
    for source in ("10.0.0.10", "10.0.0.20", "10.0.0.21"):
        assert cloud.guests["multi"].ping("10.0.0.11", "-I", source, count=3) == 3


def test_a_public_address_belongs_to_one_of_the_addresses(cloud: Cloud) -> None:
    assert cloud.internet.server.ping(cloud.public("multi"), count=3) == 3
    assert cloud.guests["multi"].ping(SERVER, "-I", "10.0.0.20", count=3) == 3
    assert cloud.guests["multi"].ping(SERVER, "-I", "10.0.0.21", count=2, wait=0.3) == 0


def test_the_second_interface_is_in_its_own_subnet(cloud: Cloud) -> None:
    assert cloud.guests["multi"].ping("10.0.1.11", "-I", "eth1", count=3) == 3
    assert frames.who_has(cloud.guests["vm-c"], "10.0.1.10", "10.0.1.11") == [cloud.guests["multi"].mac("eth1")]


def test_source_check(cloud: Cloud) -> None:
    """MAC and IP of the sender must be the interface's own."""
    mac, other = cloud.guests["vm-a"].mac(), cloud.guests["multi"].mac()
    router = (cloud.guests["router"].mac(), "10.0.0.30")
    assert arrives(cloud, "vm-a", "router", (mac, "10.0.0.11"), router)
    assert not arrives(cloud, "vm-a", "router", (other, "10.0.0.11"), router)
    assert not arrives(cloud, "vm-a", "router", (mac, "10.0.0.10"), router)
    assert not arrives(cloud, "vm-a", "router", (mac, "10.0.0.77"), router)
    assert not arrives(cloud, "vm-a", "router", (mac, "192.0.2.1"), router)
    assert not arrives(cloud, "vm-a", "router", (mac, "10.0.0.1"), router)


def test_source_check_of_arp(cloud: Cloud) -> None:
    """An ARP request with another's address as sender gets no answer and changes nothing."""
    guest = cloud.guests["vm-a"]
    assert frames.who_has(guest, "10.0.0.1", "10.0.0.11")
    assert frames.who_has(guest, "10.0.0.1", "10.0.0.10") == []
    with guest.sniff() as wire:
        forged = frames.arp(1, ("fa:16:3e:99:99:99", "10.0.0.11"), (frames.ZERO, "10.0.0.1"), ether_source=guest.mac())
        guest.send(forged)
        time.sleep(0.3)
        assert not wire.received(frames.is_arp)


def test_without_source_check_any_address_may_send(cloud: Cloud) -> None:
    """sanityCheck=0, as a machine that routes for others needs."""
    mac = cloud.guests["router"].mac()
    target = (cloud.guests["vm-a"].mac(), "10.0.0.11")
    assert arrives(cloud, "router", "vm-a", (mac, "10.0.0.30"), target)
    assert arrives(cloud, "router", "vm-a", (mac, "192.0.2.1"), target)


def test_an_interface_moves_with_its_address(cloud: Cloud) -> None:
    """Detached from `multi`, attached to `a`: the address answers there and no longer here."""
    owner = cloud.owners["multi"]
    port = cloud.interfaces["multi", 1]
    identity = port["networkInterfaceId"]
    c = cloud.guests["vm-c"]
    assert c.reaches("10.0.1.10")
    owner.vm("detachNetworkInterface", instanceId=cloud.instances["multi"], networkInterfaceId=identity)
    cloud.guests["multi"].detach(cloud.net, cloud.host, 1)
    assert c.ping("10.0.1.10", count=2, wait=0.3) == 0
    assert owner.network_interface(identity)["attachmentStatus"] == "detached"
    owner.vm("attachNetworkInterface", instanceId=cloud.instances["vm-a"], networkInterfaceId=identity)
    cloud.guests["vm-a"].attach(cloud.net, cloud.host, port, 1)
    cloud.guests["vm-a"].static("10.0.1.10/24", index=1)
    assert c.reaches("10.0.1.10", 5)
    assert owner.network_interface(identity)["instanceId"] == cloud.instances["vm-a"]


def test_the_primary_interface_stays(cloud: Cloud) -> None:
    port = cloud.interfaces["vm-a", 0]["networkInterfaceId"]
    with pytest.raises(ApiError) as refusal:
        cloud.owners["vm-a"].vm("detachNetworkInterface", instanceId=cloud.instances["vm-a"], networkInterfaceId=port)
    assert refusal.value.code == 400


def test_a_port_without_an_id_gets_nothing(cloud: Cloud) -> None:
    """Someone plugs a wire into the bridge: it is not part of any network."""
    guest = cloud.guests["vm-c"]
    cloud.net.addLink(guest, cloud.host, intfName1="stray", intfName2="stray", up=None)
    guest.interface("stray")
    cloud.host.plug("stray")
    with guest.sniff() as wire:
        frame = frames.udp((cloud.guests["vm-a"].mac(), "10.0.0.11"), (guest.mac(), "10.0.1.11"), b"stray frame")
        guest.send(frame, interface="stray")
        time.sleep(0.3)
        assert not wire.received(lambda one: b"stray frame" in one)
