"""Security groups wherever a packet may go on one host: inside a subnet, to itself, through appliances, to a successor.

Names of tests say which sentence of the specification of security groups they show.
"""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from tests.packet.groups import (
    IN,
    OUT,
    TCP_NUMBER,
    UDP_NUMBER,
    add,
    came,
    confirmed,
    group,
    heard,
    inside,
    is_syn,
    pings,
    remove,
    rule,
    streaming,
    talks,
    udp,
    untaken,
)
from topologies.cloud import Cloud
from topologies.guest import Guest
from topologies.paced import Paced
from topologies.process import wait_until
from topologies.scenarios import BACK, FRONT, Account, Instance, Interface, Scenario, Vpc, machine
from topologies.station import Station

WEB, INNER, API, NFV0, NFV1 = "10.0.0.10", "10.0.0.12", "10.0.1.10", "10.0.1.20", "10.0.1.21"
BEHIND, BEHIND_NET = "172.20.0.2", "172.20.0.0/24"


def scenario() -> Scenario:
    """Two machines in one subnet, one of them with an elastic IP; a third in another, beside two appliances."""
    appliances = (
        Instance(name, (Interface("back", address, source_check=False),))
        for name, address in (("nfv0", NFV0), ("nfv1", NFV1))
    )
    machines = (
        machine("web", "front", WEB, 200),
        machine("inner", "front", INNER),
        machine("api", "back", API),
        *appliances,
    )
    return Scenario("paths", (Account("shop", (Vpc("net", "10.0.0.0/16", (FRONT, BACK), machines),)),))


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as made:
        made.build(scenario())
        assert made.guests["web"].reaches(API, 10)
        yield made


def test_s11_inside_a_subnet_on_one_host(cloud: Cloud) -> None:
    web, inner = cloud.guests["web"], cloud.guests["inner"]
    with group(cloud, rule(IN, UDP_NUMBER, f"{INNER}/32", port=7000)) as id, inside(cloud, "web", id):
        assert heard(inner, web, WEB, 7000) == (True, True)
        assert heard(inner, web, WEB, 7001) == (False, False) and not pings(cloud, "inner", WEB)
        assert heard(cloud.guests["api"], web, WEB, 7000) == (False, False), "the rule names another address"


def test_s11_of_an_instance_to_its_own_elastic_ip(cloud: Cloud) -> None:
    """It meets both directions' rules, the ones inwards with its public address as the remote side."""
    web, public = cloud.guests["web"], cloud.public("web")
    assert heard(web, web, public, 7000) == (True, True)
    with group(cloud, rule(IN, UDP_NUMBER, f"{public}/32", port=7000)) as id, inside(cloud, "web", id):
        assert heard(web, web, public, 7000) == (True, True)
        assert heard(web, web, public, 7001) == (False, False)
        (one,) = add(cloud, id, rule(OUT, UDP_NUMBER, port=7001))
        assert heard(web, web, public, 7000) == (False, False), "no rule lets it out"
        remove(cloud, id, one)
        assert heard(web, web, public, 7000) == (True, True)


def test_s12_two_appliances_on_one_host_judge_what_they_forward_each_for_itself(cloud: Cloud) -> None:
    """web -> nfv0 -> nfv1 -> a machine behind it, one 5-tuple all along, and back the same way."""
    web, behind = cloud.guests["web"], _behind(cloud)
    through = rule(IN, UDP_NUMBER, f"{WEB}/32", port=7000), rule(OUT, UDP_NUMBER, BEHIND_NET, port=7000)
    denied: dict[str, Any] = {"ruleAction": "DENY", "priority": 1}
    tcp = rule(IN, TCP_NUMBER, f"{WEB}/32"), rule(OUT, TCP_NUMBER, BEHIND_NET)
    with _routed(cloud), group(cloud, *through, *tcp) as first, group(cloud, *through, *tcp) as second:
        assert web.reaches(BEHIND, 10)
        with inside(cloud, "nfv0", first), inside(cloud, "nfv1", second):
            assert heard(web, behind, BEHIND, 7000) == (True, True)
            assert heard(web, behind, BEHIND, 7001) == (False, False)
            zones = _zones(cloud, 7000)
            assert len(zones) == 3, f"one connection, known in the zones of web and of both appliances: {zones}"
            talks(web, behind, BEHIND, 8000)
            for id, way, remote in ((first, OUT, BEHIND), (first, IN, WEB), (second, IN, WEB)):
                (named,) = add(cloud, id, rule(way, UDP_NUMBER, f"{remote}/32", 7000, **denied))
                assert heard(web, behind, BEHIND, 7000) == (False, False)
                remove(cloud, id, named)
                assert heard(web, behind, BEHIND, 7000) == (True, True)


def _behind(cloud: Cloud) -> Station:
    """A machine behind the second appliance; both forward, and what comes back takes the same way."""
    behind: Station = cloud.net.addHost("behind", cls=Station)
    nfv0, nfv1 = cloud.guests["nfv0"], cloud.guests["nfv1"]
    cloud.net.addLink(behind, nfv1, intfName1="eth0", intfName2="inside", up=None)
    nfv1.interface("inside", "172.20.0.1/24")
    behind.interface("eth0", f"{BEHIND}/24", gateway="172.20.0.1")
    for appliance in (nfv0, nfv1):
        appliance.sysctl("net.ipv4.ip_forward=1", "net.ipv4.conf.all.send_redirects=0")
    nfv0.sysctl("net.ipv4.conf.eth0.send_redirects=0")
    nfv1.run("ip", "route", "add", WEB, "via", NFV0)
    return behind


@contextmanager
def _routed(cloud: Cloud) -> Iterator[None]:
    """The route tables that lead through both appliances, during a `with` block."""
    owner, vpc = cloud.owners["web"], cloud.ids["shop", "net"]
    made: list[dict[str, str]] = []
    for subnet, appliance in (("front", "nfv0"), ("back", "nfv1")):
        table = owner.vpc("createRouteTable", vpcId=vpc, routeTableName=subnet)["routeTableId"]
        hop = {"nextHopType": "instance", "nextHopId": cloud.instances[appliance]}
        one = {"addressPrefix": BEHIND_NET, "priority": 100, **hop}
        owner.vpc("addRouteTableRules", routeTableId=table, routeTableRuleSpecs=[one])
        made.append({"routeTableId": table, "subnetId": cloud.ids["shop", "net", subnet]})
        owner.vpc("associateRouteTable", routeTableId=table, subnetIds=[made[-1]["subnetId"]])
    confirmed(cloud)
    yield
    for one in made:
        owner.vpc("disassociateRouteTable", **one)
        owner.vpc("deleteRouteTable", routeTableId=one["routeTableId"])


def _zones(cloud: Cloud, port: int) -> set[str]:
    """The zones in which a connection to a port behind the appliances is known (ovs-dpctl(8), dump-conntrack)."""
    to = re.compile(rf"orig=\(src={WEB},dst={BEHIND},sport=\d+,dport={port}\)")
    known = [line for line in cloud.host.appctl("dpctl/dump-conntrack").splitlines() if to.search(line)]
    return {found[1] for line in known if (found := re.search(r"zone=(\d+)", line))}


@pytest.mark.parametrize("reset", [False, True])
def test_the_same_addresses_and_ports_begin_anew_after_a_connection_has_ended(cloud: Cloud, reset: bool) -> None:
    """Twenty connections one after the other with one 5-tuple; none waits for what the one before has left."""
    web, api = cloud.guests["web"], cloud.guests["api"]
    with group(cloud, rule(IN, TCP_NUMBER, port=8000)) as id, inside(cloud, "api", id):
        with web.sniff() as wire:
            for _ in range(20):
                talks(web, api, API, 8000, source=41000 + reset, reset=reset)
        assert len(wire.seen(is_syn)) == 20, "no SYN had to be sent again"


def test_s13_who_gets_an_address_gets_neither_the_groups_nor_the_connections_of_who_had_it(cloud: Cloud) -> None:
    """The first owner is in a group that inner lets in, and lets inner in; the second is not and does not."""
    inner, address = cloud.guests["inner"], "10.0.0.77"
    named = rule(IN, UDP_NUMBER, port=7000, addressPrefixType="SECURITYGROUP")
    lets_inner_in = rule(IN, UDP_NUMBER, f"{INNER}/32", port=7001)
    with ExitStack() as stack:
        old, new = stack.enter_context(group(cloud, lets_inner_in)), stack.enter_context(group(cloud))
        asks = stack.enter_context(group(cloud, {**named, "addressPrefix": old}))
        stack.enter_context(inside(cloud, "inner", asks))
        stack.enter_context(streaming(stack.enter_context(udp(inner, 42000)), (address, 7001)))
        with _owner(cloud, "api", address, old) as first, first.sniff("eth1") as wire:
            assert heard(first, inner, INNER, 7000, source=(address, 41000)) == (True, True)
            assert wait_until(lambda: came(wire, INNER), 5, 0.05)
        with _owner(cloud, "nfv0", address, new) as second, second.sniff("eth1") as wire:
            assert heard(second, inner, INNER, 7000, source=(address, 41000)) == (False, False)
            time.sleep(0.3)
            assert not came(wire, INNER)
            add(cloud, new, lets_inner_in)
            assert wait_until(lambda: came(wire, INNER), 5, 0.05), "its own rules let inner in"


def test_s15_an_interface_that_comes_and_goes_costs_others_no_packet(cloud: Cloud) -> None:
    """A thousand datagrams a second, each answered, while another interface, with a zone of its own, comes and goes."""
    from_api = rule(IN, UDP_NUMBER, f"{API}/32", port=7000)
    with group(cloud, from_api) as id, inside(cloud, "web", id), group(cloud) as other:
        with Paced(cloud.guests["api"], cloud.guests["web"], WEB, 7000) as paced:
            for _ in range(3):
                with _owner(cloud, "nfv0", "10.0.0.77", other) as guest:
                    assert guest.reaches(INNER, 5)
        print(f"{paced.count()}, not taken by the switch: {untaken(cloud)}")
        assert paced.count().sent > 300 and paced.count().lost == 0


@contextmanager
def _owner(cloud: Cloud, name: str, address: str, id: str) -> Iterator[Guest]:
    """A machine has a second interface with an address, in a group, during a `with` block."""
    owner, guest, instance = cloud.owners[name], cloud.guests[name], cloud.instances[name]
    front = cloud.ids["shop", "net", "front"]
    spec = {"subnetId": front, "primaryIpAddress": address, "securityGroups": [id]}
    port = owner.vpc("createNetworkInterface", **spec)["networkInterfaceId"]
    owner.vm("attachNetworkInterface", instanceId=instance, networkInterfaceId=port)
    guest.attach(cloud.net, cloud.host, owner.network_interface(port), 1)
    guest.static(f"{address}/24", index=1)
    assert guest.reaches("10.0.0.1", 10)
    confirmed(cloud)
    yield guest
    owner.vm("detachNetworkInterface", instanceId=instance, networkInterfaceId=port)
    guest.detach(cloud.net, cloud.host, 1)
    owner.vpc("deleteNetworkInterface", networkInterfaceId=port)
