"""A packet larger than the uplink is cut if it may be, else its sender is told how much fits; an MTU may change."""

import contextlib
import os
import re
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from sdnctl.program.feature import discover
from tests.packet.test_elastic_ip import route_mtu
from tests.waiting import eventually
from topologies import frames, scenarios
from topologies.cloud import Cloud
from topologies.process import within
from topologies.station import Station

ROUTER = "203.0.113.1"
IP_MTU_DISCOVER, DO, DONT = 10, 2, 0
NARROW = 1300


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as made:
        made.build(scenarios.elastic_ip())
        assert made.guests["web"].reaches(ROUTER, 10)
        eventually(lambda: cutting(made), 30)
        yield made


def cutting(cloud: Cloud) -> bool:
    """True when large packets of each port go to the fragmenter."""
    table = discover().pipeline.tables["cut"].id
    return sum(f"table={table}, priority=200" in one for one in cloud.host.flows()) >= len(cloud.guests)


@contextlib.contextmanager
def narrow(cloud: Cloud, mtu: int) -> Iterator[None]:
    """An uplink of this MTU, as the switch tells and the flows have it."""
    resize(cloud, mtu)
    try:
        yield
    finally:
        resize(cloud, 1500)


def resize(cloud: Cloud, mtu: int) -> None:
    """Both ends of the uplink have this MTU; what a guest has learned of it before is forgotten."""
    cloud.internet.gateway.run("ip", "link", "set", "public", "mtu", str(mtu))
    cloud.host.run("ip", "link", "set", "uplink", "mtu", str(mtu))
    eventually(lambda: any(f"check_pkt_larger({mtu + 14})" in one for one in cloud.host.flows()))
    for guest in cloud.guests.values():
        guest.run("ip", "route", "flush", "cache")


def echoed(client: Station, server: Station, address: str, local: str, size: int) -> bool:
    """True when a datagram that may be cut comes back as it was, by ordinary sockets."""
    far = within(server.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    near = within(client.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    data = os.urandom(size)
    with far, near:
        for one in (far, near):
            one.settimeout(2)
            one.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, DONT)
        far.bind((local, 9002))
        near.sendto(data, (address, 9002))
        try:
            heard, peer = far.recvfrom(65536)
            far.sendto(heard, peer)
            return heard == data == near.recv(65536)
        except TimeoutError:
            return False


def test_a_sender_whose_packets_may_not_be_cut_is_told_what_fits(cloud: Cloud) -> None:
    """Also the sender of the same private address in another VPC, each its own."""
    with narrow(cloud, NARROW):
        for name in ("web", "other"):
            guest = cloud.guests[name]
            assert guest.ping(ROUTER, "-M", "do", "-s", "1400", count=3, interval=0.2, wait=1) == 0
            assert route_mtu(guest, ROUTER) == NARROW
            assert guest.ping(ROUTER, "-M", "do", "-s", str(NARROW - 28), count=2) == 2


def test_packets_that_may_be_cut_are(cloud: Cloud) -> None:
    guest, gateway = cloud.guests["web"], cloud.internet.gateway
    with narrow(cloud, NARROW):
        with gateway.sniff("public") as wire:
            assert guest.ping(ROUTER, "-M", "dont", "-s", "1400") == 3
            came = [one for one in map(frames.ip, wire.received()) if one and one.src == cloud.public("web")]
        assert {int(one.len) for one in came} == {724}
        for size in (1273, 1472, 4000, 20_000):
            assert echoed(guest, gateway, ROUTER, ROUTER, size), size
            assert echoed(gateway, guest, cloud.public("web"), "10.0.0.10", size), size
        # No error: nobody has to send smaller packets.
        assert route_mtu(guest, ROUTER) == 0


def test_a_flood_of_large_packets_takes_nothing_from_others(cloud: Cloud) -> None:
    """Those that may be cut, those that may not: each port has its own limit, for them and for its questions."""
    loud, calm = cloud.guests["web"], cloud.guests["other"]
    ether = bytes(Ether(src=loud.mac(), dst="0e:00:00:00:00:01", type=0x800))
    with narrow(cloud, NARROW), ThreadPoolExecutor() as beside:
        for flags in (0, 2):
            packet = ether + bytes(IP(src="10.0.0.10", dst=ROUTER, flags=flags) / UDP(dport=9) / bytes(1400))
            flood = beside.submit(lambda packet=packet: [loud.send(*[packet] * 500) for _ in range(10)])
            assert calm.ping(ROUTER, "-M", "dont", "-s", "1400", count=10) >= 8
            assert calm.ping(ROUTER, count=3) == 3
            flood.result()


def test_an_upload(cloud: Cloud) -> None:
    guest, gateway = cloud.guests["api"], cloud.internet.gateway
    with narrow(cloud, NARROW):
        # Most servers offer segments for 1500 bytes, whatever is before them.
        gateway.run("ip", "route", "replace", cloud.public("api"), "dev", "public", "advmss", "1460")
        listener = within(gateway.pid, lambda: socket.create_server((ROUTER, 7301)))
        with listener, within(guest.pid, lambda: socket.create_connection((ROUTER, 7301), timeout=5)) as near:
            far, _ = listener.accept()
            with far:
                far.settimeout(5)
                near.sendall(b"x" * 300_000)
                got = 0
                while got < 300_000:
                    got += len(far.recv(65536))
    assert got == 300_000 and route_mtu(guest, ROUTER) in (0, NARROW)


def test_an_uplink_of_jumbo_frames(cloud: Cloud) -> None:
    guest = cloud.guests["web"]
    with narrow(cloud, 9000):
        guest.run("ip", "link", "set", "eth0", "mtu", "9000")
        port = next(name for name in cloud.host.vsctl("list-ports", "br-int").split() if name.startswith("web"))
        cloud.host.run("ip", "link", "set", port, "mtu", "9000")
        try:
            assert guest.ping(ROUTER, "-M", "do", "-s", "8972") == 3
        finally:
            cloud.host.run("ip", "link", "set", port, "mtu", "1500")
            guest.run("ip", "link", "set", "eth0", "mtu", "1500")
    assert guest.ping(ROUTER, "-M", "do", "-s", "1472") == 3


def fragmenter(cloud: Cloud) -> int:
    """The fragmenter's process, as the operator sees it; 0 while there is none."""
    told = {one["service"]: one for one in cloud.cli("services", "list")["services"]}
    found = re.search(r"process (\d+)", told["oversize.fragmenter"]["says"])
    return int(found[1]) if found and told["oversize.fragmenter"]["state"] == "running" else 0


def test_while_the_agent_is_away_and_after_the_fragmenter_has_died(cloud: Cloud) -> None:
    guest = cloud.guests["web"]
    with narrow(cloud, NARROW):
        before = set(cloud.host.flows())
        cloud.service.kill_part("controller")
        assert guest.ping(ROUTER, "-M", "dont", "-s", "1400") == 3
        old = fragmenter(cloud)
        assert old
        os.kill(old, signal.SIGKILL)
        eventually(lambda: guest.ping(ROUTER, "-M", "dont", "-s", "1400", count=1, wait=0.5) == 1)
        eventually(lambda: fragmenter(cloud) not in (0, old))
        assert set(cloud.host.flows()) == before
