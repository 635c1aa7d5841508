"""The bandwidth of a public address is what traffic gets, from the moment the API says UP, also while it runs."""

import time
from collections.abc import Iterator

import pytest

from topologies import scenarios
from topologies.cloud import Cloud
from topologies.internet import SERVER
from topologies.traffic import Stream

STEPS = (5, 20, 100, 5)
OFFERED = 160.0
FLOOR_IN = 10
SETTLE = 1.0
MEASURE_UDP, MEASURE_TCP = 2.0, 4.0
"""Seconds; TCP behind a policer goes in gusts, so a fair share of it takes longer to see."""


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as made:
        made.build(scenarios.elastic_ip())
        assert made.guests["web"].reaches(SERVER, 10)
        yield made


def measure(cloud: Cloud, outward: bool, offered: float) -> dict[int, list[float]]:
    """Goodput as a share of the limit, by bandwidth step, changed in flight on one running stream."""
    guest, server = cloud.guests["web"], cloud.internet.server
    owner, eip = cloud.owners["web"], cloud.elastic["web", "10.0.0.10"]["elasticIpId"]
    owner.set_bandwidth(eip, 200)
    ends = (guest, server, SERVER) if outward else (server, guest, cloud.public("web"))
    shares: dict[int, list[float]] = {}
    with Stream(*ends, offered) as stream:
        for mbps in STEPS:
            up = owner.set_bandwidth(eip, mbps)
            got = stream.goodput(up + SETTLE, up + SETTLE + (MEASURE_UDP if offered else MEASURE_TCP))
            limit = mbps if outward else max(mbps, FLOOR_IN)
            shares.setdefault(mbps, []).append(got / limit)
    rounded = {mbps: [round(share, 3) for share in found] for mbps, found in shares.items()}
    print("out" if outward else "in", "UDP" if offered else "TCP", rounded)
    return shares


@pytest.mark.parametrize("outward", [True, False], ids=["out", "in"])
def test_udp_gets_the_set_rate(cloud: Cloud, outward: bool) -> None:
    shares = measure(cloud, outward, OFFERED)
    assert all(0.90 <= share <= 1.02 for found in shares.values() for share in found), shares


@pytest.mark.parametrize("outward", [True, False], ids=["out", "in"])
def test_tcp_gets_most_of_the_set_rate(cloud: Cloud, outward: bool) -> None:
    shares = measure(cloud, outward, 0)
    # No upper bound: what was sent again arrives late and all at once, the rate on the wire is UDP's business above.
    assert all(share >= 0.85 for found in shares.values() for share in found), shares


def test_a_change_touches_one_meter_a_direction_and_no_flow(cloud: Cloud) -> None:
    owner, eip = cloud.owners["web"], cloud.elastic["web", "10.0.0.10"]["elasticIpId"]
    before = cloud.host.flows()
    changes = cloud.host.count_changes()
    owner.set_bandwidth(eip, 50)
    assert changes() == 2
    assert cloud.host.flows() == before


def test_the_limit_is_each_addresss_own(cloud: Cloud) -> None:
    """A neighbour that floods its own address takes nothing from this one."""
    web, api = cloud.owners["web"], cloud.owners["api"]
    web.set_bandwidth(cloud.elastic["web", "10.0.0.10"]["elasticIpId"], 20)
    api.set_bandwidth(cloud.elastic["api", "10.0.1.10"]["elasticIpId"], 20)
    server = cloud.internet.server
    with (
        Stream(cloud.guests["web"], server, SERVER, 100, port=5201) as first,
        Stream(cloud.guests["api"], server, SERVER, 30, port=5202) as second,
    ):
        now = time.monotonic()
        assert 0.90 <= first.goodput(now + SETTLE, now + SETTLE + MEASURE_UDP) / 20 <= 1.02
        assert 0.90 <= second.goodput(now + SETTLE, now + SETTLE + MEASURE_UDP) / 20 <= 1.02


def test_traffic_inside_the_vpc_has_no_such_limit(cloud: Cloud) -> None:
    cloud.owners["web"].set_bandwidth(cloud.elastic["web", "10.0.0.10"]["elasticIpId"], 5)
    with Stream(cloud.guests["web"], cloud.guests["api"], "10.0.1.10", 40) as stream:
        now = time.monotonic()
        assert stream.goodput(now + 0.5, now + 1.5) > 36
