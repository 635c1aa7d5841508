"""Custom route tables with real packets: through an appliance, shared by two, the most exact rule first, in flight."""

import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from apps.trace.api import EPHEMERAL
from topologies import frames, scenarios
from topologies.cloud import Cloud
from topologies.process import within
from topologies.station import Station
from topologies.tenant import Tenant

FAR = "172.16.0.1"
SERVER = """
import socketserver, sys, threading
class Talk(socketserver.StreamRequestHandler):
    def handle(self):
        for _ in self.rfile:
            self.wfile.write(sys.argv[1].encode() + b"\\n")
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 64
for port in range(9000, 9010):
    threading.Thread(target=Server(("0.0.0.0", port), Talk).serve_forever).start()
"""


class Rules:
    """The rules of one custom table, by name of the appliance."""

    def __init__(self, cloud: Cloud, table: str) -> None:
        self.cloud = cloud
        self.table = table
        self.tenant: Tenant = cloud.tenants["solo"]

    def add(self, prefix: str, appliance: str, priority: int = 100) -> None:
        hop = {"nextHopType": "instance", "nextHopId": self.cloud.instances[appliance]}
        rule = {"addressPrefix": prefix, "priority": priority, **hop}
        self.tenant.vpc("addRouteTableRules", routeTableId=self.table, routeTableRuleSpecs=[rule])

    def remove(self, appliance: str = "") -> None:
        """Take away the rules that lead to an appliance, or all that were added."""
        hops = {self.cloud.instances[appliance]} if appliance else set()
        rules = self.tenant.vpc("describeRouteTableRules", routeTableId=self.table)["routeTableRules"]
        gone = [r["ruleId"] for r in rules if r["nextHopType"] != "local" and (not hops or r["nextHopId"] in hops)]
        if gone:
            self.tenant.vpc("removeRouteTableRules", routeTableId=self.table, ruleIds=gone)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as made:
        made.build(scenarios.appliances())
        for name in ("nfv0", "nfv1", "nfv2"):
            appliance = made.guests[name]
            appliance.run("ip", "address", "add", f"{FAR}/32", "dev", "lo")
            appliance.spawn([sys.executable, "-c", SERVER, name])
        assert made.guests["vm"].reaches("10.0.1.10", 10)
        yield made


@pytest.fixture
def rules(cloud: Cloud) -> Iterator[Rules]:
    """A custom table that the machine's subnet follows; empty again afterwards."""
    tenant = cloud.tenants["solo"]
    made = tenant.vpc("createRouteTable", vpcId=cloud.ids["solo", "net"], routeTableName="custom")["routeTableId"]
    subnet = cloud.ids["solo", "net", "front"]
    tenant.vpc("associateRouteTable", routeTableId=made, subnetIds=[subnet])
    yield Rules(cloud, made)
    tenant.vpc("disassociateRouteTable", routeTableId=made, subnetId=subnet)
    tenant.vpc("deleteRouteTable", routeTableId=made)


def connect(guest: Station, seconds: float = 3.0, source: int = 0, port: int = 9000) -> socket.socket:
    """A TCP connection to the far address, from a port of the caller's choice unless it is 0."""

    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.settimeout(seconds)
        return made

    made = within(guest.pid, make)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("", source))
    made.connect((FAR, port))
    return made


def who(connection: socket.socket) -> str:
    """The appliance that answers on a connection."""
    connection.sendall(b"?\n")
    return connection.recv(64).decode().strip()


def answers(guest: Station) -> str:
    """The appliance that a new connection meets, once the switch has the rules."""
    end = time.monotonic() + 5
    while True:
        try:
            with connect(guest, 0.5) as connection:
                return who(connection)
        except OSError:
            assert time.monotonic() < end, "nobody answers"


def is_udp(frame: bytes) -> bool:
    """True for a datagram and for each fragment of one."""
    packet = frames.ip(frame)
    return packet is not None and packet.proto == socket.IPPROTO_UDP


def target(frame: bytes) -> str:
    """The address that an IPv4 packet is for."""
    return socket.inet_ntoa(frame[30:34])


def test_an_appliance_in_the_path(cloud: Cloud, rules: Rules) -> None:
    """Two hops further: the VPC's router, the appliance, then what lies behind it."""
    vm, appliance = cloud.guests["vm"], cloud.guests["nfv0"]
    behind: Station = cloud.net.addHost("behind", cls=Station)
    cloud.net.addLink(behind, appliance, intfName1="eth0", intfName2="inside", up=None)
    appliance.sysctl("net.ipv4.ip_forward=1")
    appliance.interface("inside", "172.20.0.1/24")
    behind.interface("eth0", "172.20.0.2/24", gateway="172.20.0.1")
    rules.add("172.20.0.0/24", "nfv0")
    assert vm.reaches("172.20.0.2", 5)
    hops = vm.run("traceroute", "-n", "-q", "1", "-w", "1", "-m", "5", "172.20.0.2").splitlines()[1:]
    assert [line.split()[1] for line in hops] == ["10.0.0.1", "10.0.1.10", "172.20.0.2"]


def test_longest_prefix_then_lowest_priority(cloud: Cloud, rules: Rules) -> None:
    vm = cloud.guests["vm"]
    rules.add("172.16.0.0/16", "nfv0")
    assert answers(vm) == "nfv0"
    rules.add("172.16.0.0/24", "nfv1", priority=200)
    rules.add("172.16.0.0/24", "nfv2", priority=50)
    time.sleep(0.2)
    assert {answers(vm) for _ in range(8)} == {"nfv2"}
    rules.remove("nfv2")
    time.sleep(0.2)
    assert {answers(vm) for _ in range(8)} == {"nfv1"}


def test_equal_rules_share_and_keep_connections(cloud: Cloud, rules: Rules) -> None:
    """Forty connections over two appliances; one rule is removed in flight: the other's connections go on."""
    vm = cloud.guests["vm"]
    rules.add("172.16.0.0/16", "nfv1")
    rules.add("172.16.0.0/16", "nfv2")
    answers(vm)
    time.sleep(0.2)
    connections = [connect(vm) for _ in range(40)]
    first = [who(one) for one in connections]
    assert set(first) == {"nfv1", "nfv2"}
    # Ports that follow each other are no random ones: the hash spreads a few of them less evenly than many.
    assert min(first.count(name) for name in set(first)) >= 4
    for _ in range(3):
        assert [who(one) for one in connections] == first
    rules.remove("nfv1")
    time.sleep(0.2)
    assert all(who(one) == "nfv2" for one, name in zip(connections, first, strict=True) if name == "nfv2")
    assert {answers(vm) for _ in range(8)} == {"nfv2"}
    for one in connections:
        one.close()


def test_a_trace_names_the_appliance_that_the_connection_meets(cloud: Cloud, rules: Rules) -> None:
    """The switch says what its datapath's hash of the packet would be; ten connections meet whom their traces name."""
    vm = cloud.guests["vm"]
    for name in ("nfv0", "nfv1", "nfv2"):
        rules.add("172.16.0.0/16", name)
    answers(vm)
    time.sleep(0.2)
    sender = cloud.interfaces["vm", 0]["networkInterfaceId"]
    met, told = [], []
    for port in range(9000, 9010):
        with connect(vm, source=EPHEMERAL, port=port) as connection:
            met.append(who(connection))
        said = cloud.cli("trace", "--from", sender, "--to", FAR, "--proto", "tcp", "--dport", str(port))
        told += [step["says"] for step in said["steps"] if step["table"] == "ecmp"]
    assert told == [f"route 172.16.0.0/16 of {rules.table} leads to {cloud.instances[name]}" for name in met]
    assert len(set(met)) > 1


def test_fragments_of_a_datagram_meet_one_appliance(cloud: Cloud, rules: Rules) -> None:
    """Three fragments each, to twenty addresses: both appliances get some, and none gets a part of one."""
    vm = cloud.guests["vm"]
    for name in ("nfv1", "nfv2"):
        rules.add("172.16.0.0/16", name)
    answers(vm)
    time.sleep(0.2)
    wires = {name: cloud.guests[name].sniff() for name in ("nfv1", "nfv2")}
    with ExitStack() as stack:
        heard = {name: stack.enter_context(wire) for name, wire in wires.items()}
        with within(vm.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sender:
            for last in range(1, 21):
                sender.sendto(bytes(4000), (f"172.16.1.{last}", 9))
        time.sleep(0.5)
        parts = {name: Counter(map(target, wire.received(is_udp))) for name, wire in heard.items()}
    assert parts["nfv1"].keys().isdisjoint(parts["nfv2"]) and all(parts.values()), parts
    assert set((parts["nfv1"] + parts["nfv2"]).values()) == {3}, parts


def test_without_a_rule_nothing_leaves(cloud: Cloud, rules: Rules) -> None:
    """A custom table starts with the local rule only: no internet, but the whole VPC."""
    vm = cloud.guests["vm"]
    assert vm.ping(FAR, count=2, wait=0.3) == 0
    assert vm.ping("10.0.1.11", count=2) == 2
