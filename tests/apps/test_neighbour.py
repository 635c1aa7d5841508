"""Every address of a VPC is answered for where the question came in, and nothing floods."""

from collections.abc import Iterator

import pytest
from scapy.layers.l2 import ARP, Ether

from tests.apps.live import Live, only, same
from tests.apps.words import BROADCAST, ROUTER, Case, Cases, arp, ip, raw, running, told
from tests.build import ELSEWHERE, Network

ZERO = "00:00:00:00:00:00"
LIMITED = "255.255.255.255"


def network() -> Network:
    """Two subnets, one interface with several addresses, one without source check, one on another host."""
    net = Network()
    vpc = net.vpc("a", "10.0.0.0/16")
    web, data = net.subnet(vpc, "web", "10.0.1.0/24"), net.subnet(vpc, "data", "10.0.2.0/24")
    net.port(web, "web1", "10.0.1.10")
    net.port(web, "many", "10.0.1.11", "10.0.1.21", "10.0.1.22")
    net.port(web, "free", "10.0.1.12", check=False)
    net.port(web, "far", "10.0.1.13", host=ELSEWHERE)
    net.port(web, "loose", "10.0.1.14", host="")
    net.port(data, "data1", "10.0.2.10")
    net.port(net.subnet(net.vpc("b", "10.0.0.0/16"), "b", "10.0.1.0/24"), "b1", "10.0.1.99")
    return net


@pytest.fixture(scope="module")
def lab() -> Iterator[Live]:
    """One switch for all cases here."""
    with running(network()) as made:
        yield made


OWN, NOBODY, GROUP = "dropped: own-address", "dropped: no-such-address", "dropped: broadcast"
OTHER = "dropped: unsupported"
CASES: Cases = {
    "ARP for a neighbour": ("web1", arp("10.0.1.11"), "to web1"),
    "ARP for its second address": ("web1", arp("10.0.1.21"), "to web1"),
    "ARP for an interface elsewhere": ("web1", arp("10.0.1.13"), "to web1"),
    "ARP for an interface on no host": ("web1", arp("10.0.1.14"), "to web1"),
    "ARP for the router": ("web1", arp("10.0.1.1"), "to web1"),
    "ARP for the DHCP server": ("web1", arp("10.0.1.2"), "to web1"),
    "ARP for another subnet's router": ("web1", arp("10.0.2.1"), "to web1"),
    "ARP for an address of another subnet": ("web1", arp("10.0.2.10"), "to web1"),
    "ARP to one receiver, as a refresh": ("web1", arp("10.0.1.11", to="fa:16:3e:00:00:02"), "to web1"),
    "ARP for nobody's address": ("web1", arp("10.0.1.77"), NOBODY),
    "ARP for another VPC's address": ("web1", arp("10.0.1.99"), NOBODY),
    "ARP for an address outside": ("web1", arp("8.8.8.8"), NOBODY),
    "ARP for the own address": ("web1", arp("10.0.1.10"), OWN),
    "ARP for the own second address": ("many", arp("10.0.1.22"), OWN),
    "probe for the own address": ("web1", arp("10.0.1.10", claims="0.0.0.0"), OWN),
    "probe for somebody's address": ("web1", arp("10.0.1.11", claims="0.0.0.0"), "to web1"),
    "probe for a free address": ("web1", arp("10.0.1.77", claims="0.0.0.0"), NOBODY),
    "ARP reply by an instance": ("web1", arp("10.0.1.11", op=2, to="fa:16:3e:00:00:02"), OTHER),
    "gratuitous ARP reply": ("web1", arp("10.0.1.10", op=2), GROUP),
    "reverse ARP's operation": ("web1", arp("10.0.1.11", op=3), GROUP),
    "ARP without source check for the own address": ("free", arp("10.0.1.12"), OWN),
    "ARP without source check as somebody": ("free", arp("10.0.1.11", claims="10.0.1.10"), "dropped: spoofed-arp"),
    "broadcast IPv4": ("web1", ip(LIMITED, "udp,udp_dst=9", via=BROADCAST), GROUP),
    "broadcast in the subnet": ("web1", ip("10.0.1.255", "udp,udp_dst=9", via=BROADCAST), GROUP),
    "an instance's address by broadcast": ("web1", ip("10.0.1.11", via=BROADCAST), GROUP),
    "multicast": ("web1", ip("224.0.0.251", "udp,udp_dst=5353", via="01:00:5e:00:00:fb"), GROUP),
    "multicast to the router's MAC": ("web1", ip("239.1.2.3", "udp,udp_dst=9"), GROUP),
    "broadcast to the router's MAC": ("web1", ip(LIMITED, "udp,udp_dst=9"), GROUP),
    "IPv6": ("web1", raw("dl_dst=33:33:00:00:00:16,icmp6,ipv6_src=fe80::1,ipv6_dst=ff02::16"), OTHER),
    "IPv6 to the router's MAC": ("web1", raw(f"dl_dst={ROUTER},udp6,ipv6_src=fd00::1,ipv6_dst=fd00::2"), OTHER),
    "IPv6 without source check": ("free", raw(f"dl_dst={ROUTER},udp6,ipv6_src=fd00::1,ipv6_dst=fd00::2"), OTHER),
    "spanning tree": ("free", raw("dl_dst=01:80:c2:00:00:00,dl_type=0x05ff"), OTHER),
    "LLDP": ("free", raw("dl_dst=01:80:c2:00:00:0e,dl_type=0x88cc"), OTHER),
    "an unknown protocol": ("free", raw(f"dl_dst={ROUTER},dl_type=0x88b5"), OTHER),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_trace(lab: Live, case: Case) -> None:
    """Each case as its table says."""
    told(lab, case)


def question(lab: Live, about: str, claims: str = "", to: str = BROADCAST) -> Ether:
    """An ARP request by web1."""
    mac = lab.mac("web1")
    return Ether(src=mac, dst=to) / ARP(op=1, hwsrc=mac, psrc=claims or "10.0.1.10", hwdst=ZERO, pdst=about)


OWNERS = [("10.0.1.11", "many"), ("10.0.1.22", "many"), ("10.0.1.13", "far"), ("10.0.2.10", "data1"), ("10.0.1.1", "")]


@pytest.mark.parametrize(("about", "owner"), OWNERS)
@pytest.mark.parametrize("claims", ["10.0.1.10", "0.0.0.0"])
def test_the_answer_is_the_owners(lab: Live, about: str, owner: str, claims: str) -> None:
    """Byte for byte what the owner itself would answer (RFC 826); to a probe too (RFC 5227)."""
    mac, me = lab.mac(owner) if owner else ROUTER, lab.mac("web1")
    answer = Ether(src=mac, dst=me) / ARP(op=2, hwsrc=mac, psrc=about, hwdst=me, pdst=claims)
    same(only(lab.send("web1", question(lab, about, claims)), "web1"), answer)


def test_nobody_else_hears_a_question(lab: Live) -> None:
    """Silence for unknown and own addresses, for announcements and answers that nobody asked for."""
    mac = lab.mac("web1")
    announcement = Ether(src=mac, dst=BROADCAST) / ARP(op=2, hwsrc=mac, psrc="10.0.1.10", hwdst=mac, pdst="10.0.1.10")
    poison = Ether(src=mac, dst=lab.mac("many")) / ARP(op=2, hwsrc=mac, psrc="10.0.1.10", pdst="10.0.1.11")
    for packet in (question(lab, "10.0.1.77"), question(lab, "10.0.1.10"), announcement, poison):
        assert lab.send("web1", packet) == {}
