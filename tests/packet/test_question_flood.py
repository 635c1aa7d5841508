"""A flood of any question that only the controller answers, from one port or from outside, is its sender's own trouble.

While one port asks by more than ten thousand packets a second, another tenant of the host gets DHCP, traceroute, path
MTU and ARP answered as always, and its changes are confirmed as fast as before.

What a flood leaves of the two cores is shared with whatever else runs, so with ``--alone`` (``make test-flood``) only
are times judged, and floods from outside, whose packets share the uplink's kernel queue with the answers.
"""

import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import NamedTuple

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from topologies import frames
from topologies.flood import Flood
from topologies.internet import SERVER
from topologies.pair import Pair
from topologies.questions import EACH, GATEWAY, Asker, announced, ask, discover, learned, too_big
from topologies.scenarios import Account, Instance, Scenario, Subnet, Vpc, machine
from topologies.station import Station

LEAST = 10_000
"""Packets a second that a flood must be to count."""
CHANGES = 10
SLOWER = 2.0
SETTLE = 0.5
SENDERS = "198.18.0.0/15"  # RFC 2544: nobody's


def tenant(name: str) -> Account:
    """A customer with a machine that has a public address, and one beyond a tunnel."""
    machines: tuple[Instance, ...] = (
        machine(name, "front", "10.0.0.10", 100),
        machine(f"{name}2", "front", "10.0.0.20", host="hv2"),
    )
    return Account(name, (Vpc("net", "10.0.0.0/16", (Subnet("front", "10.0.0.0/24"),), machines),))


class Loud(NamedTuple):
    """The machine that floods, as frames need it."""

    mac: str
    public: str
    router: str
    beyond: str
    outside: str
    uplink: str


@pytest.fixture(scope="module")
def cloud() -> Iterator[Pair]:
    with Pair() as made:
        made.build(Scenario("flood", (tenant("loud"), tenant("calm"))))
        for name in ("loud", "calm"):
            assert made.guests[name].reaches(SERVER, 10)
            assert made.guests[name].reaches("10.0.0.20", 10)
        # Answers to senders that are nobody must not fill the kernel's one neighbour table.
        made.internet.gateway.run("ip", "route", "replace", "blackhole", SENDERS)
        made.guests["loud"].run("ip", "route", "replace", "blackhole", "default")
        yield made


def uplink_mac(cloud: Pair) -> str:
    (mac,) = frames.who_has(cloud.internet.gateway, cloud.public("calm"), GATEWAY, "public")
    return mac


@pytest.fixture(scope="module")
def calm(cloud: Pair) -> Asker:
    guest = cloud.guests["calm"]
    (router,) = frames.who_has(guest, "10.0.0.1", "10.0.0.10")
    (beyond,) = frames.who_has(guest, "10.0.0.20", "10.0.0.10")
    reach = (router, (beyond, "10.0.0.20"), cloud.internet.gateway, uplink_mac(cloud))
    return Asker(guest, "10.0.0.10", cloud.public("calm"), *reach)


@pytest.fixture(scope="module")
def loud(cloud: Pair) -> Loud:
    guest = cloud.guests["loud"]
    (router,) = frames.who_has(guest, "10.0.0.1", "10.0.0.10")
    (beyond,) = frames.who_has(guest, "10.0.0.20", "10.0.0.10")
    outside = cloud.internet.gateway.mac("public")
    return Loud(guest.mac(), cloud.public("loud"), router, beyond, outside, uplink_mac(cloud))


Varied = tuple[bytes, *tuple[tuple[int, int], ...]]


def dhcp(loud: Loud) -> Varied:
    return discover(loud.mac, 1), (46, 4)


def dhcp_from_anybody(loud: Loud) -> Varied:
    return discover(loud.mac, 1), (7, 5), (46, 4), (71, 5)


def expired_inside(loud: Loud) -> Varied:
    return frames.udp((loud.mac, "10.0.0.10"), (loud.router, "10.0.1.1"), b"", ttl=1), (32, 2)


def to_the_router(loud: Loud) -> Varied:
    return frames.udp((loud.mac, "10.0.0.10"), (loud.router, "10.0.0.1"), b""), (34, 4)


def too_big_for_a_tunnel(loud: Loud) -> Varied:
    sent = Ether(src=loud.mac, dst=loud.beyond) / IP(src="10.0.0.10", dst="10.0.0.20", flags="DF") / UDP(dport=9)
    return bytes(sent / Raw(b"x" * 1450)), (18, 2), (34, 4)


def errors_out(loud: Loud) -> Varied:
    quoted = IP(src=SERVER, dst="10.0.0.10") / UDP(sport=53, dport=9)
    error = IP(src="10.0.0.10", dst=SERVER) / ICMP(type=3, code=3)
    return bytes(Ether(src=loud.mac, dst=loud.router) / error / bytes(quoted)), (32, 2), (46, 2)


def errors_in(loud: Loud) -> Varied:
    quoted = IP(src=loud.public, dst=SERVER) / UDP(sport=53, dport=9)
    return too_big("198.18.0.1", loud.public, quoted, (loud.outside, loud.uplink)), (28, 2), (46, 2)


def expired_outside(loud: Loud) -> Varied:
    return frames.udp((loud.outside, "198.18.0.1"), (loud.uplink, loud.public), b"", ttl=1), (28, 2)


def arp_from_anybody(loud: Loud) -> Varied:
    asked = frames.arp(1, (loud.outside, "203.0.113.77"), (frames.ZERO, loud.public))
    return asked, (7, 5), (23, 5), (31, 1)


def arp_as_the_gateway(loud: Loud) -> Varied:
    """Its own true announcement, again and again."""
    return frames.arp(2, (loud.outside, GATEWAY), (loud.uplink, loud.public)), (41, 1)


def arp_as_a_forged_gateway(loud: Loud) -> Varied:
    """Everybody on the public network says that the gateway is there."""
    return frames.arp(2, ("02:66:66:66:66:66", GATEWAY), (loud.uplink, loud.public)), (7, 5), (23, 5)


INSIDE = (dhcp, dhcp_from_anybody, expired_inside, to_the_router, too_big_for_a_tunnel, errors_out)
OUTSIDE = (errors_in, expired_outside, arp_from_anybody, arp_as_the_gateway, arp_as_a_forged_gateway)


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
    assert learned(calm) == EACH


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
        heard = learned(calm) if kind not in GATEWAYS else EACH
        flooded = changes(cloud)
        rate = (flood.sent() - sent) / (time.monotonic() - began)
    calm.gateway.send(announced(loud.outside, loud.uplink), interface="public")
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
    assert heard == EACH, figures
    assert max(slower) < SLOWER, figures
