"""Packets that are larger than a tunnel: cut where they may be, each tenant's for itself, also to and from outside."""

from collections.abc import Iterator

import pytest

from sdnctl.program.feature import discover
from tests.packet.test_elastic_ip import route_mtu
from tests.packet.test_oversize import ROUTER, echoed
from tests.waiting import eventually
from topologies.region import Region

PAIRS = (("red1", "red2"), ("blue2", "blue1"))
"""From one host to another, with the same two addresses in both VPCs, the other way round."""
FITS = 1450


@pytest.fixture(scope="module")
def cut(region: Region) -> Iterator[Region]:
    """The region with a fragmenter on every host, and guests that do not know what fits into a tunnel."""
    table = discover().pipeline.tables["cut"].id
    hosts = list(region.hosts.values())
    with region.serving(*region.hosts):
        eventually(lambda: all(any(f"table={table}, priority=100" in flow for flow in h.flows()) for h in hosts), 40)
        for guest in region.guests.values():
            guest.run("ip", "link", "set", "eth0", "mtu", "1500")
            guest.run("ip", "route", "flush", "cache")
        yield region
    for guest in region.guests.values():
        guest.run("ip", "route", "flush", "cache")


def test_what_may_be_cut_is(cut: Region) -> None:
    for near, far in PAIRS:
        here, there = cut.guests[near], cut.guests[far]
        assert here.ping(cut.address(far), "-M", "dont", "-s", "1472") == 3, near
        for size in (1423, 1472, 9000):
            assert echoed(here, there, cut.address(far), cut.address(far), size), (near, size)


def test_who_may_not_be_cut_is_told(cut: Region) -> None:
    """Each tenant for itself, though their addresses are the same; the others go on."""
    for near, far in PAIRS:
        here = cut.guests[near]
        assert here.ping(cut.address(far), "-M", "do", "-s", "1472", count=3, interval=0.2, wait=1) == 0
        assert route_mtu(here, cut.address(far)) == FITS, near
        other = next(pair for pair in PAIRS if pair[0] != near)
        if near == PAIRS[0][0]:
            assert route_mtu(cut.guests[other[0]], cut.address(other[1])) == 0
        assert here.ping(cut.address(far), "-M", "do", "-s", str(FITS - 28), count=2) == 2


def test_to_and_from_outside_by_a_gateway(cut: Region) -> None:
    """The instance's host has no uplink: what comes from outside and what goes there crosses a tunnel."""
    guest, gateway, public = cut.guests["red4"], cut.internet.gateway, cut.public("red4")
    assert guest.ping(ROUTER, "-M", "dont", "-s", "1472") == 3
    assert gateway.ping(public, "-M", "dont", "-s", "1472") == 3
    for size in (1423, 1472, 4000):
        assert echoed(guest, gateway, ROUTER, ROUTER, size), f"out, {size}"
        assert echoed(gateway, guest, public, cut.address("red4"), size), f"in, {size}"
    assert gateway.ping(public, "-M", "do", "-s", "1472", count=3, interval=0.2, wait=1) == 0
    assert route_mtu(gateway, public) == FITS
    gateway.run("ip", "route", "flush", "cache")
    assert guest.ping(ROUTER, "-M", "do", "-s", "1472", count=3, interval=0.2, wait=1) == 0
    assert route_mtu(guest, ROUTER) == FITS


def test_between_two_elastic_ips_by_a_gateway(cut: Region) -> None:
    """Who is at the gateway's own host, and who is at another, learns what fits on the way to the address it knows."""
    public = cut.public("red4")
    for name in ("red1", "red2", "red3"):
        near = cut.guests[name]
        near.run("ip", "route", "flush", "cache")
        assert near.ping(public, "-M", "do", "-s", "1472", count=3, interval=0.2, wait=1) == 0
        assert route_mtu(near, public) == FITS, name
        assert near.ping(public, "-M", "do", "-s", str(FITS - 28), count=2) == 2
        assert echoed(near, cut.guests["red4"], public, cut.address("red4"), 4000), name
