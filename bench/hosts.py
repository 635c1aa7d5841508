"""Fifty hosts and ten thousand ports on one machine: real agents on a real store, each with a switch that is none.

    python -m bench hosts [--hosts 50] [--ports 10000] [--vpcs 50] [--spread 10] [--rounds 10]

The ports of each VPC are spread over ``spread`` hosts.  The hosts share a few processes; what is measured is what the
controllers and the store do, not how a switch takes it (``bench ovn`` does that).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from apps.eip.model import ElasticIp
from apps.eip.writes import bind, unbind
from apps.eni.facts import mac_of
from apps.eni.model import NetworkInterface
from bench.region import Region, put
from bench.rig import resident
from bench.table import milliseconds, quantile, show
from sdnctl.base.addresses import Ip4
from sdnctl.model.host import Binding
from sdnctl.program import feature
from sdnctl.program.meters import POOL_LOW
from sdnctl.program.zones import POOL_LOW as ZONES_LOW
from sdnctl.store import Txn
from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.store.server.single import Server

LIVE_S = 600.0
STABLE_S, LATE_S = 1.5, 0.25
Figures = dict[int, list[Any]]
LIVE, FLOWS, MODS, RUNS, CHANGED = range(5)


@dataclass(frozen=True, slots=True)
class Spread:
    """The spread of ports over hosts."""

    region: Region
    hosts: int
    over: int

    def host(self, n: int) -> int:
        """The host of the ``n``-th port: each VPC has ``over`` hosts in a row."""
        subnet = n % self.region.subnets
        vpc, place = subnet % self.region.vpcs, n // self.region.subnets
        return (vpc + place % self.over) % self.hosts

    def ports(self) -> dict[int, list[str]]:
        """The ids of the ports on each host."""
        found: dict[int, list[str]] = {number: [] for number in range(self.hosts)}
        for n in range(self.region.ports):
            found[self.host(n)].append(self.region.port(n).id)
        return found

    def with_vpc(self, v: int) -> set[int]:
        """The hosts that have ports of a VPC."""
        return {(v + place) % self.hosts for place in range(self.over)}


class Workers:
    """The processes that hold the hosts."""

    def __init__(self, count: int, log: Path) -> None:
        argv = [sys.executable, "-c", "from bench.worker import main; main()"]
        with log.open("wb") as errors:
            self.running = [
                subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
                for _ in range(count)
            ]
        for process in self.running:
            self._answer(process)

    def _answer(self, process: subprocess.Popen[str]) -> Any:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("a worker has ended")
        return json.loads(line)

    def ask(self, number: int | None = None, **order: Any) -> list[Any]:
        """Give an order to all, or to the one that has a host; the answers."""
        asked = self.running if number is None else [self.of(number)]
        for process in asked:
            assert process.stdin is not None
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
        return [self._answer(process) for process in asked]

    def of(self, number: int) -> subprocess.Popen[str]:
        """The process that has a host."""
        return self.running[number % len(self.running)]

    def start(self, remote: str, ports: dict[int, list[str]]) -> None:
        """Bring all hosts up."""
        for place, process in enumerate(self.running):
            mine = {n: held for n, held in ports.items() if n % len(self.running) == place}
            assert process.stdin is not None
            process.stdin.write(json.dumps({"do": "start", "remote": remote, "hosts": mine}) + "\n")
            process.stdin.flush()
        for process in self.running:
            self._answer(process)

    def figures(self) -> Figures:
        """Of each host."""
        return {int(n): row for answer in self.ask(do="figures") for n, row in answer["hosts"].items()}

    def wrong(self) -> list[int]:
        """The hosts whose switch differs from what its controller wants."""
        return [number for answer in self.ask(do="right") for number in answer]

    def settled(self, stable: float = STABLE_S) -> Figures:
        """Wait until every host is in step and no switch has changed for a while."""
        end = time.monotonic() + LIVE_S
        while time.monotonic() < end:
            found = self.figures()
            if all(row[LIVE] for row in found.values()):
                last = max(row[CHANGED] for row in found.values())
                if time.monotonic() - last > stable:
                    return found
            time.sleep(min(0.5, stable / 3))
        raise TimeoutError("the hosts do not come to rest")

    def close(self) -> None:
        """End them."""
        for process in self.running:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass(slots=True)
class Bench:
    """Everything that a measurement needs."""

    store: OvsdbStore
    workers: Workers
    spread: Spread
    samples: dict[str, list[tuple[float, float, int, int, int, int]]]

    def change(self, kind: str, near: set[int], vpc: set[int], work: Callable[[], float]) -> None:
        """Make a change; ``near`` are the hosts whose own port it is about, ``vpc`` those that have its VPC."""
        before = self.workers.figures()
        began = work()
        time.sleep(LATE_S)
        after = self.workers.settled(LATE_S)
        runs = {n: after[n][RUNS] - before[n][RUNS] for n in after}
        mods = {n: after[n][MODS] - before[n][MODS] for n in after}
        took = {n: after[n][CHANGED] - began for n in after if mods[n]}
        own = max((took[n] for n in near if n in took), default=0.0)
        others = [n for n in after if n not in vpc]
        figures = own, max(took.values(), default=0.0), max(runs[n] for n in near)
        aside = max((runs[n] for n in vpc - near), default=0)
        self.samples.setdefault(kind, []).append(
            (*figures, aside, sum(runs[n] for n in others), sum(1 for n in after if mods[n]))
        )

    def transact(self, work: Callable[[Txn], Any]) -> float:
        """Commit something; when it was committed."""
        self.store.transact(work)
        return time.monotonic()

    def rounds(self, count: int) -> None:
        """Each kind of change ``count`` times; what is added is deleted again."""
        region, spread = self.spread.region, self.spread
        for n in range(count):
            like, second = region.port(n), region.port(n + region.subnets)
            vpc = spread.with_vpc(int(like.vpc.removeprefix("vpc-")))
            one, two = spread.host(n), spread.host(n + region.subnets)
            key = (1 << 20) + n
            address = Ip4(region.subnet(n % region.subnets).last - 1)
            port = replace(like, id=f"port-new{n:07d}", key=key, mac=mac_of(key), addresses=(address,))
            self.change("order a port", {one}, vpc, lambda: self.transact(put([port])))  # noqa: B023
            self.change("plug it in", {one}, vpc, lambda: self._plug("plug", one, port.id))  # noqa: B023
            self.change("unplug it", {one}, vpc, lambda: self._plug("unplug", one, port.id))  # noqa: B023
            gone = lambda txn: txn.delete(NetworkInterface, port.id)  # noqa: B023, E731
            self.change("delete it", {one}, vpc, lambda: self.transact(gone))  # noqa: B023
            self._eip(n, like, second, one, two, vpc)

    def _plug(self, what: str, host: int, port: str) -> float:
        began: float = self.workers.ask(host, do=what, host=host, port=port)[0]
        return began

    def _eip(self, n: int, like: NetworkInterface, second: NetworkInterface, one: int, two: int, vpc: set[int]) -> None:
        id = f"fip-new{n:07d}"
        address = Ip4(0x64400000 + 20_000 + n)
        eip = ElasticIp(
            id=id,
            account="acct-bench",
            pool="pool-bench",
            address=address,
            bandwidth=5,
            out_meter=POOL_LOW + 60_000 + 2 * n,
            in_meter=POOL_LOW + 60_001 + 2 * n,
            meter=POOL_LOW + 20_000 + n,
            piece_meter=POOL_LOW + 40_000 + n,
            out_zone=ZONES_LOW + 2 * n,
            in_zone=ZONES_LOW + 2 * n + 1,
        )

        def known(txn: Txn) -> ElasticIp:
            found = txn.get(ElasticIp, id)
            assert found is not None
            return found

        def add(txn: Txn) -> None:
            txn.put(eip)
            bind(txn, eip, like, like.addresses[0])

        self.change("add an EIP", {one}, vpc, lambda: self.transact(add))
        move = lambda txn: bind(txn, unbind(txn, known(txn)), second, second.addresses[0])  # noqa: E731
        self.change("move it to another host", {one, two}, vpc, lambda: self.transact(move))
        resize = lambda txn: txn.put(replace(known(txn), bandwidth=20))  # noqa: E731
        self.change("change its bandwidth", {two}, vpc, lambda: self.transact(resize))
        self.change("delete it (EIP)", {two}, vpc, lambda: self.transact(lambda txn: txn.delete(ElasticIp, id)))


def measure(given: argparse.Namespace, data: Path, store: OvsdbStore, server: int) -> None:
    """All of one region; ``server`` is the store's process id."""
    region = Region(ports=given.ports, here=0, eips=0, vpcs=given.vpcs)
    spread = Spread(region, given.hosts, given.hosts if given.vpcs == 1 else given.spread)
    began = time.monotonic()
    region.fill(store.transact)
    print(f"{given.ports} ports written in {time.monotonic() - began:.2f} s, load {os.getloadavg()[0]:.1f}", flush=True)
    workers = Workers(given.processes, data / "workers.log")
    try:
        row = bring_up(given, workers, spread, store)
        head = ("hosts", "VPCs", "all flows s", "CPU s a host", "flows of a host", "units run, most", "MiB a host")
        show("From nothing to all flows of all hosts", (*head, "store MiB"), [[*row, f"{resident(server):.0f}"]])
        bench = Bench(store, workers, spread, {})
        bench.rounds(given.rounds)
        report(bench)
        print(f"\nHosts whose switch differs from what its controller wants afterwards: {workers.wrong() or 'none'}.")
    finally:
        workers.close()


def bring_up(given: argparse.Namespace, workers: Workers, spread: Spread, store: OvsdbStore) -> list[str]:
    """Start all hosts and wait until every switch is right; what that took, as a row."""
    empty = workers.ask(do="figures")
    began = time.monotonic()
    workers.start(given.remote, spread.ports())
    found = workers.settled()
    wrong, bound = workers.wrong(), len(store.state.all(Binding))
    if wrong or bound != given.ports:
        raise RuntimeError(f"hosts {wrong} are not in step, {bound} of {given.ports} ports are bound")
    used = workers.ask(do="figures")
    spent, size = (sum(a[key] - b[key] for a, b in zip(used, empty, strict=True)) for key in ("cpu", "rss"))
    flows = [row[FLOWS] for row in found.values()]
    return [
        f"{given.hosts} x {given.ports // given.hosts} in {given.processes} processes",
        f"{given.vpcs} on {spread.over} hosts each",
        f"{max(row[CHANGED] for row in found.values()) - began:.1f}",
        f"{spent / given.hosts:.2f}",
        f"{min(flows)} to {max(flows)}",
        f"{max(row[RUNS] for row in found.values())}",
        f"{size / given.hosts:.1f}",
    ]


def report(bench: Bench) -> None:
    """Single changes."""
    rows = []
    for kind, samples in bench.samples.items():
        own, everybody, near, aside, others, hosts = zip(*samples, strict=True)
        times = [milliseconds(own), milliseconds(everybody)]
        counts = [str(max(near)), str(max(aside)), str(max(others)), f"{quantile(hosts, 0.5):.0f}"]
        rows.append([kind, *times, *counts])
    head = ("change, ms p50 / p99", "its own host", "the last host", "units: its host", "others of the VPC")
    show("Single changes, from the commit or the plugging", (*head, "all the rest together", "switches changed"), rows)


def main(arguments: list[str]) -> int:
    """Start a store, fill it, measure."""
    parser = argparse.ArgumentParser(prog="python -m bench hosts", description=__doc__)
    for name, default in (("hosts", 50), ("ports", 10_000), ("vpcs", 50), ("spread", 10), ("rounds", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="that the hosts share")
    given = parser.parse_args(arguments)
    feature.discover()
    with tempfile.TemporaryDirectory(prefix="sdnctl-bench-") as directory:
        data = Path(directory)
        server = Server(data)
        server.prepare()
        process = subprocess.Popen(server.argv(), stderr=subprocess.DEVNULL)
        try:
            store = OvsdbStore(server.remote, timeout=120)
            given.remote = server.remote
            measure(given, data, store, process.pid)
            store.close()
        finally:
            process.terminate()
            process.wait()
    return 0
