"""Security groups while parts are killed: what is allowed goes on, what is not stays out, and no change is sent twice.

A userspace datapath forgets all connections with its process.  What goes on after a start of the switch is what the
rules allow in the direction of the packet that comes first; here the client sends, so it does.
"""

import re
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

import pytest

from tests.packet.groups import IN, TCP_NUMBER, UDP_NUMBER, add, confirmed, group, heard, inside, remove, rule, udp
from topologies.cloud import Cloud
from topologies.paced import Paced
from topologies.process import wait_until, within
from topologies.scenarios import BACK, FRONT, Account, Scenario, Vpc, machine
from topologies.station import Station

WEB, INNER, API = "10.0.0.10", "10.0.0.12", "10.0.1.10"
GROUPS = "networkSecurityGroupIds"
TOLD = re.compile(r"dpctl/ct-set-limits|received: OFPT_(FLOW_MOD|BUNDLE_ADD_MESSAGE)")


def scenario() -> Scenario:
    """Two machines in one subnet and a third in another."""
    machines = machine("web", "front", WEB), machine("inner", "front", INNER), machine("api", "back", API)
    return Scenario("faults", (Account("shop", (Vpc("net", "10.0.0.0/16", (FRONT, BACK), machines),)),))


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """web lets in UDP 7000 and TCP 8000 from api only; api lets nothing in."""
    from_api = rule(IN, UDP_NUMBER, f"{API}/32", port=7000), rule(IN, TCP_NUMBER, f"{API}/32", port=8000)
    with Cloud() as made, ExitStack() as stack:
        made.build(scenario())
        assert made.guests["web"].reaches(API, 10)
        ours, theirs = stack.enter_context(group(made, *from_api)), stack.enter_context(group(made))
        stack.enter_context(inside(made, "web", ours))
        stack.enter_context(inside(made, "api", theirs))
        yield made


@dataclass
class Watched:
    """Connections from api to web under way: datagrams, 200 a second, and one of TCP; and what inner sends to web."""

    allowed: Paced
    forbidden: Paced
    near: socket.socket
    far: socket.socket

    def goes_on(self, seconds: float = 20) -> bool:
        """True when datagrams are answered again, and both ends of the TCP connection hear each other."""
        answered = wait_until(lambda: min(self.allowed.during(0.1)) > 0, seconds)
        return answered and talk(self.near, self.far)


def talk(near: socket.socket, far: socket.socket) -> bool:
    """True when both ends of a TCP connection hear each other."""
    for sender, receiver in ((near, far), (far, near)):
        sender.sendall(b"more")
        if receiver.recv(100) != b"more":
            return False
    return True


@contextmanager
def watching(cloud: Cloud) -> Iterator[Watched]:
    """Connections that are under way during a `with` block; nothing that is forbidden has arrived at its end."""
    api, web = cloud.guests["api"], cloud.guests["web"]
    with ExitStack() as stack:
        near, far = (stack.enter_context(closing(end)) for end in _connection(api, web))
        allowed = stack.enter_context(Paced(api, web, WEB, 7000, 200))
        forbidden = stack.enter_context(Paced(cloud.guests["inner"], web, WEB, 7001, 200))
        made = Watched(allowed, forbidden, near, far)
        assert made.goes_on()
        yield made
        time.sleep(0.5)
    assert forbidden.count().sent > 50 and forbidden.count().arrived == 0


def _connection(client: Station, server: Station) -> tuple[socket.socket, socket.socket]:
    """Both ends of a TCP connection to port 8000; each waits for 20 s at most, as long as TCP sends again."""
    with within(server.pid, lambda: socket.create_server(("0.0.0.0", 8000))) as listening:
        near = within(client.pid, lambda: socket.create_connection((WEB, 8000), 20))
        far, _ = listening.accept()
    far.settimeout(20)
    return near, far


def works(cloud: Cloud) -> None:
    """A change of the rules has its effect again: nothing new passes while a rule denies it."""
    api, web = cloud.guests["api"], cloud.guests["web"]
    (ours,) = cloud.owners["web"].network_interface(cloud.interfaces["web", 0]["networkInterfaceId"])[GROUPS][1:]
    (deny,) = add(cloud, ours, rule(IN, UDP_NUMBER, priority=1, ruleAction="DENY"))
    assert heard(api, web, WEB, 7000) == (False, False)
    remove(cloud, ours, deny)
    assert heard(api, web, WEB, 7000) == (True, True)


@pytest.mark.parametrize("part", ["controller", "store"])
def test_a_part_is_killed_and_no_packet_is_lost_and_no_flow_is_sent(cloud: Cloud, part: str) -> None:
    changes = cloud.host.count_changes()
    with watching(cloud) as seen:
        cloud.service.kill_part(part)
        assert part != "controller" or changes.read_back()
        assert wait_until(cloud.service.serves, 20, 0.1)
        confirmed(cloud)
        assert seen.goes_on()
    assert changes() == 0
    assert seen.allowed.count().lost == 0
    works(cloud)


def test_all_of_the_control_plane_is_killed_and_the_switch_judges_without_it(cloud: Cloud) -> None:
    """New connections too are let in or not, while nobody is there to be asked."""
    api, web, changes = cloud.guests["api"], cloud.guests["web"], cloud.host.count_changes()
    with watching(cloud) as seen:
        cloud.service.kill()
        assert heard(api, web, WEB, 7002) == (False, False), "UDP 7002 is let in from nobody"
        time.sleep(0.5)
        near, far = _connection(api, web)
        with near, far:
            assert talk(near, far)
        cloud.service.up()
        assert changes.read_back()
        confirmed(cloud)
        assert seen.goes_on()
    assert changes() == 0
    assert seen.allowed.count().lost == 0
    works(cloud)


def answered(client: Station, ports: range) -> int:
    """How many of a client's connections, one from each port, are answered; each asks thrice at most."""
    return sum(_answered(client, ports[at : at + 100]) for at in range(0, len(ports), 100))


def _answered(client: Station, ports: range) -> int:
    with ExitStack() as stack:
        waiting = {one.fileno(): one for one in (stack.enter_context(udp(client, port)) for port in ports)}
        for _ in range(3):
            poll = select.poll()
            for file, one in waiting.items():
                poll.register(file, select.POLLIN)
                one.sendto(b"%d of many" % file, (WEB, 7000))
            end = time.monotonic() + 1
            while waiting and time.monotonic() < end:
                for file, _ in poll.poll(100):
                    waiting.pop(file).recv(100)
                    poll.unregister(file)
    return len(ports) - len(waiting)


def limits(cloud: Cloud) -> list[str]:
    """The limits of connections that are in force, a zone each, without the counts."""
    told = cloud.host.appctl("dpctl/ct-get-limits", "netdev@ovs-netdev")
    return sorted(re.findall(r"zone=\d+,limit=\d+", told))


@pytest.mark.parametrize("also", ["", "control plane"])
def test_the_switch_is_killed_and_what_is_allowed_goes_on(cloud: Cloud, also: str) -> None:
    """A thousand connections are forgotten, and begin again with what the client sends, which the rules let in.

    Limits of connections are back before the first flow is, by the switch's own log.
    """
    before = limits(cloud)
    assert len(before) == 3
    api, many = cloud.guests["api"], range(20_000, 21_000)
    with watching(cloud) as seen:
        assert answered(api, many) == 1000
        cloud.host.kill_vswitchd()
        if also:
            cloud.service.kill()
        log = cloud.host.log.stat().st_size
        began = time.monotonic()
        cloud.host.start_vswitchd("-vunixctl:file:dbg", "-vvconn:file:dbg")
        if also:
            cloud.service.up()
        assert seen.goes_on()
        took = time.monotonic() - began
        assert answered(api, many) == 1000
        confirmed(cloud)
    with open(cloud.host.log) as said:
        said.seek(log)
        told = [found[0] for line in said if (found := TOLD.search(line))]
    assert told[0] == "dpctl/ct-set-limits" and len(told) > 100
    assert limits(cloud) == before
    lost, sent = seen.allowed.count().lost, seen.allowed.count().sent
    print(f"goes on {took:.2f} s after the start of the switch {also}: {lost} lost of {sent}")
    works(cloud)
