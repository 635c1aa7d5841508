"""Attempts to send what a network interface must not, to somebody who must not get it.

Each file is a group of attempts, each function one attempt; its docstring says what is tried.  An attempt yields
frames to send, which carry its mark.  Nobody may get the mark but those whom the attempt itself names (``may``): whom
an honest packet to the same place would reach too.
"""

import importlib
import inspect
import itertools
import pkgutil
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any, NamedTuple

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from apps.vpc.model import ROUTER_MAC
from topologies.process import within
from topologies.region import Region
from topologies.scenarios import BACK, FRONT, Account, Instance, Interface, Scenario, Vpc, machine

OUTSIDE, STRANGER = "outside", "rogue"
"""The provider's router on the public network, and a machine on the underlay that is no host of the region."""
ROUTER = str(ROUTER_MAC)
ROUTER_IP, SERVER_IP = "10.0.0.1", "10.0.0.2"
SERVERS = ("198.51.100.10", "198.51.100.77", "203.0.113.1", "8.8.8.8")
"""Machines of the internet that attempts speak of: what a victim believes of the way to them is looked at."""
BROADCAST = "ff:ff:ff:ff:ff:ff"
UNDERLAY = {"hv1": "172.31.0.101", "hv2": "172.31.0.102"}
PORT = 9
HOSTS = ("hv1", "hv2")
WEB_PORT, MEMBERS_PORT = 80, 7000
"""What `web` lets in: this TCP port from everybody, this UDP port from members."""


def scenario() -> Scenario:
    """Two tenants with the same addresses, on two hosts; ``free`` may send from any IP address, 10.0.0.99 is blue's.

    Those from 10.0.0.30 on are in security groups: `Ground.group` says in which.
    """
    free = Instance("free", (Interface("front", "10.0.0.20", source_check=False),), "hv1")
    red = Vpc(
        "net",
        "10.0.0.0/16",
        (FRONT, BACK),
        (
            machine("mallory", "front", "10.0.0.10", 100, "hv1"),
            free,
            machine("near", "front", "10.0.0.11", 0, "hv1"),
            machine("far", "front", "10.0.0.12", 0, "hv2"),
            machine("inner", "back", "10.0.1.13", 0, "hv1"),
            machine("shut", "front", "10.0.0.30", 100, "hv1"),
            machine("web", "front", "10.0.0.31", 100, "hv2"),
            machine("member", "front", "10.0.0.32", 100, "hv1"),
            machine("mute", "front", "10.0.0.33", 0, "hv1"),
        ),
    )
    blue = Vpc(
        "net",
        "10.0.0.0/16",
        (FRONT, BACK),
        (
            machine("shop", "front", "10.0.0.10", 100, "hv1"),
            machine("pal", "front", "10.0.0.11", 0, "hv1"),
            machine("depot", "front", "10.0.0.99", 0, "hv2"),
            machine("vault", "back", "10.0.1.13", 0, "hv2"),
            machine("till", "front", "10.0.0.31", 0, "hv2"),
            machine("clerk", "front", "10.0.0.32", 0, "hv1"),
        ),
    )
    return Scenario("attacked", (Account("red", (red,)), Account("blue", (blue,))))


Rule = dict[str, Any]


def rule(protocol: int, port: int = 0, *, out: bool = False, **more: Any) -> Rule:
    """A rule of a security group that allows a protocol by its number; ``port`` 0 is every port."""
    made = {"direction": int(out), "protocol": protocol, "addressPrefix": "0.0.0.0/0", **more}
    return made | ({"fromPort": port, "toPort": port} if port else {})


class Who(NamedTuple):
    """The addresses of an interface."""

    mac: str
    ip: str


class Ground:
    """The region, as one who attacks it knows it: everything."""

    def __init__(self, region: Region) -> None:
        self.region = region
        self.known = {
            name: Who(port["macAddress"].lower(), port["primaryIp"]["privateIpAddress"])
            for (name, index), port in region.interfaces.items()
            if index == 0
        }
        self.keys = {name: int(who.mac.replace(":", ""), 16) & 0xFFFFFF for name, who in self.known.items()}
        self.gateway = Who(region.internet.gateway.mac("public"), "203.0.113.1")
        self.groups: dict[tuple[str, str], str] = {}  # (account, name) -> id
        self._ports = itertools.count(1)
        self.later = ExitStack()
        """What an attempt has made is undone when it is over."""

    def __getitem__(self, name: str) -> Who:
        return self.known[name]

    def public(self, name: str) -> str:
        """The elastic IP of a guest."""
        return self.region.public(name)

    def uplink(self, host: str) -> str:
        """The MAC address of a host on the public network."""
        return self.region.hosts[host].mac("public")

    def from_outside(self, name: str, ip: str = "") -> tuple[Who, Who]:
        """The sender and the receiver of what comes from the internet to the elastic IP of a guest."""
        host = self.region.homes[name].name
        return Who(self.gateway.mac, ip or SERVERS[0]), Who(self.uplink(host), self.public(name))

    def group(self, account: str, name: str, *rules: Rule) -> str:
        """Make a security group of an account's only VPC."""
        tenant, vpc = self.region.tenants[account], self.region.ids[account, "net"]
        made = tenant.vpc("createNetworkSecurityGroup", vpcId=vpc, networkSecurityGroupName=name)
        id = self.groups[account, name] = made["networkSecurityGroupId"]
        self.allow(account, name, *rules)
        return id

    def allow(self, account: str, name: str, *rules: Rule) -> list[str]:
        """Add rules to a group; their ids."""
        wanted = {"networkSecurityGroupId": self.groups[account, name], "networkSecurityGroupRuleSpecs": list(rules)}
        if not rules:
            return []
        added = self.region.tenants[account].vpc("addNetworkSecurityGroupRules", **wanted)["securityGroupRules"]
        return [one["ruleId"] for one in added]

    def forbid(self, account: str, name: str, *rules: str) -> None:
        """Remove rules from a group."""
        id = self.groups[account, name]
        self.region.tenants[account].vpc("removeNetworkSecurityGroupRules", networkSecurityGroupId=id, ruleIds=rules)

    def put(self, name: str, *groups: str) -> None:
        """Let a guest be in these groups of its account."""
        owner, port = self.region.owners[name], self.region.interfaces[name, 0]["networkInterfaceId"]
        ids = [self.groups[owner.name, one] for one in groups]
        owner.vpc("modifyNetworkInterface", networkInterfaceId=port, securityGroups=ids)

    def obeyed(self) -> None:
        """Wait until every switch does what was asked for."""
        assert self.region.waits(20)

    def end_of(self, name: str, port: int, kind: int = socket.SOCK_DGRAM) -> socket.socket:
        """A socket of a guest, or of a server outside, which is closed when the attempt is over."""
        station = self.region.guests.get(name, self.region.internet.server)
        made = self.later.enter_context(within(station.pid, lambda: socket.socket(socket.AF_INET, kind)))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.settimeout(5)
        made.bind(("0.0.0.0", port))
        return made

    def ports(self) -> tuple[int, int]:
        """Two ports that no attempt has used, a client's and a server's: switches remember connections for a while."""
        number = next(self._ports)
        return 20000 + number, 30000 + number

    def asked(self, client: str, server: str, ports: tuple[int, int]) -> tuple[socket.socket, socket.socket]:
        """A datagram from one port to the other has arrived: the client has opened a connection, and both its ends."""
        near, far = self.end_of(client, ports[0]), self.end_of(server, ports[1])
        near.connect((self[server].ip if server in self.known else SERVERS[0], ports[1]))
        near.send(b"question")
        text, peer = far.recvfrom(100)
        assert text == b"question"
        far.connect(peer)
        return near, far

    def connected(self, client: str, server: str, ports: tuple[int, int]) -> tuple[socket.socket, socket.socket]:
        """A TCP connection from one port to the other, and both its ends."""
        near = self.end_of(client, ports[0], socket.SOCK_STREAM)
        door = self.end_of(server, ports[1], socket.SOCK_STREAM)
        door.listen()
        near.connect((self[server].ip if server in self.known else SERVERS[0], ports[1]))
        far = self.later.enter_context(door.accept()[0])
        return near, far


class Sent(NamedTuple):
    """A frame, who sends it, who may get it all the same, and the reason under which its drop is counted.

    The reason is "" where none is promised.
    """

    by: str
    frame: bytes
    may: tuple[str, ...] = ()
    reason: str = ""


Attempt = Callable[[Ground, bytes], Iterator[Sent]]


def attempt(function: Attempt) -> Attempt:
    """Count the function below among the attempts."""
    function.attempt = True  # type: ignore[attr-defined]
    return function


@cache
def attempts() -> dict[str, Attempt]:
    """Every attempt by the name of its group and its own, in the order of the files."""
    found: dict[str, Attempt] = {}
    for info in pkgutil.iter_modules(__path__, f"{__name__}."):
        module = importlib.import_module(info.name)
        group = info.name.rpartition(".")[2]
        for name, made in inspect.getmembers(module, lambda one: hasattr(one, "attempt")):
            found[f"{group}: {name.replace('_', ' ')}"] = made
    return found


def ether(source: str, target: str, *inside: Any, kind: int | None = None) -> bytes:
    """A frame, from its layers."""
    made: Packet = Ether(src=source, dst=target) if kind is None else Ether(src=source, dst=target, type=kind)
    for layer in inside:
        made = made / layer
    return bytes(made)


def udp(source: Who, target: Who, mark: bytes, **more: Any) -> bytes:
    """A datagram that carries the mark."""
    inside = IP(src=source.ip, dst=target.ip, **more) / UDP(sport=40000, dport=PORT) / Raw(mark)
    return ether(source.mac, target.mac, inside)


def frame(source: Who, target: Who, mark: bytes, layer: Any, **more: Any) -> bytes:
    """An IP packet with some layer in it that carries the mark."""
    return ether(source.mac, target.mac, IP(src=source.ip, dst=target.ip, **more) / layer / Raw(mark))


def from_everywhere(at: Ground, to: str, mark: bytes, layer: Any, reason: str, **more: Any) -> Iterator[Sent]:
    """To a guest from its own host, from the other one, and from the internet: each drop is counted so."""
    for by in ("mallory", "far"):
        yield Sent(by, frame(at[by], at[to], mark, layer, **more), reason=reason)
    yield Sent(OUTSIDE, frame(*at.from_outside(to), mark, layer, **more), reason=reason)
