"""C1 to C3: what a network interface must not send arrives nowhere, and is counted under the reason that says so.

Real packets; `tests/packet/test_attacks.py` tries more of them, on two hosts, and looks for those that get through.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import ICMP, IP, UDP, IPOption_RR
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_RA, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from scapy.layers.l2 import ARP, LLC, STP, Dot1AD, Dot1Q, Dot3, Ether
from scapy.packet import Packet, Raw

from apps.pipeline import DROP, PIPELINE, REASON
from tests.product import CLASSES
from topologies import scenarios
from topologies.cloud import Cloud
from topologies.process import wait_until

assert CLASSES, "all features are there, so tables and reasons have the numbers that the agent gives them"
SENDS = 5
SENDER, FREE, SECONDARIES, VICTIM = "vm-a", "router", "multi", "router"
IPS = {"vm-a": "10.0.0.11", "router": "10.0.0.30", "multi": "10.0.0.10"}
ALIEN = "fa:16:3e:99:99:99"
ROUTER_IP, ALL_NODES = "10.0.0.1", "33:33:00:00:00:01"
_marks = itertools.count(1)

Made = Callable[[str, str, str], Any]
"""Makes a frame from the MAC and IP addresses of its sender and the MAC address of its receiver."""


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as made:
        made.build(scenarios.many_interfaces())
        for name in IPS:
            assert made.guests[name].reaches(ROUTER_IP, 10)
        yield made


def counted(cloud: Cloud) -> dict[str, int]:
    """The packets that the switch has dropped so far for what their sender is, by reason."""
    found: dict[str, int] = {}
    for line in cloud.host.ofctl("dump-flows", f"table={DROP.id}").splitlines():
        if said := re.search(rf"n_packets=(\d+).*{REASON.home}=(0x[0-9a-f]+)", line):
            number = int(said[2], 16) >> REASON.shift & REASON.limit
            name = PIPELINE.reasons[number - 1].name if number else ""
            if name.startswith(("spoofed", "unsupported")):
                found[name] = found.get(name, 0) + int(said[1])
    return found


def fate(cloud: Cloud, sender: str, receiver: str, make: Made) -> tuple[int, dict[str, int]]:
    """How often a frame arrives that is sent five times, and the drops that it adds."""
    needle = b"<source check %06d>" % next(_marks)
    guest, other = cloud.guests[sender], cloud.guests[receiver]
    frame = bytes(make(guest.mac(), IPS[sender], other.mac()) / Raw(needle))
    before, added = counted(cloud), dict[str, int]()

    def done() -> bool:
        now = counted(cloud)
        added.update({name: now[name] - before.get(name, 0) for name in now if now[name] != before.get(name, 0)})
        return sum(added.values()) >= SENDS

    with other.sniff() as wire:
        guest.send(*[frame] * SENDS)
        arrived = wire.wait(lambda one: needle in one, 0.3) is not None
        wait_until(done, 0 if arrived else 5)
        return len(wire.received(lambda one: needle in one)), added


def udp(source: str, ip: str, target: str, **more: Any) -> Packet:
    return Ether(src=source, dst=target) / IP(src=ip, dst=more.pop("dst", "10.0.0.30"), **more) / UDP(sport=9, dport=9)


def arp(mac: str, target: str, sha: str, spa: str, op: int = 2) -> Packet:
    return Ether(src=mac, dst=target) / ARP(op=op, hwsrc=sha, psrc=spa, hwdst=target, pdst="10.0.0.30")


def server(mac: str, ip: str, to: str) -> Packet:
    """An offer of DHCP."""
    said = BOOTP(op=2, yiaddr="10.0.0.66") / DHCP(options=[("message-type", "offer"), "end"])
    return Ether(src=mac, dst=to) / IP(src=ip, dst="10.0.0.30") / UDP(sport=67, dport=68) / said


def six(mac: str, to: str, *layers: Packet) -> Packet:
    made: Packet = Ether(src=mac, dst=to) / IPv6(src="fe80::1", dst="ff02::1", hlim=255)
    for layer in layers:
        made = made / layer
    return made


HEADER = IPv6ExtHdrDestOpt()
LATER = IPv6ExtHdrFragment(nh=58, m=0, offset=2, id=9)
ALWAYS: dict[str, tuple[str, Made]] = {
    "a strange MAC address": ("spoofed-mac", lambda mac, ip, to: udp(ALIEN, ip, to)),
    "the router's address in ARP": ("spoofed-arp", lambda mac, ip, to: arp(mac, to, mac, ROUTER_IP)),
    "a neighbour's address in ARP": ("spoofed-arp", lambda mac, ip, to: arp(mac, to, mac, "10.0.0.20")),
    "a strange MAC address in ARP": ("spoofed-arp", lambda mac, ip, to: arp(mac, to, ALIEN, ip)),
    "the router's announcement": ("spoofed-arp", lambda mac, ip, to: arp(mac, "ff:ff:ff:ff:ff:ff", mac, ROUTER_IP, 1)),
    "an offer of DHCP": ("spoofed-dhcp", lambda mac, ip, to: server(mac, ip, to)),
    "an answer of DHCPv6": ("spoofed-dhcp", lambda mac, ip, to: six(mac, to, UDP(sport=547, dport=546))),
    "a router's advertisement": ("spoofed-ra", lambda mac, ip, to: six(mac, ALL_NODES, ICMPv6ND_RA())),
    "the same behind a header": ("spoofed-ra", lambda mac, ip, to: six(mac, ALL_NODES, HEADER, ICMPv6ND_RA())),
    "a later fragment of ICMPv6": ("unsupported", lambda mac, ip, to: six(mac, ALL_NODES, LATER)),
    "a neighbour's advertisement": ("unsupported", lambda mac, ip, to: six(mac, ALL_NODES, ICMPv6ND_NA(tgt="fe80::2"))),
    "IPv6": ("unsupported", lambda mac, ip, to: six(mac, to, UDP(sport=9, dport=9))),
    "a tagged frame": ("unsupported", lambda mac, ip, to: Ether(src=mac, dst=to) / Dot1Q(vlan=7) / inside(ip)),
    "two tags": (
        "unsupported",
        lambda mac, ip, to: Ether(src=mac, dst=to) / Dot1AD(vlan=5) / Dot1Q(vlan=6) / inside(ip),
    ),
    "a tag behind one of priority": (
        "unsupported",
        lambda mac, ip, to: Ether(src=mac, dst=to) / Dot1Q(vlan=0) / Dot1Q(vlan=6) / inside(ip),
    ),
    "LLDP": ("unsupported", lambda mac, ip, to: Ether(src=mac, dst="01:80:c2:00:00:0e", type=0x88CC)),
    "spanning tree": (
        "unsupported",
        lambda mac, ip, to: Dot3(src=mac, dst="01:80:c2:00:00:00") / LLC(dsap=0x42, ssap=0x42, ctrl=3) / STP(),
    ),
    "LACP": ("unsupported", lambda mac, ip, to: Ether(src=mac, dst="01:80:c2:00:00:02", type=0x8809)),
    "RARP": ("unsupported", lambda mac, ip, to: Ether(src=mac, dst=to, type=0x8035)),
    "MPLS": ("unsupported", lambda mac, ip, to: Ether(src=mac, dst=to, type=0x8847)),
    "an Ethernet type for experiments": ("unsupported", lambda mac, ip, to: Ether(src=mac, dst=to, type=0x88B5)),
    "from a group": ("spoofed-ip", lambda mac, ip, to: udp(mac, "224.0.0.5", to)),
    "from the loopback": ("spoofed-ip", lambda mac, ip, to: udp(mac, "127.0.0.1", to)),
    "from 0.0.0.0": ("spoofed-ip", lambda mac, ip, to: udp(mac, "0.0.0.0", to)),
    "from everybody": ("spoofed-ip", lambda mac, ip, to: udp(mac, "255.255.255.255", to)),
}
"""With and without the source check, by what it is: the reason and the frame."""
CHECKED = {
    "a neighbour's address": "10.0.0.10",
    "an unused address": "10.0.0.77",
    "the router's address": ROUTER_IP,
    "an address of the internet": "8.8.8.8",
}


def inside(ip: str) -> Packet:
    return IP(src=ip, dst="10.0.0.30") / UDP(sport=9, dport=9)


@pytest.mark.parametrize("name", ALWAYS)
def test_c1_c3_dropped_and_counted(cloud: Cloud, name: str) -> None:
    reason, make = ALWAYS[name]
    assert fate(cloud, SENDER, VICTIM, make) == (0, {reason: SENDS})


@pytest.mark.parametrize("ip", CHECKED.values(), ids=CHECKED)
def test_c1_an_ip_address_that_is_not_its_own(cloud: Cloud, ip: str) -> None:
    assert fate(cloud, SENDER, VICTIM, lambda mac, own, to: udp(mac, ip, to)) == (0, {"spoofed-ip": SENDS})


@pytest.mark.parametrize("ip", ["10.0.0.10", "10.0.0.20", "10.0.0.21"])
def test_c1_primary_and_secondary_addresses_pass(cloud: Cloud, ip: str) -> None:
    assert fate(cloud, SECONDARIES, VICTIM, lambda mac, own, to: udp(mac, ip, to)) == (SENDS, {})


@pytest.mark.parametrize("name", ALWAYS)
def test_c2_dropped_without_source_check_too(cloud: Cloud, name: str) -> None:
    reason, make = ALWAYS[name]
    assert fate(cloud, FREE, SENDER, make) == (0, {reason: SENDS})


@pytest.mark.parametrize("ip", CHECKED.values(), ids=CHECKED)
def test_c2_any_ip_address_without_source_check(cloud: Cloud, ip: str) -> None:
    passed = fate(cloud, FREE, SENDER, lambda mac, own, to: udp(mac, ip, to, dst="10.0.0.11"))
    assert passed == (SENDS, {})


@pytest.mark.parametrize("kind", [5, 9], ids=["a redirect", "a router's advertisement"])
def test_c2_no_router_of_the_network(cloud: Cloud, kind: int) -> None:
    """ICMP of IPv4 by which routers speak to their neighbours (RFC 792, RFC 1256)."""
    told = fate(
        cloud,
        FREE,
        SENDER,
        lambda mac, own, to: Ether(src=mac, dst=to) / IP(src=ROUTER_IP, dst="10.0.0.11") / ICMP(type=kind),
    )
    assert told == (0, {"spoofed-ra": SENDS})


def test_c3_options_of_ipv4_pass(cloud: Cloud) -> None:
    assert fate(cloud, SENDER, VICTIM, lambda mac, ip, to: udp(mac, ip, to, options=[IPOption_RR()])) == (SENDS, {})


def test_c3_a_tag_of_priority_is_none(cloud: Cloud) -> None:
    """IEEE 802.1Q, 6.9: it names no VLAN."""
    tagged = fate(
        cloud, SENDER, VICTIM, lambda mac, ip, to: Ether(src=mac, dst=to) / Dot1Q(vlan=0, prio=5) / inside(ip)
    )
    assert tagged == (SENDS, {})
