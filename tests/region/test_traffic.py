"""Instances of one VPC talk across hosts as if on one, and nobody else's packets get there."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.region.conftest import connect, received
from topologies import frames
from topologies.process import wait_until, within
from topologies.region import UNDERLAY, Region
from topologies.station import Station

GENEVE = b"\x17\xc1"  # UDP port 6081 (RFC 8926, 3.3)
MTU = 1450
SOME = 200_000  # bytes that fit the buffers of both ends, and not one segment


def is_tunnel(frame: bytes) -> bool:
    """Is it a packet between tunnel ends?"""
    return frame[12:14] == b"\x08\x00" and frame[23] == 17 and frame[36:38] == GENEVE


def test_every_machine_reaches_every_other(region: Region) -> None:
    """Same subnet and routed, on the same host and on another."""
    red = region.machines_of("red")
    for name in red:
        for other in red:
            assert region.guests[name].ping(region.address(other), count=3, interval=0.01) == 3, (name, other)


def test_what_crosses_goes_through_the_tunnel(region: Region) -> None:
    mark = b"MARK-of-one-datagram"
    red1, red2 = region.guests["red1"], region.guests["red2"]
    honest = frames.udp((red1.mac(), "10.0.0.11"), (red2.mac(), "10.0.0.12"), mark)
    with (
        region.fabric.sniff_at(region.hosts["hv1"], UNDERLAY) as out,
        region.fabric.sniff_at(region.hosts["hv3"], UNDERLAY) as elsewhere,
        red2.sniff() as there,
    ):
        red1.send(honest)
        assert there.wait(lambda frame: mark in frame)
        (travelled,) = out.received(lambda frame: mark in frame)
        assert is_tunnel(travelled)
        assert not elsewhere.seen(lambda frame: mark in frame)


def test_a_router_is_one_hop_wherever_the_receiver_is(region: Region) -> None:
    for target in ("10.0.1.13", "10.0.1.14"):
        text = region.guests["red1"].run("traceroute", "-n", "-q", "1", "-w", "1", "-m", "4", target)
        assert re.findall(r"^\s*\d+\s+(\S+)", text, re.M) == ["10.0.0.1", target]


def test_tcp_across_hosts(region: Region) -> None:
    """In segments as large as the machines think they can send: what does not fit is told, not lost."""
    for port, target in ((7500, "red2"), (7501, "red3"), (7502, "red4")):
        sender, receiver = region.guests["red1"], region.guests[target]
        with connect(sender, receiver, region.address(target), port) as (near, far):
            near.sendall(b"x" * SOME)
            assert received(far, SOME) == SOME


def test_equal_addresses_of_others_stay_apart(region: Region) -> None:
    """Both tenants ping 10.0.0.12 and 10.0.1.13 from the same host, through the same tunnels, each its own."""
    red, blue = region.guests["red1"], region.guests["blue2"]
    assert red.ping("10.0.0.99", count=3, wait=0.3) == 0
    assert blue.reaches("10.0.0.99", 10)
    receivers = {name: region.guests[name] for name in ("red2", "red3", "blue1", "blue3")}
    with ExitStack() as watching:
        sniffers = {name: watching.enter_context(guest.sniff()) for name, guest in receivers.items()}
        assert red.ping("10.0.0.12", "-p", b"from-red".hex(), count=20, interval=0.01) == 20
        assert red.ping("10.0.1.13", "-p", b"from-red".hex(), count=20, interval=0.01) == 20
        assert blue.ping("10.0.0.11", "-p", b"from-blu".hex(), count=20, interval=0.01) == 20
        assert blue.ping("10.0.1.13", "-p", b"from-blu".hex(), count=20, interval=0.01) == 20
    for name, wire in sniffers.items():
        foreign = b"from-blu" if name.startswith("red") else b"from-red"
        own = b"from-red" if name.startswith("red") else b"from-blu"
        assert not any(foreign in one.frame for one in wire.seen()), name
        assert any(own in frame for frame in wire.received()), name


def test_forged_frames_do_not_cross(region: Region) -> None:
    """A neighbour's MAC and IP address help nobody, nor does another VPC's interface as the receiver."""
    red1, red2, blue1 = region.guests["red1"], region.guests["red2"], region.guests["blue1"]
    mark = b"FORGED"
    forged = [
        frames.udp((red1.mac(), "10.0.0.12"), (red2.mac(), "10.0.0.12"), mark),
        frames.udp((red2.mac(), "10.0.0.11"), (red2.mac(), "10.0.0.12"), mark),
        frames.udp((red1.mac(), "10.0.1.13"), (red2.mac(), "10.0.0.12"), mark),
    ]
    with red2.sniff() as at_red, blue1.sniff() as at_blue:
        red1.send(*forged, frames.udp((red1.mac(), "10.0.0.11"), (blue1.mac(), "10.0.0.11"), mark))
        time.sleep(0.3)
        assert not at_red.received(lambda frame: mark in frame)
        assert not at_blue.received(lambda frame: mark in frame)


@pytest.mark.parametrize("name", ["red1", "red2", "red3", "red4"])
def test_dhcp_tells_the_tunnels_mtu(region: Region, name: str) -> None:
    guest = region.guests[name]
    told = guest.dhcp()
    guest.stop_dhcp()
    assert told["new_ip_address"] == region.address(name)
    assert told["new_interface_mtu"] == str(MTU)
    peer = "10.0.0.50"
    assert guest.ping(peer, "-M", "do", "-s", str(MTU - 28), count=2) == 2
    guest.run("ip", "link", "set", "eth0", "mtu", "1500")


@pytest.mark.parametrize("target", ["10.0.0.12", "10.0.1.13"])
def test_what_is_too_large_for_a_tunnel_is_told(region: Region, target: str) -> None:
    """A machine that still believes in 1500 bytes sends with DF: it learns 1450, and then it works."""
    guest = region.guests["red1"]
    guest.run("ip", "route", "flush", "cache")
    assert guest.ping(target, "-M", "do", "-s", "1472", count=3, interval=0.2, wait=1) == 0
    found = re.search(r"mtu (\d+)", guest.run("ip", "route", "get", target))
    assert found and int(found[1]) == MTU
    assert guest.ping(target, "-M", "do", "-s", str(MTU - 28), count=3) == 3


@pytest.fixture
def rule(region: Region) -> Iterator[tuple[str, str]]:
    """A route table that both of red's subnets follow, and the appliance's id; 172.16.0.1 is behind it."""
    owner = region.tenants["red"]
    region.guests["nfv"].run("ip", "address", "add", "172.16.0.1/32", "dev", "lo")
    made = owner.vpc("createRouteTable", vpcId=region.ids["red", "net"], routeTableName="far")["routeTableId"]
    subnets = [region.ids["red", "net", name] for name in ("front", "back")]
    owner.vpc("associateRouteTable", routeTableId=made, subnetIds=subnets)
    yield made, region.instances["nfv"]
    for subnet in subnets:
        owner.vpc("disassociateRouteTable", routeTableId=made, subnetId=subnet)
    owner.vpc("deleteRouteTable", routeTableId=made)


def test_a_route_is_followed_on_every_host_at_once(region: Region, rule: tuple[str, str]) -> None:
    owner, (made, hop) = region.tenants["red"], rule
    everywhere: list[Station] = [region.guests[name] for name in ("red1", "red2", "red3", "red4")]
    assert [guest.ping("172.16.0.1", count=1, wait=0.3) for guest in everywhere] == [0, 0, 0, 0]
    one = {"addressPrefix": "172.16.0.0/12", "nextHopType": "instance", "nextHopId": hop}
    owner.vpc("addRouteTableRules", routeTableId=made, routeTableRuleSpecs=[one])
    region.cli("wait", "--timeout", "10")
    assert [guest.ping("172.16.0.1", count=5) for guest in everywhere] == [5, 5, 5, 5]
    rules = owner.vpc("describeRouteTableRules", routeTableId=made)["routeTableRules"]
    gone = [rule["ruleId"] for rule in rules if rule["nextHopType"] != "local"]
    owner.vpc("removeRouteTableRules", routeTableId=made, ruleIds=gone)
    region.cli("wait", "--timeout", "10")
    assert [guest.ping("172.16.0.1", count=2, wait=0.3) for guest in everywhere] == [0, 0, 0, 0]


def test_hosts_know_whether_their_tunnels_work(region: Region) -> None:
    """BFD, as `sdnctl host list` shows it: all up, down when a cable is pulled, up again."""
    others = {"hv1": "up", "hv2": "up", "hv3": "up"}
    assert wait_until(lambda: region.peers("hv4") == others, 15, 0.3), region.host_list()
    region.fabric.cut(region.hosts["hv4"], UNDERLAY)
    try:
        pulled = time.monotonic()
        assert wait_until(lambda: region.peers("hv1").get("hv4") == "down", 15, 0.1)
        print(f"hv4 shown as down {time.monotonic() - pulled:.1f} s after its cable was pulled")
        assert region.peers("hv1")["hv2"] == "up"
    finally:
        region.fabric.mend(region.hosts["hv4"], UNDERLAY)
    assert wait_until(lambda: region.peers("hv1").get("hv4") == "up", 15, 0.3)
    assert region.guests["red1"].reaches("10.0.1.14", 5)


def test_waiting_for_every_host(region: Region) -> None:
    """`sdnctl wait` returns when every switch has the change, and not while an agent stands still."""
    owner, subnet = region.tenants["red"], region.ids["red", "net", "front"]
    before = [len(host.flows()) for host in region.hosts.values()]
    made = owner.vpc("createNetworkInterface", subnetId=subnet, primaryIpAddress="10.0.0.200")["networkInterfaceId"]
    started = time.monotonic()
    region.cli("wait", "--timeout", "10")
    print(f"sdnctl wait took {time.monotonic() - started:.2f} s")
    assert all(len(host.flows()) > count for host, count in zip(region.hosts.values(), before, strict=True))
    with region.agents["hv3"].standing_still():
        owner.vpc("deleteNetworkInterface", networkInterfaceId=made)
        assert not region.waits(1.0)
    assert region.waits(10.0)
    assert [len(host.flows()) for host in region.hosts.values()] == before


def test_a_guest_cannot_forge_a_tunnel(region: Region) -> None:
    """A machine's packet to a tunnel's end stays in its VPC: nobody there has that address."""
    red1, host = region.guests["red1"], region.hosts["hv1"]
    router = within(red1.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with router, region.fabric.sniff_at(host, UNDERLAY) as cable:
        router.sendto(b"FORGED-TUNNEL", ("172.31.0.102", 6081))
        time.sleep(0.3)
        assert not cable.seen(lambda frame: b"FORGED-TUNNEL" in frame)
