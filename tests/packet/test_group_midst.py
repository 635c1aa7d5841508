"""S14: a connection that nobody knows and that goes on from its middle passes only where both ways of it are allowed.

A client can make the switch forget a connection: a reset closes it, and a SYN of the same ports takes its place.  What
the server sends next looks like the first packet of a connection of its own.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from tests.packet.groups import IN, TCP_NUMBER, add, confirmed, dropped, group, inside, remove, rule, rules_of
from tests.packet.test_group_changes import API, WEB, scenario
from tests.packet.test_group_grace import SERVER_PORT, download, known
from topologies import frames
from topologies.cloud import Cloud
from topologies.process import wait_until
from topologies.station import Station

CLIENT_PORT, OTHER_PORT, LOW_PORT = 41011, 41012, 21012
TRIES = 20


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as made:
        made.build(scenario())
        assert made.guests["web"].reaches(API, 10)
        confirmed(made)
        # A switch that has just started has a time of grace, in which more passes.
        assert wait_until(lambda: not graced(made), 60, 0.5)
        yield made


def graced(cloud: Cloud) -> bool:
    """True in a time of grace: only then UDP is judged by what its ports look like."""
    return any("udp" in flow and "tp_src=0x0/0x8000" in flow for flow in cloud.host.flows())


def says(station: Station, source: str, target: str, ports: tuple[int, int], *flags: str) -> None:
    """Send TCP segments with these flags, past the station's own kernel."""
    (router,) = frames.who_has(station, source.rsplit(".", 1)[0] + ".1", source)
    head = Ether(src=station.mac(), dst=router) / IP(src=source, dst=target)
    station.send(*(bytes(head / TCP(sport=ports[0], dport=ports[1], flags=one, seq=7, ack=7)) for one in flags))


def from_server(frame: bytes) -> bool:
    """True for what the server sends."""
    packet = frames.ip(frame)
    return packet is not None and packet.src == API and TCP in packet


@pytest.mark.parametrize("own", [CLIENT_PORT, LOW_PORT])
def test_s14_a_connection_does_not_begin_anew_from_its_middle_when_its_rule_has_gone(cloud: Cloud, own: int) -> None:
    """The client lets nothing in, the server all out: what let the client in is removed, and nothing more arrives.

    The connection goes on when the rule is back, whatever the switch has forgotten meanwhile.
    """
    web, api = cloud.guests["web"], cloud.guests["api"]
    with ExitStack() as stack:
        closed = stack.enter_context(group(cloud))
        served = stack.enter_context(group(cloud, rule(IN, TCP_NUMBER, port=SERVER_PORT)))
        for name, id in (("web", closed), ("api", served)):
            stack.enter_context(inside(cloud, name, id))
        stream = stack.enter_context(download(web, api, API, SERVER_PORT, own))
        assert stream.comes(20)
        (allowed,) = [one["ruleId"] for one in rules_of(cloud, served)]
        remove(cloud, served, allowed)
        with web.sniff() as wire:
            says(web, WEB, API, (own, SERVER_PORT), "R", "S")
            # Only the client's own interface knows of it now.
            assert wait_until(lambda: known(cloud, own) == [WEB], 20, 0.2), known(cloud, own)
            before = dropped(cloud)
            says(api, API, WEB, (SERVER_PORT, own), *["PA", "A"] * TRIES)
            assert wait_until(lambda: dropped(cloud) >= before + 2 * TRIES, 30, 0.5)
            assert not wire.received(from_server)
        assert known(cloud, own) == [WEB]
        add(cloud, served, rule(IN, TCP_NUMBER, port=SERVER_PORT))
        assert stream.comes(120), "the same connection"


def test_s14_who_goes_on_with_a_connection_that_was_forgotten_does_not_turn_it_round(cloud: Cloud) -> None:
    """All state is lost: the server's packets pass where both ways are allowed, and the client's make it known."""
    web, api = cloud.guests["web"], cloud.guests["api"]
    with group(cloud, rule(IN, TCP_NUMBER, port=SERVER_PORT)) as served, inside(cloud, "api", served):
        cloud.host.appctl("dpctl/flush-conntrack")
        with web.sniff() as wire:
            says(api, API, WEB, (SERVER_PORT, OTHER_PORT), *["PA"] * TRIES)
            assert wait_until(lambda: len(wire.received(from_server)) >= TRIES, 20)
        assert API not in known(cloud, OTHER_PORT), "the server's packets begin nothing"
        with download(web, api, API, SERVER_PORT, CLIENT_PORT + 2) as stream:
            assert stream.comes(20)
            cloud.host.appctl("dpctl/flush-conntrack")
            assert stream.comes(60)
            assert wait_until(lambda: known(cloud, CLIENT_PORT + 2) == [WEB, WEB], 20, 0.2)
            (allowed,) = [one["ruleId"] for one in rules_of(cloud, served)]
            remove(cloud, served, allowed)
            time.sleep(0.2)  # what is in the client's socket already
            assert not stream.comes(1.0), "so its rule ends it"
