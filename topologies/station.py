"""A computer in the scenario: a Mininet host that runs programs, pings, and can put any frame on its wire."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mininet.node import Host

from topologies import wires
from topologies.process import spawn, stop


class CommandError(Exception):
    """A program inside a station failed; the message has its output."""


class Station(Host):
    """A Mininet host (network and mount namespace of its own) whose programs end with it."""

    def __init__(self, name: str, **params: object) -> None:
        self._running: list[subprocess.Popen[str]] = []
        super().__init__(name, inNamespace=True, **params)
        self.run("ip", "link", "set", "lo", "up")
        # One ICMP error a second is Linux's default; traceroute and path-MTU tests ask for more.
        self.sysctl("net.ipv4.icmp_ratelimit=0", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv4.conf.all.rp_filter=0")

    def run(self, *argv: str, check: bool = True, timeout: float = 30.0, env: Mapping[str, str] | None = None) -> str:
        """Run a program in the station and return its output, both streams; CommandError when it fails."""
        done = subprocess.run(
            ["mnexec", "-a", str(self.pid), *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            env=env,
        )
        if check and done.returncode:
            raise CommandError(f"{self.name}: {' '.join(argv)} -> {done.returncode}: {done.stdout.strip()}")
        return done.stdout

    def spawn(
        self, argv: Sequence[str], log: Path | None = None, stdout: int | None = None, end: int = signal.SIGTERM
    ) -> "subprocess.Popen[str]":
        """Start a program in the station; it ends with the station at the latest."""
        process = spawn(argv, namespace=self.pid, log=log, stdout=stdout, end=end)
        self._running.append(process)
        return process

    def sysctl(self, *settings: str) -> None:
        """Set kernel parameters of this network namespace: "net.ipv4.ip_forward=1"."""
        self.run("sysctl", "-qw", *settings)

    def interface(
        self, name: str, *addresses: str, mac: str = "", mtu: int = 0, gateway: str = "", offload: bool = False
    ) -> None:
        """Configure an interface anew: its MAC, MTU, addresses with prefix length, the default route, and bring it up.

        Checksum offload goes off unless asked for: the userspace datapath reads raw frames and would pass on the
        unfinished checksums of TCP.
        """
        link = ["ip", "link", "set", name]
        if mac:
            self.run(*link, "address", mac)
        if not offload:
            self.run("ethtool", "-K", name, "tx", "off")
        self.run(*link, *(("mtu", str(mtu)) if mtu else ()), "up")
        self.run("ip", "address", "flush", "dev", name, "scope", "global")
        for address in addresses:
            self.run("ip", "address", "add", address, "dev", name)
        if gateway:
            self.run("ip", "route", "replace", "default", "via", gateway, "dev", name)

    def ping(self, target: str, *options: str, count: int = 3, interval: float = 0.05, wait: float = 5.0) -> int:
        """Send `count` echo requests, `interval` seconds apart; how many were answered within `wait` seconds.

        ping(8) itself waits so long for a first answer only: once it has one, no longer than two round trips.
        """
        with wires.Answers(self.pid) as answers:
            argv = ["ping", "-n", "-e", str(answers.number), "-c", str(count), "-i", str(interval), "-W", str(wait)]
            self.run(*argv, *options, target, check=False)
            # Without a single answer ping(8) has waited already.
            return answers.count(count, wait if answers.count(count, 0) else 0)

    def reaches(self, target: str, seconds: float = 5.0) -> bool:
        """Does `target` answer a ping within `seconds`? Returns at the first answer."""
        end = time.monotonic() + seconds
        while not self.ping(target, count=1, wait=0.3):
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    def send(self, *frames: bytes, interface: str = "eth0") -> None:
        """Put frames on the wire as they are."""
        wires.send(self.pid, interface, *frames)

    def sniff(self, interface: str = "eth0") -> wires.Sniffer:
        """Watch an interface during a `with` block."""
        return wires.Sniffer(self.pid, interface)

    def mac(self, interface: str = "eth0") -> str:
        """The interface's MAC address."""
        return self.run("cat", f"/sys/class/net/{interface}/address").strip()

    def terminate(self) -> None:
        """End everything that runs here, then the namespace."""
        for process in reversed(self._running):
            stop(process)
        self._running.clear()
        super().terminate()


def environment(**more: str) -> dict[str, str]:
    """This process's environment with changes; loopback is never asked through a proxy."""
    return os.environ | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"} | more
