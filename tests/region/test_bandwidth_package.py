"""A bandwidth package whose members are on several hosts, one of which has no uplink: nothing passes all of them."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.packet.test_bandwidth_package import FLOOD, MBPS, SETTLE, Package, comes_to, fair, halves, streams
from topologies.internet import SERVER
from topologies.region import Region

MEMBERS = ("red1", "red2", "red4")
"""On a host with an uplink, on the active gateway, on a host that sends by that one."""


@pytest.fixture
def package(region: Region) -> Iterator[Package]:
    with region.deciding():
        made = Package(region, whose="red1")
        try:
            made.add(**dict.fromkeys(MEMBERS))
            yield made
        finally:
            made.end()


def test_k8_k9_members_on_three_hosts_share_the_package_fairly(region: Region, package: Package) -> None:
    with ExitStack() as undo:
        found = streams(region, undo, red1=0, red2=0, red4=0)
        fair(package, found, time.monotonic() + SETTLE, 0.7)
    with ExitStack() as undo:
        found = streams(region, undo, red1=0, red4=FLOOD)
        # The third is idle: what it does not use is for both.
        fair(package, found, time.monotonic() + SETTLE, 0.7)


def test_k2_a_member_s_limit_holds_and_leaves_the_rest_to_those_on_other_hosts(
    region: Region, package: Package
) -> None:
    """10, then 0, then none: -1."""
    with ExitStack() as undo:
        found = streams(region, undo, red1=FLOOD, red4=FLOOD)
        up = package.limit(red4=10)
        got = comes_to(found, up + 2.5, lambda got: got["red4"] >= 0.85 * 10 and got["red1"] >= 0.85 * (MBPS - 10))
        assert got["red4"] <= 1.15 * 10
        up = package.limit(red4=0)
        got = comes_to(found, up + 2.5, lambda got: got["red1"] >= 0.85 * MBPS)
        assert got["red4"] < 0.1 and not region.guests["red4"].reaches(SERVER, 1)
        up = package.limit(red4=-1)
        comes_to(found, up + 2.5, halves)
