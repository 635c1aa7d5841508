"""A public address leads in and out, moves at once, leaves nothing behind, and ICMP errors pass through it."""

import re
import socket
import time
from collections.abc import Iterator

import pytest

from topologies import frames, scenarios
from topologies.cloud import Cloud
from topologies.internet import NARROW_MTU, SERVER
from topologies.process import within
from topologies.station import Station
from topologies.tenant import ApiError
from topologies.traffic import Pinger


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as made:
        made.build(scenarios.elastic_ip())
        assert made.guests["web"].reaches(SERVER, 10)
        yield made


def connect(client: Station, server: Station, address: str, port: int, local: str = "0.0.0.0") -> str:
    """Open a TCP connection, send data both ways, and return who the client was to the server."""
    listener = within(server.pid, lambda: socket.create_server((local, port)))
    listener.settimeout(3)
    with listener, within(client.pid, lambda: socket.create_connection((address, port), timeout=3)) as near:
        far, peer = listener.accept()
        with far:
            far.settimeout(3)
            near.sendall(b"ask")
            assert far.recv(3) == b"ask"
            far.sendall(b"answer")
            assert near.recv(6) == b"answer"
    return str(peer[0])


def test_out_with_the_public_address(cloud: Cloud) -> None:
    for port, name in enumerate(("web", "api", "other"), 7000):
        assert cloud.guests[name].ping(SERVER, count=3) == 3
        assert connect(cloud.guests[name], cloud.internet.server, SERVER, port) == cloud.public(name)


def test_in_by_the_public_address(cloud: Cloud) -> None:
    for port, name in enumerate(("web", "api", "other"), 7100):
        public = cloud.public(name)
        assert cloud.internet.server.ping(public, count=3) == 3
        assert cloud.internet.gateway.ping(public, count=3) == 3
        assert connect(cloud.internet.server, cloud.guests[name], public, port) == SERVER


def test_the_guest_sees_the_real_sender_and_its_private_address(cloud: Cloud) -> None:
    with cloud.guests["web"].sniff() as wire:
        assert cloud.internet.server.ping(cloud.public("web"), count=1) == 1
        seen = wire.wait(lambda one: (p := frames.ip(one)) is not None and (p.src, p.dst) == (SERVER, "10.0.0.10"))
    assert seen is not None


def test_without_a_public_address_nothing_leaves(cloud: Cloud) -> None:
    with cloud.internet.gateway.sniff("public") as wire:
        assert cloud.guests["inner"].ping(SERVER, count=3, wait=0.3) == 0
        assert cloud.guests["inner"].ping(cloud.public("web"), count=2, wait=0.3) == 0
        assert not [one for one in wire.received() if (p := frames.ip(one)) and p.src.startswith("10.")]


def test_a_free_public_address_is_silent(cloud: Cloud) -> None:
    assert cloud.internet.gateway.ping("203.0.113.250", count=2, wait=0.3) == 0
    assert frames.who_has(cloud.internet.gateway, "203.0.113.250", "203.0.113.1", "public") == []
    assert len(frames.who_has(cloud.internet.gateway, cloud.public("web"), "203.0.113.1", "public")) == 1


def test_private_addresses_are_not_reached_from_outside(cloud: Cloud) -> None:
    """Someone on the public segment who routes 10/8 into the region gets nowhere."""
    (mac,) = frames.who_has(cloud.internet.gateway, cloud.public("web"), "203.0.113.1", "public")
    own = (cloud.internet.gateway.mac("public"), "203.0.113.1")
    with cloud.guests["web"].sniff() as wire:
        for target in (mac, cloud.guests["web"].mac(), frames.BROADCAST):
            cloud.internet.gateway.send(frames.udp(own, (target, "10.0.0.10"), b"from outside"), interface="public")
        time.sleep(0.3)
        assert not wire.received(lambda one: b"from outside" in one)


def test_a_tag_of_priority_from_outside_is_none(cloud: Cloud) -> None:
    """A frame with VLAN 0 names a priority and no VLAN (IEEE 802.1Q, 6.9): it arrives as any other, untagged."""
    gateway, public = cloud.internet.gateway, cloud.public("web")
    (mac,) = frames.who_has(gateway, public, "203.0.113.1", "public")
    plain = frames.udp((gateway.mac("public"), "203.0.113.1"), (mac, public), b"of priority 5")
    with cloud.guests["web"].sniff() as wire:
        gateway.send(plain[:12] + b"\x81\x00\xa0\x00" + plain[12:], interface="public")
        seen = wire.wait(lambda one: b"of priority 5" in one)
    assert seen is not None and seen[12:14] == b"\x08\x00"


@pytest.mark.parametrize(("sender", "receiver"), [("web", "api"), ("web", "other"), ("other", "web"), ("api", "web")])
def test_hairpin_between_public_addresses(cloud: Cloud, sender: str, receiver: str) -> None:
    """From inside to a public address of the region, same VPC or another: the sender is its own public address."""
    assert cloud.guests[sender].ping(cloud.public(receiver), count=3) == 3
    seen = connect(cloud.guests[sender], cloud.guests[receiver], cloud.public(receiver), 7200)
    assert seen == cloud.public(sender)


def test_hairpin_stays_in_the_region(cloud: Cloud) -> None:
    with cloud.internet.gateway.sniff("public") as wire:
        assert cloud.guests["web"].ping(cloud.public("other"), count=3) == 3
        assert not wire.received(lambda one: frames.ip(one) is not None)


def test_hairpin_to_ones_own_public_address(cloud: Cloud) -> None:
    assert cloud.guests["web"].ping(cloud.public("web"), count=3) == 3


@pytest.mark.parametrize("options", [(), ("-I",)])
def test_traceroute_out(cloud: Cloud, options: tuple[str, ...]) -> None:
    text = cloud.guests["web"].run("traceroute", "-n", "-q", "1", "-w", "1", "-m", "6", *options, SERVER)
    hops = re.findall(r"^\s*\d+\s+(\S+)", text, re.M)
    assert hops == ["10.0.0.1", "203.0.113.1", SERVER]


@pytest.mark.parametrize("options", [(), ("-I",)])
def test_traceroute_in(cloud: Cloud, options: tuple[str, ...]) -> None:
    public = cloud.public("web")
    text = cloud.internet.server.run("traceroute", "-n", "-q", "1", "-w", "1", "-m", "6", *options, public)
    hops = re.findall(r"^\s*\d+\s+(\S+)", text, re.M)
    assert hops[0] == "198.51.100.1"
    assert hops[-1] == public
    assert len(hops) <= 3


def refused(client: Station, address: str) -> bool:
    """Does a UDP socket connected to a closed port learn of it? The kernel believes only an error that quotes it."""
    with within(client.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sender:
        sender.settimeout(2)
        sender.connect((address, 9))
        sender.send(b"anyone?")
        try:
            sender.recv(1)
        except ConnectionRefusedError:
            return True
        except TimeoutError:
            return False
    return False


def test_port_unreachable_finds_its_socket_both_ways(cloud: Cloud) -> None:
    assert refused(cloud.internet.server, cloud.public("web"))
    assert refused(cloud.guests["web"], SERVER)
    assert refused(cloud.guests["web"], cloud.public("other"))


def route_mtu(station: Station, target: str) -> int:
    found = re.search(r"mtu (\d+)", station.run("ip", "route", "get", target))
    return int(found[1]) if found else 0


def test_path_mtu_is_learned_from_outside(cloud: Cloud) -> None:
    """The router before the narrow link says so; the guest hears it through its public address."""
    guest = cloud.guests["web"]
    guest.run("ip", "route", "flush", "cache")
    assert guest.ping(SERVER, "-M", "do", "-s", "1450", count=3, interval=0.2, wait=1) == 0
    assert route_mtu(guest, SERVER) == NARROW_MTU
    assert guest.ping(SERVER, "-M", "do", "-s", str(NARROW_MTU - 28), count=2) == 2


def test_a_large_upload_gets_through_the_narrow_link(cloud: Cloud) -> None:
    guest = cloud.guests["api"]
    guest.run("ip", "route", "flush", "cache")
    listener = within(cloud.internet.server.pid, lambda: socket.create_server((SERVER, 7300)))
    with listener, within(guest.pid, lambda: socket.create_connection((SERVER, 7300), timeout=5)) as near:
        far, _ = listener.accept()
        with far:
            far.settimeout(5)
            near.sendall(b"x" * 300_000)
            got = 0
            while got < 300_000:
                got += len(far.recv(65536))
    assert got == 300_000


def test_path_mtu_is_learned_from_inside(cloud: Cloud) -> None:
    """A machine that routes to something behind a narrow link says so to the world, with public addresses inside.

    The private address with the public one lives behind the machine; its ICMP error leaves by its first address.
    """
    guest, server = cloud.guests["other"], cloud.internet.server
    public = cloud.elastic["other", "10.0.0.50"]["elasticIpAddress"]
    behind: Station = cloud.net.addHost("behind", cls=Station)
    cloud.net.addLink(behind, guest, intfName1="eth0", intfName2="inside", up=None)
    guest.sysctl("net.ipv4.ip_forward=1")
    guest.run("ip", "address", "del", "10.0.0.50/24", "dev", "eth0")
    guest.interface("inside", "192.168.99.1/30", mtu=1300)
    guest.run("ip", "route", "add", "10.0.0.50/32", "dev", "inside")
    behind.interface("eth0", "10.0.0.50/32", mtu=1300)
    behind.run("ip", "route", "add", "192.168.99.1/32", "dev", "eth0")
    behind.run("ip", "route", "add", "default", "via", "192.168.99.1", "dev", "eth0")
    assert server.reaches(public, 5)
    assert server.ping(public, "-M", "do", "-s", "1352", count=3, interval=0.2, wait=1) == 0
    assert route_mtu(server, public) == 1300
    assert server.ping(public, "-M", "do", "-s", "1272", count=2) == 2


def test_moving_a_public_address(cloud: Cloud) -> None:
    """The new owner answers at once, the old one is silent, and the public segment hears who has it now."""
    owner, gateway = cloud.owners["web"], cloud.internet.gateway
    eip = cloud.elastic["web", "10.0.0.10"]
    public, identity = eip["elasticIpAddress"], eip["elasticIpId"]
    old = cloud.interfaces["web", 0]["networkInterfaceId"]
    new = cloud.interfaces["spare", 0]["networkInterfaceId"]
    with Pinger(gateway, public) as pinger, gateway.sniff("public") as wire:
        time.sleep(0.3)
        owner.unbind(identity, old)
        owner.bind(identity, new)
        with cloud.guests["web"].sniff() as silent, cloud.guests["spare"].sniff() as alive:
            time.sleep(0.5)
            assert not silent.received(is_echo)
            assert len(alive.received(is_echo)) > 30
        told = wire.received(lambda one: frames.is_arp(one, sender=public, target=public))
        assert told, "no gratuitous ARP"
        assert all(one[0:6] == b"\xff" * 6 for one in told)
    print(f"blackout {pinger.result.gap * 1000:.0f} ms, lost {pinger.result.lost} of {pinger.result.sent}")
    assert pinger.result.gap < 1.0
    assert connect(cloud.internet.server, cloud.guests["spare"], public, 7400) == SERVER
    assert cloud.guests["web"].ping(SERVER, count=2, wait=0.3) == 0
    owner.unbind(identity, new)
    owner.bind(identity, old)
    assert connect(cloud.internet.server, cloud.guests["web"], public, 7401) == SERVER
    assert cloud.guests["spare"].ping(SERVER, count=2, wait=0.3) == 0


def test_moving_a_public_address_in_one_call(cloud: Cloud) -> None:
    """Whoever asks is answered by the one or by the other: nobody ever hears that there is no such address."""
    owner, gateway = cloud.owners["web"], cloud.internet.gateway
    eip = cloud.elastic["web", "10.0.0.10"]
    public, identity = eip["elasticIpAddress"], eip["elasticIpId"]
    places = {name: cloud.interfaces[name, 0]["networkInterfaceId"] for name in ("web", "spare")}
    for old, new in (("web", "spare"), ("spare", "web")):
        with Pinger(gateway, public) as pinger, cloud.guests[old].sniff() as left, cloud.guests[new].sniff() as come:
            time.sleep(0.3)
            owner.move(identity, places[new])
            time.sleep(0.5)
            last = max(frame.at for frame in left.seen(is_echo))
            first = min(frame.at for frame in come.seen(is_echo))
        print(f"in one call: {first - last:.4f} s from the last to the first, lost {pinger.result.lost}")
        assert last < first
        assert pinger.result.lost <= 2, "asked at the old place, and answered after it had left there"
        assert connect(cloud.internet.server, cloud.guests[new], public, 7410) == SERVER
        assert cloud.guests[old].ping(SERVER, count=2, wait=0.3) == 0


def is_echo(frame: bytes) -> bool:
    packet = frames.ip(frame)
    return packet is not None and packet.proto == 1 and bytes(packet.payload)[:1] == b"\x08"


def test_a_bound_address_must_be_unbound_first(cloud: Cloud) -> None:
    identity = cloud.elastic["web", "10.0.0.10"]["elasticIpId"]
    with pytest.raises(ApiError) as refusal:
        cloud.owners["web"].bind(identity, cloud.interfaces["spare", 0]["networkInterfaceId"])
    assert refusal.value.code == 400
    assert cloud.internet.server.ping(cloud.public("web"), count=3) == 3


def test_unbinding_stops_it_at_once(cloud: Cloud) -> None:
    """Once the API says it is done nothing passes, in or out, also on a connection that was open."""
    owner, guest, server = cloud.owners["api"], cloud.guests["api"], cloud.internet.server
    eip = cloud.elastic["api", "10.0.1.10"]
    port = cloud.interfaces["api", 0]["networkInterfaceId"]
    with Pinger(server, eip["elasticIpAddress"]), Pinger(guest, SERVER):
        time.sleep(0.3)
        owner.unbind(eip["elasticIpId"], port)
        owner.wait_up(eip["elasticIpId"])
        with guest.sniff() as inside, cloud.internet.gateway.sniff("public") as outside:
            time.sleep(0.5)
            assert not inside.received(lambda one: frames.ip(one) is not None)
            assert not outside.received(lambda one: frames.ip(one) is not None)
    assert owner.elastic_ip(eip["elasticIpId"])["status"] == "NOT_ASSOCIATED"
    owner.bind(eip["elasticIpId"], port)
    assert server.ping(eip["elasticIpAddress"], count=3) == 3


def test_the_uplinks_gateway_may_change_its_mac(cloud: Cloud) -> None:
    """Its announcement is believed: what leaves goes to the new MAC."""
    gateway = cloud.internet.gateway
    old = gateway.mac("public")
    try:
        gateway.run("ip", "link", "set", "public", "address", "02:00:5e:00:01:07")
        gateway.run("arping", "-U", "-c", "2", "-w", "2", "-I", "public", "203.0.113.1", check=False)
        assert cloud.guests["web"].reaches(SERVER, 20)
    finally:
        gateway.run("ip", "link", "set", "public", "address", old)
        gateway.run("arping", "-U", "-c", "2", "-w", "2", "-I", "public", "203.0.113.1", check=False)
    assert cloud.guests["web"].reaches(SERVER, 20), "also what is said a moment after a change is asked about"
