"""Packets of an elastic IP through a gateway, in a real switch: at the gateway, and at the host without uplink."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from apps.eni.tables import ORIGIN
from apps.gateway.model import GATEWAY
from apps.holder.model import Holder
from apps.vpc.model import Vpc
from sdnctl.base.addresses import Ip4
from sdnctl.engine.engine import Engine
from sdnctl.model.host import TUNNEL, UPLINK, Host, LocalTunnel, LocalUplink
from sdnctl.of.actions import resubmit, set_field
from sdnctl.of.fields import TUN_ID, TUN_SRC
from sdnctl.of.message import packet_out
from sdnctl.store import Change
from tests.apps.live import Live, only, same
from tests.apps.words import GATEWAY as ROUTER_OUTSIDE
from tests.apps.words import HOST, ROUTER, SOMEBODY, ip, running, told
from tests.build import ELSEWHERE, HERE, Network
from tests.test_any_order import Follower, gone, split, tables

TUNNEL_PORT = 7
FAR = Ip4.parse("192.0.2.2")
NOT_OURS = "dropped: not-ours"
DATA = UDP(sport=5, dport=6) / Raw(b"payload")


def network(gateway: str) -> Network:
    """One host with an uplink, which is the gateway, one without; this host is one of both."""
    net = Network()
    net.uplink()
    if gateway != HERE:
        net.local.pop((LocalUplink, UPLINK))
    for name, last in ((HERE, 1), (ELSEWHERE, 2)):
        serves = name == gateway
        host = Host(
            id=name,
            uplink="eth1" if serves else "",
            encap_ip=Ip4.parse(f"192.0.2.{last}"),
            encap_type="geneve",
            gateway=10 if serves else 0,
        )
        net.store.report(lambda txn, host=host: txn.put(host))
    net.store.report(lambda txn: txn.put(Holder(id=GATEWAY, host=gateway)))
    home = ELSEWHERE if gateway == HERE else HERE
    for number, name in enumerate("ab"):
        subnet = net.subnet(net.vpc(name, "10.0.0.0/16"), name, "10.0.1.0/24")
        port = net.port(subnet, f"{name}1", "10.0.1.10", host=home)
        net.port(subnet, f"{name}2", "10.0.1.11", host=home)
        net.eip(name, f"203.0.113.{10 + number}", port)
    net.local[LocalTunnel, TUNNEL] = LocalTunnel(id=TUNNEL, ofport=TUNNEL_PORT, mtu=1450)
    return net


@pytest.fixture(scope="module")
def gateway() -> Iterator[Live]:
    """The gateway's switch."""
    with running(network(HERE)) as made:
        yield made


@pytest.fixture(scope="module")
def home() -> Iterator[Live]:
    """The switch of the host without uplink."""
    with running(network(ELSEWHERE)) as made:
        yield made


def arrives(lab: Live, vpc: str, frame: Packet) -> dict[str, list[bytes]]:
    """A frame comes out of the tunnel of a VPC; what leaves."""
    found: Any = lab.network.store.state.get(Vpc, f"vpc-{vpc}")
    actions = (set_field(TUN_ID, found.key), set_field(TUN_SRC, FAR), resubmit(ORIGIN.id))
    lab._wire.send(packet_out(bytes(frame), TUNNEL_PORT, actions, 7))
    return lab.settle()


def from_home(lab: Live, source: str = "10.0.1.10", to: str = SOMEBODY, ttl: int = 8) -> Packet:
    """A packet as the host without uplink sends it on."""
    return Ether(src=ROUTER, dst=ROUTER) / IP(src=source, dst=to, ttl=ttl, id=5)


def test_the_host_without_uplink_sends_it_on(home: Live) -> None:
    """Untranslated, one hop less, to the router's MAC address."""
    sent = Ether(src=home.mac("a1"), dst=ROUTER) / IP(src="10.0.1.10", dst=SOMEBODY, ttl=9, id=5) / DATA
    same(only(home.send("a1", sent), "tunnel"), from_home(home) / DATA)
    told(home, ("a2", ip(SOMEBODY), "dropped: no-elastic-ip"))
    told(home, ("a1", ip(SOMEBODY, source="10.0.1.11"), "dropped: spoofed-ip"))
    told(home, ("a1", ip(SOMEBODY, ttl=1), "asks ask_expired"))


def test_what_does_not_fit_into_the_tunnel_is_told(home: Live) -> None:
    """The sender learns how much fits; its own address is quoted, since nothing was translated yet."""
    whole = IP(src="10.0.1.10", dst=SOMEBODY, ttl=9, id=5, flags="DF") / UDP(sport=5, dport=6) / Raw(bytes(1430))
    told_it = Ether(only(home.send("a1", Ether(src=home.mac("a1"), dst=ROUTER) / whole), "a1"))
    assert (told_it[ICMP].type, told_it[ICMP].code, told_it[ICMP].nexthopmtu) == (3, 4, 1450)
    assert (told_it[IP].src, told_it[IP].dst) == ("10.0.1.1", "10.0.1.10")
    assert bytes(told_it[ICMP].payload)[12:16] == bytes([10, 0, 1, 10])


def test_the_gateway_translates_what_comes_by_the_tunnel(gateway: Live) -> None:
    """By VPC and private address, though two VPCs have the same."""
    for vpc, public in (("a", "203.0.113.10"), ("b", "203.0.113.11")):
        out = Ether(src=HOST, dst=ROUTER_OUTSIDE) / IP(src=public, dst=SOMEBODY, ttl=8, id=5) / DATA
        same(only(arrives(gateway, vpc, from_home(gateway) / DATA), "internet"), out)


def test_the_gateway_sends_on_what_has_an_elastic_ip_and_nothing_else(gateway: Live) -> None:
    """Neither other addresses, nor from one instance to another."""
    assert arrives(gateway, "a", from_home(gateway, "10.0.1.11") / DATA) == {}
    assert arrives(gateway, "a", from_home(gateway, SOMEBODY) / DATA) == {}
    private = Ether(src=ROUTER, dst=gateway.mac("a2")) / IP(src="10.0.1.10", dst="10.0.1.11") / DATA
    assert arrives(gateway, "a", private) == {}


def test_in_through_the_gateway(gateway: Live) -> None:
    """Translated, one hop less, to the instance's MAC address, by which its host delivers it."""
    came = Ether(src=ROUTER_OUTSIDE, dst=HOST) / IP(src=SOMEBODY, dst="203.0.113.11", ttl=9, id=5) / DATA
    into = Ether(src=ROUTER, dst=gateway.mac("b1")) / IP(src=SOMEBODY, dst="10.0.1.10", ttl=8, id=5) / DATA
    same(only(gateway.send("internet", came), "tunnel"), into)
    told(gateway, ("internet", ip("203.0.113.99"), NOT_OURS))
    told(gateway, ("internet", ip("10.0.1.10"), NOT_OURS))


def test_from_one_to_another_through_the_gateway(gateway: Live) -> None:
    """Both translated there: out of one VPC's tunnel, into the other's."""
    into = Ether(src=ROUTER, dst=gateway.mac("b1")) / IP(src="203.0.113.10", dst="10.0.1.10", ttl=8, id=5) / DATA
    same(only(arrives(gateway, "a", from_home(gateway, to="203.0.113.11") / DATA), "tunnel"), into)


def quote(source: str, to: str) -> Raw:
    return Raw(bytes(IP(src=source, dst=to, ttl=1, id=3) / DATA))


def test_errors_are_translated_inside_too(gateway: Live) -> None:
    """In: a router outside complains.  Out: the instance does.  Between two elastic IPs: both, one after the other."""
    error = ICMP(type=11, code=0)
    came = Ether(src=ROUTER_OUTSIDE, dst=HOST) / IP(src="192.0.2.99", dst="203.0.113.10", ttl=60, id=8) / error
    into = Ether(src=ROUTER, dst=gateway.mac("a1")) / IP(src="192.0.2.99", dst="10.0.1.10", ttl=59, id=8) / error
    left = gateway.send("internet", came / quote("203.0.113.10", SOMEBODY))
    same(only(left, "tunnel"), into / quote("10.0.1.10", SOMEBODY))
    sent = from_home(gateway) / error / quote(SOMEBODY, "10.0.1.10")
    out = Ether(src=HOST, dst=ROUTER_OUTSIDE) / IP(src="203.0.113.10", dst=SOMEBODY, ttl=8, id=5) / error
    same(only(arrives(gateway, "a", sent), "internet"), out / quote(SOMEBODY, "203.0.113.10"))
    sent = from_home(gateway, to="203.0.113.11") / error / quote("203.0.113.11", "10.0.1.10")
    into = Ether(src=ROUTER, dst=gateway.mac("b1")) / IP(src="203.0.113.10", dst="10.0.1.10", ttl=8, id=5) / error
    same(only(arrives(gateway, "a", sent), "tunnel"), into / quote("10.0.1.10", "203.0.113.10"))


def test_too_big_from_outside_is_told_by_the_elastic_ip(gateway: Live) -> None:
    whole = IP(src=SOMEBODY, dst="203.0.113.10", ttl=9, id=5, flags="DF") / UDP(sport=5, dport=6) / Raw(bytes(1430))
    left = gateway.send("internet", Ether(src=ROUTER_OUTSIDE, dst=HOST) / whole)
    told_it = Ether(only(left, "internet"))
    assert (told_it[ICMP].type, told_it[ICMP].code, told_it[ICMP].nexthopmtu) == (3, 4, 1450)
    assert (told_it[IP].src, told_it[IP].dst) == ("203.0.113.10", SOMEBODY)


def test_too_big_between_two_elastic_ips_is_told_in_the_words_of_the_sender() -> None:
    """From an instance at the gateway's own host, by itself or by an appliance, to one behind the tunnel.

    It knows its own private address, and the receiver's public one: that is whose path it is told of.
    """
    net = network(HERE)
    subnet = net.subnet_of("subnet-a")
    net.eip("a3", "203.0.113.12", net.port(subnet, "a3", "10.0.1.12"))
    net.port(subnet, "appliance", "10.0.1.13", check=False)
    with running(net) as lab:
        for sender, source, where in (("a3", "10.0.1.12", "a3"), ("appliance", "10.0.1.10", "tunnel")):
            data = UDP(sport=5, dport=6) / Raw(bytes(1430))
            whole = IP(src=source, dst="203.0.113.11", ttl=9, id=5, flags="DF") / data
            told_it = Ether(only(lab.send(sender, Ether(src=lab.mac(sender), dst=ROUTER) / whole), where))
            assert (told_it[ICMP].type, told_it[ICMP].code, told_it[ICMP].nexthopmtu) == (3, 4, 1450)
            assert (told_it[IP].src, told_it[IP].dst) == ("10.0.1.1", source)
            quoted = IP(bytes(told_it[ICMP].payload))
            assert (quoted.src, quoted.dst) == (source, "203.0.113.11")
            assert quoted[UDP].chksum == IP(bytes(whole))[UDP].chksum


def test_hop_limit_reached_at_the_gateway(gateway: Live) -> None:
    """The sender outside who traces the route sees the elastic IP."""
    came = Ether(src=ROUTER_OUTSIDE, dst=HOST) / IP(src=SOMEBODY, dst="203.0.113.10", ttl=1, id=5) / DATA
    told_it = Ether(only(gateway.send("internet", came), "internet"))
    assert (told_it[ICMP].type, told_it[IP].src) == (11, "203.0.113.10")


def test_who_does_not_present_it_answers_nothing() -> None:
    """While another host holds the address neither packets, nor ARP, nor errors are answered here."""
    net = network(HERE)
    held = Holder(id="203.0.113.10", vpc="vpc-a", host=ELSEWHERE)
    with running(net) as lab:
        lab.take(Change(Holder, held.id, None, held))
        came = Ether(src=ROUTER_OUTSIDE, dst=HOST) / IP(src=SOMEBODY, dst="203.0.113.10", ttl=1, id=5) / DATA
        assert lab.send("internet", came) == {}
        told(lab, ("internet", ip("203.0.113.10"), NOT_OURS))
        assert arrives(lab, "a", from_home(lab) / DATA) == {}
        lab.take(Change(Holder, held.id, held, replace(held, host=HERE)))
        told(lab, ("internet", ip("203.0.113.10"), "to tunnel"))


@pytest.mark.parametrize(("name", "serves"), [("gateway", HERE), ("without_uplink", ELSEWHERE)])
def test_golden(name: str, serves: str, assert_flows: Callable[[Engine, str], None]) -> None:
    """The whole tables of both."""
    assert_flows(network(serves).engine(), name)


@pytest.mark.parametrize("serves", [HERE, ELSEWHERE])
@pytest.mark.parametrize("seed", range(10))
def test_any_order(serves: str, seed: int) -> None:
    """Shuffled and split, gone and come back between: always the same flows, and nothing left when all is gone."""
    rng = random.Random(seed)
    net = network(serves)
    expected = tables(net.engine())
    changes = net.changes()
    rng.shuffle(changes)
    follower = Follower(net)
    for batch in split(changes, rng.randint(1, 12)):
        follower.take(batch)
        some = [change for change in batch if rng.random() < 0.3]
        follower.take(gone(some))
        follower.take(some)
    follower.check(expected)
    follower.take(gone(changes))
    assert not follower.engine._units and not follower.engine._graph._readers and not follower.engine._memo._nodes
