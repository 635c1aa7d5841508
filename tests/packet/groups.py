"""Security groups of a region that carries packets: what tests ask of the API, and how they see what passes."""

import errno
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from scapy.layers.inet import TCP

from sdnctl.cli.client import Client
from topologies import frames
from topologies.cloud import Cloud
from topologies.paced import Paced
from topologies.process import wait_until, within
from topologies.region import Region
from topologies.station import Station
from topologies.wires import Sniffer

UDP_NUMBER, ICMP_NUMBER, TCP_NUMBER = 17, 1, 6
IN, OUT = 0, 1
Rule = dict[str, Any]


def confirmed(cloud: Cloud) -> None:
    """Wait until every switch obeys whatever was asked for, as `sdnctl wait` tells the operator."""
    assert cloud.waits(60.0) if isinstance(cloud, Region) else operator(cloud).until_applied(None, 60.0)["applied"]


def operator(cloud: Cloud) -> Client:
    """The operator's API of the region: what the commands ask, without a process for each."""
    return Client.at(cloud.service.data)


def rule(direction: int, protocol: int = 300, remote: str = "0.0.0.0/0", port: int = 0, **more: Any) -> Rule:
    """A rule that allows; ``port`` 0 is every port."""
    ports = {"fromPort": port, "toPort": port} if port else {}
    return {"direction": direction, "protocol": protocol, "addressPrefix": remote, **ports, **more}


@contextmanager
def group(cloud: Cloud, *rules: Rule, of: str = "web") -> Iterator[str]:
    """A new group in the VPC of a machine during a `with` block."""
    owner = cloud.owners[of]
    vpc = cloud.ids[owner.name, "net"]
    made = owner.vpc("createNetworkSecurityGroup", vpcId=vpc, networkSecurityGroupName="g")["networkSecurityGroupId"]
    add(cloud, made, *rules, of=of)
    try:
        yield made
    finally:
        owner.vpc("deleteNetworkSecurityGroup", networkSecurityGroupId=made)


def add(cloud: Cloud, id: str, *rules: Rule, of: str = "web") -> list[str]:
    """Add rules in one call, and wait until the switch obeys; their ids."""
    if not rules:
        return []
    added = cloud.owners[of].vpc(
        "addNetworkSecurityGroupRules", networkSecurityGroupId=id, networkSecurityGroupRuleSpecs=list(rules)
    )
    confirmed(cloud)
    return [one["ruleId"] for one in added["securityGroupRules"]]


def remove(cloud: Cloud, id: str, *rules: str, of: str = "web") -> None:
    """Remove rules, and wait until the switch obeys."""
    cloud.owners[of].vpc("removeNetworkSecurityGroupRules", networkSecurityGroupId=id, ruleIds=list(rules))
    confirmed(cloud)


@contextmanager
def inside(cloud: Cloud, name: str, *groups: str) -> Iterator[None]:
    """A machine is in these groups during a `with` block."""
    put(cloud, name, *groups)
    try:
        yield
    finally:
        put(cloud, name)


def put(cloud: Cloud, name: str, *groups: str) -> None:
    """Give a machine other groups, or its VPC's default one, and wait until the switch obeys."""
    port = cloud.interfaces[name, 0]["networkInterfaceId"]
    cloud.owners[name].vpc("modifyNetworkInterface", networkInterfaceId=port, securityGroups=list(groups))
    confirmed(cloud)


def pings(cloud: Cloud, sender: str, target: str) -> bool:
    """True when one of some pings is answered."""
    return cloud.guests[sender].ping(target, count=2, wait=0.5) > 0


def udp(station: Station, port: int = 0, address: str = "") -> socket.socket:
    """A UDP socket of a station that waits a second at most; port 0 is any free one."""
    made = within(station.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    made.settimeout(1)
    made.bind((address, port))
    return made


def heard(
    client: Station, server: Station, address: str, port: int, size: int = 8, source: tuple[str, int] = ("", 0)
) -> tuple[bool, bool]:
    """Has a UDP datagram arrived, and its answer; of a new connection, unless a source address and port are given."""
    with udp(server, port) as far, udp(client, source[1], source[0]) as near:
        near.sendto(bytes(size), (address, port))
        try:
            text, peer = far.recvfrom(65535)
            far.sendto(text[:8], peer)
        except TimeoutError:
            return False, False
        try:
            return len(text) == size, near.recv(100) == bytes(8)
        except TimeoutError:
            return len(text) == size, False


def talks(client: Station, server: Station, address: str, port: int, source: int = 0, reset: bool = False) -> None:
    """A whole TCP connection; the server ends it, or the client does with a reset."""
    with within(server.pid, lambda: socket.create_server(("0.0.0.0", port))) as listening:
        listening.settimeout(5)
        with within(client.pid, lambda: _connected((address, port), source)) as near:
            far, _ = listening.accept()
            far.settimeout(5)
            with far:
                near.sendall(b"question")
                assert far.recv(100) == b"question"
                far.sendall(b"answer")
                assert near.recv(100) == b"answer"
                if reset:
                    near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    near.close()
                    with pytest.raises(ConnectionResetError):
                        far.recv(100)
            if not reset:
                assert near.recv(100) == b""


def _connected(to: tuple[str, int], source: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.settimeout(5)
    made.bind(("", source))
    end = time.monotonic() + 5
    while (refused := made.connect_ex(to)) == errno.EADDRNOTAVAIL and time.monotonic() < end:
        time.sleep(0.01)  # the client's own kernel waits for the last answer to the connection before
    if refused:
        raise OSError(refused, f"no connection to {to}")
    return made


def dropped(cloud: Cloud, reason: str = "group") -> int:
    """Packets that the region has dropped for a reason."""
    return int(operator(cloud).get("/status")["drops"].get(reason, 0))


def rules_of(cloud: Cloud, id: str) -> list[dict[str, Any]]:
    """The rules that a group shows."""
    found = cloud.owners["web"].vpc("describeNetworkSecurityGroup", networkSecurityGroupId=id)
    rules: list[dict[str, Any]] = found["networkSecurityGroup"]["securityGroupRules"]
    return rules


def is_udp(frame: bytes) -> bool:
    """True for a datagram, and for each fragment of one."""
    packet = frames.ip(frame)
    return packet is not None and packet.proto == UDP_NUMBER


def came(wire: Sniffer, source: str) -> bool:
    """True when the switch has handed over UDP from an address."""
    return any((p := frames.ip(one)) is not None and p.src == source and is_udp(one) for one in wire.received())


def is_syn(frame: bytes) -> bool:
    """True for the packet with which a client begins a TCP connection."""
    packet = frames.ip(frame)
    return packet is not None and TCP in packet and packet[TCP].flags == "S"


def stops(paced: Paced) -> bool:
    """True when nothing arrives from now on, in either direction, of what is still sent."""
    count = paced.during(0.3)
    assert count.sent > 30
    return (count.arrived, count.answered) == (0, 0)


def goes_on(paced: Paced) -> bool:
    """True when datagrams and answers come again."""
    return wait_until(lambda: min(paced.during(0.05)) > 0, 5)


@contextmanager
def streaming(sender: socket.socket, to: tuple[str, int]) -> Iterator[None]:
    """A hundred datagrams a second during a `with` block."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(0.01):
            sender.sendto(b"stream", to)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def untaken(cloud: Cloud) -> int:
    """Frames that were too many for the switch's sockets, so that it never saw them (ss(8), skmem: d)."""
    return sum(int(found) for found in re.findall(r"skmem:\([^)]*\bd(\d+)\)", cloud.host.run("ss", "-0anm")))
