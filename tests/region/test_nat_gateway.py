"""A NAT gateway of a region of several hosts: on the active gateway, and what becomes of connections when that dies."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Self

import pytest

from apps.nat_handover.model import MovedPorts
from tests.region.arp import holder
from tests.region.conftest import received
from tests.region.scratch import stored
from topologies.internet import SERVER
from topologies.natgw import Natted, behind_a_gateway
from topologies.process import wait_until, within
from topologies.region import Region
from topologies.scenarios import machine

MACHINES = {"nat1": ("10.0.0.11", "hv1"), "nat2": ("10.0.0.12", "hv2"), "nat4": ("10.0.0.14", "hv4")}
PORT, EACH = 8100, 150
ENOUGH = 1 << 20
"""Bytes of a download that goes on: many windows of TCP."""


@pytest.fixture(scope="module")
def natted(region: Region) -> Iterator[Natted]:
    """One more tenant, with machines on the active gateway, on a host with an uplink, and on one without."""
    machines = tuple(machine(name, "front", address, 0, host) for name, (address, host) in MACHINES.items())
    region.build(behind_a_gateway(machines))
    made = Natted(region, eips=2)
    for name in MACHINES:
        assert region.guests[name].reaches(SERVER, 10), name
    yield made


def tried(region: Region, name: str) -> str:
    """The elastic IP by which a new connection leaves; "" when there is none within 0.2 s."""
    listener = within(region.internet.server.pid, lambda: socket.create_server(("0.0.0.0", 0)))
    with listener:
        port = listener.getsockname()[1]
        try:
            with within(region.guests[name].pid, lambda: socket.create_connection((SERVER, port), timeout=0.2)):
                return str(listener.accept()[1][0])
        except OSError:
            return ""


def test_every_machine_leaves_by_the_gateway_wherever_it_is(region: Region, natted: Natted) -> None:
    seen = {tried(region, name) for name in MACHINES for _ in range(8)}
    assert seen == set(natted.publics())
    for id in natted.publics().values():
        assert wait_until(lambda id=id: natted.owner.elastic_ip(id)["state"] == "UP", 10)  # type: ignore[misc]


def test_a_dnat_rule_leads_to_a_machine_on_a_host_without_uplink(region: Region, natted: Natted) -> None:
    public = min(natted.publics())
    ends = {"externalIpAddress": public, "internalIpAddress": MACHINES["nat4"][0]}
    rule = natted.open(protocol="TCP", externalPortStart=2222, internalPortStart=22, **ends)
    listener = within(region.guests["nat4"].pid, lambda: socket.create_server(("0.0.0.0", 22)))
    with listener:
        near = within(region.internet.server.pid, lambda: socket.create_connection((public, 2222), timeout=5))
        far, (address, _) = listener.accept()
        with near, far:
            assert address == SERVER
            far.sendall(b"x" * 20_000)
            near.settimeout(5)
            assert received(near, 20_000) == 20_000
    natted.do("removeDnatRules", dnatRuleIds=[rule])


def test_a_trace_tells_both_hosts_and_the_elastic_ip(region: Region, natted: Natted) -> None:
    told = region.cli("trace", "--from", region.interfaces["nat4", 0]["networkInterfaceId"], "--to", SERVER)
    assert told["verdict"].startswith("out to the public network by the gateway "), told
    assert any(step["says"].startswith(f"to NAT gateway {natted.id}") for step in told["steps"])


class Held:
    """Connections of machines to one server port, both ends, during a `with` block."""

    def __init__(self, region: Region, names: list[str], each: int, port: int, first: int, apart: int = 0) -> None:
        """``first`` is the source port of the first machine's first connection; the next machine's is ``apart``."""
        self._region, self._port = region, port
        self._sources = [(name, first + place * apart + n) for place, name in enumerate(names) for n in range(each)]
        self._undo = ExitStack()
        self.ends: list[tuple[socket.socket, socket.socket]] = []

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            server = self._region.internet.server.pid
            with within(server, lambda: socket.create_server(("0.0.0.0", self._port), backlog=1024)) as listener:
                for name, number in self._sources:
                    near = undo.enter_context(self._connected(name, number))
                    far = undo.enter_context(listener.accept()[0])
                    near.setblocking(False)
                    far.setblocking(False)
                    self.ends.append((near, far))
            self._undo = undo.pop_all()
        return self

    def _connected(self, name: str, number: int) -> socket.socket:
        own, target = ("0.0.0.0", number), (SERVER, self._port)
        pid = self._region.guests[name].pid
        return within(pid, lambda: socket.create_connection(target, timeout=10, source_address=own))

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def alive(self, seconds: float) -> int:
        """Speak from inside on each; on how many the server hears it and its answer comes back in time."""
        for near, _ in self.ends:
            near.send(b"?")
        heard: set[int] = set()
        back: set[int] = set()

        def all_back() -> bool:
            for place, (near, far) in enumerate(self.ends):
                if place not in heard and _read(far):
                    heard.add(place)
                    far.send(b"!")
                elif place in heard and place not in back and _read(near):
                    back.add(place)
            return len(back) == len(self.ends)

        wait_until(all_back, seconds)
        return len(back)

    def told(self, seconds: float) -> int:
        """Speak from outside on each; how many machines hear it in time."""
        for _, far in self.ends:
            far.send(b"+")
        heard: set[int] = set()

        def all_heard() -> bool:
            heard.update(place for place, (near, _) in enumerate(self.ends) if place not in heard and _read(near))
            return len(heard) == len(self.ends)

        wait_until(all_heard, seconds)
        return len(heard)

    def moved(self) -> set[tuple[int, int]]:
        """The ports of connections that the server sees come from another one, and that."""
        ports = ((near.getsockname()[1], far.getpeername()[1]) for near, far in self.ends)
        return {(own, seen) for own, seen in ports if own != seen}

    def downloaded(self, seconds: float) -> int:
        """Send from outside all the time; how many machines get enough of it, beside what they have already."""
        got = [0] * len(self.ends)
        for near, _ in self.ends:
            while _read(near, 1 << 16):
                pass

        def all_have() -> bool:
            for place, (near, far) in enumerate(self.ends):
                _sends(far)
                got[place] += _read(near, 1 << 16)
            return min(got) > ENOUGH

        wait_until(all_have, seconds)
        return sum(one > ENOUGH for one in got)


def _read(end: socket.socket, most: int = 1) -> int:
    try:
        return len(end.recv(most))
    except OSError:
        return 0


def _sends(end: socket.socket) -> None:
    with suppress(OSError):
        end.send(bytes(1 << 16))


def known_as_moved(region: Region) -> set[tuple[int, int]]:
    """The ports of connections of which the region knows that they have another one outside, and that."""
    rows = (row.split() for change in stored(region).changes if change.cls is MovedPorts for row in change.new.rows)
    return {(int(row[1]), int(row[5])) for row in rows}


def killed(region: Region, natted: Natted, names: list[str]) -> tuple[str, dict[str, float]]:
    """Kill the switch of the active gateway: its host, and when each machine's new connections came through."""
    host = holder(region, min(natted.publics()))
    began, gaps = time.monotonic(), {}
    region.hosts[host].kill_vswitchd()
    for name in names:
        assert wait_until(lambda name=name: tried(region, name), 10, 0.01)  # type: ignore[misc]
        gaps[name] = time.monotonic() - began
    return host, gaps


def whole(region: Region, host: str) -> None:
    """Start a host's switch again, and wait for it."""
    region.hosts[host].start_vswitchd()
    region.cli("wait", "--timeout", "20")


def test_n10_the_active_gateway_dies_and_connections_go_on(region: Region, natted: Natted) -> None:
    """New ones within two seconds; of those that run, whose machine speaks first, nearly all."""
    names = ["nat1", "nat4"]
    with Held(region, names, EACH, PORT, 40_000, 1000) as held:
        assert held.alive(20) == EACH * len(names)
        host, gaps = killed(region, natted, names)
        survivors = held.alive(20)
        print(f"gateway killed: new connections after {gaps}, {survivors} of {len(held.ends)} go on")
    whole(region, host)
    assert max(gaps.values()) <= 2.0 and survivors >= 0.99 * len(held.ends)


def test_n10_those_go_on_too_whose_machine_only_listens_or_shares_its_port(region: Region, natted: Natted) -> None:
    """Servers that speak first and downloads: the machine's host reminds it; shared ports: the region knows them."""
    # With one elastic IP for both machines, each port that they share is moved for one of them.
    one = {"elasticIpIds": [max(natted.publics().values())]}
    natted.do("setElasticIpStatus", status="offline", **one)
    with (
        Held(region, ["nat4"], 150, 8101, 20_000) as server_first,
        Held(region, ["nat1"], 20, 8103, 25_000) as downloads,
        Held(region, ["nat1", "nat4"], 150, 8102, 30_000) as shared,
    ):
        assert server_first.told(20) == 150 and shared.alive(20) == 300 and downloads.downloaded(30) == 20
        moved = shared.moved()
        assert len(moved) == 150 and wait_until(lambda: moved <= known_as_moved(region), 60, 1)
        host, _ = killed(region, natted, ["nat1", "nat4"])
        download, unasked, kept = downloads.downloaded(30), server_first.told(30), shared.alive(30)
        print(
            f"gateway killed: server first {unasked} of 150, downloads {download} of 20, "
            f"shared source ports {kept} of 300 go on ({len(moved)} had another port)"
        )
    whole(region, host)
    natted.do("setElasticIpStatus", status="online", **one)
    assert unasked >= 149 and download == 20 and kept >= 298
