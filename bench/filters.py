"""Benchmark of what security groups cost a packet: throughput and new connections, beside OVN and one NORMAL flow.

    sudo python -m bench filters [--rules 1,10,100] [--rounds 7] [--seconds 2]

OVN and sdnctl have a laboratory each (../shared/peers/ovn/ovnbench.py): an ovs-vswitchd with the userspace datapath and
namespaces joined by veth.  Only one of them is used at a time, in turns: plain (one NORMAL flow), the pipeline of a VPC
without groups, the same with groups, OVN.  Both sides have the same rules in the same order, and before each round it
is seen that a port which no rule names is closed.  Ratios are medians of the rounds' ratios.
"""

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bench import peer
from bench.filtered import CLOSED, CONNECTS, STREAM, Ends, OurSide, OvnSide, variants
from bench.machine import machine
from bench.table import show
from sdnctl.program import feature

WARM_PINGS = 20
SOURCES, RATE = (6000, 64_000), 4000
"""Source ports, and the most connections a second: a 4-tuple used twice ends ovs-vswitchd 3.1 with OVN's flows."""
_CHECKS = itertools.count(2000)
KINDS = ("plain", "no groups", "groups", "OVN")


@dataclass(slots=True)
class Samples:
    """The values of one kind of path, one for each round."""

    megabits: list[float] = field(default_factory=list)
    cpu_gigabit: list[float] = field(default_factory=list)
    connections: list[float] = field(default_factory=list)
    cpu_connection: list[float] = field(default_factory=list)
    passes: list[float] = field(default_factory=list)


class Meter:
    """Measures one path after the other; ``lab`` is ovnbench as a module."""

    def __init__(self, lab: Any, seconds: int) -> None:
        self._lab = lab
        self._seconds = seconds
        self._used: Counter[str] = Counter()
        self.runs = _fresh(seconds)

    def measure(self, name: str, ends: Ends, samples: Samples) -> None:
        """One round of a path."""
        lab, home = self._lab, ends.lab
        lab.ping_p50(home, ends.sender, ends.address, WARM_PINGS)
        lab.unixctl(home.p("vswitchd.ctl"), "dpif-netdev/pmd-stats-clear")
        before = home.cpu()["ovs-vswitchd"]
        bits = self._stream(ends)
        between = home.cpu()["ovs-vswitchd"]
        samples.passes.append(lab.pmd_stats(home).get("avg. datapath passes per packet", 0.0))
        samples.megabits.append(bits / self._seconds / 1e6)
        samples.cpu_gigabit.append((between - before) / bits * 1e9)
        found = self._connect(name, ends)
        spent = home.cpu()["ovs-vswitchd"] - between
        samples.connections.append(found["rate"])
        samples.cpu_connection.append(spent / max(1, found["done"]) * 1e6)

    def _stream(self, ends: Ends) -> float:
        """The bits that a TCP stream delivers."""
        argv = ["ip", "netns", "exec", ends.sender, "iperf3", "-c", ends.address, "-p", str(STREAM), "-J"]
        done = subprocess.run([*argv, "-t", str(self._seconds)], capture_output=True, timeout=60, check=True)
        return float(json.loads(done.stdout)["end"]["sum_received"]["bytes"]) * 8

    def _connect(self, name: str, ends: Ends) -> dict[str, Any]:
        """Connections opened and closed one after the other, each from a source port of its own."""
        port, first = self.runs[self._used[name]]
        self._used[name] += 1
        argv = self._lab.self_argv("_conn_client", ends.address, port, self._seconds, first, RATE * self._seconds)
        run = ["ip", "netns", "exec", ends.sender, *argv]
        done = subprocess.run(run, capture_output=True, timeout=60, check=True)
        found: dict[str, Any] = json.loads(done.stdout)
        if found["failed"] > found["done"] / 100:
            raise RuntimeError(f"{name}: connections failed: {found}")
        return found


def _fresh(seconds: int) -> list[tuple[int, int]]:
    """The server's port and the first source port of each run of connections, none of which is used twice."""
    each, (first, last) = RATE * seconds, SOURCES
    return list(itertools.product(CONNECTS, range(first, last - each, each)))


def connects(ends: Ends, port: int) -> bool:
    """True when a port of the receiver answers; each time from a source port of its own."""
    code = f"import socket; socket.create_connection(({ends.address!r}, {port}), 2, ('', {next(_CHECKS)}))"
    argv = ["ip", "netns", "exec", ends.sender, sys.executable, "-c", code]
    return subprocess.run(argv, capture_output=True, timeout=10, check=False).returncode == 0


def check(name: str, ends: Ends, closed: bool) -> None:
    """The rules are in force: what they allow passes, and what none of them names does not."""
    for port in (STREAM, *CONNECTS):
        if not connects(ends, port):
            raise RuntimeError(f"{name}: port {port} does not answer")
    if connects(ends, CLOSED) is closed:
        raise RuntimeError(f"{name}: port {CLOSED} should be {'closed' if closed else 'open'}")


def run(given: argparse.Namespace) -> list[tuple[str, ...]]:
    """All variants, all rounds; the rows of the table."""
    lab = peer.laboratory()
    rows: list[tuple[str, ...]] = []
    with OurSide(lab) as ours, OvnSide(lab) as ovn:
        meter = Meter(lab, given.seconds)
        for variant in variants([int(count) for count in given.rules.split(",")]):
            ours.rule(variant)
            ovn.rule(variant)
            paths = {"plain": ours.plain, "no groups": ours.bare, "groups": ours.ends, "OVN": ovn.ends}
            for name, ends in paths.items():
                check(f"{variant.name}, {name}", ends, variant.closes and name in ("groups", "OVN"))
            found = {name: Samples() for name in KINDS}
            for number in range(given.rounds):
                turn = [*KINDS[number % len(KINDS) :], *KINDS[: number % len(KINDS)]]
                for name in turn:
                    meter.measure(name, paths[name], found[name])
            made = list(table(variant.name, found))
            print("\n".join(map(str, made)), f"load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
            rows.extend(made)
    return rows


def ratio(mine: Sequence[float], theirs: Sequence[float]) -> str:
    """The median of the rounds' ratios."""
    return f"{median(a / b for a, b in zip(mine, theirs, strict=True)):.2f}" if all(theirs) else "-"


def table(variant: str, found: dict[str, Samples]) -> Iterator[tuple[str, ...]]:
    """The rows of one variant: each kind, its medians, and its ratios to the plain switch and to OVN."""
    plain, ovn = found["plain"], found["OVN"]
    for name, one in found.items():
        yield (
            variant if name == KINDS[0] else "",
            name,
            f"{median(one.megabits):.0f}",
            ratio(one.megabits, plain.megabits),
            ratio(one.megabits, ovn.megabits),
            f"{median(one.cpu_gigabit):.2f}",
            ratio(one.cpu_gigabit, ovn.cpu_gigabit),
            f"{median(one.connections):.0f}",
            ratio(one.connections, plain.connections),
            ratio(one.connections, ovn.connections),
            f"{median(one.cpu_connection):.0f}",
            ratio(one.cpu_connection, ovn.cpu_connection),
            f"{median(one.passes):.2f}",
        )


HEAD = (
    "rules",
    "path",
    "Mbit/s",
    "to plain",
    "to OVN",
    "CPU s/Gbit",
    "to OVN",
    "conn/s",
    "to plain",
    "to OVN",
    "CPU us/conn",
    "to OVN",
    "passes/packet",
)


def main(arguments: list[str]) -> int:
    """Measure and print; 1 when something that is needed is not installed."""
    parser = argparse.ArgumentParser(prog="python -m bench filters", description=__doc__)
    parser.add_argument("--rules", default="1,10,100", help="numbers of rules")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2, help="of each stream, and of each run of connections")
    given = parser.parse_args(arguments)
    most = len(_fresh(given.seconds)) // (len(given.rules.split(",")) + 1)
    if given.rounds > most:
        parser.error(f"there are source ports for {most} rounds")
    missing = [name for name in (*peer.REQUIRED, "iperf3") if shutil.which(name) is None]
    if missing or not peer.script().exists() or os.geteuid() != 0:
        print(f"needed: root, {peer.script()}, and of the programs {', '.join(missing) or 'all are here'}")
        return 1
    feature.discover()
    began, before = time.monotonic(), os.getloadavg()[0]
    rows = run(given)
    print(machine())
    show(f"Security groups for a packet, medians of {given.rounds} rounds of {given.seconds} s", HEAD, rows)
    print(f"\nload before {before:.1f}, after {os.getloadavg()[0]:.1f}; {time.monotonic() - began:.0f} s")
    return 0
