"""HaVips among hosts: whoever claims one has it, wherever it is, and so do its elastic IP and the store."""

import statistics
import time
from collections.abc import Iterator

import pytest

from topologies.havip import HaVip
from topologies.process import wait_until
from topologies.region import CONTROL, UNDERLAY, Region
from topologies.traffic import Pinger

VIP = "10.0.0.200"
MOVES = 20


@pytest.fixture(scope="module")
def havip(region: Region) -> Iterator[HaVip]:
    """The machines of the first two hosts share an address."""
    made = HaVip(region, "red", ("red", "net", "front"), VIP, ("red1", "red2"))
    yield made
    made.delete()
    region.cli("wait", "--timeout", "20")


def test_h1_a_claim_counts_on_every_host(region: Region, havip: HaVip) -> None:
    """From the other member's host, from hosts with no member, and from one without an uplink."""
    for name in ("red1", "red2", "red1"):
        havip.take(name)
        for sender in ("red3", "red4"):
            assert havip.answers(sender) == name, (sender, name)


def test_h3_an_elastic_ip_goes_from_host_to_host(region: Region, havip: HaVip) -> None:
    havip.take("red1")
    public = havip.bind(100)
    for name in ("red2", "red1"):
        havip.take(name)
        region.cli("wait", "--timeout", "20")
        assert havip.answers("internet", public) == name


def test_h4_by_itself_where_the_master_s_host_is_dead(region: Region, havip: HaVip) -> None:
    """The other member's host takes over within three intervals; the host that comes back takes nothing back."""
    havip.take("red2")
    havip.check(protocol="Icmp", intervalSeconds=2, checkTimeoutSeconds=1)
    assert wait_until(lambda: set(havip.health().values()) == {"healthy"}, 60), havip.health()
    lost = region.hosts["hv2"]
    for network in (UNDERLAY, CONTROL):
        region.fabric.cut(lost, network)
    try:
        assert wait_until(lambda: havip.master() == "red1", 60), havip.events()[:2]
        assert havip.answers("red3") == "red1"
    finally:
        for network in (UNDERLAY, CONTROL):
            region.fabric.mend(lost, network)
    region.ready()
    assert wait_until(lambda: havip.events()[0]["cause"] == "host-down", 30), havip.events()[:2]
    event = havip.events()[0]
    print(f"a host that dies: noticed after {event['detectedMs']} ms, over {event['blackoutMs']} ms")
    assert (event["from"], event["to"]) == ("red2", "red1") and event["detectedMs"] <= 3 * 2000
    assert havip.answers("red4") == "red1"
    havip.check()


def test_h4_blackouts_under_a_thousand_pings_a_second(region: Region, havip: HaVip) -> None:
    """Moved by hand and claimed by ARP, a neighbour and the Internet lose little; the medians are printed."""
    public = havip.shown()["elasticIp"]["elasticIpAddress"]
    gaps: dict[str, list[float]] = {}
    for turn in range(MOVES):
        name = ("red2", "red1")[turn % 2]
        for kind, move in (("by hand", havip.hand), ("claimed", havip.take)):
            back = ("red1", "red2")[turn % 2]
            with (
                Pinger(region.guests["red3"], VIP, per_second=1000) as near,
                Pinger(region.internet.server, public, per_second=1000) as outside,
            ):
                time.sleep(0.2)
                move(name if kind == "by hand" else back)
                time.sleep(0.5)
            for who, pinger in (("neighbour", near), ("outside", outside)):
                gaps.setdefault(f"{kind}, {who}", []).append(pinger.result.gap * 1000)
    for what, found in gaps.items():
        print(f"{what}: median {statistics.median(found):.1f} ms, worst {max(found):.1f} ms of {len(found)}")
        assert len(found) == MOVES
    assert havip.master() == "red2"
