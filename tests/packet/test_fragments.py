"""Datagrams larger than a packet pass an elastic IP whole, whatever is in them, both ways, also after it has moved."""

import os
import random
import re
import socket
import time
from collections.abc import Iterator

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from sdnctl.bridge.conntrack import SETTINGS
from topologies import frames, scenarios
from topologies.cloud import Cloud
from topologies.process import within
from topologies.station import Station
from topologies.tenant import Tenant

ROUTER = "203.0.113.1"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as made:
        made.build(scenarios.elastic_ip())
        assert made.guests["web"].reaches(ROUTER, 10)
        yield made


KINDS = {
    "UDP": UDP(sport=5000, dport=9),
    "UDP without checksum": UDP(sport=5000, dport=9, chksum=0),
    "TCP": TCP(sport=5000, dport=9, flags="A", seq=7),
    "ICMP": ICMP(type=8, id=77),
}


def pieces(inner: Packet, size: int) -> list[bytes]:
    """The datagram in fragments that carry ``size`` bytes each."""
    return [bytes(one) for one in fragment(inner, fragsize=size)]


def arrived(got: list[bytes], number: int, src: str, dst: str) -> IP | None:
    """The datagram with this identification, put together; None while a part is missing."""
    found = [one for one in map(frames.ip, got) if one and (one.id, one.src, one.dst) == (number, src, dst)]
    found.sort(key=lambda one: int(one.frag))
    body = b""
    for one in found:
        if one.frag * 8 != len(body):
            return None
        body += bytes(one.payload)[: one.len - 20]
    if not found or found[-1].flags.MF:
        return None
    return IP(bytes(IP(src=src, dst=dst, proto=found[0].proto) / Raw(body)))


def right(got: IP, want: bytes, bare: bool) -> bool:
    """True when payload and checksum are right; ``bare``: there is no checksum."""
    layer = got.payload
    given = layer.chksum
    del layer.chksum
    fresh = IP(bytes(got)).payload.chksum
    return want in bytes(layer.payload) and given == (0 if bare else fresh)


def ways(cloud: Cloud, name: str, address: str) -> dict[str, tuple[Station, str, bytes, str, Station, str, str, str]]:
    """By direction: sender, its interface, the Ethernet header, addresses as sent, receiver, its interface, as seen."""
    guest, gateway, public = cloud.guests[name], cloud.internet.gateway, cloud.public(name)
    (mac,) = frames.who_has(gateway, public, ROUTER, "public")
    out = bytes(Ether(src=guest.mac(), dst="0e:00:00:00:00:01", type=0x800))
    into = bytes(Ether(src=gateway.mac("public"), dst=mac, type=0x800))
    return {
        "out": (guest, "eth0", out, f"{address}>{ROUTER}", gateway, "public", public, ROUTER),
        "in": (gateway, "public", into, f"{ROUTER}>{public}", guest, "eth0", ROUTER, address),
    }


def send_and_hear(way: tuple[Station, str, bytes, str, Station, str, str, str], inner: Packet, size: int) -> IP | None:
    """The datagram as the receiver got it."""
    sender, port, ether, sent_as, receiver, inlet, src, dst = way
    inner.src, inner.dst = sent_as.split(">")
    inner.id = random.randrange(1, 0xFFFF)
    with receiver.sniff(inlet) as wire:
        sender.send(*(ether + one for one in pieces(inner, size)), interface=port)
        end = time.monotonic() + 3
        while (found := arrived(wire.received(), inner.id, src, dst)) is None and time.monotonic() < end:
            time.sleep(0.02)
        return found


@pytest.mark.parametrize("size", [400, 1000, 1480])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["out", "in"])
def test_every_fragment_arrives_as_it_was_sent(cloud: Cloud, way: str, kind: str, size: int) -> None:
    data = os.urandom(size * 3 + 123)
    got = send_and_hear(ways(cloud, "web", "10.0.0.10")[way], IP() / KINDS[kind].copy() / data, size)
    assert got is not None, "did not arrive"
    assert right(got, data, kind == "UDP without checksum")


def echoed(client: Station, server: Station, address: str, local: str, size: int) -> bool:
    """True when a datagram of an ordinary socket comes back from another one as it was."""
    far = within(server.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    near = within(client.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    data = os.urandom(size)
    with far, near:
        for one in (far, near):
            one.settimeout(2)
        far.bind((local, 9001))
        near.sendto(data, (address, 9001))
        try:
            heard, peer = far.recvfrom(65536)
            far.sendto(heard, peer)
            return heard == data == near.recv(65536)
        except TimeoutError:
            return False


def test_ordinary_sockets(cloud: Cloud) -> None:
    """Up to 32 fragments in one datagram."""
    web, other, gateway = (cloud.guests["web"], cloud.guests["other"], cloud.internet.gateway)
    for size in (1473, 9000, 46_000):
        assert echoed(web, gateway, ROUTER, ROUTER, size), f"out, {size}"
        assert echoed(gateway, web, cloud.public("web"), "10.0.0.10", size), f"in, {size}"
        assert echoed(web, other, cloud.public("other"), "0.0.0.0", size), f"hairpin, {size}"
    assert web.ping(ROUTER, "-s", "5000") == 3
    assert gateway.ping(cloud.public("web"), "-s", "5000") == 3


def test_after_a_move(cloud: Cloud) -> None:
    """The same ports before and after: nothing of the old binding stands in the way, there or back."""
    owner: Tenant = cloud.owners["web"]
    gateway, id = cloud.internet.gateway, cloud.elastic["web", "10.0.0.10"]["elasticIpId"]
    public = cloud.public("web")
    ports = [cloud.interfaces[name, 0]["networkInterfaceId"] for name in ("web", "spare")]
    for old, new, name in (*((*ports, "spare"),), *((*reversed(ports), "web"),)):
        owner.unbind(id, old)
        owner.bind(id, new)
        owner.wait_up(id)
        local = cloud.interfaces[name, 0]["primaryIp"]["privateIpAddress"]
        guest = cloud.guests[name]
        deadline = time.monotonic() + 5
        while not echoed(gateway, guest, public, local, 4000):
            assert time.monotonic() < deadline, f"in to {name}"
        assert echoed(guest, gateway, ROUTER, ROUTER, 4000), f"out from {name}"


def held(cloud: Cloud) -> str:
    return cloud.host.appctl("dpctl/ipf-get-status", "netdev@ovs-netdev")


def test_one_that_never_sends_the_rest_does_not_stop_others(cloud: Cloud) -> None:
    """First fragments without end through one elastic IP: its own limit holds them, others' datagrams pass."""
    sender, port, ether, sent_as, *_ = ways(cloud, "other", "10.0.0.10")["out"]
    src, dst = sent_as.split(">")
    for start in range(0, 6000, 500):
        first = (IP(src=src, dst=dst, id=start + n, flags="MF") / UDP(dport=9) / bytes(800) for n in range(500))
        sender.send(*(ether + bytes(one) for one in first), interface=port)
    (pool,) = re.findall(r"num frag: (\d+)", held(cloud))
    assert 0 < int(pool) < 2500
    assert echoed(cloud.guests["web"], cloud.internet.gateway, ROUTER, ROUTER, 4000)


def test_small_fragments_pass_again_after_the_switch_has_restarted(cloud: Cloud) -> None:
    """The userspace datapath forgets its settings with every start."""
    cloud.host.kill_vswitchd()
    cloud.host.start_vswitchd()
    assert cloud.guests["web"].reaches(ROUTER, 20)
    lowest = SETTINGS[0][-1]
    deadline = time.monotonic() + 10
    while not re.search(rf"min v4 frag size: {lowest}\b", held(cloud)):
        assert time.monotonic() < deadline, held(cloud)
        time.sleep(0.1)
    data = os.urandom(1500)
    got = send_and_hear(ways(cloud, "web", "10.0.0.10")["out"], IP() / UDP(sport=5000, dport=9) / data, 400)
    assert got is not None and right(got, data, False)
