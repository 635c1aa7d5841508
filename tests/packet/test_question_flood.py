"""A flood of any question that only the controller answers, from one port or from outside, is its sender's own trouble.

While one port asks by more than ten thousand packets a second, another tenant of the host gets DHCP, traceroute, path
MTU and ARP answered as always, and its changes are confirmed as fast as before.

So does a tenant that calls as often as it may: whatever its calls cost, the others' take no second.

What a flood leaves of the two cores is shared with whatever else runs, so with ``--alone`` (``make test-flood``) only
are times judged, and floods from outside, whose packets share the uplink's kernel queue with the answers.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median

import pytest

from bench.faults import MOST_S, furnish, row, stormy, watched
from topologies.flood import Flood
from topologies.floods import (
    INSIDE,
    OUTSIDE,
    Loud,
    Varied,
    arp_as_a_forged_gateway,
    arp_as_the_gateway,
    asker,
    flooder,
    prepare,
)
from topologies.internet import SERVER
from topologies.pair import Pair
from topologies.questions import EACH, REPLACED, Asker, ask, learned
from topologies.station import Station

LEAST = 10_000
"""Packets a second that a flood must be to count."""
CHANGES = 10
SLOWER = 2.0
SETTLE = 0.5


@pytest.fixture(scope="module")
def cloud() -> Iterator[Pair]:
    with Pair() as made:
        prepare(made)
        yield made


@pytest.fixture(scope="module")
def calm(cloud: Pair) -> Asker:
    return asker(cloud, "calm")


@pytest.fixture(scope="module")
def loud(cloud: Pair) -> Loud:
    return flooder(cloud, "loud")


SAME_WIRE = {"traceroute in", "path mtu, outside", "arp"}
SOME = 2
"""Questions that come in by the uplink share the kernel's queue there with a flood from outside: on a machine without
an idle core a few frames are lost before the switch has seen them. They are asked again, once, as programs do."""

GATEWAYS = (arp_as_the_gateway, arp_as_a_forged_gateway)
"""During these nobody can say which of the gateway's addresses is true."""


def changes(cloud: Pair) -> tuple[list[float], list[float]]:
    """Seconds from each call to its confirmation: a bandwidth, and an address bound."""
    owner, eip = cloud.owners["calm"], cloud.elastic["calm", "10.0.0.10"]["elasticIpId"]
    spare = cloud.interfaces["calm2", 0]["networkInterfaceId"]
    second = owner.new_elastic_ip(10)["elasticIpId"]
    bandwidth, bound = [], []
    for n in range(CHANGES):
        started = time.monotonic()
        bandwidth.append(owner.set_bandwidth(eip, 50 + n % 2) - started)
        bound.append(owner.bind(second, spare))
        owner.unbind(second, spare)
        owner.wait_up(second)
    owner.vpc("deleteElasticIp", elasticIpId=second)
    return bandwidth, bound


def test_without_a_flood_every_question_is_answered(calm: Asker) -> None:
    answered = ask(calm)
    assert answered == dict.fromkeys(answered, EACH)
    assert learned(calm) == REPLACED


@pytest.mark.parametrize("kind", [*INSIDE, *OUTSIDE])
def test_a_flood_of_questions_starves_nobody_else(
    cloud: Pair, calm: Asker, loud: Loud, kind: Callable[[Loud], Varied], pytestconfig: pytest.Config
) -> None:
    alone = pytestconfig.getoption("--alone")
    frame, *varied = kind(loud)
    station: Station = cloud.guests["loud"] if kind in INSIDE else cloud.internet.gateway
    before = changes(cloud)
    with Flood(station, frame, *varied, interface="eth0" if kind in INSIDE else "public") as flood:
        time.sleep(SETTLE)
        began, sent = time.monotonic(), flood.sent()
        answered = ask(calm)
        lost = {asked: EACH - count for asked, count in answered.items() if count < EACH}
        again = ask(calm, lost) if lost else {}
        # It takes ten seconds a time, and is judged alone only.
        heard = learned(calm) if alone and kind not in GATEWAYS else REPLACED
        flooded = changes(cloud)
        rate = (flood.sent() - sent) / (time.monotonic() - began)
    assert cloud.guests["calm"].reaches(SERVER, 10)
    after = changes(cloud)
    slower = [median(now) / median(was + then) for was, now, then in zip(before, flooded, after, strict=True)]
    took = f"bandwidth and bind {slower[0]:.2f} {slower[1]:.2f}"
    figures = f"{rate:.0f}/s, answered {answered}, again {again}, learned {heard}, {took}"
    print(f"{kind.__name__}: {figures}")
    if kind in INSIDE:
        assert not lost, figures
    if not alone:
        return
    assert rate >= LEAST, figures
    assert lost.keys() <= SAME_WIRE and max(lost.values(), default=0) <= SOME and again == lost, figures
    assert heard == REPLACED, figures
    assert max(slower) < SLOWER, figures


BESIDE_S = 2.0
"""What a tenant waits at most while other tests have the two cores as well."""


@pytest.fixture(scope="module")
def furnished(cloud: Pair) -> dict[str, Sequence[str]]:
    return furnish(cloud, 300)


@pytest.mark.parametrize("kind", ["rules", "filters", "writes"])
def test_a_storm_of_calls_starves_nobody_else(
    cloud: Pair, furnished: dict[str, Sequence[str]], kind: str, pytestconfig: pytest.Config
) -> None:
    """Neither changes of a rule among 25 pairs of equal routes, nor dear lists, nor writes at the full rate."""
    with stormy(cloud, kind, furnished[kind]) as told:
        time.sleep(SETTLE)
        found = watched(cloud)
        does = told()
    print(f"{kind}: {does}, {row(kind, does, found)}")
    most = MOST_S if pytestconfig.getoption("--alone") else BESIDE_S
    assert len(found.answers) > 5 and max(found.answers) < most, "no question had to be asked twice"
    assert max(found.changes) < most and max(found.calls) < most
