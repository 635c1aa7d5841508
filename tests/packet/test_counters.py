"""The traffic counted for an elastic IP is the traffic that arrived, through changes of its rate and to its end."""

import contextlib
import re
import sys
import time
from collections.abc import Iterator

import pytest

from sdnctl.model.host import TrafficCount
from sdnctl.store.ovsdb.client import OvsdbStore
from tests.waiting import eventually
from topologies import scenarios
from topologies.cloud import Cloud
from topologies.internet import SERVER
from topologies.process import stop

PACKETS_PER_SECOND = 5000
CHANGES = 20
RATES = (1, 40, 2, 100)
"""Mbit/s: 5000 packets of 142 bytes are 5.7, so that half of the time some are dropped."""
DISCARD = 9  # a port of the server that nobody listens at would answer each packet: a socket there takes them all
SENDER = """
import socket, sys, time
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
rate, due = int(sys.argv[2]), time.monotonic()
while True:
    for _ in range(rate // 200):
        out.sendto(bytes(100), (sys.argv[1], 9))
    due += 1 / 200
    time.sleep(max(0.0, due - time.monotonic()))
"""
SINK = "import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 9)); time.sleep(1e6)"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as made:
        made.build(scenarios.elastic_ip())
        made.internet.server.spawn([sys.executable, "-c", SINK])
        assert made.guests["web"].reaches(SERVER, 10)
        yield made


@contextlib.contextmanager
def flood(cloud: Cloud) -> Iterator[None]:
    """Datagrams from web to the server, during a `with` block."""
    sender = cloud.guests["web"].spawn([sys.executable, "-c", SENDER, SERVER, str(PACKETS_PER_SECOND)])
    try:
        yield
    finally:
        stop(sender)


def arrived(cloud: Cloud) -> int:
    """The packets that the server's interface has received, as its kernel counts them."""
    found = re.search(r"eth0:\s+\d+\s+(\d+)", cloud.internet.server.run("cat", "/proc/net/dev"))
    assert found is not None
    return int(found[1])


def counted(cloud: Cloud) -> TrafficCount:
    """The count of web's outbound traffic in the store in the end."""
    eip = cloud.elastic["web", "10.0.0.10"]["elasticIpId"]
    store = OvsdbStore(f"unix:{cloud.service.data}/store.sock", classes=[TrafficCount])
    try:
        store.subscribe(lambda batch: None)
        id = f"{cloud.host.name}/eip/{eip}/out"

        def ended() -> bool:
            found = store.state.get(TrafficCount, id)
            return found is not None and found.ended > 0

        eventually(ended, 10)
        found = store.state.get(TrafficCount, id)
        assert found is not None
        return found
    finally:
        store.close()


def test_twenty_changes_of_the_rate_lose_no_count(cloud: Cloud) -> None:
    owner, eip = cloud.owners["web"], cloud.elastic["web", "10.0.0.10"]["elasticIpId"]
    first = owner.elastic_ip(eip)
    before = arrived(cloud)
    slowest = 0.0
    with flood(cloud):
        for number in range(CHANGES):
            began = time.monotonic()
            owner.set_bandwidth(eip, RATES[number % len(RATES)])
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.15)
    time.sleep(1)
    received = arrived(cloud) - before
    owner.unbind(eip, first["networkInterfaceId"])
    told = counted(cloud)
    print(f"received {received}, counted {told.packets}, dropped {told.dropped_packets}, slowest {slowest:.2f} s")
    assert received > 2 * PACKETS_PER_SECOND and told.dropped_packets > 0
    assert told.packets == pytest.approx(received, rel=0.01)


def test_an_address_taken_away_under_load_is_counted_to_its_last_packet(cloud: Cloud) -> None:
    owner, eip = cloud.owners["web"], cloud.elastic["web", "10.0.0.10"]["elasticIpId"]
    owner.set_bandwidth(eip, 100)
    first = owner.elastic_ip(eip)
    before = arrived(cloud)
    with flood(cloud):
        time.sleep(3)
        owner.unbind(eip, first["networkInterfaceId"])
        told = counted(cloud)
    received = arrived(cloud) - before
    print(f"received {received}, counted {told.packets}, bytes {told.bytes}")
    assert told.packets == pytest.approx(received, rel=0.01) and received > 2 * PACKETS_PER_SECOND
