"""`sdnctl demo`: two tenants with equal addresses, shown with real packets and measured figures, then taken away again.

Everything is asked for with the vendor's SDK and checked from inside the machines; each line of the table is a claim,
what was measured, and whether it holds.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from mininet.log import setLogLevel
from rich.console import Console
from rich.table import Table

from topologies import frames, scenarios
from topologies.cloud import Cloud
from topologies.internet import SERVER
from topologies.process import wait_until
from topologies.station import CommandError
from topologies.tenant import ApiError
from topologies.traffic import Pinger, Stream

LIMITS = (5, 20, 50)


class Check(NamedTuple):
    """One claim: its topic, what is claimed, what was measured, and whether it holds."""

    topic: str
    claim: str
    measured: str
    holds: bool


def run(as_json: bool = False) -> int:
    """Build, check, print, remove; 0 when every claim holds, 1 when one does not, 2 when it cannot be built here."""
    if os.geteuid() != 0:
        print("sdnctl demo makes network namespaces: run it as root (sudo make demo)", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that leaving the cloud takes it away
    setLogLevel("error")
    console = Console(quiet=as_json)
    checks: list[Check] = []
    try:
        for check in watched(console):
            checks.append(check)
            console.print(f"  {'[green]✓[/]' if check.holds else '[red]✗[/]'} {check.claim}: {check.measured}")
    except (CommandError, ApiError, TimeoutError) as error:
        print(error, file=sys.stderr)
        checks.append(Check("demo", "runs to its end", str(error).partition("\n")[0], False))
    if as_json:
        print(json.dumps([check._asdict() for check in checks], indent=2, ensure_ascii=False))
    else:
        console.print(table(checks))
    return 0 if all(check.holds for check in checks) else 1


def watched(console: Console) -> Iterator[Check]:
    """Every claim in turn, while the region that it is about is there."""
    with console.status("starting a private Open vSwitch and sdnctl up …") as status, Cloud() as cloud:
        for step in (start, dhcp, isolation, routing, public, drift, bandwidth, controller, switch):
            status.update(f"{step.__name__}: {step.__doc__}")
            yield from step(cloud)


def table(checks: list[Check]) -> Table:
    """The table of claims: what was claimed, what was measured, whether it holds."""
    shown = Table(title="sdnctl demo: two tenants, one switch")
    for column in ("", "claim", "measured", ""):
        shown.add_column(column)
    topic = ""
    for check in checks:
        mark = "[green]holds[/]" if check.holds else "[bold red]FAILS[/]"
        shown.add_row(check.topic if check.topic != topic else "", check.claim, check.measured, mark)
        topic = check.topic
    return shown


def start(cloud: Cloud) -> Iterator[Check]:
    """two accounts, each 10.0.0.0/16 with two subnets, seven machines"""
    yield Check("start", "sdnctl up serves the API", f"{cloud.startup:.1f} s", True)
    began = time.monotonic()
    cloud.build(scenarios.two_tenants(), configure=False)
    made = time.monotonic() - began
    count = len(cloud.guests)
    yield Check("start", f"{count} machines of two tenants by jdcloud_sdk", f"{made:.1f} s", count == 7)


def dhcp(cloud: Cloud) -> Iterator[Check]:
    """every machine asks by DHCP, with the real dhclient"""
    began, right = time.monotonic(), 0
    for name, guest in cloud.guests.items():
        told = guest.dhcp()
        right += told.get("new_ip_address") == cloud.interfaces[name, 0]["primaryIp"]["privateIpAddress"]
    took = (time.monotonic() - began) / len(cloud.guests)
    measured = f"{right} of {len(cloud.guests)}, {took:.2f} s each"
    yield Check("DHCP", "each machine gets its interface's address", measured, right == len(cloud.guests))


def isolation(cloud: Cloud) -> Iterator[Check]:
    """equal addresses, forged frames"""
    red, blue = cloud.guests["red-a"], cloud.guests["blue-a"]
    with cloud.guests["red-b"].sniff() as at_red, cloud.guests["blue-b"].sniff() as at_blue:
        answers = [
            guest.ping("10.0.0.11", "-p", name.encode().hex(), count=20, interval=0.01)
            for guest, name in ((red, "from-red"), (blue, "from-blue"))
        ]
        crossed = len(at_red.received(is_from(b"from-blue"))) + len(at_blue.received(is_from(b"from-red")))
    measured = f"{answers[0]} + {answers[1]} of 40 answered, {crossed} crossed"
    yield Check("isolation", "both ping 10.0.0.11, each its own", measured, answers == [20, 20] and not crossed)
    gone = red.ping("10.0.0.99", count=5, interval=0.05, wait=0.3)
    there = blue.ping("10.0.0.99", count=5, interval=0.05)
    measured = f"red {gone}, blue {there} of 5 answered"
    yield Check("isolation", "10.0.0.99 exists for blue only", measured, (gone, there) == (0, 5))
    own = (cloud.interfaces["red-a", 0]["macAddress"], "10.0.0.10")
    victim = (cloud.interfaces["blue-b", 0]["macAddress"], "10.0.0.11")
    stolen = cloud.interfaces["blue-a", 0]["macAddress"]
    forged = [
        frames.udp(source, target, b"FORGED")
        for source in (own, (stolen, "10.0.0.10"), (own[0], "10.0.0.99"))
        for target in (victim, (frames.BROADCAST, "10.0.0.255"))
    ]
    forged += [
        frames.arp(op, (own[0], "10.0.0.11"), victim, ether_target=to)
        for op in (1, 2)
        for to in (victim[0], frames.BROADCAST)
    ]
    with cloud.guests["blue-b"].sniff() as wire:
        red.send(*forged)
        time.sleep(0.3)
        seen = len(wire.received(lambda one: b"FORGED" in one or frames.is_arp(one)))
    yield Check("isolation", "forged MAC, IP, ARP and broadcast", f"{seen} of {len(forged)} arrived", seen == 0)


def is_from(mark: bytes) -> Callable[[bytes], bool]:
    """Frames that carry this mark."""
    return lambda frame: mark in frame


def routing(cloud: Cloud) -> Iterator[Check]:
    """between two subnets of one VPC"""
    red = cloud.guests["red-a"]
    with cloud.guests["red-c"].sniff() as wire:
        answered = red.ping("10.0.1.10", "-p", b"routed".hex(), count=20, interval=0.01)
        found = [packet.ttl for one in wire.received(is_from(b"routed")) if (packet := frames.ip(one))]
    measured = f"{answered} of 20 answered, hop limit 64 → {found[0] if found else '?'}"
    yield Check("routing", "10.0.0.0/24 reaches 10.0.1.0/24", measured, answered == 20 and set(found) == {63})
    lines = red.run("traceroute", "-n", "-q", "1", "-w", "1", "-m", "4", "10.0.1.10").splitlines()[1:]
    hops = [line.split()[1] for line in lines]
    yield Check("routing", "traceroute shows the router", " → ".join(hops), hops == ["10.0.0.1", "10.0.1.10"])


def public(cloud: Cloud) -> Iterator[Check]:
    """elastic IPs out, in, and from one tenant to the other"""
    first = cloud.give_elastic_ip("red-a", LIMITS[0])["elasticIpAddress"]
    second = cloud.give_elastic_ip("blue-a", LIMITS[0])["elasticIpAddress"]
    red, blue, server = cloud.guests["red-a"], cloud.guests["blue-a"], cloud.internet.server
    ready = red.reaches(SERVER, 10) and blue.reaches(SERVER, 10)
    with server.sniff() as wire:
        answered = red.ping(SERVER, count=10) + blue.ping(SERVER, count=10)
        senders = {packet.src for one in wire.received() if (packet := frames.ip(one))}
    out = ready and answered == 20 and senders == {first, second}
    yield Check("elastic IP", "out, as one's own public address", f"{answered} of 20 answered", out)
    inward = server.ping(first, count=10) + server.ping(second, count=10)
    yield Check("elastic IP", "in, from a server two hops away", f"{inward} of 20 answered", inward == 20)
    across = red.ping(second, count=10) + red.ping(first, count=10)
    yield Check("elastic IP", "to the other tenant's and one's own", f"{across} of 20 answered", across == 20)
    none = cloud.guests["red-b"].ping(SERVER, count=3, wait=0.3)
    yield Check("elastic IP", "without one nothing goes out", f"{none} of 3 answered", none == 0)
    red.run("ip", "route", "flush", "cache")
    red.ping(SERVER, "-M", "do", "-s", "1450", count=2, interval=0.2, wait=1)
    learned = "mtu 1400" in red.run("ip", "route", "get", SERVER)
    yield Check("elastic IP", "path MTU of the far link learned", "1400 bytes" if learned else "not learned", learned)


def drift(cloud: Cloud) -> Iterator[Check]:
    """an elastic IP moves to another machine while it is pinged"""
    owner, eip = cloud.owners["red-a"], cloud.elastic["red-a", "10.0.0.10"]
    old, new = (cloud.interfaces[name, 0]["networkInterfaceId"] for name in ("red-a", "red-b"))
    with Pinger(cloud.internet.gateway, eip["elasticIpAddress"]) as pinger:
        time.sleep(0.3)
        owner.unbind(eip["elasticIpId"], old)
        owner.bind(eip["elasticIpId"], new)
        with cloud.guests["red-a"].sniff() as silent, cloud.guests["red-b"].sniff() as alive:
            time.sleep(0.4)
            stale, fresh = len(silent.received(outside)), len(alive.received(outside))
    measured = f"blackout {pinger.result.gap * 1000:.0f} ms, {stale} packets to the old owner"
    holds = not stale and fresh > 0 and pinger.result.gap < 1
    yield Check("EIP move", "the new owner answers at once", measured, holds)
    owner.unbind(eip["elasticIpId"], new)
    owner.bind(eip["elasticIpId"], old)


def outside(frame: bytes) -> bool:
    """An IPv4 packet that the public gateway sent."""
    packet = frames.ip(frame)
    return packet is not None and packet.src == "203.0.113.1"


def bandwidth(cloud: Cloud) -> Iterator[Check]:
    """the limit is changed while iperf3 runs"""
    owner, eip = cloud.owners["red-a"], cloud.elastic["red-a", "10.0.0.10"]["elasticIpId"]
    red, server, address = cloud.guests["red-a"], cloud.internet.server, cloud.public("red-a")
    # TCP delivers late what it had to send again, so that a short window may hold more than its share.
    for offered, name, least, most in ((75.0, "UDP", 0.90, 1.02), (0.0, "TCP", 0.85, 2.00)):
        for sender, receiver, target, way in ((red, server, SERVER, "out"), (server, red, address, "in")):
            owner.set_bandwidth(eip, 40)
            shares = []
            with Stream(sender, receiver, target, offered) as stream:
                for mbps in LIMITS:
                    limit = mbps if way == "out" else max(mbps, 10)
                    up = owner.set_bandwidth(eip, mbps)
                    shares.append((limit, stream.settled(up + 1.0, 2.5, 0.0 if offered else least * limit)))
            measured = ", ".join(f"{limit} → {got:.1f}" for limit, got in shares) + " Mbit/s"
            holds = all(least <= got / limit <= most for limit, got in shares)
            yield Check("bandwidth", f"{name} {way}, changed in flight", measured, holds)


def controller(cloud: Cloud) -> Iterator[Check]:
    """every part of the control plane is killed (SIGKILL) while packets flow"""
    for part in ("controller", "api", "store"):
        changes = cloud.host.count_changes()
        with Pinger(cloud.guests["red-a"], "10.0.1.10") as inside, Pinger(cloud.guests["red-a"], SERVER) as out:
            cloud.service.kill_part(part)
            back = part != "controller" or changes.read_back()
            time.sleep(1.5)
        sent, lost = inside.result.sent + out.result.sent, inside.result.lost + out.result.lost
        touched = changes()
        measured = f"{lost} of {sent} pings lost, {touched} flow-mods"
        yield Check("faults", f"{part} killed, back by itself", measured, back and lost == touched == 0 and sent > 200)


def switch(cloud: Cloud) -> Iterator[Check]:
    """ovs-vswitchd is killed and started again"""
    before = cloud.host.flows()
    cloud.host.kill_vswitchd()
    began = time.monotonic()
    cloud.host.start_vswitchd()
    back = cloud.guests["red-a"].reaches("10.0.1.10", 20) and cloud.guests["red-a"].reaches(SERVER, 20)
    took = time.monotonic() - began
    # For half a minute there are more: those that let connections go on which the new switch does not know.
    same = wait_until(lambda: set(before) <= set(cloud.host.flows()), 10, 0.2)
    measured = f"traffic again after {took:.2f} s, {len(before)} flows {'as before' if same else 'DIFFER'}"
    yield Check("faults", "ovs-vswitchd killed: all re-installed", measured, back and same)
