"""NAT gateways with real packets: what leaves by one, what comes back, and that nothing leaves with its own address."""

import socket
import time
from collections.abc import Iterator

import pytest

from apps.nat_gateway.tables import NAT_FULL, NAT_STOPPED, NO_INBOUND
from apps.pipeline import DROP, REASON
from sdnctl.program.declared import Reason
from sdnctl.program.feature import discover
from tests.region.conftest import connect
from topologies.cloud import Cloud
from topologies.internet import SERVER
from topologies.natgw import ROUTER, Echo, Natted, behind_a_gateway, datagrams, packets, private, sources, zone
from topologies.process import wait_until, within
from topologies.scenarios import machine
from topologies.station import CommandError, Station

MACHINES = {"one": "10.0.0.10", "two": "10.0.0.11"}


@pytest.fixture(scope="module")
def natted() -> Iterator[Natted]:
    with Cloud() as cloud:
        cloud.build(behind_a_gateway(tuple(machine(name, "front", address) for name, address in MACHINES.items())))
        made = Natted(cloud)
        assert cloud.guests["one"].reaches(SERVER, 10)
        yield made


def asks(natted: Natted, name: str, port: int, target: str = SERVER, to: int = 7) -> bool:
    """Does a UDP server answer a machine's datagram from this port?"""
    with within(natted.cloud.guests[name].pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client:
        client.bind(("0.0.0.0", port))
        client.settimeout(0.5)
        client.sendto(b"nat?", (target, to))
        try:
            return client.recvfrom(2048)[0] == b"nat?"
        except TimeoutError:
            return False


def burst(natted: Natted, name: str, ports: range, to: int = 9, pace: float = 0.02) -> None:
    """A datagram from each of these ports of a machine to the server, 200 at a time."""
    guest = natted.cloud.guests[name]
    router = natted.cloud.interfaces[name, 0]
    made = datagrams(guest.mac(), "0e:00:00:00:00:01", MACHINES[name], SERVER, ports, to)
    assert router
    for start in range(0, len(made), 200):
        guest.send(*made[start : start + 200])
        time.sleep(pace)


def dropped(natted: Natted, reason: Reason) -> int:
    """The packets that the switch has dropped for a reason, by the flow that counts them."""
    discover()
    match = f"{REASON.home}=0x{reason.number << REASON.shift:x}/"
    (line,) = (
        line
        for line in natted.cloud.host.ofctl("dump-flows").splitlines()
        if f"table={DROP.id}," in line and match in line
    )
    return int(line.partition("n_packets=")[2].partition(",")[0])


def test_machines_reach_the_internet_by_the_elastic_ip(natted: Natted) -> None:
    with natted.cloud.internet.gateway.sniff("public") as wire:
        for name in MACHINES:
            assert natted.cloud.guests[name].ping(SERVER) == 3
        assert sources(wire.received()) == set(natted.publics())
        assert not wire.received(private)


def test_n3_only_what_began_inside_comes_back(natted: Natted) -> None:
    """A connection's answers pass; what begins outside reaches nobody."""
    (public,) = natted.publics()
    with Echo(natted.cloud.internet.server, 7) as server:
        assert asks(natted, "one", 5000) and asks(natted, "two", 5000)
        assert {address for address, _ in server.peers} == {public}
    guest = natted.cloud.guests["one"]
    with guest.sniff() as wire:
        assert natted.cloud.internet.server.ping(public, count=2, wait=0.5) == 0
        with pytest.raises(OSError), connect(natted.cloud.internet.server, guest, public, 5000):
            pass
        assert not wire.received(lambda frame: frame[12:14] == b"\x08\x00")
    assert wait_until(lambda: dropped(natted, NO_INBOUND) >= 3, 5, 0.2)


def test_both_ports_stay_apart_when_two_machines_use_the_same_one(natted: Natted) -> None:
    with Echo(natted.cloud.internet.server, 7) as server:
        for _ in range(3):
            assert asks(natted, "one", 6000) and asks(natted, "two", 6000)
        assert {port for _, port in server.peers} == {6000, 6001}


def test_n3_a_dnat_rule_opens_exactly_its_ports(natted: Natted) -> None:
    (public,) = natted.publics()
    server, one, two = natted.cloud.internet.server, natted.cloud.guests["one"], natted.cloud.guests["two"]
    web = natted.open(
        protocol="TCP",
        externalIpAddress=public,
        externalPortStart=8080,
        internalIpAddress=MACHINES["one"],
        internalPortStart=80,
    )
    natted.open(
        protocol="TCP",
        externalIpAddress=public,
        externalPortStart=5000,
        externalPortEnd=5010,
        internalIpAddress=MACHINES["two"],
        internalPortStart=5000,
        internalPortEnd=5010,
    )
    listener = within(one.pid, lambda: socket.create_server(("0.0.0.0", 80)))
    with listener:
        near = within(server.pid, lambda: socket.create_connection((public, 8080), timeout=5))
        far, peer = listener.accept()
        assert peer[0] == SERVER
        near.sendall(b"in")
        assert far.recv(10) == b"in"
        far.sendall(b"out")
        assert near.recv(10) == b"out"
        for port in (5000, 5007, 5010):
            with connect(server, two, public, port) as (client, served):
                client.sendall(b"x")
                assert served.recv(1) == b"x"
        for port in (80, 4999, 5011, 8081):
            with pytest.raises(OSError):
                within(server.pid, lambda port=port: socket.create_connection((public, port), timeout=0.5))
        # Without the rule its connections end at once.
        natted.do("removeDnatRules", dnatRuleIds=[web])
        near.sendall(b"more")
        far.settimeout(1)
        with pytest.raises(TimeoutError):
            far.recv(10)
        near.close()
        far.close()


def test_n11_traceroute_and_path_mtu_work_through_it(natted: Natted) -> None:
    """The narrow link behind the provider's router says what fits, and the machine hears it."""
    guest = natted.cloud.guests["one"]
    said = guest.run("traceroute", "-n", "-q", "1", "-w", "1", "-I", SERVER)
    assert ROUTER in said and SERVER in said, said
    assert guest.ping(SERVER, "-M", "do", "-s", "1450", count=2, wait=0.5) == 0
    assert "mtu 1400" in guest.run("ip", "route", "get", SERVER)
    guest.run("ip", "route", "flush", "cache")
    with pytest.raises(CommandError, match=r"refused|Connection"):
        guest.run("bash", "-c", f"exec 3<>/dev/udp/{SERVER}/99; echo a >&3; sleep 0.3; echo b >&3", timeout=5)


def test_n11_a_machine_learns_what_fits_into_the_uplink(natted: Natted) -> None:
    """The gateway's own uplink is narrower than the machine's link: the switch says so, behind the translation."""
    guest, host = natted.cloud.guests["two"], natted.cloud.host
    host.run("ip", "link", "set", "uplink", "mtu", "1280")
    try:
        told = lambda: guest.ping(SERVER, "-M", "do", "-s", "1300", count=1, wait=0.3) or route_mtu(guest)  # noqa: E731
        assert wait_until(lambda: told() == "1280", 10, 0.2)
        assert guest.ping(SERVER, "-M", "do", "-s", "1252") == 3
    finally:
        guest.run("ip", "route", "flush", "cache")
        host.run("ip", "link", "set", "uplink", "mtu", "1500")


def route_mtu(guest: Station) -> str:
    """The MTU of the path to the server that a machine has learned."""
    return guest.run("ip", "route", "get", SERVER).partition("mtu ")[2].split(" ")[0]


@pytest.mark.parametrize("size", [3000, 20_000])
def test_n8_fragments_pass_whole(natted: Natted, size: int) -> None:
    guest = natted.cloud.guests["one"]
    with natted.cloud.internet.gateway.sniff("public") as wire:
        assert guest.ping(SERVER, "-s", str(size), count=3, interval=0.3) == 3
        assert not wire.received(private)


def test_n12_stopped_it_drops_at_once_and_started_it_works_as_before(natted: Natted) -> None:
    guest = natted.cloud.guests["one"]
    natted.do("stopNatGateway")
    assert natted.shown()["state"]["status"] == "STOPPED"
    with natted.cloud.internet.gateway.sniff("public") as wire:
        assert guest.ping(SERVER, count=2, wait=0.5) == 0
        assert not wire.received(lambda frame: frame[12:14] == b"\x08\x00")
    natted.do("startNatGateway")
    assert guest.ping(SERVER) == 3
    assert wait_until(lambda: dropped(natted, NAT_STOPPED) >= 2, 5, 0.2)


def test_the_gateway_itself_answers_nothing_and_nobody_sends_as_its_address(natted: Natted) -> None:
    guest = natted.cloud.guests["one"]
    assert guest.ping(natted.shown()["privateIpAddress"], count=2, wait=0.5) == 0
    assert natted.cloud.internet.server.ping(natted.shown()["privateIpAddress"], count=1, wait=0.5) == 0


def test_n2_the_switch_has_the_idle_times(natted: Natted) -> None:
    """As its database says, which ovs-vswitchd obeys (recipes: within a second)."""
    said = natted.cloud.host.vsctl("list-zone-tp", "netdev")
    mine = next(line for line in said.splitlines() if f"Zone:{zone(natted)[0]}," in line)
    assert "tcp_established=1800" in mine and "udp_multiple=60" in mine and "icmp_reply=60" in mine, said


def test_n1_beyond_its_connections_nothing_leaves(natted: Natted) -> None:
    """A limit of 10: the eleventh connection is dropped and counted, and none leaves with a private address."""
    number, _, used = zone(natted)
    with natted.cloud.internet.gateway.sniff("public") as wire:
        for start in (20_000, 21_000, 22_000):  # the agent puts the limit right every ten seconds: once more then
            natted.cloud.host.appctl("dpctl/flush-conntrack", f"zone={number}")
            natted.cloud.host.appctl("dpctl/ct-set-limits", "netdev@ovs-netdev", f"zone={number},limit=10")
            before = len(wire.received())
            burst(natted, "one", range(start, start + 60))
            time.sleep(0.3)
            if zone(natted)[1] == 10:
                break
        left = list(packets(wire.received()[before:], 17))
        assert len({body[:2] for _, _, body in left}) == 10
        assert not wire.received(private)
    assert wait_until(lambda: dropped(natted, NAT_FULL) >= 50, 5, 0.2)
    assert wait_until(lambda: zone(natted)[1] == 1_000_000, 15, 0.5) and used >= 0


def test_n4_all_ports_of_a_destination_used_up(natted: Natted) -> None:
    """Some 64 000 connections of two machines to one port: what finds no port any more is dropped, none leaves bare."""
    with natted.cloud.internet.gateway.sniff("public") as wire:
        for _ in range(3):
            burst(natted, "one", range(1024, 65_536), pace=0.005)
            held = zone(natted)[2]
            if held > 64_000:
                break
        burst(natted, "two", range(1024, 9024), pace=0.005)
        time.sleep(0.5)
        assert not wire.received(private)
        seen = {body[:2] for _, _, body in packets(wire.received(), 17)}
    print(f"{held} connections to one address and port; {len(seen)} ports seen outside")
    assert held > 64_000
    assert wait_until(lambda: dropped(natted, NAT_FULL) > 60, 5, 0.2)


def test_k2_a_gateway_s_elastic_ip_that_a_package_blocks_sends_nothing(natted: Natted) -> None:
    """Not even datagrams that nobody answers, and a trace names the package."""
    owner, (eip,) = natted.owner, natted.publics().values()
    package = owner.vpc("createBandwidthPackage", name="none", bandwidthMbps=50)["bandwidthPackageId"]
    specs = [{"publicIpId": eip, "bandwidthMbps": 0}]
    owner.vpc("addBandwidthPackageIP", bandwidthPackageId=package, bandwidthPackageIPSpecs=specs)
    natted.settle()
    try:
        with natted.cloud.internet.gateway.sniff("public") as wire:
            asks(natted, "two", 15_000)
            told = natted.cloud.cli("trace", "--from", "two", "--to", SERVER, "--proto", "udp", "--dport", "7")
            assert not list(packets(wire.received(), 17))
        assert package in str(told)
    finally:
        owner.vpc("removeBandwidthPackageIP", bandwidthPackageId=package, bandwidthPackageIPSpecs=specs)
    natted.settle()
    with natted.cloud.internet.gateway.sniff("public") as wire:
        asks(natted, "two", 15_001)
        assert wait_until(lambda: bool(list(packets(wire.received(), 17))), 5, 0.2), "it is its own again"
