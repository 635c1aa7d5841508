"""Load balancers with real packets: who gets a connection, what it sees, and what becomes of those that are open."""

import contextlib
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from sdnctl.program.slots import weighted
from topologies.cloud import Cloud
from topologies.guest import Guest
from topologies.process import wait_until, within
from topologies.scenarios import Account, Scenario, Subnet, Vpc, machine

VIP, PORT, OWN = "10.0.0.100", 80, 8080
CLIENTS = {"near": "10.0.0.10", "far": "10.0.1.10"}
TARGETS = {"one": "10.0.0.21", "two": "10.0.1.22", "three": "10.0.1.23"}
SERVER = """
import asyncio, sys
name, port = sys.argv[1], int(sys.argv[2])
async def serve(reader, writer):
    writer.write(f"{name} {writer.get_extra_info('peername')[0]}\\n".encode())
    while line := await reader.readline():
        writer.write(line)
class Udp(asyncio.DatagramProtocol):
    def connection_made(self, transport): self.transport = transport
    def datagram_received(self, data, peer):
        self.transport.sendto(f"{name} {peer[0]}".encode() if len(data) < 100 else data, peer)
async def main():
    await asyncio.get_running_loop().create_datagram_endpoint(Udp, local_addr=("0.0.0.0", port))
    await (await asyncio.start_server(serve, "0.0.0.0", port, backlog=1000)).serve_forever()
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    subnets = (Subnet("front", "10.0.0.0/24"), Subnet("back", "10.0.1.0/24"))
    where = {**CLIENTS, **TARGETS}
    machines = tuple(machine(name, "front" if ip.startswith("10.0.0.") else "back", ip) for name, ip in where.items())
    vpc = Vpc("net", "10.0.0.0/16", subnets, machines)
    with Cloud() as made:
        made.build(Scenario("balanced", (Account("shop", (vpc,)),)))
        for name in TARGETS:
            made.guests[name].spawn([sys.executable, "-c", SERVER, name, str(OWN)])
        assert made.guests["near"].reaches(TARGETS["three"], 10)
        for name in TARGETS:
            guest = made.guests[name]
            assert wait_until(lambda guest=guest: guest.run("ss", "-Hltn", f"sport = :{OWN}"), 20, 0.2)
        yield made


class Balancer:
    """A load balancer with a listener for TCP and one for UDP, and one target group for both."""

    def __init__(self, cloud: Cloud, kind: str = "nlb", algorithm: str = "") -> None:
        self.cloud, self.tenant = cloud, cloud.tenants["shop"]
        made = {"loadBalancerName": "lb", "subnetId": cloud.ids["shop", "net", "front"], "type": kind}
        self.id = self.lb("createLoadBalancer", **made, privateIpAddress=VIP)["loadBalancerId"]
        self.group = self.lb("createTargetGroup", loadBalancerId=self.id, targetGroupName="tg")["targetGroupId"]
        self.listeners = {}
        for protocol in ("Tcp", "Udp"):
            spec: dict[str, Any] = {"loadBalancerId": self.id, "protocol": protocol}
            more: dict[str, Any] = {"algorithm": algorithm} if algorithm else {}
            more |= {"targetGroupIds": [self.group], "healthCheckSpec": {"protocol": "Tcp"}}
            backend = self.lb("createBackend", **spec, **more, backendName=f"b-{protocol}", port=OWN)["backendId"]
            spec |= {"backendId": backend, "listenerName": f"l-{protocol}", "port": PORT}
            self.listeners[protocol] = self.lb("createListener", **spec)["listenerId"]

    def lb(self, operation: str, **parameters: Any) -> dict[str, Any]:
        return self.tenant.call("lb", operation, **parameters)

    def register(self, **weights: int) -> None:
        specs = [{"instanceId": self.cloud.instances[name], "weight": weight} for name, weight in weights.items()]
        self.lb("registerTargets", targetGroupId=self.group, targetSpecs=specs)
        self.cloud.cli("wait")

    def deregister(self, *names: str) -> None:
        ids = [self.targets()[name]["targetId"] for name in names]
        self.lb("deRegisterTargets", targetGroupId=self.group, targetIds=ids)
        self.cloud.cli("wait")

    def targets(self) -> dict[str, dict[str, Any]]:
        shown = self.lb("describeTargets", targetGroupId=self.group)["targets"]
        names = {id: name for name, id in self.cloud.instances.items()}
        return {names[one["instanceId"]]: one for one in shown}

    def delete(self) -> None:
        self.lb("deleteLoadBalancer", loadBalancerId=self.id)
        self.cloud.cli("wait")


@contextlib.contextmanager
def balanced(cloud: Cloud, kind: str = "nlb", algorithm: str = "", **weights: int) -> Iterator[Balancer]:
    made = Balancer(cloud, kind, algorithm)
    if weights:
        made.register(**weights)
    try:
        yield made
    finally:
        made.delete()


def connect(guest: Guest, to: str = VIP, port: int = PORT) -> socket.socket:
    return within(guest.pid, lambda: socket.create_connection((to, port), timeout=5))


def greeting(connection: socket.socket) -> list[str]:
    return connection.makefile("r").readline().split()


def asked(guest: Guest, count: int, to: str = VIP) -> Counter[str]:
    """Who takes new TCP connections from a guest; each sees the guest's own address."""
    found: Counter[str] = Counter()
    for _ in range(count):
        with connect(guest, to) as one:
            name, peer = greeting(one)
            assert peer == CLIENTS[guest.name]
            found[name] += 1
    return found


def datagrams(guest: Guest, count: int) -> Counter[str]:
    """Who answers a datagram from each of so many sockets of a guest; the answer comes from where it was sent to."""
    found: Counter[str] = Counter()
    for _ in range(count):
        with within(guest.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as one:
            one.settimeout(3)
            one.connect((VIP, PORT))
            one.send(b"who")
            name, peer = one.recv(100).decode().split()
            assert peer == CLIENTS[guest.name]
            found[name] += 1
    return found


def refused(guest: Guest, port: int = PORT) -> bool:
    with pytest.raises(OSError), within(guest.pid, lambda: socket.create_connection((VIP, port), timeout=0.7)):
        pass
    return True


@pytest.mark.parametrize("kind", ["nlb", "dnlb"])
def test_l1_l11_targets_see_their_client_in_the_same_subnet_and_in_another(cloud: Cloud, kind: str) -> None:
    algorithm = "QuintupleHash" if kind == "dnlb" else "RoundRobin"
    with balanced(cloud, kind, algorithm, one=10, two=10, three=10):
        for name in CLIENTS:
            assert set(asked(cloud.guests[name], 40)) == set(TARGETS)
            assert set(datagrams(cloud.guests[name], 40)) == set(TARGETS)


def test_l3_connections_are_shared_by_weight(cloud: Cloud) -> None:
    """Slots are right to one in 256, whoever has them; connections of a client are spread evenly over slots."""
    with balanced(cloud, one=10, two=20, three=30) as balancer:
        ids = {name: target["targetId"] for name, target in balancer.targets().items()}
        weights = {ids["one"]: 10, ids["two"]: 20, ids["three"]: 30}
        slots = Counter(weighted(weights, 256))
        for id, weight in weights.items():
            assert abs(slots[id] / 256 - weight / 60) < 0.05 * weight / 60
        found = asked(cloud.guests["near"], 600)
        for name, id in ids.items():
            # 600 draws: four standard deviations.
            share = weights[id] / 60
            assert abs(found[name] - 600 * share) < 4 * (600 * share * (1 - share)) ** 0.5, found


def test_l3_ip_hash_keeps_a_client_at_one_target(cloud: Cloud) -> None:
    with balanced(cloud, "nlb", "IpHash", one=10, two=10, three=10):
        for name in CLIENTS:
            assert len(asked(cloud.guests[name], 10) + datagrams(cloud.guests[name], 10)) == 1


def alive(open_: list[tuple[str, socket.socket]]) -> set[str]:
    """The targets with connections all of which still answer; a connection that does not is a failure of its target."""
    dead = set()
    for name, one in open_:
        try:
            one.sendall(b"still there\n")
            if one.recv(100) != b"still there\n":
                dead.add(name)
        except OSError:
            dead.add(name)
    return {name for name, _ in open_} - dead


def test_l4_a_target_that_comes_or_goes_moves_no_connection_of_another(cloud: Cloud) -> None:
    """200 connections over two targets; a third comes, a weight changes, one goes: its own end, all others go on."""
    with balanced(cloud, one=10, two=10) as balancer, contextlib.ExitStack() as closing:
        open_ = []
        for n in range(200):
            one = closing.enter_context(connect(cloud.guests[list(CLIENTS)[n % 2]]))
            one.settimeout(2)
            data = b""
            while not data.endswith(b"\n"):
                data += one.recv(100)
            open_.append((data.decode().split()[0], one))
        assert {name for name, _ in open_} == {"one", "two"} == alive(open_)
        balancer.register(three=10)
        assert alive(open_) == {"one", "two"}
        assert set(asked(cloud.guests["near"], 40)) == set(TARGETS)
        update = [{"targetId": balancer.targets()["one"]["targetId"], "weight": 0}]
        balancer.lb("updateTargets", targetGroupId=balancer.group, targetUpdateSpecs=update)
        cloud.cli("wait")
        assert alive(open_) == {"one", "two"}, "weight 0 takes no new connections, and keeps its own"
        assert set(asked(cloud.guests["near"], 40)) == {"two", "three"}
        balancer.deregister("three")
        assert alive(open_) == {"one", "two"}
        balancer.deregister("one")
        assert alive([pair for pair in open_ if pair[0] == "two"]) == {"two"}
        for _, one in open_:
            one.settimeout(0.2)
        assert alive([pair for pair in open_ if pair[0] == "one"][:5]) == set()


def test_l8_stop_and_off_answer_nothing(cloud: Cloud) -> None:
    near = cloud.guests["near"]
    with balanced(cloud, one=10) as balancer:
        assert asked(near, 3)
        for off, on, change in (
            (
                {"action": "Stop"},
                {"action": "Start"},
                {"operation": "updateLoadBalancer", "loadBalancerId": balancer.id},
            ),
            (
                {"status": "Off"},
                {"status": "On"},
                {"operation": "updateListener", "listenerId": balancer.listeners["Tcp"]},
            ),
        ):
            balancer.lb(**change, **off)
            cloud.cli("wait")
            assert refused(near)
            balancer.lb(**change, **on)
            cloud.cli("wait")
            assert asked(near, 3)


def test_l9_the_address_answers_ping_and_no_other_port(cloud: Cloud) -> None:
    with balanced(cloud, one=10):
        for name in CLIENTS:
            assert cloud.guests[name].ping(VIP, count=3) == 3
            assert refused(cloud.guests[name], 81)


def test_l10_another_address(cloud: Cloud) -> None:
    with balanced(cloud, one=10, three=10) as balancer:
        balancer.lb("updateLoadBalancer", loadBalancerId=balancer.id, privateIpAddress="10.0.0.101")
        cloud.cli("wait")
        for name in CLIENTS:
            assert set(asked(cloud.guests[name], 20, "10.0.0.101")) == {"one", "three"}
            assert refused(cloud.guests[name])


def test_a_group_without_targets_takes_nothing(cloud: Cloud) -> None:
    with balanced(cloud):
        assert refused(cloud.guests["near"])
        trace = ("--from", cloud.interfaces["near", 0]["networkInterfaceId"], "--to", VIP, "--proto", "tcp")
        assert cloud.cli("trace", *trace, "--dport", str(PORT))["reason"] == "no-target"
        assert cloud.cli("trace", *trace, "--dport", "81")["reason"] == "no-listener"


def test_l1_groups_judge_the_client_at_the_targets_own_port(cloud: Cloud) -> None:
    """A rule that forbids the listener's port concerns nobody; one that forbids the target's refuses its client."""
    owner, port = cloud.owners["one"], cloud.interfaces["one", 0]["networkInterfaceId"]
    vpc = cloud.ids["shop", "net"]
    id = owner.vpc("describeNetworkSecurityGroups", filters=[{"name": "vpcId", "values": [vpc]}])
    group = id["networkSecurityGroups"][0]["networkSecurityGroupId"]
    assert port
    with balanced(cloud, one=10):
        for denied, passes in ((PORT, True), (OWN, False)):
            rule = {
                "direction": 0,
                "protocol": 6,
                "addressPrefix": "10.0.0.10/32",
                "fromPort": denied,
                "toPort": denied,
            }
            rule |= {"ruleAction": "DENY", "priority": 1}
            spec = {"networkSecurityGroupId": group, "networkSecurityGroupRuleSpecs": [rule]}
            made = owner.vpc("addNetworkSecurityGroupRules", **spec)["securityGroupRules"]
            cloud.cli("wait")
            try:
                assert asked(cloud.guests["near"], 3) if passes else refused(cloud.guests["near"])
                assert asked(cloud.guests["far"], 3)
            finally:
                ids = [one["ruleId"] for one in made]
                owner.vpc("removeNetworkSecurityGroupRules", networkSecurityGroupId=group, ruleIds=ids)
                cloud.cli("wait")
