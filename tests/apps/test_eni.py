"""A network interface sends from its own addresses only, and gets what is meant for it."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from apps.eni.model import NetworkInterface
from apps.pipeline import PIPELINE
from sdnctl.base.addresses import Ip4
from sdnctl.model.host import Binding, LocalPort
from sdnctl.program.packets import Drop, Put
from sdnctl.store import Change
from sdnctl.testing.simulated import reason_in
from tests.apps.live import Live, only
from tests.apps.words import BROADCAST, DHCP, ROUTER, Case, Cases, arp, ip, raw, running, told
from tests.build import HERE, Network


def network() -> Network:
    """Interfaces with one and with three addresses, one without source check, a victim, and another tenant."""
    net = Network()
    subnet = net.subnet(net.vpc("a", "10.0.0.0/16"), "a", "10.0.1.0/24")
    net.port(subnet, "one", "10.0.1.10")
    net.port(subnet, "many", "10.0.1.20", "10.0.1.21", "10.0.1.22")
    net.port(subnet, "free", "10.0.1.30", check=False)
    net.port(subnet, "victim", "10.0.1.40")
    net.port(net.subnet(net.vpc("b", "10.0.0.0/16"), "b", "10.0.1.0/24"), "other", "10.0.1.10")
    return net


@pytest.fixture(scope="module")
def lab() -> Iterator[Live]:
    """One switch for all cases here."""
    with running(network()) as made:
        yield made


VICTIM, STRANGE = "fa:16:3e:00:00:04", "02:11:11:11:11:11"
SPOOFED, TAGGED = "dropped: spoofed", "dropped: unknown-port"
LIMITED = "255.255.255.255"
TO = "10.0.1.40"
CASES: Cases = {
    "honest": ("one", ip(TO), "to victim"),
    "first of three addresses": ("many", ip(TO), "to victim"),
    "last of three addresses": ("many", ip(TO, source="10.0.1.22"), "to victim"),
    "to the last of three addresses": ("one", ip("10.0.1.22"), "to many"),
    "from its own address to itself": ("many", ip("10.0.1.21"), "to many"),
    "the neighbour's MAC": ("one", ip(TO, mac=VICTIM), SPOOFED),
    "the router's MAC": ("one", ip(TO, mac=ROUTER), SPOOFED),
    "an unknown MAC": ("one", ip(TO, mac=STRANGE), SPOOFED),
    "the neighbour's IP address": ("one", ip(TO, source="10.0.1.20"), SPOOFED),
    "the router's IP address": ("one", ip(TO, source="10.0.1.1"), SPOOFED),
    "an IP address of the subnet that nobody has": ("one", ip(TO, source="10.0.1.99"), SPOOFED),
    "an IP address of the internet": ("one", ip(TO, source="8.8.8.8"), SPOOFED),
    "no IP address": ("one", ip(TO, source="0.0.0.0"), SPOOFED),
    "MAC and IP address of the neighbour": ("one", ip("10.0.1.20", mac=VICTIM, source=TO), SPOOFED),
    "a later fragment of somebody else's": ("one", ip(TO, "udp,ip_frag=later", source="10.0.1.20"), SPOOFED),
    "ARP with the neighbour's MAC inside": ("one", arp(TO, inside=VICTIM), SPOOFED),
    "ARP with the neighbour's MAC outside": ("one", arp(TO, mac=VICTIM, inside="fa:16:3e:00:00:01"), SPOOFED),
    "ARP with the neighbour's MAC in both": ("one", arp("10.0.1.20", mac=VICTIM), SPOOFED),
    "ARP with the neighbour's IP address": ("one", arp("10.0.1.20", claims=TO), SPOOFED),
    "ARP as the router": ("one", arp(TO, claims="10.0.1.1"), SPOOFED),
    "ARP reply as the router": ("one", arp(TO, op=2, claims="10.0.1.1", to=VICTIM), SPOOFED),
    "gratuitous ARP for the neighbour": ("one", arp(TO, claims=TO), SPOOFED),
    "ARP from its third address": ("many", arp(TO, claims="10.0.1.22"), "to many"),
    "probe": ("one", arp(TO, claims="0.0.0.0"), "to one"),
    "probe with the neighbour's MAC inside": ("one", arp(TO, claims="0.0.0.0", inside=VICTIM), SPOOFED),
    "DHCP without address": ("one", ip(LIMITED, DHCP, source="0.0.0.0", via=BROADCAST), "asks ask_dhcp"),
    "DHCP with the neighbour's MAC": ("one", ip(LIMITED, DHCP, source="0.0.0.0", via=BROADCAST, mac=VICTIM), SPOOFED),
    "something else without address": ("one", ip(LIMITED, "udp,udp_dst=9", source="0.0.0.0", via=BROADCAST), SPOOFED),
    "DHCP server's side": (
        *("one", ip(LIMITED, "udp,udp_src=67,udp_dst=68", source="0.0.0.0", via=BROADCAST)),
        SPOOFED,
    ),
    "an unknown protocol": ("one", raw(f"dl_dst={ROUTER},dl_type=0x88b5"), SPOOFED),
    "no check: any IP address": ("free", ip(TO, source="8.8.8.8"), "to victim"),
    "no check: the neighbour's IP address": ("free", ip(TO, source="10.0.1.10"), "to victim"),
    "no check: any MAC": ("free", ip(TO, mac=STRANGE), "to victim"),
    "no check: still its own VPC only": ("free", ip("10.0.1.10", source="10.0.1.10"), "to one"),
    "tagged": ("one", ip(TO, more="dl_vlan=5"), TAGGED),
    "tagged with priority only": ("one", ip(TO, more="dl_vlan=0,dl_vlan_pcp=3"), TAGGED),
    "tagged, without source check": ("free", ip(TO, more="dl_vlan=5"), TAGGED),
    "tagged ARP": ("one", arp(TO, more="dl_vlan=5"), TAGGED),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_trace(lab: Live, case: Case) -> None:
    """Each case as its table says."""
    told(lab, case)


def test_an_unknown_switch_port_is_nobody(lab: Live) -> None:
    """Packets that come in at a port without ``iface-id`` go nowhere."""
    lab.switch.add_port("p77", 77)
    said = lab.switch.trace(f"in_port=77,dl_src={STRANGE},dl_dst={ROUTER},icmp,nw_src=10.0.1.10,nw_dst={TO},nw_ttl=9")
    assert "output" not in said and reason_in(said, PIPELINE) == "unknown-port"


def test_doubly_tagged_frames_stay_out(lab: Live) -> None:
    """A real frame, tagged once and twice, leaves nowhere."""
    inside = IP(src="10.0.1.10", dst=TO) / UDP(sport=1, dport=2) / Raw(b"tagged")
    for tags in (Dot1Q(vlan=5), Dot1Q(vlan=0), Dot1Q(vlan=5) / Dot1Q(vlan=6)):
        assert lab.send("one", Ether(src=lab.mac("one"), dst=ROUTER) / tags / inside) == {}


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
    told(lab, ("one", ip(TO, source="10.0.1.10"), SPOOFED))
    told(lab, ("victim", ip("10.0.1.11"), "to one"))
    told(lab, ("victim", ip("10.0.1.10"), "dropped: no-such-address"))
    lab.take(Change(NetworkInterface, port.id, changed, port))
    told(lab, ("victim", ip("10.0.1.10"), "to one"))


def test_a_frame_to_itself_comes_back(lab: Live) -> None:
    """Out where it came in, which a switch does only when told to."""
    packet = Ether(src=lab.mac("many"), dst=ROUTER) / IP(src="10.0.1.20", dst="10.0.1.21") / UDP(sport=1, dport=2)
    assert Ether(only(lab.send("many", packet), "many"))[IP].dst == "10.0.1.21"
