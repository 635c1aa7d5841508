"""A VPC reaches itself and nothing else: traced in a real switch."""

from collections.abc import Iterator

import pytest

from tests.apps.live import Live
from tests.apps.words import Case, Cases, Said, ip, running, told
from tests.build import ELSEWHERE, Network


def network() -> Network:
    """VPC "a" has a prefix and three subnets, "b" the same prefix, "open" has none."""
    net = Network()
    vpc = net.vpc("a", "10.0.0.0/16")
    web, data, small = (
        net.subnet(vpc, name, cidr)
        for name, cidr in (("web", "10.0.1.0/24"), ("data", "10.0.2.0/24"), ("small", "10.0.3.16/28"))
    )
    net.port(web, "web1", "10.0.1.10")
    net.port(web, "web2", "10.0.1.11")
    net.port(web, "far", "10.0.1.12", host=ELSEWHERE)
    net.port(web, "loose", "10.0.1.13", host="")
    net.port(data, "data1", "10.0.2.10")
    net.port(small, "small1", "10.0.3.20")
    other = net.subnet(net.vpc("b", "10.0.0.0/16"), "b", "10.0.1.0/24")
    net.port(other, "b1", "10.0.1.10")
    net.port(other, "b2", "10.0.1.77")
    everything = net.subnet(net.vpc("open"), "open", "192.168.0.0/24")
    net.port(everything, "open1", "192.168.0.10")
    return net


@pytest.fixture(scope="module")
def lab() -> Iterator[Live]:
    """One switch for all cases here."""
    with running(network()) as made:
        yield made


NOBODY = "dropped: no-such-address"
CASES: Cases = {
    "same subnet": ("web1", ip("10.0.1.11"), "to web2"),
    "same subnet, TCP": ("web1", ip("10.0.1.11", "tcp,tcp_dst=80"), "to web2"),
    "same subnet, UDP": ("web1", ip("10.0.1.11", "udp,udp_dst=53"), "to web2"),
    "same subnet, GRE": ("web1", ip("10.0.1.11", "ip,nw_proto=47"), "to web2"),
    "same subnet, a later fragment": ("web1", ip("10.0.1.11", "udp,ip_frag=later"), "to web2"),
    "same subnet, to the neighbour's own MAC": ("web1", ip("10.0.1.11", via="fa:16:3e:00:00:02"), "to web2"),
    "same subnet, to a stranger's MAC": ("web1", ip("10.0.1.11", via="02:11:11:11:11:11"), "to web2"),
    "same subnet, to itself": ("web1", ip("10.0.1.10"), "to web1"),
    "across subnets": ("web1", ip("10.0.2.10"), "to data1"),
    "and back": ("data1", ip("10.0.1.10"), "to web1"),
    "across to a small subnet": ("web1", ip("10.0.3.20"), "to small1"),
    "from the small subnet": ("small1", ip("10.0.2.10"), "to data1"),
    "on another host": ("web1", ip("10.0.1.12"), "dropped: not-here"),
    "on another host, across subnets": ("data1", ip("10.0.1.12"), "dropped: not-here"),
    "bound to no host": ("web1", ip("10.0.1.13"), "dropped: not-here"),
    "unknown in the same subnet": ("web1", ip("10.0.1.99"), NOBODY),
    "unknown in another subnet": ("web1", ip("10.0.2.99"), NOBODY),
    "the subnet's network address": ("web1", ip("10.0.1.0"), NOBODY),
    "the subnet's broadcast address": ("web1", ip("10.0.1.255"), NOBODY),
    "within the VPC, in no subnet": ("web1", ip("10.0.9.1"), "dropped: no-subnet"),
    "just below the small subnet": ("web1", ip("10.0.3.15"), "dropped: no-subnet"),
    "just above the small subnet": ("web1", ip("10.0.3.32"), "dropped: no-subnet"),
    "outside the VPC": ("web1", ip("8.8.8.8"), "dropped: no-elastic-ip"),
    "an address that only the other VPC has": ("web1", ip("10.0.1.77"), NOBODY),
    "an address that both VPCs have stays inside": ("b2", ip("10.0.1.10"), "to b1"),
    "a subnet that only the other VPC has": ("b1", ip("10.0.2.10"), "dropped: no-subnet"),
    "another VPC's addresses from a VPC without prefix": ("open1", ip("10.0.1.10"), "dropped: no-elastic-ip"),
    "in no subnet of a VPC without prefix": ("open1", ip("192.168.1.1"), "dropped: no-elastic-ip"),
    "unknown in the subnet of a VPC without prefix": ("open1", ip("192.168.0.99"), NOBODY),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_trace(lab: Live, case: Case) -> None:
    """Each case as its table says."""
    told(lab, case)


@pytest.mark.parametrize("packet", [ip("10.0.1.10"), ip("10.0.1.11"), ip("10.0.2.10"), ip("192.168.0.10")])
def test_forged_as_the_other_tenant(lab: Live, packet: Said) -> None:
    """Neither the other tenant's MAC nor its IP address opens its VPC."""
    for mac in (lab.mac("web1"), lab.mac("b2")):
        for source in (lab.address("web1"), lab.address("b2"), "192.168.0.10"):
            if (mac, source) != (lab.mac("b2"), lab.address("b2")):
                forged = packet(lab, "b2").replace(lab.mac("b2"), mac).replace("nw_src=10.0.1.77", f"nw_src={source}")
                what = "ip" if mac == lab.mac("b2") else "mac"
                assert str(lab.trace("b2", forged)) == f"dropped: spoofed-{what}"
