"""Tenants with the same addresses on one switch never meet, whatever they put on the wire."""

import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from topologies import frames, scenarios
from topologies.cloud import Cloud

RED = ("red-a", "red-b", "red-c")
BLUE = ("blue-a", "blue-b", "blue-c", "blue-d")
_marks = itertools.count(1)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as made:
        yield made.build(scenarios.two_tenants())


def mark() -> bytes:
    return b"<mark %06d>" % next(_marks)


def who_sees(cloud: Cloud, sender: str, frame: bytes, needle: bytes) -> set[str]:
    """The guests at which a frame sent by `sender` (or anything carrying `needle`) arrives."""
    return who_see(cloud, sender, {needle: frame})[needle]


def who_see(cloud: Cloud, sender: str, sent: dict[bytes, bytes]) -> dict[bytes, set[str]]:
    """The same for many frames at once, by their needles."""
    others = [name for name in (*RED, *BLUE) if name != sender]
    with ExitStack() as stack:
        wires = {name: stack.enter_context(cloud.guests[name].sniff()) for name in others}
        wires["internet"] = stack.enter_context(cloud.internet.gateway.sniff("public"))
        for _ in range(3):  # the first packet of a kind and the later ones take different ways through the switch
            cloud.guests[sender].send(*sent.values())
        time.sleep(0.25)
        return {
            needle: {name for name, wire in wires.items() if wire.received(lambda one, needle=needle: needle in one)}
            for needle in sent
        }


def address(cloud: Cloud, name: str) -> tuple[str, str]:
    port = cloud.interfaces[name, 0]
    return port["macAddress"].lower(), port["primaryIp"]["privateIpAddress"]


def router(cloud: Cloud, name: str) -> tuple[str, str]:
    ip = address(cloud, name)[1].rsplit(".", 1)[0] + ".1"
    (mac,) = frames.who_has(cloud.guests[name], ip, address(cloud, name)[1])
    return mac, ip


@pytest.mark.parametrize(("sender", "receiver"), [("red-a", "red-b"), ("blue-a", "blue-b")])
def test_each_reaches_its_own_neighbour(cloud: Cloud, sender: str, receiver: str) -> None:
    assert cloud.guests[sender].reaches(address(cloud, receiver)[1])
    assert cloud.guests[sender].ping(address(cloud, receiver)[1], count=10) == 10
    needle = mark()
    frame = frames.udp(address(cloud, sender), address(cloud, receiver), needle)
    assert who_sees(cloud, sender, frame, needle) == {receiver}


@pytest.mark.parametrize(("sender", "receiver"), [("red-a", "red-c"), ("blue-c", "blue-d")])
def test_each_reaches_its_own_other_subnet(cloud: Cloud, sender: str, receiver: str) -> None:
    assert cloud.guests[sender].reaches(address(cloud, receiver)[1])
    needle = mark()
    target = (router(cloud, sender)[0], address(cloud, receiver)[1])
    assert who_sees(cloud, sender, frames.udp(address(cloud, sender), target, needle), needle) == {receiver}


def test_an_address_that_only_the_other_tenant_has_is_not_there(cloud: Cloud) -> None:
    assert cloud.guests["blue-a"].reaches("10.0.0.99")
    assert cloud.guests["red-a"].ping("10.0.0.99", count=3, wait=0.3) == 0
    assert frames.who_has(cloud.guests["red-a"], "10.0.0.99", "10.0.0.10") == []


def test_the_other_tenants_mac_leads_nowhere(cloud: Cloud) -> None:
    own = address(cloud, "red-a")
    sent = {needle: frames.udp(own, address(cloud, victim), needle) for victim in BLUE for needle in [mark()]}
    for seen in who_see(cloud, "red-a", sent).values():
        assert not seen & set(BLUE)


@pytest.mark.parametrize("victim", BLUE)
def test_forged_senders_are_dropped(cloud: Cloud, victim: str) -> None:
    """As if from a machine of the other tenant (MAC, IP or both) to one of its neighbours."""
    own, stolen = address(cloud, "red-a"), address(cloud, victim)
    target = address(cloud, "blue-b" if victim != "blue-b" else "blue-a")
    through = (router(cloud, "red-a")[0], target[1])
    sent = {}
    for source in (stolen, (own[0], stolen[1]), (stolen[0], own[1]), (own[0], "10.0.0.77"), (own[0], "8.8.8.8")):
        for to in (target, through):
            needle = mark()
            sent[needle] = frames.udp(source, to, needle)
    for seen in who_see(cloud, "red-a", sent).values():
        assert not seen & {*BLUE, "internet"}


def test_forged_vlan_tags_lead_nowhere(cloud: Cloud) -> None:
    needle = mark()
    frame = frames.udp(address(cloud, "red-a"), address(cloud, "blue-b"), needle, vlan=7)
    assert who_sees(cloud, "red-a", frame, needle) == set()
    frame = frames.udp(address(cloud, "red-a"), address(cloud, "red-b"), needle, vlan=7)
    assert who_sees(cloud, "red-a", frame, needle) == set()


@pytest.mark.parametrize("operation", [1, 2])
def test_forged_arp_changes_nobodys_mind(cloud: Cloud, operation: int) -> None:
    """Red claims to be everyone: the others' neighbour tables and traffic stay as they were."""
    own = address(cloud, "red-a")
    for victim in ("red-b", "blue-a", "blue-b"):
        target = address(cloud, victim)
        for claimed in ("10.0.0.1", "10.0.0.11", "10.0.0.99", "10.0.1.10"):
            for ether in (frames.BROADCAST, target[0]):
                frame = frames.arp(operation, (own[0], claimed), target, ether_target=ether)
                with cloud.guests[victim].sniff() as wire:
                    cloud.guests["red-a"].send(frame)
                    time.sleep(0.1)
                    assert not wire.received(frames.is_arp)
    for name in ("red-b", "blue-a", "blue-b"):
        assert own[0] not in cloud.guests[name].run("ip", "neigh") or name == "red-b"
    assert cloud.guests["blue-a"].ping("10.0.0.11", count=5) == 5
    assert cloud.guests["red-b"].ping("10.0.0.10", count=5) == 5


@pytest.mark.parametrize(
    "mac", [frames.BROADCAST, "01:00:5e:00:00:01", "33:33:00:00:00:01", "01:80:c2:00:00:00", "fa:16:3e:12:34:56"]
)
def test_nothing_floods(cloud: Cloud, mac: str) -> None:
    """Broadcast, multicast and unknown unicast, by Ethernet or IP address, reach nobody.

    The one that names a neighbour by its IP address may reach that neighbour alone, when its MAC is not a group's.
    """
    wanted = ("255.255.255.255", "10.0.0.255", "224.0.0.1", "10.0.0.200", "10.0.0.11")
    marks = {ip: mark() for ip in wanted}
    own = address(cloud, "red-a")
    seen = who_see(cloud, "red-a", {needle: frames.udp(own, (mac, ip), needle) for ip, needle in marks.items()})
    named = seen.pop(marks["10.0.0.11"])
    assert named <= ({"red-b"} if mac.startswith("fa:") else set())
    assert not any(seen.values()), seen


@pytest.mark.parametrize("kind", [b"\x88\xcc", b"\x86\xdd", b"\x81\x37", b"\x00\x26"])
def test_other_protocols_do_not_cross_the_switch(cloud: Cloud, kind: bytes) -> None:
    own = address(cloud, "red-a")[0]
    sent = {}
    for mac in (address(cloud, "blue-b")[0], address(cloud, "red-b")[0], frames.BROADCAST):
        needle = mark()
        sent[needle] = bytes.fromhex((mac + own).replace(":", "")) + kind + needle + bytes(60)
    assert not any(who_see(cloud, "red-a", sent).values())


def test_equal_addresses_answer_their_own_tenant_only(cloud: Cloud) -> None:
    """Both tenants ping 10.0.0.11 at once: each machine of that address hears its own neighbour alone."""
    with cloud.guests["red-b"].sniff() as red, cloud.guests["blue-b"].sniff() as blue:
        for name, needle in (("red-a", b"from red"), ("blue-a", b"from blue")):
            pattern = needle.hex()
            assert cloud.guests[name].ping("10.0.0.11", "-p", pattern, count=5) == 5
        assert red.received(lambda one: b"from red" in one)
        assert not red.received(lambda one: b"from blue" in one)
        assert blue.received(lambda one: b"from blue" in one)
        assert not blue.received(lambda one: b"from red" in one)
