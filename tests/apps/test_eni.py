"""A network interface sends from its own addresses only, and gets what is meant for it."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from apps.eni.model import NetworkInterface
from apps.pipeline import PIPELINE
from sdnctl.base.addresses import Ip4, Mac
from sdnctl.model.host import Binding, LocalPort
from sdnctl.of import fields as f
from sdnctl.program.packets import Drop, Put
from sdnctl.store import Change
from sdnctl.testing.simulated import reason_in
from tests.apps import words
from tests.apps.live import Live, only, same
from tests.apps.words import BROADCAST, ROUTER, Case, Cases, arp, ip, raw, running, sent, told, verdict
from tests.build import HERE, Network


def network() -> Network:
    """Interfaces with one and with three addresses, one without source check, a victim, and another tenant."""
    net = Network()
    vpc = net.vpc("a", "10.0.0.0/16")
    subnet = net.subnet(vpc, "a", "10.0.1.0/24")
    net.port(subnet, "one", "10.0.1.10")
    net.port(subnet, "many", "10.0.1.20", "10.0.1.21", "10.0.1.22")
    net.port(subnet, "free", "10.0.1.30", check=False)
    net.port(subnet, "victim", "10.0.1.40")
    net.port(net.subnet(net.vpc("b", "10.0.0.0/16"), "b", "10.0.1.0/24"), "other", "10.0.1.10")
    net.port(net.subnet(vpc, "beyond", "10.0.2.0/24"), "beyond", "10.0.2.10")
    return net


@pytest.fixture(scope="module")
def lab() -> Iterator[Live]:
    """One switch for all cases here."""
    with running(network()) as made:
        yield made


VICTIM, STRANGE = "fa:16:3e:00:00:04", "02:11:11:11:11:11"
MAC, IP_OF, ARP_OF = "dropped: spoofed-mac", "dropped: spoofed-ip", "dropped: spoofed-arp"
SERVER, ADVERTISER = "dropped: spoofed-dhcp", "dropped: spoofed-ra"
UNSUPPORTED = "dropped: unsupported"
LIMITED, OFFERS = "255.255.255.255", "udp,udp_src=67,udp_dst=68"
TO, BEYOND = "10.0.1.40", "10.0.2.10"
CASES: Cases = {
    "honest": ("one", ip(TO), "to victim"),
    "first of three addresses": ("many", ip(TO), "to victim"),
    "last of three addresses": ("many", ip(TO, source="10.0.1.22"), "to victim"),
    "to the last of three addresses": ("one", ip("10.0.1.22"), "to many"),
    "from its own address to itself": ("many", ip("10.0.1.21"), "to many"),
    "the neighbour's MAC": ("one", ip(TO, mac=VICTIM), MAC),
    "the router's MAC": ("one", ip(TO, mac=ROUTER), MAC),
    "an unknown MAC": ("one", ip(TO, mac=STRANGE), MAC),
    "the neighbour's IP address": ("one", ip(TO, source="10.0.1.20"), IP_OF),
    "the router's IP address": ("one", ip(TO, source="10.0.1.1"), IP_OF),
    "an IP address of the subnet that nobody has": ("one", ip(TO, source="10.0.1.99"), IP_OF),
    "an IP address of the internet": ("one", ip(TO, source="8.8.8.8"), IP_OF),
    "no IP address": ("one", ip(TO, source="0.0.0.0"), IP_OF),
    "MAC and IP address of the neighbour": ("one", ip("10.0.1.20", mac=VICTIM, source=TO), MAC),
    "a later fragment of somebody else's": ("one", ip(TO, "udp,ip_frag=later", source="10.0.1.20"), IP_OF),
    "ARP with the neighbour's MAC inside": ("one", arp(TO, inside=VICTIM), ARP_OF),
    "ARP with the neighbour's MAC outside": ("one", arp(TO, mac=VICTIM, inside="fa:16:3e:00:00:01"), MAC),
    "ARP with the neighbour's MAC in both": ("one", arp("10.0.1.20", mac=VICTIM), MAC),
    "ARP with the neighbour's IP address": ("one", arp("10.0.1.20", claims=TO), ARP_OF),
    "ARP as the router": ("one", arp(TO, claims="10.0.1.1"), ARP_OF),
    "ARP reply as the router": ("one", arp(TO, op=2, claims="10.0.1.1", to=VICTIM), ARP_OF),
    "gratuitous ARP for the neighbour": ("one", arp(TO, claims=TO), ARP_OF),
    "ARP from its third address": ("many", arp(TO, claims="10.0.1.22"), "to many"),
    "probe": ("one", arp(TO, claims="0.0.0.0"), "to one"),
    "probe with the neighbour's MAC inside": ("one", arp(TO, claims="0.0.0.0", inside=VICTIM), ARP_OF),
    "DHCP without address": ("one", ip(LIMITED, words.DHCP, source="0.0.0.0", via=BROADCAST), "asks ask_dhcp"),
    "DHCP with the neighbour's MAC": (
        "one",
        ip(LIMITED, words.DHCP, source="0.0.0.0", via=BROADCAST, mac=VICTIM),
        MAC,
    ),
    "something else without address": ("one", ip(LIMITED, "udp,udp_dst=9", source="0.0.0.0", via=BROADCAST), IP_OF),
    "DHCP server's side": (
        *("one", ip(LIMITED, "udp,udp_src=67,udp_dst=68", source="0.0.0.0", via=BROADCAST)),
        SERVER,
    ),
    "an unknown protocol": ("one", raw(f"dl_dst={ROUTER},dl_type=0x88b5"), UNSUPPORTED),
    "no check: any IP address": ("free", ip(TO, source="8.8.8.8"), "to victim"),
    "no check: the neighbour's IP address": ("free", ip(TO, source="10.0.1.10"), "to victim"),
    "no check: later fragments of anybody": ("free", ip(TO, "udp,ip_frag=later", source="8.8.8.8"), "to victim"),
    "no check: an unknown MAC": ("free", ip(TO, mac=STRANGE), MAC),
    "no check: the neighbour's MAC": ("free", ip("10.0.1.10", mac=VICTIM), MAC),
    "no check: no IP address": ("free", ip(TO, source="0.0.0.0"), IP_OF),
    "no check: loopback": ("free", ip(TO, source="127.0.0.1"), IP_OF),
    "no check: a group": ("free", ip(TO, source="224.0.0.5"), IP_OF),
    "no check: everybody": ("free", ip(TO, source=LIMITED), IP_OF),
    "no check: ARP with its own address": ("free", arp(TO), "to free"),
    "no check: ARP with the neighbour's IP address": ("free", arp("10.0.1.10", claims=TO), ARP_OF),
    "no check: ARP as the router": ("free", arp(TO, claims="10.0.1.1"), ARP_OF),
    "no check: ARP from the address of another subnet": ("free", arp(TO, claims="10.0.2.10"), ARP_OF),
    "no check: ARP from an address that it serves": ("free", arp(TO, claims="172.16.0.1"), "to free"),
    "no check: ARP reply with an address that it serves": ("free", arp(TO, op=2, claims="172.16.0.1"), ARP_OF),
    "ARP from an address that it serves": ("one", arp(TO, claims="172.16.0.1"), ARP_OF),
    "no check: ARP with the neighbour's MAC inside": ("free", arp("10.0.1.10", inside=VICTIM), ARP_OF),
    "no check: gratuitous ARP for the neighbour": ("free", arp(TO, claims=TO), ARP_OF),
    "no check: DHCP without address": (
        *("free", ip(LIMITED, words.DHCP, source="0.0.0.0", via=BROADCAST)),
        "asks ask_dhcp",
    ),
    "no check: DHCP server's side": ("free", ip(TO, "udp,udp_src=67,udp_dst=68"), SERVER),
    "no check: DHCP server's side as the server": ("free", ip(TO, OFFERS, source="10.0.1.2"), SERVER),
    "DHCP server's side by broadcast": ("one", ip(LIMITED, OFFERS, via=BROADCAST), SERVER),
    "DHCP server's side to the neighbour": ("one", ip(TO, OFFERS), SERVER),
    "DHCP server's side to any port": ("one", ip(TO, "udp,udp_src=67,udp_dst=9"), SERVER),
    "DHCP server's side to another subnet": ("one", ip(BEYOND, OFFERS), SERVER),
    "DHCP server's side to the internet": ("one", ip("8.8.8.8", OFFERS), SERVER),
    "DHCP server's side to the router": ("one", ip("10.0.1.1", OFFERS), SERVER),
    "DHCP server of IPv6": ("one", raw(f"dl_dst={VICTIM},udp6,udp_src=547,udp_dst=546"), SERVER),
    "no check: DHCP server of IPv6": ("free", raw(f"dl_dst={VICTIM},udp6,udp_src=547,udp_dst=546"), SERVER),
    "DHCP client of IPv6": ("one", raw("dl_dst=33:33:00:01:00:02,udp6,udp_src=546,udp_dst=547"), UNSUPPORTED),
    "router advertisement": ("one", raw("dl_dst=33:33:00:00:00:01,icmp6,icmpv6_type=134"), ADVERTISER),
    "no check: router advertisement": ("free", raw("dl_dst=33:33:00:00:00:01,icmp6,icmpv6_type=134"), ADVERTISER),
    "router advertisement with the neighbour's MAC": (
        *("one", sent(f"dl_src={VICTIM},dl_dst=33:33:00:00:00:01,icmp6,icmpv6_type=134")),
        ADVERTISER,
    ),
    "a later fragment of IPv6": ("one", raw("dl_dst=33:33:00:00:00:01,ipv6,nw_proto=58,ip_frag=later"), UNSUPPORTED),
    "no check: ICMP redirect": ("free", ip(TO, "icmp,icmp_type=5", source="10.0.1.1"), ADVERTISER),
    "no check: ICMP router advertisement": ("free", ip(TO, "icmp,icmp_type=9", source="10.0.1.1"), ADVERTISER),
    "no check: ICMP error of a router behind it": ("free", ip(TO, "icmp,icmp_type=11", source="8.8.8.8"), "to victim"),
    "ICMP redirect as the router": ("one", ip(TO, "icmp,icmp_type=5", source="10.0.1.1"), IP_OF),
    "neighbour advertisement": ("one", raw(f"dl_dst={VICTIM},icmp6,icmpv6_type=136"), UNSUPPORTED),
    "TCP over IPv6": ("one", raw(f"dl_dst={VICTIM},tcp6,tcp_dst=80"), UNSUPPORTED),
    "MPLS": ("one", raw(f"dl_dst={VICTIM},dl_type=0x8847"), UNSUPPORTED),
    "PPPoE": ("one", raw(f"dl_dst={VICTIM},dl_type=0x8864"), UNSUPPORTED),
    "an unknown protocol with the neighbour's MAC": (
        *("one", sent(f"dl_src={VICTIM},dl_dst={ROUTER},dl_type=0x88b5")),
        UNSUPPORTED,
    ),
    "tagged, with the neighbour's MAC": ("one", ip(TO, more="dl_vlan=4095", mac=VICTIM), UNSUPPORTED),
    "no check: still its own VPC only": ("free", ip("10.0.1.10", source="10.0.1.10"), "to one"),
    "tagged": ("one", ip(TO, more="dl_vlan=5"), UNSUPPORTED),
    "tagged with priority only": ("one", ip(TO, more="dl_vlan=0,dl_vlan_pcp=3"), "to victim"),
    "spoofed, tagged with priority only": ("one", ip(TO, more="dl_vlan=0,dl_vlan_pcp=3", mac=VICTIM), MAC),
    "ARP tagged with priority only": ("one", arp(TO, more="dl_vlan=0,dl_vlan_pcp=5"), "to one"),
    "RARP": ("one", raw(f"dl_dst={BROADCAST},dl_type=0x8035"), UNSUPPORTED),
    "LLDP": ("one", raw("dl_dst=01:80:c2:00:00:0e,dl_type=0x88cc"), UNSUPPORTED),
    "EAPOL": ("one", raw("dl_dst=01:80:c2:00:00:03,dl_type=0x888e"), UNSUPPORTED),
    "spanning tree": ("one", raw("dl_dst=01:80:c2:00:00:00,dl_type=0x05ff"), UNSUPPORTED),
    "router solicitation of IPv6": ("one", raw("dl_dst=33:33:00:00:00:02,icmp6,icmpv6_type=133"), UNSUPPORTED),
    "listener report of IPv6": ("one", raw("dl_dst=33:33:00:00:00:16,icmp6,icmpv6_type=143"), UNSUPPORTED),
    "tagged, without source check": ("free", ip(TO, more="dl_vlan=5"), UNSUPPORTED),
    "tagged ARP": ("one", arp(TO, more="dl_vlan=5"), UNSUPPORTED),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_trace(lab: Live, case: Case) -> None:
    """Each case as its table says."""
    told(lab, case)


@pytest.mark.parametrize("bit", range(48))
def test_a_mac_address_that_differs_in_any_bit_is_not_its_own(lab: Live, bit: int) -> None:
    """Dropped, whether the source IP address is checked or not, before anything else of it is looked at."""
    for sender in ("one", "free"):
        own = int(lab.mac(sender).replace(":", ""), 16)
        forged = str(Mac(own ^ 1 << bit))
        for frame in (ip(TO, mac=forged), ip(BEYOND, mac=forged), arp(TO, mac=forged, inside=lab.mac(sender))):
            assert str(lab.trace(sender, frame(lab, sender))) == MAC


@pytest.mark.parametrize("bit", range(12))
def test_a_vlan_is_told_by_any_bit(lab: Live, bit: int) -> None:
    """A frame of any VLAN is dropped, and of those with a bit in common the datapath tells none apart."""
    for vlan in (1 << bit, 4095 & ~((1 << bit) - 1)):
        trace = lab.trace("one", ip(TO, more=f"dl_vlan={vlan},dl_vlan_pcp=2")(lab, "one"))
        assert str(trace) == UNSUPPORTED
        told_apart = re.findall(r"vlan_tci=0x[0-9a-f]+/(0x[0-9a-f]+)", trace.text.partition("Megaflow")[2])
        bits = int(told_apart[0], 16) if told_apart else 0x1FFF
        assert bits & 0xFFF == 2 * (1 << bit) - 1


def test_an_unknown_switch_port_is_nobody(lab: Live) -> None:
    """Packets that come in at a port without ``iface-id`` go nowhere."""
    lab.switch.add_port("p77", 77)
    said = lab.switch.trace(f"in_port=77,dl_src={STRANGE},dl_dst={ROUTER},icmp,nw_src=10.0.1.10,nw_dst={TO},nw_ttl=9")
    assert "output" not in said and reason_in(said, PIPELINE) == "unknown-port"


def test_doubly_tagged_frames_stay_out(lab: Live) -> None:
    """A real frame, tagged once and twice, leaves nowhere."""
    inside = IP(src="10.0.1.10", dst=TO) / UDP(sport=1, dport=2) / Raw(b"tagged")
    for tags in (Dot1Q(vlan=5), Dot1Q(vlan=5) / Dot1Q(vlan=6), Dot1Q(vlan=0) / Dot1Q(vlan=6), Dot1Q() / Dot1Q(vlan=0)):
        assert lab.send("one", Ether(src=lab.mac("one"), dst=ROUTER) / tags / inside) == {}


def test_a_priority_tag_is_taken_off(lab: Live) -> None:
    """A frame of VLAN 0 is delivered, and ARP and DHCP are answered, without a tag (IEEE 802.1Q, 6.9)."""
    mac, tag = lab.mac("one"), Dot1Q(vlan=0, prio=5)
    inside = IP(src="10.0.1.10", dst=TO, ttl=9) / UDP(sport=1, dport=2) / Raw(b"priority")
    got = lab.send("one", Ether(src=mac, dst=VICTIM) / tag / inside)
    same(only(got, "victim"), Ether(src=mac, dst=VICTIM) / inside)
    question = ARP(op=1, hwsrc=mac, psrc="10.0.1.10", pdst=TO)
    answer = Ether(only(lab.send("one", Ether(src=mac, dst=BROADCAST) / tag / question), "one"))
    assert (answer.type, answer[ARP].op, answer[ARP].hwsrc) == (0x0806, 2, VICTIM)
    asks = IP(src="0.0.0.0", dst=LIMITED) / UDP(sport=68, dport=67) / BOOTP(chaddr=bytes.fromhex(mac.replace(":", "")))
    offer = lab.send("one", Ether(src=mac, dst=BROADCAST) / tag / asks / DHCP(options=[("message-type", 1), "end"]))
    assert Ether(only(offer, "one")).type == 0x0800 and Ether(only(offer, "one"))[BOOTP].yiaddr == "10.0.1.10"


def test_noise_is_dropped_apart_from_spoofing(lab: Live) -> None:
    """What a hypervisor or a guest says unasked is named, and is no spoofing, however its sender is called."""
    frame = {f.ETH_SRC: Mac.parse(STRANGE), f.ETH_DST: Mac.parse(BROADCAST)}
    said = verdict(lab, lab.ofport("one"), {**frame, f.ETH_TYPE: 0x8035})
    assert said == "dropped: RARP: neither untagged IPv4 nor an ARP request (unsupported)"
    said = verdict(lab, lab.ofport("one"), {**frame, f.ETH_TYPE: 0x88CC, f.VLAN_VID: 0x1009})
    assert said == "dropped: the frame is tagged with VLAN 9: there are no VLANs here (unsupported)"


def unplugged(lab: Live, name: str) -> tuple[Change, Change]:
    """An interface leaves this host's switch, and comes in."""
    local = lab.engine.state.get(LocalPort, f"port-{name}")
    assert local is not None
    return Change(LocalPort, local.id, local, None), Change(LocalPort, local.id, None, local)


def test_unplugged_it_neither_sends_nor_receives(lab: Live) -> None:
    """And plugged in again it does both."""
    out, back = unplugged(lab, "victim")
    lab.take(out)
    told(lab, ("one", ip(TO), "dropped: not-here"))
    told(lab, ("victim", ip("10.0.1.10"), "dropped: unknown-port"))
    lab.take(back)
    told(lab, ("one", ip(TO), "to victim"))
    told(lab, ("victim", ip("10.0.1.10"), "to one"))


def test_this_host_reports_what_is_plugged_in() -> None:
    """A Binding appears with the interface's port and goes with it; of a foreign ``iface-id`` there is none."""
    net = network()
    engine = net.engine()
    engine.take_reports()
    plug = LocalPort(id="port-victim", ofport=9)
    bound = net.store.state.get(Binding, plug.id)
    engine.apply([Change(LocalPort, "port-foreign", None, replace(plug, id="port-foreign"))], strict=True)
    assert engine.take_reports() == []
    engine.apply([Change(LocalPort, plug.id, plug, None)], strict=True)
    assert engine.take_reports() == [Drop(Binding, plug.id)]
    engine.apply([Change(Binding, plug.id, bound, None), Change(LocalPort, plug.id, None, plug)], strict=True)
    assert engine.take_reports() == [Put(Binding(id=plug.id, port=plug.id, vpc="vpc-a", host=HERE))]


def test_new_addresses_are_in_force_at_once(lab: Live) -> None:
    """An address that was added is sent from and reached; one that was taken away is neither."""
    port = lab.engine.state.get(NetworkInterface, "port-one")
    assert port is not None
    changed = replace(port, addresses=(Ip4(port.addresses[0] + 1),))
    lab.take(Change(NetworkInterface, port.id, port, changed))
    told(lab, ("one", ip(TO, source="10.0.1.11"), "to victim"))
    told(lab, ("one", ip(TO, source="10.0.1.10"), IP_OF))
    told(lab, ("victim", ip("10.0.1.11"), "to one"))
    told(lab, ("victim", ip("10.0.1.10"), "dropped: no-such-address"))
    lab.take(Change(NetworkInterface, port.id, changed, port))
    told(lab, ("victim", ip("10.0.1.10"), "to one"))


def test_a_frame_to_itself_comes_back(lab: Live) -> None:
    """Out where it came in, which a switch does only when told to."""
    packet = Ether(src=lab.mac("many"), dst=ROUTER) / IP(src="10.0.1.20", dst="10.0.1.21") / UDP(sport=1, dport=2)
    assert Ether(only(lab.send("many", packet), "many"))[IP].dst == "10.0.1.21"
