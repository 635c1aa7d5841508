"""Changes of security groups under traffic: what is forbidden ends at once, and nobody else loses a packet.

A change counts from its confirmation, which the switch's datapath has to obey first.  Names of tests say which sentence
of the specification of security groups they show.
"""

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

import pytest

from sdnctl.packet import checksum
from tests.packet.groups import (
    ICMP_NUMBER,
    IN,
    OUT,
    TCP_NUMBER,
    UDP_NUMBER,
    add,
    dropped,
    goes_on,
    group,
    inside,
    is_syn,
    put,
    remove,
    rule,
    rules_of,
    stops,
    untaken,
)
from topologies import frames
from topologies.cloud import Cloud
from topologies.paced import Paced
from topologies.process import wait_until
from topologies.scenarios import BACK, FRONT, Account, Scenario, Vpc, machine
from topologies.station import Station
from topologies.traffic import Stream

WEB, INNER, API = "10.0.0.10", "10.0.0.12", "10.0.1.10"


def scenario() -> Scenario:
    """Two machines in one subnet and a third in another."""
    machines = machine("web", "front", WEB), machine("inner", "front", INNER), machine("api", "back", API)
    return Scenario("changes", (Account("shop", (Vpc("net", "10.0.0.0/16", (FRONT, BACK), machines),)),))


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as made:
        made.build(scenario())
        assert made.guests["web"].reaches(API, 10)
        yield made


def test_s14_whatever_takes_the_permission_away_ends_the_connection_with_the_next_packet(cloud: Cloud) -> None:
    """A rule removed, one that denies, the group detached, the sender no member any more: 0 packets each."""
    allow = rule(IN, UDP_NUMBER, port=7000)
    with ExitStack() as stack:
        members, closed, id = (stack.enter_context(group(cloud)) for _ in range(3))
        stack.enter_context(inside(cloud, "web", id))
        (only,) = add(cloud, id, allow)
        paced = stack.enter_context(Paced(cloud.guests["api"], cloud.guests["web"], WEB, 7000))
        assert goes_on(paced)
        remove(cloud, id, only)
        assert stops(paced)
        add(cloud, id, allow)
        assert goes_on(paced)
        (deny,) = add(cloud, id, rule(IN, remote=f"{API}/32", priority=1, ruleAction="DENY"))
        assert stops(paced)
        remove(cloud, id, deny)
        assert goes_on(paced)
        put(cloud, "web", closed)
        assert stops(paced)
        put(cloud, "web", id)
        assert goes_on(paced)
        with inside(cloud, "api", members):
            (named,) = add(cloud, id, rule(IN, remote=members, addressPrefixType="SECURITYGROUP"))
            remove(cloud, id, *(one["ruleId"] for one in rules_of(cloud, id) if one["ruleId"] != named))
            assert goes_on(paced)
        assert stops(paced), "api is not a member any more"
        remove(cloud, id, named)


def test_s14_counts_from_the_moment_at_which_the_datapath_obeys(cloud: Cloud) -> None:
    """With thousands of datapath flows, which take a while to look at again, nothing passes once it is confirmed."""
    api, web, ports = cloud.guests["api"], cloud.guests["web"], range(7000, 7060, 2)
    with ExitStack() as stack:
        ours = stack.enter_context(group(cloud, rule(IN, UDP_NUMBER)))
        theirs = stack.enter_context(group(cloud, *(rule(OUT, UDP_NUMBER, port=port) for port in ports)))
        for name, id in (("web", ours), ("api", theirs)):
            stack.enter_context(inside(cloud, name, id))
        paced = stack.enter_context(Paced(api, web, WEB, 7000))
        assert goes_on(paced)
        (router,) = frames.who_has(api, "10.0.1.1", API)
        variants = list(_variants((api.mac(), API), (router, WEB), ports))
        for at in range(0, len(variants), 100):
            api.send(*variants[at : at + 100])
            time.sleep(0.01)
        many = _flows(cloud)
        assert many > 4000
        remove(cloud, ours, *(one["ruleId"] for one in rules_of(cloud, ours)))
        assert stops(paced)
    print(f"{many} datapath flows when the rule went")


def _variants(source: tuple[str, str], target: tuple[str, str], ports: Iterable[int]) -> Iterator[bytes]:
    """Datagrams to some ports with each hop limit: a router has a datapath flow for every one."""
    for port in ports:
        frame = bytearray(frames.udp(source, target, b"", port=port))
        for ttl in range(10, 250):
            frame[22], frame[24:26] = ttl, bytes(2)
            frame[24:26] = checksum(bytes(frame[14:34])).to_bytes(2, "big")
            yield bytes(frame)


def _flows(cloud: Cloud) -> int:
    """The flows of the datapath (ovs-vswitchd(8), upcall/show)."""
    return int(re.findall(r"flows +: \(current (\d+)\)", cloud.host.appctl("upcall/show"))[0])


def test_s14_under_iperf3_nothing_passes_without_the_rule_and_one_connection_goes_on_with_it(cloud: Cloud) -> None:
    """TCP: not a byte between 1 s after the call and the rule's return; then the same connection again."""
    web, api = cloud.guests["web"], cloud.guests["api"]
    with group(cloud) as id, inside(cloud, "web", id):
        (allowed,) = add(cloud, id, rule(IN, TCP_NUMBER, port=5201))
        with Stream(api, web, WEB, options=("-b", "20M")):
            assert wait_until(lambda: _received(web, 5201) > 1_000_000, 10)
            called = time.monotonic()
            cloud.owners["web"].vpc("removeNetworkSecurityGroupRules", networkSecurityGroupId=id, ruleIds=[allowed])
            time.sleep(max(0.0, called + 1 - time.monotonic()))
            stopped = _received(web, 5201)
            time.sleep(1)
            assert _received(web, 5201) == stopped > 0
            with web.sniff() as wire:
                add(cloud, id, rule(IN, TCP_NUMBER, port=5201))
                back = time.monotonic()
                assert wait_until(lambda: _received(web, 5201) > stopped + 1_000_000, 30)
                print(f"a megabyte more {time.monotonic() - back:.2f} s after the rule")
                assert not wire.seen(is_syn), "no new connection"


def _received(station: Station, port: int) -> int:
    """The bytes that have arrived by the one busy TCP connection to a port of a station (ss(8))."""
    told = station.run("ss", "-Htin", "state", "established", f"sport = :{port}")
    return max((int(found) for found in re.findall(r"bytes_received:(\d+)", told)), default=0)


def test_s15_a_change_that_does_not_concern_a_connection_loses_none_of_its_packets(cloud: Cloud) -> None:
    """A thousand datagrams a second, each answered, under rules of both ends, during sixty changes around them."""
    remote = rule(OUT, UDP_NUMBER, f"{WEB}/32", port=7000)
    with ExitStack() as stack:
        ours = stack.enter_context(group(cloud, rule(IN, UDP_NUMBER, f"{API}/32", port=7000)))
        theirs, other = (stack.enter_context(group(cloud, *rules)) for rules in ((remote,), ()))
        for name, id in (("web", ours), ("api", theirs)):
            stack.enter_context(inside(cloud, name, id))
        paced = stack.enter_context(Paced(cloud.guests["api"], cloud.guests["web"], WEB, 7000))
        began, before = time.monotonic(), untaken(cloud)
        for turn in range(5):
            for id in (ours, theirs, other):
                denied = rule(turn % 2, UDP_NUMBER, f"{INNER}/32", 8000 + turn, ruleAction="DENY", priority=1)
                gone = add(cloud, id, denied, rule(IN, TCP_NUMBER, port=9000 + turn))
                remove(cloud, id, *gone)
            put(cloud, "inner", other)
            (named,) = add(cloud, ours, rule(IN, ICMP_NUMBER, other, addressPrefixType="SECURITYGROUP"))
            put(cloud, "inner")
            remove(cloud, ours, named)
            put(cloud, "web", ours, other)
            put(cloud, "web", ours)
        took = time.monotonic() - began
    count = paced.count()
    print(f"60 changes in {took:.1f} s: {count}, not taken by the switch: {untaken(cloud) - before}")
    assert count.sent > 1000 and count.lost == 0


def test_s15_another_set_of_groups_that_allows_the_same_loses_no_packet(cloud: Cloud) -> None:
    """A machine joins another group and leaves it, thirty times: its set of groups is one that nobody else has."""
    allowed = rule(IN, UDP_NUMBER, f"{API}/32", port=7000)
    with group(cloud, allowed) as id, group(cloud) as other, inside(cloud, "web", id):
        before = dropped(cloud)
        with Paced(cloud.guests["api"], cloud.guests["web"], WEB, 7000) as paced:
            for _ in range(30):
                put(cloud, "web", id, other)
                put(cloud, "web", id)
        time.sleep(4)
        print(f"{paced.count()}, dropped by groups: {dropped(cloud) - before}")
        assert paced.count().sent > 500 and paced.count().lost == dropped(cloud) - before == 0
