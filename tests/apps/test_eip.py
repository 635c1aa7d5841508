"""Elastic IPs traced: in, out, hairpin, unbound, unreachable; bound, moved and unbound; the gateway learned."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from apps.eip.model import ElasticIp
from apps.eip.tables import DNAT, SNAT
from apps.uplink.model import GatewayNeighbour
from sdnctl.base.addresses import Ip4, Mac
from sdnctl.model.host import UPLINK, LocalUplink
from sdnctl.of.text import text
from sdnctl.program.packets import PacketOut, Put
from sdnctl.store import Change
from tests.apps.live import Live, only, same, sound
from tests.apps.words import (
    BROADCAST,
    GATEWAY,
    HOST,
    SOMEBODY,
    Case,
    Cases,
    arp,
    ip,
    running,
    told,
)
from tests.build import ELSEWHERE, HERE, Network

ZERO = "00:00:00:00:00:00"


def network() -> Network:
    """Two VPCs with equal addresses; elastic IPs here, elsewhere, on a second address and on nothing."""
    net = Network()
    net.uplink()
    for number, name in enumerate("ab"):
        subnet = net.subnet(net.vpc(name, "10.0.0.0/16"), name, "10.0.1.0/24")
        port = net.port(subnet, f"{name}1", "10.0.1.10", "10.0.1.20")
        net.port(subnet, f"{name}2", "10.0.1.11")
        net.eip(name, f"203.0.113.{10 + number}", port)
    net.port(subnet, "free", "10.0.1.15", check=False)
    net.eip("far", "203.0.113.20", net.port(subnet, "far", "10.0.1.12", host=ELSEWHERE))
    net.eip("none", "203.0.113.30")
    return net


@pytest.fixture(scope="module")
def lab() -> Iterator[Live]:
    """One switch for all cases here."""
    with running(network()) as made:
        yield made


OUT, NO_EIP, NOT_OURS = "to internet", "dropped: no-elastic-ip", "dropped: not-ours"
ERROR = "icmp,icmp_type={},icmp_code=0".format
CASES: Cases = {
    "out": ("a1", ip(SOMEBODY), OUT),
    "out, UDP": ("a1", ip(SOMEBODY, "udp,udp_dst=53"), OUT),
    "out, a later fragment": ("a1", ip(SOMEBODY, "icmp,ip_frag=later"), OUT),
    "out, without elastic IP": ("a2", ip(SOMEBODY), NO_EIP),
    "out, from an address without elastic IP": ("a1", ip(SOMEBODY, source="10.0.1.20"), NO_EIP),
    "out, as the neighbour who has one": ("a2", ip(SOMEBODY, source="10.0.1.10"), "dropped: spoofed-ip"),
    "out, with the public address as source": ("a1", ip(SOMEBODY, source="203.0.113.10"), "dropped: spoofed-ip"),
    "out, without source check, as itself": ("free", ip(SOMEBODY), NO_EIP),
    "out, last hop": ("a1", ip(SOMEBODY, ttl=1), "asks ask_expired"),
    "in": ("internet", ip("203.0.113.10"), "to a1"),
    "in, to the other tenant": ("internet", ip("203.0.113.11"), "to b1"),
    "in, TCP": ("internet", ip("203.0.113.10", "tcp,tcp_dst=22"), "to a1"),
    "in, a later fragment": ("internet", ip("203.0.113.10", "udp,ip_frag=later"), "to a1"),
    "in, to one that is bound to nothing": ("internet", ip("203.0.113.30"), NOT_OURS),
    "in, to one on another host": ("internet", ip("203.0.113.20"), NOT_OURS),
    "in, to an address nobody ordered": ("internet", ip("203.0.113.99"), NOT_OURS),
    "in, to a private address": ("internet", ip("10.0.1.11"), NOT_OURS),
    "in, not for this host": ("internet", ip("203.0.113.10", via="02:00:00:00:00:08"), NOT_OURS),
    "in, by broadcast": ("internet", ip("203.0.113.10", via=BROADCAST), NOT_OURS),
    "in, last hop": ("internet", ip("203.0.113.10", ttl=1), "asks ask_expired_outside"),
    "in, no hop": ("internet", ip("203.0.113.10", ttl=0), "asks ask_expired_outside"),
    "in, tagged": ("internet", ip("203.0.113.10", more="dl_vlan=7"), "dropped: unsupported"),
    "in, tagged with priority only": ("internet", ip("203.0.113.10", more="dl_vlan=0,dl_vlan_pcp=3"), "to a1"),
    "ARP tagged with priority only": ("internet", arp("203.0.113.10", more="dl_vlan=0,dl_vlan_pcp=3"), "to internet"),
    "the gateway answers, tagged with priority only": (
        "internet",
        arp("203.0.113.250", op=2, to=HOST, more="dl_vlan=0,dl_vlan_pcp=3"),
        "asks ask_gateway",
    ),
    "hairpin": ("a1", ip("203.0.113.11"), "to b1"),
    "hairpin to the own one": ("a1", ip("203.0.113.10"), "to a1"),
    "hairpin without elastic IP": ("a2", ip("203.0.113.11"), NO_EIP),
    "to one that is bound to nothing": ("a1", ip("203.0.113.30"), OUT),
    "to one on another host": ("a1", ip("203.0.113.20"), OUT),
    "to the gateway": ("a1", ip("203.0.113.1"), OUT),
    "unreachable, out": ("a1", ip(SOMEBODY, ERROR(3)), "asks ask_quoted_out"),
    "time exceeded, out": ("a1", ip(SOMEBODY, ERROR(11)), "asks ask_quoted_out"),
    "parameter problem, out": ("a1", ip(SOMEBODY, ERROR(12)), "asks ask_quoted_out"),
    "echo reply, out": ("a1", ip(SOMEBODY, ERROR(0)), OUT),
    "unreachable, hairpin": ("a1", ip("203.0.113.11", ERROR(3)), "asks ask_quoted_out"),
    "unreachable, in": ("internet", ip("203.0.113.10", ERROR(3)), "asks ask_quoted_in"),
    "time exceeded, in": ("internet", ip("203.0.113.10", ERROR(11)), "asks ask_quoted_in"),
    "parameter problem, in": ("internet", ip("203.0.113.10", ERROR(12)), "asks ask_quoted_in"),
    "unreachable, in, to nobody": ("internet", ip("203.0.113.99", ERROR(3)), NOT_OURS),
    "unreachable, within the subnet": ("a1", ip("10.0.1.11", ERROR(3)), "to a2"),
    "ARP for the elastic IP": ("internet", arp("203.0.113.10"), "to internet"),
    "ARP for the elastic IP by a probe": ("internet", arp("203.0.113.10", claims="0.0.0.0"), "to internet"),
    "ARP for one that is bound to nothing": ("internet", arp("203.0.113.30"), NOT_OURS),
    "ARP for one on another host": ("internet", arp("203.0.113.20"), NOT_OURS),
    "ARP for a private address": ("internet", arp("10.0.1.10"), NOT_OURS),
    "the gateway answers": ("internet", arp("203.0.113.250", op=2, to=HOST), "asks ask_gateway"),
    "the gateway announces itself": ("internet", arp("203.0.113.1"), "asks ask_gateway"),
    "somebody else answers": ("internet", arp("203.0.113.10", op=2, claims="203.0.113.9", to=HOST), NOT_OURS),
    "an instance as the gateway": ("free", arp("203.0.113.1", claims="203.0.113.1"), "dropped: no-such-address"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_trace(lab: Live, case: Case) -> None:
    """Each case as its table says."""
    told(lab, case)


DATA = UDP(sport=5, dport=6) / Raw(b"payload")


def test_out_and_in_byte_for_byte(lab: Live) -> None:
    """One hop less, the other address, the right MAC addresses, checksums mended; nothing else."""
    sent = Ether(src=lab.mac("a1"), dst=lab.mac("a2")) / IP(src="10.0.1.10", dst=SOMEBODY, ttl=9, id=5) / DATA
    out = Ether(src=HOST, dst=GATEWAY) / IP(src="203.0.113.10", dst=SOMEBODY, ttl=8, id=5) / DATA
    same(only(lab.send("a1", sent), "internet"), out)
    came = Ether(src=GATEWAY, dst=HOST) / IP(src=SOMEBODY, dst="203.0.113.11", ttl=9, id=5) / DATA
    into = Ether(src="0e:00:00:00:00:01", dst=lab.mac("b1")) / IP(src=SOMEBODY, dst="10.0.1.10", ttl=8, id=5) / DATA
    same(only(lab.send("internet", came), "b1"), into)


@pytest.mark.parametrize(("to", "receiver"), [("203.0.113.11", "b1"), ("203.0.113.10", "a1")])
def test_hairpin_byte_for_byte(lab: Live, to: str, receiver: str) -> None:
    """Both translations without leaving the switch; the receiver sees the public address of the sender."""
    sent = Ether(src=lab.mac("a1"), dst="0e:00:00:00:00:01") / IP(src="10.0.1.10", dst=to, ttl=9) / DATA
    found = Ether(src="0e:00:00:00:00:01", dst=lab.mac(receiver))
    same(only(lab.send("a1", sent), receiver), found / IP(src="203.0.113.10", dst="10.0.1.10", ttl=8) / DATA)


@pytest.mark.parametrize("asker", ["203.0.113.1", "0.0.0.0"])
def test_arp_on_the_uplink_is_answered_with_this_hosts_address(lab: Live, asker: str) -> None:
    """RFC 826, also to a probe."""
    ask = ARP(op=1, hwsrc=GATEWAY, psrc=asker, hwdst=ZERO, pdst="203.0.113.10")
    answer = ARP(op=2, hwsrc=HOST, psrc="203.0.113.10", hwdst=GATEWAY, pdst=asker)
    left = lab.send("internet", Ether(src=GATEWAY, dst=BROADCAST) / ask)
    same(only(left, "internet"), Ether(src=HOST, dst=GATEWAY) / answer)


def rebound(lab: Live, name: str, **given: Any) -> None:
    """An elastic IP changes, as the API would change it."""
    eip = lab.engine.state.get(ElasticIp, f"fip-{name}")
    assert eip is not None
    lab.take(Change(ElasticIp, eip.id, eip, replace(eip, **given)))


def test_moved_the_new_owner_has_it_and_the_old_one_nothing() -> None:
    """From one instance to another, to nothing, and back."""
    with running(network()) as lab:
        port = lab.port("a2")
        rebound(lab, "a", port=port.id, private=port.addresses[0])
        told(lab, ("internet", ip("203.0.113.10"), "to a2"))
        told(lab, ("a2", ip(SOMEBODY), OUT))
        told(lab, ("a1", ip(SOMEBODY), NO_EIP))
        rebound(lab, "a", port="", private=0)
        told(lab, ("internet", ip("203.0.113.10"), NOT_OURS))
        told(lab, ("internet", arp("203.0.113.10"), NOT_OURS))
        told(lab, ("a2", ip(SOMEBODY), NO_EIP))
        rebound(lab, "a", port="port-b2", private=lab.port("b2").addresses[0])
        told(lab, ("internet", ip("203.0.113.10"), "to b2"))
        told(lab, ("b1", ip("203.0.113.10"), "to b2"))
        rebound(lab, "a", port="port-far", private=lab.port("far").addresses[0])
        told(lab, ("internet", ip("203.0.113.10"), NOT_OURS))
        told(lab, ("b1", ip("203.0.113.10"), OUT))


@pytest.mark.parametrize("to", ["a2", "b2"])
def test_moved_between_ports_of_a_host_its_flows_change_in_one_step(to: str) -> None:
    """No flow of the old port is left, none of the new one comes later, and nobody is told what they know."""
    net = network()
    engine = net.engine()
    eip, port = net.store.state.get(ElasticIp, "fip-a"), net.port_of(f"port-{to}")
    assert eip is not None
    old, new = eip.private, port.addresses[0]

    def translations() -> set[tuple[str, str, str]]:
        flows = (text(flow) for flow in engine.desired.flows.values() if flow.table in (SNAT.id, DNAT.id))
        return {flow for flow in flows if str(eip.address) in flow}

    before, known = translations(), set(engine.desired.flows)
    moved = replace(eip, port=port.id, private=new, vpc=port.vpc)
    touched = engine.apply([Change(ElasticIp, eip.id, eip, moved)], strict=True)
    after = translations()
    said = [cookie for cookie, what in touched.announce if isinstance(what, PacketOut)]
    assert touched.cookies and known.issuperset(said)
    assert len(before) == len(after) and any(str(old) in one for one in before)
    assert not any(str(old) in one for one in after) and any(str(new) in one for one in after)
    assert engine.apply((), strict=True).cookies == set()


def test_a_bound_address_is_announced_once_to_all() -> None:
    """Gratuitous ARP (RFC 5227, 2.3) when it comes here, not when it is renamed or gets another bandwidth."""
    net = network()
    engine = net.engine()
    eip, port = net.store.state.get(ElasticIp, "fip-none"), "port-a2"
    assert eip is not None
    bound = replace(eip, port=port, private=Ip4.parse("10.0.1.11"))
    touched = engine.apply([Change(ElasticIp, eip.id, eip, bound)], strict=True)
    ((cookie, packet),) = [one for one in touched.announce if isinstance(one[1], PacketOut)]
    assert cookie in touched.cookies and cookie in engine.desired.flows
    expected = ARP(op=1, hwsrc=HOST, psrc="203.0.113.30", hwdst=ZERO, pdst="203.0.113.30")
    same(packet.data, Ether(src=HOST, dst=BROADCAST) / expected)
    for again in (replace(bound, name="renamed"), replace(bound, bandwidth=9)):
        assert engine.apply([Change(ElasticIp, eip.id, bound, again)], strict=True).announce == []


def forgotten(lab: Live) -> None:
    """The gateway is not known any more."""
    id = f"{HERE}/pool-1"
    lab.take(Change(GatewayNeighbour, id, lab.engine.state.get(GatewayNeighbour, id), None))
    lab.reports.clear()


ASK = Ether(src=HOST, dst=BROADCAST) / ARP(op=1, hwsrc=HOST, psrc="0.0.0.0", hwdst=ZERO, pdst="203.0.113.1")


def test_the_gateway_is_asked_for_and_learned(lab: Live) -> None:
    """Nothing goes out before it told its MAC address, which is noted once (more: ``test_uplink``)."""
    forgotten(lab)
    told(lab, ("a1", ip(SOMEBODY), "dropped: no-gateway"))
    told(lab, ("internet", ip("203.0.113.10"), "to a1"))
    for timer in ("uplink.ask_gateways", "uplink.ask_silent_gateways"):
        same(only(lab.say(*lab.engine.tick(timer)), "internet"), ASK)
    for mac in (GATEWAY, GATEWAY):
        told_by = ARP(op=2, hwsrc=mac, psrc="203.0.113.1", hwdst=HOST, pdst="0.0.0.0")
        assert lab.send("internet", Ether(src=mac, dst=HOST) / told_by) == {}
        packet = Ether(src=lab.mac("a1"), dst=lab.mac("a2")) / IP(src="10.0.1.10", dst=SOMEBODY) / DATA
        assert sound(only(lab.send("a1", packet), "internet")).dst == mac
    wanted = GatewayNeighbour(id=f"{HERE}/pool-1", host=HERE, pool="pool-1", mac=Mac.parse(GATEWAY))
    assert lab.reports == [Put(wanted)]
    assert lab.engine.tick("eip.ask_silent_gateways") == []


def test_without_an_uplink_nothing_leaves() -> None:
    """A host that has none still translates from one elastic IP to another."""
    net = network()
    gone = net.local[LocalUplink, UPLINK]
    with running(net) as lab:
        lab.take(Change(LocalUplink, UPLINK, gone, None))
        told(lab, ("a1", ip(SOMEBODY), "dropped: no-gateway"))
        told(lab, ("a1", ip("203.0.113.11"), "to b1"))
        told(lab, ("internet", ip("203.0.113.10"), "dropped: unknown-port"))
        assert lab.engine.tick("eip.ask_gateways") == []
        lab.take(Change(LocalUplink, UPLINK, None, gone))
        told(lab, ("internet", ip("203.0.113.10"), "to a1"))
