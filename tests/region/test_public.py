"""Public addresses of a region: on the machine's own host, or through a gateway; they move, and one host has each."""

import time
from itertools import groupby

import pytest

from tests.region.arp import Asked, holder
from tests.region.conftest import connect, is_echo_to, received
from topologies import frames
from topologies.internet import SERVER
from topologies.process import wait_until
from topologies.region import CONTROL, PUBLIC, UNDERLAY, Region
from topologies.traffic import Pinger

HOMES = {"red1": "hv1", "red2": "hv2", "red3": "hv3"}
OTHER = {"hv2": "hv3", "hv3": "hv2"}
"""The gateways, each with the one that takes over from it."""


@pytest.mark.parametrize("name", ["red1", "red2", "red3", "red4"])
def test_in_and_out_on_every_host(region: Region, name: str) -> None:
    """Also from hv4, which has no uplink."""
    public, server = region.public(name), region.internet.server
    assert server.reaches(public, 5)
    assert region.guests[name].ping(SERVER, count=5) == 5
    assert server.ping(public, count=5) == 5
    with connect(region.guests[name], server, SERVER, 7600) as (near, far):
        assert far.getpeername()[0] == public
        near.sendall(b"x" * 50_000)
        assert received(far, 50_000) == 50_000
    with connect(server, region.guests[name], public, 7601) as (_, far):
        assert far.getpeername()[0] == SERVER


def test_one_public_address_to_another_across_hosts(region: Region) -> None:
    for name, other in (("red1", "red2"), ("red1", "red4"), ("red4", "red3"), ("blue9", "red1")):
        assert region.guests[name].ping(region.public(other), count=3) == 3, (name, other)


@pytest.mark.parametrize("name", list(HOMES))
def test_the_machines_own_host_answers(region: Region, name: str) -> None:
    with Asked(region, region.public(name)) as asked:
        time.sleep(0.3)
    assert list(asked.holders) == [HOMES[name]]
    assert len(asked.answers) >= 10


def test_one_gateway_answers_for_a_host_without_uplink(region: Region) -> None:
    """Which, tests of earlier modules have a say in: whoever has taken over keeps it (decision 009)."""
    assert holder(region, region.public("red4")) in OTHER


def test_a_public_address_moves_to_another_host(region: Region) -> None:
    """There and back: the world hears who has it now, nobody else ever says so, and the old machine gets nothing."""
    owner, eip = region.tenants["red"], region.elastic["red1", "10.0.0.11"]
    public, identity = eip["elasticIpAddress"], eip["elasticIpId"]
    old, new = (region.interfaces[name, 0]["networkInterfaceId"] for name in ("red1", "nfv"))
    for target, hosts, silent in ((new, ["hv1", "hv2"], "red1"), (old, ["hv2", "hv1"], "nfv")):
        with Pinger(region.internet.server, public) as ping, Asked(region, public) as asked:
            time.sleep(0.3)
            took = owner.move(identity, target)
            with region.guests[silent].sniff() as wire:
                time.sleep(0.5)
                assert not any(is_echo_to(region.address(silent), frame) for frame in wire.received())
        print(f"{hosts[0]} to {hosts[1]}: UP after {took:.2f} s, longest gap {ping.result.gap:.3f} s")
        assert list(asked.holders) == hosts
        assert ping.result.gap < 1.0


def test_a_public_address_moves_to_a_host_without_uplink(region: Region) -> None:
    """From hv3's own uplink to the gateway that serves hv4, and back."""
    owner, eip = region.tenants["blue"], region.elastic["blue9", "10.0.0.99"]
    public, identity = eip["elasticIpAddress"], eip["elasticIpId"]
    old, new = (region.interfaces[name, 0]["networkInterfaceId"] for name in ("blue9", "blue3"))
    gateway = holder(region, region.public("red4"))
    for source, target, hosts in ((old, new, ["hv3", gateway]), (new, old, [gateway, "hv3"])):
        with Pinger(region.internet.server, public) as ping, Asked(region, public) as asked:
            time.sleep(0.3)
            owner.unbind(identity, source)
            took = owner.bind(identity, target)
            time.sleep(0.5)
        print(f"{hosts[0]} to {hosts[1]}: UP after {took:.2f} s, longest gap {ping.result.gap:.3f} s")
        assert list(asked.holders) == [one for one, _ in groupby(hosts)]
        assert ping.result.gap < 1.0


def test_the_standby_takes_over_from_a_killed_gateway(region: Region) -> None:
    """Its switch dies: the other serves the addresses of hosts without uplink, and may keep them."""
    public = region.public("red4")
    active = holder(region, public)
    host, other = region.hosts[active], OTHER[active]
    with Pinger(region.internet.server, public) as ping, Asked(region, public) as asked:
        time.sleep(0.3)
        host.kill_vswitchd()
        time.sleep(4)
    print(f"gateway killed: longest gap {ping.result.gap:.2f} s, answered by {list(asked.holders)}")
    with Asked(region, public) as back:
        host.start_vswitchd()
        assert wait_until(lambda: region.guests["red1"].ping("10.0.0.12", count=1, wait=0.3), 20, 0.1)
        time.sleep(3)
    print(f"gateway back: answered by {list(back.holders)}")
    assert list(asked.holders) == [active, other]
    assert ping.result.gap < 3.0
    assert list(back.holders) in ([other], [other, active])
    assert region.internet.server.reaches(public, 5)


def test_the_standby_takes_over_from_a_gateway_that_nobody_reaches(region: Region) -> None:
    """The active gateway runs, but its cable to the others is pulled: it must not answer beside the new one."""
    public = region.public("red4")
    active = holder(region, public)
    other = OTHER[active]
    with Pinger(region.internet.server, public) as ping, Asked(region, public) as asked:
        time.sleep(0.3)
        region.fabric.cut(region.hosts[active], UNDERLAY)
        time.sleep(4)
        region.fabric.mend(region.hosts[active], UNDERLAY)
        time.sleep(3)
    print(f"gateway cut off: longest gap {ping.result.gap:.2f} s, answered by {list(asked.holders)}")
    assert list(asked.holders)[:2] == [active, other]
    assert len(asked.holders) <= 3
    assert wait_until(lambda: region.internet.server.ping(public, count=1, wait=0.3), 10, 0.1)


def test_a_gateway_that_only_the_world_reaches_falls_silent(region: Region) -> None:
    """Cut from the hosts and from the store it cannot be told that another serves: it must stop by itself."""
    public = region.public("red4")
    active = holder(region, public)
    other = OTHER[active]
    with Pinger(region.internet.server, public) as ping, Asked(region, public) as asked:
        time.sleep(0.3)
        for network in (CONTROL, UNDERLAY):
            region.fabric.cut(region.hosts[active], network)
        time.sleep(4)
        for network in (UNDERLAY, CONTROL):
            region.fabric.mend(region.hosts[active], network)
        time.sleep(3)
    print(f"gateway isolated: longest gap {ping.result.gap:.2f} s, answered by {list(asked.holders)}")
    assert list(asked.holders) == [active, other]
    assert ping.result.gap < 3.0


def test_a_gateway_without_the_store_serves_on(region: Region) -> None:
    public = region.public("red4")
    active = holder(region, public)
    with Pinger(region.internet.server, public) as ping, Asked(region, public) as asked:
        region.fabric.cut(region.hosts[active], CONTROL)
        time.sleep(3)
        region.fabric.mend(region.hosts[active], CONTROL)
        time.sleep(1)
    assert list(asked.holders) == [active]
    assert ping.result.lost == 0


def test_private_addresses_never_leave(region: Region) -> None:
    with region.fabric.sniff_at(region.hosts["hv2"], PUBLIC) as wire:
        assert region.guests["nfv"].ping(SERVER, count=3, wait=0.3) == 0
        assert region.guests["red4"].ping(SERVER, count=3) == 3
        time.sleep(0.1)
        private = [packet for one in wire.seen() if (packet := frames.ip(one.frame)) and packet.src.startswith("10.")]
    assert private == []
