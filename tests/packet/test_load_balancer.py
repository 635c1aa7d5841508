"""Load balancers with real packets: who gets a connection, what it sees, and what becomes of those that are open."""

import contextlib
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.packet.groups import dropped
from topologies.cloud import Cloud
from topologies.guest import Guest
from topologies.process import wait_until, within
from topologies.scenarios import Account, Scenario, Subnet, Vpc, machine
from topologies.tenant import ApiError, Tenant

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
