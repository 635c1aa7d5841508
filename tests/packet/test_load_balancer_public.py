"""Load balancers with an elastic IP, with real packets: what comes from the internet, and what goes back there."""

import contextlib
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.packet.test_load_balancer import (
    CLIENTS,
    PORT,
    TARGETS,
    VIP,
    Balancer,
    alive,
    asked,
    balanced,
    cloud,
    greeting,
)
from topologies.cloud import Cloud
from topologies.internet import SERVER
from topologies.process import wait_until, within

__all__ = ["cloud"]


class Public:
    """The elastic IP of a load balancer."""

    def __init__(self, balancer: Balancer) -> None:
        self.balancer, self.owner = balancer, balancer.tenant
        made = self.owner.new_elastic_ip(50)
        self.id, self.address = str(made["elasticIpId"]), str(made["elasticIpAddress"])
        self.bind()

    def bind(self) -> None:
        self.balancer.lb("associateElasticIp", loadBalancerId=self.balancer.id, elasticIpId=self.id)
        self.balancer.cloud.cli("wait")
        assert wait_until(lambda: self.owner.elastic_ip(self.id)["state"] == "UP", 10)

    def unbind(self) -> None:
        self.balancer.lb("disassociateElasticIp", loadBalancerId=self.balancer.id, elasticIpId=self.id)
        self.balancer.cloud.cli("wait")


@contextlib.contextmanager
def public(cloud: Cloud, **weights: int) -> Iterator[Public]:
    with balanced(cloud, **weights) as balancer:
        made = Public(balancer)
        assert wait_until(lambda: cloud.internet.server.ping(made.address, count=1, wait=0.5) == 1, 20)
        yield made
    made.owner.vpc("deleteElasticIp", elasticIpId=made.id)


def opened(cloud: Cloud, address: str, port: int = PORT, seconds: float = 5) -> socket.socket:
    """A connection from the internet."""
    server = cloud.internet.server.pid
    return within(server, lambda: socket.create_connection((address, port), timeout=seconds))


def answered(cloud: Cloud, address: str, count: int) -> Counter[str]:
    """Who takes new connections from the internet; each sees the address of its client."""
    found: Counter[str] = Counter()
    for _ in range(count):
        with opened(cloud, address) as one:
            name, peer = greeting(one)
            assert peer == SERVER
            found[name] += 1
    return found


def closed(cloud: Cloud, address: str, port: int = PORT) -> bool:
    with contextlib.suppress(OSError), opened(cloud, address, port, 0.7):
        return False
    return True


def datagram(cloud: Cloud, address: str) -> str:
    """Who answers a datagram from the internet."""
    with within(cloud.internet.server.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as one:
        one.settimeout(3)
        one.connect((address, PORT))
        one.send(b"who")
        name, peer = one.recv(100).decode().split()
        assert peer == SERVER
        return name


def test_l1_l11_targets_see_their_client_through_an_elastic_ip(cloud: Cloud) -> None:
    """TCP and UDP; the load balancer's inside address works as before, and the targets' own ways out too."""
    with public(cloud, one=10, two=10, three=10) as made:
        assert set(answered(cloud, made.address, 40)) == set(TARGETS)
        assert {datagram(cloud, made.address) for _ in range(40)} == set(TARGETS)
        for name in CLIENTS:
            assert set(asked(cloud.guests[name], 40)) == set(TARGETS)


def test_l9_the_elastic_ip_answers_ping_and_no_other_port(cloud: Cloud) -> None:
    with public(cloud, one=10) as made:
        assert cloud.internet.server.ping(made.address, count=3) == 3
        assert closed(cloud, made.address, 81)


def test_a_load_balancer_without_its_elastic_ip_is_reached_from_inside_only(cloud: Cloud) -> None:
    with public(cloud, one=10) as made:
        assert answered(cloud, made.address, 3)
        made.unbind()
        assert closed(cloud, made.address)
        assert asked(cloud.guests["near"], 3)
        made.bind()
        assert wait_until(lambda: not closed(cloud, made.address), 10)


def test_l4_l6_through_an_elastic_ip_connections_keep_their_targets(cloud: Cloud) -> None:
    """120 connections over two targets; a third comes, a weight changes, one goes: its own end, all others go on."""
    with public(cloud, one=10, two=10) as made, contextlib.ExitStack() as closing:
        balancer = made.balancer
        open_ = []
        for _ in range(120):
            one = closing.enter_context(opened(cloud, made.address))
            one.settimeout(5)
            data = b""
            while not data.endswith(b"\n"):
                data += one.recv(100)
            open_.append((data.decode().split()[0], one))
        assert alive(open_) == {"one", "two"}
        balancer.register(three=10)
        assert alive(open_) == {"one", "two"}
        assert set(answered(cloud, made.address, 40)) == set(TARGETS)
        update = [{"targetId": balancer.targets()["one"]["targetId"], "weight": 0}]
        balancer.lb("updateTargets", targetGroupId=balancer.group, targetUpdateSpecs=update)
        cloud.cli("wait")
        assert alive(open_) == {"one", "two"}
        assert set(answered(cloud, made.address, 40)) == {"two", "three"}
        balancer.deregister("one")
        assert alive([pair for pair in open_ if pair[0] == "two"]) == {"two"}
        for _, one in open_:
            one.settimeout(0.2)
        assert alive([pair for pair in open_ if pair[0] == "one"][:5]) == set()


def test_l8_l10_stopped_moved_and_started_again(cloud: Cloud) -> None:
    with public(cloud, one=10) as made:
        change: dict[str, Any] = {"loadBalancerId": made.balancer.id}
        made.balancer.lb("updateLoadBalancer", **change, action="Stop")
        cloud.cli("wait")
        assert closed(cloud, made.address)
        assert cloud.internet.server.ping(made.address, count=1, wait=0.5) == 0
        made.balancer.lb("updateLoadBalancer", **change, action="Start", privateIpAddress="10.0.0.101")
        cloud.cli("wait")
        assert wait_until(lambda: not closed(cloud, made.address), 10)
        assert asked(cloud.guests["far"], 3, "10.0.0.101")


def test_l11_from_a_machine_with_an_elastic_ip_to_that_of_the_load_balancer(cloud: Cloud) -> None:
    """On one host: out by one elastic IP, in by the other, to a target of the same VPC, and back."""
    with public(cloud, two=10) as made:
        interface = cloud.interfaces["near", 0]["networkInterfaceId"]
        own = made.owner.new_elastic_ip(50)
        made.owner.bind(own["elasticIpId"], interface)
        try:
            with within(cloud.guests["near"].pid, lambda: socket.create_connection((made.address, PORT), 5)) as one:
                assert greeting(one) == ["two", own["elasticIpAddress"]]
        finally:
            made.owner.unbind(own["elasticIpId"], interface)
            made.owner.vpc("deleteElasticIp", elasticIpId=own["elasticIpId"])


def test_k2_with_the_limit_0_in_a_package_nothing_passes(cloud: Cloud) -> None:
    with public(cloud, one=10) as made:
        assert answered(cloud, made.address, 2)
        package = made.owner.vpc("createBandwidthPackage", name="none", bandwidthMbps=50)["bandwidthPackageId"]
        member: dict[str, Any] = {"publicIpId": made.id, "bandwidthMbps": 0}
        own: dict[str, Any] = {"bandwidthPackageId": package, "bandwidthPackageIPSpecs": [member]}
        made.owner.vpc("addBandwidthPackageIP", **own)
        cloud.cli("wait")
        assert closed(cloud, made.address)
        assert cloud.internet.server.ping(made.address, count=1, wait=0.5) == 0
        made.owner.vpc("removeBandwidthPackageIP", **own)
        cloud.cli("wait")
        assert wait_until(lambda: not closed(cloud, made.address), 10)
        made.owner.vpc("deleteBandwidthPackage", bandwidthPackageId=package)


def test_its_elastic_ip_moves_to_a_machine_and_back(cloud: Cloud) -> None:
    """Each time in one call: whoever has it answers, and the other does not."""
    with public(cloud, one=10) as made:
        machine = cloud.interfaces["near", 0]["networkInterfaceId"]
        shown = made.balancer.lb("describeLoadBalancer", loadBalancerId=made.balancer.id)["loadBalancer"]
        for there, listens in ((machine, False), (shown["networkInterface"]["networkInterfaceId"], True)):
            move: dict[str, Any] = {"networkInterfaceId": there, "elasticIpId": made.id, "reassociate": True}
            made.owner.vpc("associateElasticIp", **move)
            cloud.cli("wait")
            assert wait_until(lambda: cloud.internet.server.ping(made.address, count=1, wait=0.5) == 1, 20)
            assert closed(cloud, made.address) is not listens
        assert answered(cloud, made.address, 3)


def test_a_trace_tells_the_elastic_ip_the_listener_and_the_target(cloud: Cloud) -> None:
    with public(cloud, one=10) as made:
        told = cloud.cli("trace", "--from", "internet", "--to", made.address, "--proto", "tcp", "--dport", str(PORT))
        said = " / ".join(step["says"] for step in told["steps"])
        assert f"listener {made.balancer.listeners['Tcp']}" in said
        assert "target target-" in said
        assert VIP in said
