"""Security groups and fragments with real packets: a flood of unfinished ones, limits of connections, hidden ports."""

import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from topologies import frames
from topologies.cloud import Cloud
from topologies.drops import Drops
from topologies.flood import Flood
from topologies.internet import SERVER
from topologies.process import wait_until, within
from topologies.scenarios import BACK, FRONT, Account, Scenario, Vpc, machine
from topologies.station import Station

WEB, API, LOUD = "10.0.0.10", "10.0.1.10", "10.0.0.11"
OPEN, SHUT = 7000, 7001
"""Ports of web: one that its group allows, and another."""
POOL, RATE, BURST = 5000, 128, 512
"""The fragments that the switch keeps, and those of an interface: a second, and at once."""
KEPT_S = 15
MOST = 100
"""Connections of each interface."""
TOLD_S = 2.5
"""Seconds until a limit's drops have been read for the first time."""


def scenario() -> Scenario:
    """Two tenants on one host; those with numbers have sent nothing yet."""
    machines = (
        machine("web", "front", WEB),
        machine("api", "back", API),
        machine("loud", "front", LOUD, 200),
        *(machine(f"whole{n}", "front", f"10.0.0.2{n}") for n in (1, 2)),
        *(machine(f"cut{n}", "front", f"10.0.0.3{n}") for n in (1, 2)),
    )
    rival = (machine("left", "front", "10.0.0.10", 200), machine("right", "back", "10.0.1.10"))
    networks = (("shop", machines), ("rival", rival))
    vpcs = {name: Vpc("net", "10.0.0.0/16", (FRONT, BACK), some) for name, some in networks}
    return Scenario("fragments", tuple(Account(name, (vpc,)) for name, vpc in vpcs.items()))


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as made:
        made.build(scenario())
        assert made.guests["loud"].reaches(SERVER, 10) and made.guests["left"].reaches(SERVER, 10)
        yield made


@contextmanager
def grouped(cloud: Cloud, name: str, protocol: int, port: int) -> Iterator[None]:
    """A machine is, during a `with` block, in a group that lets in one port of a protocol and nothing else."""
    owner, vpc = cloud.owners[name], cloud.ids[cloud.owners[name].name, "net"]
    id = owner.vpc("createNetworkSecurityGroup", vpcId=vpc, networkSecurityGroupName="g")["networkSecurityGroupId"]
    rule = {"direction": 0, "protocol": protocol, "addressPrefix": "0.0.0.0/0", "fromPort": port, "toPort": port}
    owner.vpc("addNetworkSecurityGroupRules", networkSecurityGroupId=id, networkSecurityGroupRuleSpecs=[rule])
    interface = cloud.interfaces[name, 0]["networkInterfaceId"]
    owner.vpc("modifyNetworkInterface", networkInterfaceId=interface, securityGroups=[id])
    cloud.cli("wait")
    try:
        yield
    finally:
        owner.vpc("modifyNetworkInterface", networkInterfaceId=interface, securityGroups=[])
        owner.vpc("deleteNetworkSecurityGroup", networkSecurityGroupId=id)


def udp_socket(station: Station, port: int = 0) -> socket.socket:
    made = within(station.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    made.settimeout(2)
    made.bind(("0.0.0.0", port))
    return made


def heard(client: Station, server: Station, address: str, size: int) -> bool:
    """Has a UDP datagram arrived that is the first packet of a connection."""
    text = os.urandom(size)
    with udp_socket(server, OPEN) as far, udp_socket(client) as near:
        near.sendto(text, (address, OPEN))
        try:
            return far.recv(65535) == text
        except TimeoutError:
            return False


def dropped(cloud: Cloud, reason: str) -> int:
    """Packets that the region has dropped for a reason."""
    return int(cloud.cli("status")["drops"].get(reason, 0))


def held(cloud: Cloud) -> int:
    """Fragments that wait in the switch."""
    (found,) = re.findall(r"num frag: (\d+)", cloud.host.appctl("dpctl/ipf-get-status", "netdev@ovs-netdev"))
    return int(found)


def unfinished(cloud: Cloud, kind: str, protocol: Packet) -> tuple[Station, str, bytes]:
    """The first fragment of a datagram that never ends, by way: who sends it, at what interface, and the frame."""
    loud, gateway = cloud.guests["loud"], cloud.internet.gateway
    if kind == "from an interface":
        (router,) = frames.who_has(loud, "10.0.0.1", LOUD)
        header, sender, port = Ether(src=loud.mac(), dst=router) / IP(src=LOUD, dst=API, flags="MF"), loud, "eth0"
    else:
        (uplink,) = frames.who_has(gateway, cloud.public("loud"), "203.0.113.1", "public")
        header = Ether(src=gateway.mac("public"), dst=uplink) / IP(src=SERVER, dst=cloud.public("loud"), flags="MF")
        sender, port = gateway, "public"
    return sender, port, bytes(header / protocol / Raw(bytes(800)))


FLOODS = {"UDP": UDP(sport=5000, dport=9), "ICMP": ICMP(type=8), "TCP": TCP(dport=9)}
WAYS = ("from an interface", "from outside")
ID_AT = (18, 2)


@pytest.mark.parametrize("protocol", FLOODS)
@pytest.mark.parametrize("way", WAYS)
def test_s17_unfinished_fragments_stop_nobody_else(cloud: Cloud, way: str, protocol: str) -> None:
    """Thousands a second, of one interface or at one elastic IP: others' datagrams arrive, also of other tenants."""
    web, api, left, right = (cloud.guests[name] for name in ("web", "api", "left", "right"))
    sender, port, frame = unfinished(cloud, way, FLOODS[protocol])
    with grouped(cloud, "web", 17, OPEN), Flood(sender, frame, ID_AT, rate=4000, interface=port) as flood:
        before = flood.sent()
        assert wait_until(lambda: flood.sent() - before > 2 * POOL, 30, 0.2)
        # What came by the way before may still be there.
        assert 0 < held(cloud) <= (WAYS.index(way) + 1) * (BURST + KEPT_S * RATE) < POOL
        for size in (4000, 30_000):
            for _ in range(5):
                assert heard(api, web, WEB, size), f"to web, {size}"
                assert heard(left, right, "10.0.1.10", size), f"to right, {size}"


def test_s17_fragments_beyond_the_limit_are_counted_for_their_sender(cloud: Cloud) -> None:
    sender, port, frame = unfinished(cloud, WAYS[0], FLOODS["UDP"])
    watched = Drops(cloud, "loud", 15)
    time.sleep(TOLD_S)
    flood = Flood(sender, frame, ID_AT, rate=2000, interface=port)
    before = flood.sent()
    with flood:
        assert wait_until(lambda: flood.sent() - before > 6000, 30, 0.1)
    sent, found = flood.sent() - before, watched.ended()
    # A busy machine loses some before the switch has seen them.
    assert sent / 2 <= found["out", "limit-fragments"] <= sent - BURST, (found, sent)


@pytest.fixture
def limited(cloud: Cloud) -> Iterator[None]:
    """Each interface may have a hundred connections."""
    cloud.host.tell(connections=str(MOST))
    assert wait_until(lambda: f"limit={MOST}," in zones(cloud), 15, 0.1)
    yield
    cloud.host.vsctl("remove", "Open_vSwitch", ".", "external_ids", "sdnctl-connections")
    assert wait_until(lambda: f"limit={MOST}," not in zones(cloud), 15, 0.1)


def zones(cloud: Cloud) -> str:
    return cloud.host.appctl("dpctl/ct-get-limits", "netdev@ovs-netdev")


@pytest.mark.parametrize(("machines", "size", "parts"), [("whole", 100, 1), ("cut", 4000, 3)])
def test_s17_the_101st_connection_is_dropped_and_counted(
    cloud: Cloud, limited: None, machines: str, size: int, parts: int
) -> None:
    """Each datagram begins a connection, in fragments too; the other tenant has room for all of its own."""
    sender, receiver = cloud.guests[f"{machines}1"], cloud.guests[f"{machines}2"]
    target = cloud.interfaces[f"{machines}2", 0]["primaryIp"]["privateIpAddress"]
    before = dropped(cloud, "connections")
    left, right = cloud.guests["left"], cloud.guests["right"]
    ports = count(20_000)
    with udp_socket(receiver, OPEN) as far:

        def arrived(datagrams: int) -> int:
            return sum(delivered(sender, next(ports), far, target, size) for _ in range(datagrams))

        assert arrived(MOST) == MOST
        assert arrived(1) == 0
        assert wait_until(lambda: dropped(cloud, "connections") - before == parts, 20, 0.5)
        assert arrived(9) == 0
        assert heard(left, right, API, 100) and heard(left, right, API, 4000)
        assert wait_until(lambda: dropped(cloud, "connections") - before == 10 * parts, 20, 0.5)


def delivered(sender: Station, port: int, far: socket.socket, target: str, size: int) -> bool:
    """Does a datagram from this port arrive?"""
    far.settimeout(0.3)
    with udp_socket(sender, port) as near:
        near.sendto(bytes(size), (target, OPEN))
        try:
            return len(far.recv(65535)) == size
        except TimeoutError:
            return False


def tcp(port: int) -> bytes:
    return bytes(IP(src=API, dst=WEB, proto=6) / TCP(sport=40000, dport=port, flags="S") / bytes(1380))[20:]


def udp(port: int) -> bytes:
    return bytes(IP(src=API, dst=WEB, proto=17) / UDP(sport=40000, dport=port) / bytes(1392))[20:]


Cut = tuple[bytes, int, int, bool]
"""A fragment: of which datagram, from which byte to which, and whether more follow."""


def disguised(good: bytes, bad: bytes) -> dict[str, list[Cut]]:
    """Datagrams in fragments that get ``bad`` past the rule for ``good`` where somebody looks at ports only once."""
    end = len(bad)
    return {
        "tiny first": [(bad, 0, 8, True), (bad, 8, end, False)],
        "tiny pieces": [(bad, at, min(at + 8, 80), True) for at in range(0, 80, 8)] + [(bad, 80, end, False)],
        "tiny of the allowed one": [(good, 0, 8, True), (bad, 0, 800, True), (bad, 800, end, False)],
        "first twice": [(good, 0, 800, True), (bad, 0, 800, True), (bad, 800, end, False)],
        "first twice, the wrong one first": [(bad, 0, 800, True), (good, 0, 800, True), (bad, 800, end, False)],
        "second from the beginning": [(good, 0, 800, True), (bad, 0, end, False)],
        "second over the first": [(good, 0, 800, True), (bad, 400, end, False), (bad, 0, 800, True)],
        "last first": [(bad, 800, end, False), (bad, 0, 800, True)],
        "without a first": [(bad, 800, end, False)],
    }


def sent(cloud: Cloud, protocol: int, cuts: list[Cut]) -> list[bytes]:
    """The fragments of one datagram that reach web, from api, without headers of IP: those with ports."""
    web, api = cloud.guests["web"], cloud.guests["api"]
    (router,) = frames.who_has(api, "10.0.1.1", API)
    ether, number = Ether(src=api.mac(), dst=router), int.from_bytes(os.urandom(2), "big") | 1

    def part(frame: bytes) -> bool:
        packet = frames.ip(frame)
        return packet is not None and (packet.src, packet.id) == (API, number)

    with web.sniff() as wire:
        for whole, begin, end, more in cuts:
            header = IP(src=API, dst=WEB, proto=protocol, id=number, flags="MF" if more else 0, frag=begin // 8)
            api.send(bytes(ether / header / Raw(whole[begin:end])))
        time.sleep(0.3)
        return [bytes(found.payload) for frame in wire.received(part) if (found := frames.ip(frame)) and not found.frag]


@pytest.mark.parametrize("protocol", [6, 17])
def test_no_fragment_hides_a_port_from_a_rule(cloud: Cloud, protocol: int) -> None:
    """Tiny and overlapping ones: the first fragment of a datagram for the other port never arrives."""
    make = {6: tcp, 17: udp}[protocol]
    good, bad = make(OPEN), make(SHUT)
    with grouped(cloud, "web", protocol, OPEN):
        for name, cuts in disguised(good, bad).items():
            came = sent(cloud, protocol, cuts)
            assert not [one for one in came if one[2:4] == bad[2:4]], name
            honest = sent(cloud, protocol, [(good, 0, 800, True), (good, 800, len(good), False)])
            assert [one[2:4] for one in honest] == [good[2:4]], f"after {name}"
