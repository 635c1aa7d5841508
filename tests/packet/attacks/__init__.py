"""Attempts to send what a network interface must not, to somebody who must not get it.

Each file is a group of attempts, each function one attempt; its docstring says what is tried.  An attempt yields
frames to send, which carry its mark.  Nobody may get the mark but those whom the attempt itself names (``may``): whom
an honest packet to the same place would reach too.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from apps.vpc.model import ROUTER_MAC
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


def scenario() -> Scenario:
    """Two tenants with the same addresses, on two hosts; ``free`` may send from any IP address, 10.0.0.99 is blue's."""
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
        ),
    )
    return Scenario("attacked", (Account("red", (red,)), Account("blue", (blue,))))


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

    def __getitem__(self, name: str) -> Who:
        return self.known[name]

    def public(self, name: str) -> str:
        """The elastic IP of a guest."""
        return self.region.public(name)

    def uplink(self, host: str) -> str:
        """The MAC address of a host on the public network."""
        return self.region.hosts[host].mac("public")


class Sent(NamedTuple):
    """A frame, who sends it, and who may get it all the same."""

    by: str
    frame: bytes
    may: tuple[str, ...] = ()


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
