"""Random networks, honest and forged packets: the switch does what the resources mean."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from apps.eni.model import NetworkInterface
from apps.vpc.model import ROUTER_MAC, Subnet
from sdnctl.base.addresses import Ip4, Mac
from sdnctl.model.host import UPLINK, LocalPort, LocalUplink
from sdnctl.of import fields as f
from sdnctl.of.fields import OxmField
from sdnctl.switch.plan import Installed
from sdnctl.testing.ovs import DummySwitch
from sdnctl.trace.ofproto import read
from tests.build import ELSEWHERE, HERE, Network
from tests.lab import Lab
from tests.networks import NETWORKS
from tests.reference import LIMITED_BROADCAST, Fate, Frame, World, parts

VPCS = ("10.0.0.0/16", "10.0.0.0/8", "")
SUBNETS = ("10.0.1.0/24", "10.0.2.0/24", "10.0.3.16/28", "10.0.4.0/25")
HOSTS = (HERE, HERE, HERE, ELSEWHERE, "")
OFFSETS = (3, 4, 5, 9, 14)
BROADCAST, MULTICAST = 0xFFFFFFFFFFFF, 0x01005E0000FB
STRANGE = 0x021111111111
PACKETS = 6
NETWORKS_DRAWN = int(os.environ.get("SDNCTL_NETWORKS_DRAWN", "1000"))
"""Random networks; fewer where all of them have been drawn already, with another feature beside (tests/one_folder)."""
KINDS = {
    "ping": "icmp,icmp_type=8",
    "reply": "icmp,icmp_type=0",
    "error": "icmp,icmp_type=3,icmp_code=4",
    "udp": "udp,udp_src=4000,udp_dst=53",
    "tcp": "tcp,tcp_dst=80",
    "dhcp": "udp,udp_src=68,udp_dst=67",
    "offer": "udp,udp_src=67,udp_dst=68",
}


@dataclass
class Shared:
    """One switch for all networks, and what it has."""

    switch: DummySwitch
    installed: Installed

    def lab(self, network: Network) -> Lab:
        """A lab in this switch: what another network left there is replaced."""
        made = Lab(network)
        made.switch, made.installed = self.switch, self.installed
        made.sync()
        return made


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    """A switch with as many ports as a network may use."""
    with DummySwitch() as switch:
        for number in (9, *range(101, 121)):
            switch.add_port(f"p{number}", number)
        yield Shared(switch, Installed())


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """One to three VPCs with overlapping addresses, some interfaces here, some elastic IPs, some routes missing."""
    net = Network()
    net.uplink()
    ports: list[NetworkInterface] = []
    for name in "abc"[: draw(st.integers(1, 3))]:
        vpc = net.vpc(name, draw(st.sampled_from(VPCS)))
        chosen = draw(st.lists(st.sampled_from(SUBNETS), min_size=1, max_size=4, unique=True))
        for cidr in chosen:
            subnet = net.subnet(vpc, f"{name}{len(ports)}-{cidr[5]}", cidr)
            ports += draw(interfaces(net, subnet, f"{name}{cidr[5]}"))
    for part in parts():
        if hasattr(part, "grow"):
            part.grow(draw, net)
    return net


@st.composite
def interfaces(draw: st.DrawFn, net: Network, subnet: Subnet, name: str) -> list[NetworkInterface]:
    """Up to two interfaces of a subnet, one or two addresses each."""
    made = []
    offsets = draw(st.lists(st.sampled_from(OFFSETS), min_size=1, max_size=3, unique=True))
    groups = [offsets[:2], offsets[2:]] if draw(st.booleans()) else [offsets[:1], offsets[1:2]]
    for number, group in enumerate(groups):
        if group:
            addresses = [str(Ip4(subnet.cidr.network + offset)) for offset in group]
            host, check = draw(st.sampled_from(HOSTS)), draw(st.integers(0, 3)) > 0
            made.append(net.port(subnet, f"{name}{number}", *addresses, host=host, check=check))
    return made


def interesting(net: Network) -> list[int]:
    """Addresses at which something may happen."""
    found = {address for part in parts() if hasattr(part, "addresses") for address in part.addresses(net)}
    return sorted(found | {LIMITED_BROADCAST, 0, Ip4.parse("127.0.0.1")})


@st.composite
def frames(draw: st.DrawFn, net: Network, sender: str) -> Frame:
    """A frame from that sender: mostly honest, of any kind, to anywhere of interest."""
    addresses = st.sampled_from(interesting(net))
    port = net.store.state.get(NetworkInterface, sender)
    ports = list(net.store.state.all(NetworkInterface).values())
    macs = [ROUTER_MAC, STRANGE, BROADCAST, MULTICAST, *(p.mac for p in ports)]
    own = port.mac if port is not None else Mac.parse("02:00:00:00:00:01")
    home = port.addresses if port is not None else (Ip4.parse("198.51.100.7"), Ip4.parse("203.0.113.1"))
    ahead = ROUTER_MAC if port is not None else Mac.parse("02:00:00:00:00:09")
    rarely = st.integers(0, 7).map(lambda n: n == 0)
    eth_src = draw(st.sampled_from([m for m in macs if not m >> 40 & 1])) if draw(rarely) else own
    made = Frame(
        draw(st.sampled_from([*KINDS, *KINDS, "arp", "arp", "ipv6", "other"])),
        eth_src,
        draw(st.sampled_from(macs)) if draw(rarely) else ahead,
        draw(addresses) if draw(rarely) else draw(st.sampled_from(home)),
        draw(addresses),
        draw(st.sampled_from((0, 1, 2, 64, 64, 64, 64, 255))),
        tagged=draw(st.integers(0, 20)) == 0,
    )
    if made.kind == "arp":
        sha = draw(st.sampled_from(macs)) if draw(rarely) else eth_src
        return replace(made, op=draw(st.sampled_from((1, 1, 1, 2, 3))), sha=sha, eth_dst=draw(st.sampled_from(macs)))
    if made.kind == "dhcp" and draw(st.booleans()):
        return replace(made, src=0, dst=0xFFFFFFFF, eth_dst=BROADCAST)
    return made


def text(frame: Frame) -> str:
    """The frame as ovs-ofctl writes a match."""
    made = f"dl_src={Mac(frame.eth_src)},dl_dst={Mac(frame.eth_dst)}" + (",dl_vlan=5" if frame.tagged else "")
    if frame.kind == "arp":
        addresses = f"arp_spa={Ip4(frame.src)},arp_tpa={Ip4(frame.dst)},arp_sha={Mac(frame.sha)}"
        return f"{made},arp,arp_op={frame.op},{addresses}"
    if frame.kind == "ipv6":
        return f"{made},udp6,ipv6_src=fe80::1,ipv6_dst=fd00::2"
    if frame.kind == "other":
        return f"{made},dl_type=0x88b5"
    return f"{made},{KINDS[frame.kind]},nw_src={Ip4(frame.src)},nw_dst={Ip4(frame.dst)},nw_ttl={frame.ttl}"


def looks(frame: Frame) -> dict[OxmField, int]:
    """The headers of the frame that a trace tells."""
    ethernet = {f.ETH_SRC: frame.eth_src, f.ETH_DST: frame.eth_dst}
    if frame.kind == "arp":
        addresses = {f.ARP_SPA: frame.src, f.ARP_TPA: frame.dst, f.ARP_SHA: frame.sha, f.ARP_THA: frame.tha}
        return {**ethernet, **addresses, f.ARP_OP: frame.op}
    kind = re.findall(r"icmp_type=(\d+)", KINDS[frame.kind])
    icmp = {f.ICMP_TYPE: int(kind[0])} if kind else {}
    return {**ethernet, f.IP_SRC: frame.src, f.IP_DST: frame.dst, f.IP_TTL: frame.ttl, **icmp}


def agree(lab: Lab, sender: str, frame: Frame) -> Fate:
    """The switch and the reference say the same of a frame: receiver or reason, and how it looks in the end."""
    fate = World(lab.network).fate(sender, frame)
    verdict = lab.trace(sender.removeprefix("port-") if sender != UPLINK else "internet", text(frame))
    found = str(verdict).replace("to internet", f"to {UPLINK}")
    meant = [one for one in fate.options if found == str(one).replace("port-", "")]
    assert meant, (frame, fate, verdict.text)
    if meant[0].frame is None:
        return meant[0]
    final = read(verdict.text, looks(frame))[-1].after
    same = [one for one in meant if one.frame is not None and looks(one.frame).items() <= final.items()]
    assert same, (frame, final, meant, verdict.text)
    return same[0]


def senders(network: Network) -> list[str]:
    """The possible senders: the interfaces that are plugged in here, and the uplink."""
    plugged = [id for cls, id in network.local if cls is LocalPort]
    return plugged + [UPLINK] * ((LocalUplink, UPLINK) in network.local)


@pytest.mark.timeout(900)
@settings(
    max_examples=NETWORKS_DRAWN,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(network=networks(), data=st.data())
def test_switch_and_reference_agree(shared: Shared, network: Network, data: st.DataObject) -> None:
    """On every packet in every network."""
    lab, known = shared.lab(network), senders(network)
    for _ in range(PACKETS if known else 0):
        sender = data.draw(st.sampled_from(known))
        agree(lab, sender, data.draw(frames(network, sender)))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_pair_of_addresses(shared: Shared, name: str) -> None:
    """In the networks that people read: from everybody to every interesting address, by ping, UDP and ARP."""
    network = NETWORKS[name]()
    lab, seen = shared.lab(network), set()
    for sender in senders(network):
        port = network.store.state.get(NetworkInterface, sender)
        outside = Frame("", Mac.parse("02:00:00:00:00:01"), Mac.parse("02:00:00:00:00:09"), Ip4.parse("198.51.100.7"))
        start = outside if port is None else Frame("", port.mac, ROUTER_MAC, port.addresses[0])
        for address in interesting(network):
            for kind in ("ping", "udp", "error"):
                seen.add(str(agree(lab, sender, replace(start, kind=kind, dst=address))).split()[0])
            agree(lab, sender, replace(start, kind="arp", op=1, eth_dst=BROADCAST, sha=start.eth_src, dst=address))
    assert seen == {"to", "asks", "dropped:"}
