"""A NAT gateway of a region of several hosts: on the active gateway, and what becomes of connections when that dies."""

import socket
import time
from collections.abc import Iterator

import pytest

from tests.region.arp import holder
from tests.region.conftest import received
from topologies.internet import SERVER
from topologies.natgw import Natted, behind_a_gateway
from topologies.process import wait_until, within
from topologies.region import Region
from topologies.scenarios import machine

MACHINES = {"nat1": ("10.0.0.11", "hv1"), "nat2": ("10.0.0.12", "hv2"), "nat4": ("10.0.0.14", "hv4")}
PORT, EACH = 8100, 150


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
    """Connections of machines to one server port, both ends."""

    def __init__(self, region: Region, names: list[str], each: int, port: int, first: int, apart: int) -> None:
        """``first`` is the source port of the first machine's first connection; the next machine's is ``apart``."""
        listener = within(region.internet.server.pid, lambda: socket.create_server(("0.0.0.0", port), backlog=1024))
        self.ends: list[tuple[socket.socket, socket.socket, str]] = []
        with listener:
            for place, name in enumerate(names):
                for number in range(each):
                    own = ("0.0.0.0", first + place * apart + number)
                    near = within(
                        region.guests[name].pid,
                        lambda own=own: socket.create_connection((SERVER, port), timeout=5, source_address=own),
                    )
                    far, _address = listener.accept()
                    self.ends.append((near, far, name))

    def alive(self, seconds: float) -> int:
        """Speak from inside on each; on how many the server hears it and its answer comes back in time."""
        for near, far, _ in self.ends:
            near.setblocking(False)
            far.setblocking(False)
            near.send(b"?")
        heard: set[int] = set()
        back: set[int] = set()
        end = time.monotonic() + seconds
        while len(back) < len(self.ends) and time.monotonic() < end:
            for place, (near, far, _) in enumerate(self.ends):
                if place not in heard and self._read(far):
                    heard.add(place)
                    far.send(b"!")
                elif place in heard and place not in back and self._read(near):
                    back.add(place)
            time.sleep(0.02)
        return len(back)

    def told(self, seconds: float) -> int:
        """Speak from outside on each; how many machines hear it in time."""
        for near, far, _ in self.ends:
            near.setblocking(False)
            far.send(b"+")
        heard: set[int] = set()
        end = time.monotonic() + seconds
        while len(heard) < len(self.ends) and time.monotonic() < end:
            heard |= {place for place, (near, *_) in enumerate(self.ends) if place not in heard and self._read(near)}
            time.sleep(0.02)
        return len(heard)

    @staticmethod
    def _read(end: socket.socket) -> bool:
        try:
            return end.recv(1) != b""
        except OSError:
            return False

    def close(self) -> None:
        """End all of them."""
        for near, far, _ in self.ends:
            near.close()
            far.close()


def test_n10_the_active_gateway_dies_and_connections_go_on(region: Region, natted: Natted) -> None:
    """New ones within two seconds; of those that run, whose machine speaks first, nearly all."""
    names = ["nat1", "nat4"]
    held = Held(region, names, EACH, PORT, 40_000, 1000)
    assert held.alive(5) == EACH * len(names)
    host = region.hosts[holder(region, min(natted.publics()))]
    began = time.monotonic()
    host.kill_vswitchd()
    gaps = {}
    for name in names:
        assert wait_until(lambda name=name: tried(region, name), 10, 0.01)  # type: ignore[misc]
        gaps[name] = time.monotonic() - began
    survivors = held.alive(12)
    print(f"gateway killed: new connections after {gaps}, {survivors} of {len(held.ends)} go on")
    held.close()
    host.start_vswitchd()
    region.cli("wait", "--timeout", "20")
    assert max(gaps.values()) <= 2.0 and survivors >= 0.99 * len(held.ends)


def test_n10_survivors_of_each_kind_are_counted(region: Region, natted: Natted) -> None:
    """Whose server speaks first waits for its machine's next packet; shared source ports are not given alike again."""
    server_first, shared = (
        Held(region, ["nat4"], 100, 8101, 20_000, 0),
        Held(region, ["nat1", "nat4"], 100, 8102, 30_000, 0),
    )
    assert server_first.told(5) == 100 and shared.alive(5) == 200
    active = holder(region, min(natted.publics()))
    region.hosts[active].kill_vswitchd()
    assert wait_until(lambda: tried(region, "nat1"), 10, 0.01)
    unasked = server_first.told(6)
    spoken = server_first.alive(12)
    kept = shared.alive(12)
    print(f"server first: {unasked} of 100 by itself, {spoken} once the machine speaks; shared ports: {kept} of 200")
    for held in (server_first, shared):
        held.close()
    region.hosts[active].start_vswitchd()
    region.cli("wait", "--timeout", "20")
    assert spoken >= 99
