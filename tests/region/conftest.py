"""The region that the tests share while nothing is broken on purpose."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from tests.packet.test_cleanup import ours
from topologies import frames, scenarios
from topologies.internet import SERVER
from topologies.process import within
from topologies.region import Region
from topologies.station import Station


@pytest.fixture(scope="package")
def region() -> Iterator[Region]:
    """Two tenants on four hosts, everything reached once; nothing of it is left afterwards."""
    yield from whole_region()


def whole_region() -> Iterator[Region]:
    """Build, lend, and take away."""
    with Region() as made:
        made.build(scenarios.spread())
        settled(made)
        yield made
    assert ours([str(made.directory), *(str(host.directory) for host in made.hosts.values())]) == []


def settled(region: Region) -> None:
    """Wait until every pair of machines has found each other: the first packets of a tunnel wait for its ARP."""
    region.cli("wait", "--timeout", "20")
    red = region.machines_of("red")
    for name in red:
        for other in red:
            assert region.guests[name].reaches(region.address(other), 10), f"{name} does not reach {other}"
    for name in ("red1", "red2", "red3"):
        assert region.guests[name].reaches(SERVER, 10), f"{name} does not reach the Internet"


@contextlib.contextmanager
def connect(client: Station, server: Station, address: str, port: int) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A TCP connection to an address at which the server is reached: the client's end and the server's."""
    listener = within(server.pid, lambda: socket.create_server(("0.0.0.0", port)))
    listener.settimeout(5)
    with listener, within(client.pid, lambda: socket.create_connection((address, port), timeout=5)) as near:
        far, _ = listener.accept()
        with far:
            far.settimeout(5)
            yield near, far


def received(far: socket.socket, count: int) -> int:
    """Read until so many bytes have come or nothing comes any more; how many came."""
    got = 0
    while got < count and (data := far.recv(65536)):
        got += len(data)
    return got


def is_echo_to(target: str, frame: bytes) -> bool:
    """Is it an ICMP echo request to this address?"""
    packet = frames.ip(frame)
    return packet is not None and packet.proto == 1 and packet.dst == target and bytes(packet.payload)[:1] == b"\x08"
