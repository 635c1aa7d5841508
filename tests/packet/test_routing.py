"""Inside one VPC: neighbours, other subnets, the router and the ARP that leads to them."""

import re
import socket
import time
from collections.abc import Iterator

import pytest

from topologies import frames, scenarios
from topologies.cloud import Cloud
from topologies.process import within

ADDRESS = {"vm-a": "10.0.0.10", "vm-b": "10.0.0.11", "vm-c": "10.0.1.10", "vm-d": "10.0.143.254"}
ROUTER = {"vm-a": "10.0.0.1", "vm-b": "10.0.0.1", "vm-c": "10.0.1.1", "vm-d": "10.0.128.1"}
DHCP = {"vm-a": "10.0.0.2", "vm-b": "10.0.0.2", "vm-c": "10.0.1.2", "vm-d": "10.0.128.2"}


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as made:
        made.build(scenarios.routing())
        for name in ADDRESS:
            assert made.guests[name].reaches(ROUTER[name], 10)
        yield made


@pytest.mark.parametrize("name", ADDRESS)
def test_everyone_reaches_everyone(cloud: Cloud, name: str) -> None:
    for target in ADDRESS.values():
        assert cloud.guests[name].ping(target, count=3) == 3


def ttl_at(cloud: Cloud, sender: str, receiver: str, ttl: int = 64) -> int | None:
    guest = cloud.guests[sender]
    same = ROUTER[sender] == ROUTER[receiver]
    next_hop = ADDRESS[receiver] if same else ROUTER[sender]
    (mac,) = frames.who_has(guest, next_hop, ADDRESS[sender])
    needle = f"{sender}>{receiver} {time.monotonic()}".encode()
    with cloud.guests[receiver].sniff() as wire:
        guest.send(frames.udp((guest.mac(), ADDRESS[sender]), (mac, ADDRESS[receiver]), needle, ttl=ttl))
        frame = wire.wait(lambda one: needle in one, 1.0)
    packet = frames.ip(frame) if frame else None
    return packet.ttl if packet else None


def test_ttl_is_the_same_within_a_subnet(cloud: Cloud) -> None:
    assert ttl_at(cloud, "vm-a", "vm-b") == 64
    assert ttl_at(cloud, "vm-a", "vm-b", ttl=1) == 1


@pytest.mark.parametrize(
    ("sender", "receiver"), [("vm-a", "vm-c"), ("vm-c", "vm-a"), ("vm-a", "vm-d"), ("vm-d", "vm-c")]
)
def test_ttl_is_one_less_across_subnets(cloud: Cloud, sender: str, receiver: str) -> None:
    assert ttl_at(cloud, sender, receiver) == 63
    assert ttl_at(cloud, sender, receiver, ttl=2) == 1
    assert ttl_at(cloud, sender, receiver, ttl=1) is None


def test_a_router_is_seen_by_its_own_address_as_sender(cloud: Cloud) -> None:
    """Across subnets the frame comes from the receiver's router, not from the sender's MAC."""
    guest = cloud.guests["vm-a"]
    (mac,) = frames.who_has(guest, ROUTER["vm-a"], ADDRESS["vm-a"])
    with cloud.guests["vm-c"].sniff() as wire:
        guest.send(frames.udp((guest.mac(), ADDRESS["vm-a"]), (mac, ADDRESS["vm-c"]), b"who am I"))
        frame = wire.wait(lambda one: b"who am I" in one)
    assert frame is not None
    (router,) = frames.who_has(cloud.guests["vm-c"], ROUTER["vm-c"], ADDRESS["vm-c"])
    assert frame[6:12] == bytes.fromhex(router.replace(":", ""))
    assert frame[0:6] == bytes.fromhex(cloud.guests["vm-c"].mac().replace(":", ""))


@pytest.mark.parametrize("name", ADDRESS)
def test_router_and_dhcp_server_answer_ping(cloud: Cloud, name: str) -> None:
    assert cloud.guests[name].ping(ROUTER[name], count=5) == 5
    assert cloud.guests[name].ping(DHCP[name], count=5) == 5
    assert cloud.guests[name].ping(ROUTER[name], "-s", "1200", count=2) == 2


@pytest.mark.parametrize("options", [(), ("-I",), ("-T", "-p", "80")])
def test_traceroute_shows_the_router(cloud: Cloud, options: tuple[str, ...]) -> None:
    text = cloud.guests["vm-a"].run("traceroute", "-n", "-q", "1", "-w", "1", "-m", "4", *options, ADDRESS["vm-c"])
    assert re.findall(r"^\s*\d+\s+(\S+)", text, re.M) == [ROUTER["vm-a"], ADDRESS["vm-c"]]


def test_traceroute_within_a_subnet_has_one_hop(cloud: Cloud) -> None:
    text = cloud.guests["vm-a"].run("traceroute", "-n", "-q", "1", "-w", "1", "-m", "4", ADDRESS["vm-b"])
    assert re.findall(r"^\s*\d+\s+(\S+)", text, re.M) == [ADDRESS["vm-b"]]


@pytest.mark.parametrize("name", ADDRESS)
def test_arp_is_answered_once_and_truly(cloud: Cloud, name: str) -> None:
    """For the router and every neighbour exactly one answer; for the neighbours with their own MAC."""
    guest = cloud.guests[name]
    for target in (ROUTER[name], DHCP[name]):
        assert len(frames.who_has(guest, target, ADDRESS[name])) == 1
    for other in ADDRESS:
        if other != name and ROUTER[other] == ROUTER[name]:
            assert frames.who_has(guest, ADDRESS[other], ADDRESS[name]) == [cloud.guests[other].mac()]


def test_arp_for_a_free_address_is_silence(cloud: Cloud) -> None:
    assert frames.who_has(cloud.guests["vm-a"], "10.0.0.200", ADDRESS["vm-a"]) == []


def test_nobody_answers_when_a_machine_asks_for_its_own_address(cloud: Cloud) -> None:
    """Address conflict detection (RFC 5227) finds no conflict."""
    assert frames.who_has(cloud.guests["vm-a"], ADDRESS["vm-a"], "0.0.0.0") == []
    assert frames.who_has(cloud.guests["vm-a"], ADDRESS["vm-a"], ADDRESS["vm-a"]) == []


def test_arp_requests_reach_no_other_machine(cloud: Cloud) -> None:
    with cloud.guests["vm-b"].sniff() as wire:
        for target in ("10.0.0.1", "10.0.0.11", "10.0.0.200"):
            frames.who_has(cloud.guests["vm-a"], target, ADDRESS["vm-a"], seconds=0.2)
        assert not wire.received(frames.is_arp)


@pytest.mark.parametrize("target", ["vm-b", "vm-c"])
def test_tcp_carries_data_both_ways(cloud: Cloud, target: str) -> None:
    listener = within(cloud.guests[target].pid, lambda: socket.create_server((ADDRESS[target], 8080)))
    with listener:
        client = within(cloud.guests["vm-a"].pid, lambda: socket.create_connection((ADDRESS[target], 8080), timeout=3))
        server, peer = listener.accept()
        with client, server:
            assert peer[0] == ADDRESS["vm-a"]
            client.sendall(b"x" * 200_000)
            server.settimeout(3)
            got = 0
            while got < 200_000:
                got += len(server.recv(65536))
            server.sendall(b"done")
            assert client.recv(4) == b"done"


def test_the_largest_packet_passes_unfragmented(cloud: Cloud) -> None:
    for target in ("vm-b", "vm-c"):
        assert cloud.guests["vm-a"].ping(ADDRESS[target], "-M", "do", "-s", "1472", count=2) == 2
        assert cloud.guests["vm-a"].ping(ADDRESS[target], "-s", "4000", count=2) == 2


def test_an_address_outside_the_vpc_is_not_reached_without_a_public_one(cloud: Cloud) -> None:
    with cloud.internet.gateway.sniff("public") as wire:
        assert cloud.guests["vm-a"].ping("198.51.100.10", count=3, wait=0.3) == 0
        assert not wire.received(lambda one: frames.ip(one) is not None)
