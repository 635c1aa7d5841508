"""Security groups with real packets: what an interface sends and gets, and what a change does to open connections."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether

from tests.packet.groups import (
    ICMP_NUMBER,
    IN,
    OUT,
    UDP_NUMBER,
    add,
    came,
    confirmed,
    dropped,
    group,
    heard,
    inside,
    pings,
    remove,
    rule,
    rules_of,
    streaming,
    talks,
)
from topologies import frames, scenarios
from topologies.cloud import Cloud
from topologies.internet import SERVER
from topologies.process import wait_until, within

WEB, INNER, API = "10.0.0.10", "10.0.0.12", "10.0.1.10"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as made:
        made.build(scenarios.elastic_ip())
        assert made.guests["web"].reaches(SERVER, 10)
        assert made.guests["web"].reaches(API, 10)
        yield made


def test_s1_s2_s7_a_new_group_lets_nothing_in_and_replies_to_what_goes_out(cloud: Cloud) -> None:
    web, api = cloud.guests["web"], cloud.guests["api"]
    before = dropped(cloud)
    assert pings(cloud, "api", WEB), "the default group lets everything pass"
    with group(cloud) as id, inside(cloud, "web", id):
        assert not pings(cloud, "api", WEB) and heard(api, web, WEB, 7000) == (False, False)
        assert cloud.internet.server.ping(cloud.public("web"), count=1, wait=0.5) == 0
        assert pings(cloud, "web", API) and heard(web, api, API, 7000) == (True, True)
        assert pings(cloud, "web", SERVER)
        talks(web, api, API, 8000)
        assert wait_until(lambda: dropped(cloud) - before >= 4, 20, 0.5)
    assert pings(cloud, "api", WEB)


def test_s2_with_a_rule_outwards_only_what_it_allows_goes_out(cloud: Cloud) -> None:
    web, api = cloud.guests["web"], cloud.guests["api"]
    with group(cloud, rule(OUT, UDP_NUMBER, port=7000)) as id, inside(cloud, "web", id):
        assert heard(web, api, API, 7000) == (True, True)
        assert heard(web, api, API, 7001) == (False, False) and not pings(cloud, "web", API)


def test_s2_an_operator_may_turn_the_implicit_allow_off(cloud: Cloud) -> None:
    """Of all groups, those that are there too; rules outward and replies are as before."""
    web, api = cloud.guests["web"], cloud.guests["api"]
    with group(cloud, rule(IN, UDP_NUMBER, port=7000)) as id, inside(cloud, "web", id):
        assert pings(cloud, "web", API)
        with outward(cloud, "deny"):
            assert not pings(cloud, "web", API) and heard(api, web, WEB, 7000) == (True, True)
            (allow,) = add(cloud, id, rule(OUT, ICMP_NUMBER))
            assert pings(cloud, "web", API) and heard(web, api, API, 7000) == (False, False)
            remove(cloud, id, allow)
        assert pings(cloud, "web", API)


@contextmanager
def outward(cloud: Cloud, what: str) -> Iterator[None]:
    """The operator's word on groups without rules outward, during a `with` block."""
    assert cloud.cli("sg", "outbound", what) == {"outboundWithoutRules": what}
    confirmed(cloud)
    try:
        yield
    finally:
        cloud.cli("sg", "outbound", "allow")
        confirmed(cloud)


def test_s14_what_the_datapath_has_from_an_older_permission_goes_too(cloud: Cloud) -> None:
    """Allowed by a rule, then by there being none, then by nothing: Open vSwitch 3.1 kept what it had at first."""
    web, api = cloud.guests["web"], cloud.guests["api"]
    with group(cloud, rule(OUT, UDP_NUMBER, port=7000)) as id, inside(cloud, "web", id):
        assert heard(web, api, API, 7000) == (True, True) and heard(web, api, API, 7001) == (False, False)
    with group(cloud, rule(IN, UDP_NUMBER, port=7000)) as id, inside(cloud, "web", id):
        assert pings(cloud, "web", API)
        with outward(cloud, "deny"):
            assert not pings(cloud, "web", API) and heard(web, api, API, 7000) == (False, False)
            add(cloud, id, rule(OUT, ICMP_NUMBER))
            assert pings(cloud, "web", API) and heard(web, api, API, 7000) == (False, False)


def test_s5_the_smallest_priority_decides_and_of_equal_ones_denial(cloud: Cloud) -> None:
    with group(cloud, rule(IN, ICMP_NUMBER, priority=20)) as id, inside(cloud, "web", id):
        assert pings(cloud, "api", WEB)
        (deny,) = add(cloud, id, rule(IN, ICMP_NUMBER, f"{API}/32", priority=20, ruleAction="DENY"))
        assert not pings(cloud, "api", WEB) and pings(cloud, "inner", WEB)
        add(cloud, id, rule(IN, ICMP_NUMBER, "10.0.1.0/24", priority=10))
        assert pings(cloud, "api", WEB)
        remove(cloud, id, deny)


def test_s8_an_error_about_no_connection_is_dropped(cloud: Cloud) -> None:
    """One about a connection gets through: Linux learns by it that nobody listens."""
    web, api = cloud.guests["web"], cloud.guests["api"]
    with group(cloud) as id, inside(cloud, "web", id):
        with within(web.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sender:
            sender.settimeout(1)
            sender.connect((API, 9))
            sender.send(b"anyone?")
            with pytest.raises(ConnectionRefusedError):
                sender.recv(1)
        (router,) = frames.who_has(api, "10.0.1.1", API)
        quoted = IP(src=WEB, dst=API) / UDP(sport=4711, dport=4712)
        error = Ether(src=api.mac(), dst=router) / IP(src=API, dst=WEB) / ICMP(type=3, code=3) / quoted
        with web.sniff() as wire:
            api.send(bytes(error))
            time.sleep(0.3)
            assert not wire.received(lambda one: (p := frames.ip(one)) is not None and p.src == API)


def test_s9_a_group_as_the_remote_side_is_its_members_private_addresses(cloud: Cloud) -> None:
    web, api, server = cloud.guests["web"], cloud.guests["api"], cloud.internet.server
    with group(cloud) as members, group(cloud) as id, inside(cloud, "web", id):
        (named,) = add(cloud, id, rule(IN, remote=members, addressPrefixType="SECURITYGROUP"))
        assert not pings(cloud, "api", WEB)
        with inside(cloud, "api", members):
            assert pings(cloud, "api", WEB) and heard(api, web, WEB, 7000) == (True, True)
            assert not pings(cloud, "inner", WEB)
            assert not pings(cloud, "api", cloud.public("web")), "from outside it is seen by its public address"
            assert server.ping(cloud.public("web"), count=1, wait=0.5) == 0
        assert not pings(cloud, "api", WEB)
        remove(cloud, id, named)


def test_s9_a_secondary_address_is_its_members_from_when_it_has_it_until_it_is_taken_away(cloud: Cloud) -> None:
    api, more = cloud.guests["api"], "10.0.1.78"
    owner, port = cloud.owners["api"], cloud.interfaces["api", 0]["networkInterfaceId"]
    api.run("ip", "address", "add", f"{more}/24", "dev", "eth0")
    with group(cloud) as members, group(cloud) as id, inside(cloud, "web", id), inside(cloud, "api", members):
        (named,) = add(cloud, id, rule(IN, remote=members, addressPrefixType="SECURITYGROUP"))
        assert api.ping(WEB, "-I", more, count=2, wait=0.5) == 0
        owner.vpc("assignSecondaryIps", networkInterfaceId=port, secondaryIps=[more])
        confirmed(cloud)
        assert api.ping(WEB, "-I", more, count=2, wait=0.5) == 2
        owner.vpc("unassignSecondaryIps", networkInterfaceId=port, secondaryIps=[more])
        confirmed(cloud)
        assert api.ping(WEB, "-I", more, count=2, wait=0.5) == 0 and pings(cloud, "api", WEB)
        remove(cloud, id, named)
    api.run("ip", "address", "del", f"{more}/24", "dev", "eth0")


def test_s10_the_router_and_its_answers_are_not_the_groups_to_judge(cloud: Cloud) -> None:
    deny = (rule(IN, ruleAction="DENY"), rule(OUT, ruleAction="DENY"))
    with group(cloud, *deny) as id, inside(cloud, "web", id):
        assert pings(cloud, "web", "10.0.0.1") and not pings(cloud, "web", INNER)
        assert len(frames.who_has(cloud.guests["web"], INNER, WEB)) == 1
        assert cloud.guests["web"].dhcp()["new_ip_address"] == WEB
        cloud.guests["web"].stop_dhcp()


def test_s14_a_stream_ends_with_the_rule_and_goes_on_with_it_again(cloud: Cloud) -> None:
    """Counted from the confirmation, in both directions, replies alone too; no new connection is made."""
    web, api = cloud.guests["web"], cloud.guests["api"]
    far = within(web.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    near = within(api.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with far, near, group(cloud, rule(IN, UDP_NUMBER, port=7000)) as id, inside(cloud, "web", id):
        far.bind(("0.0.0.0", 7000))
        near.bind(("0.0.0.0", 41000))
        near.connect((WEB, 7000))
        near.send(b"begin")
        far.settimeout(2)
        assert far.recv(100) == b"begin"
        (allowed,) = [one["ruleId"] for one in rules_of(cloud, id)]
        with streaming(far, (API, 41000)):
            with api.sniff() as wire:
                assert wait_until(lambda: came(wire, WEB), 5, 0.05)
            remove(cloud, id, allowed)
            with api.sniff() as to_api, web.sniff() as to_web:
                near.send(b"forth")
                time.sleep(0.5)
                assert not came(to_api, WEB) and not came(to_web, API)
                add(cloud, id, rule(IN, UDP_NUMBER, port=7000))
                assert wait_until(lambda: came(to_api, WEB), 5, 0.05), "the same connection goes on"


@pytest.mark.parametrize("size", [4000, 30_000])
def test_s17_a_large_datagram_passes_by_its_port_as_the_first_of_a_connection(cloud: Cloud, size: int) -> None:
    web, api = cloud.guests["web"], cloud.guests["api"]
    with group(cloud, rule(IN, UDP_NUMBER, port=7000)) as id, inside(cloud, "web", id):
        assert heard(api, web, WEB, 7000, size) == (True, True)
        with web.sniff() as wire:
            assert heard(api, web, WEB, 7001, size) == (False, False)
            assert not came(wire, API), "no fragment of one for another port"
