"""Benchmark of the store: committing, telling another process, loading a region of ten thousand ports.

``python -m bench.store [PORTS]`` starts a private ovsdb-server and prints milliseconds, seconds and MiB.  Each figure
is taken in a process of its own, as the API and a controller would be.
"""

import gc
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sdnctl.base.addresses import Cidr, Ip4, Mac
from sdnctl.model.resource import field, label, number, ref, resource
from sdnctl.store import Batch, Region, Txn
from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.store.server.single import Server

ROUNDS = 500


@resource(prefix="net")
class BenchNet:
    """A network."""

    id: str
    cidr: Cidr = field()


@resource(prefix="port", indexes=(("net", "addresses"), ("net", "host"), ("account",)))
class BenchPort:
    """A port with as many fields as a network interface has."""

    id: str
    account: str = field()
    net: str = ref("BenchNet")
    subnet: str = field(default="")
    mac: Mac = field()
    address: Ip4 = field()
    addresses: tuple[Ip4, ...] = field(default=())
    groups: tuple[str, ...] = field(default=())
    host: str = field(default="")
    key: int = number("bench_port", 1, 2**24 - 1)
    enabled: bool = field(default=True)
    acl: str = field(default="")
    name: str = label(default="")
    description: str = label(default="")
    created: float = label(default=0.0)


CLASSES = (Region, BenchNet, BenchPort)


def port(n: int) -> BenchPort:
    """The n-th port."""
    return BenchPort(
        id=f"port-{n:010d}",
        account="account-1",
        net="net-0000000001",
        subnet="subnet-0000000001",
        mac=Mac(0xFA163E000000 + n),
        address=Ip4(0x0A000000 + n),
        addresses=(Ip4(0x0A000000 + n),),
        groups=("sg-0000000001",),
        host=f"host-{n % 50}",
        key=n + 1,
        acl="acl-0000000001",
        name=f"port {n}",
        description="a port",
        created=1.7e9 + n,
    )


def rss() -> float:
    """Resident memory of this process now, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def percentiles(samples: list[float]) -> str:
    """p50 and p99 in milliseconds."""
    ordered = sorted(samples)
    return f"p50 {ordered[len(ordered) // 2] * 1e3:.2f} ms, p99 {ordered[len(ordered) * 99 // 100] * 1e3:.2f} ms"


def fill(store: OvsdbStore, ports: int) -> None:
    """Write the region, 500 ports a transaction."""
    started = time.perf_counter()
    store.transact(lambda txn: txn.put(BenchNet(id="net-0000000001", cidr=Cidr.parse("10.0.0.0/8"))))
    for first in range(0, ports, 500):
        made = [port(n) for n in range(first, min(first + 500, ports))]
        store.transact(put(made))
    print(f"write {ports} ports, 500 a transaction: {time.perf_counter() - started:.2f} s")


def put(records: list[BenchPort]) -> Callable[[Txn], None]:
    """Work that writes these."""

    def work(txn: Txn) -> None:
        for record in records:
            txn.put(record)

    return work


def load(remote: str) -> None:
    """Load everything into a fresh process, with the collector off as the controller does."""
    before = rss()
    gc.disable()
    started = time.perf_counter()
    store = OvsdbStore(remote, classes=CLASSES, timeout=60)
    with store.read() as state:
        took = time.perf_counter() - started
        count = len(state.all(BenchPort))
    print(f"load {count} ports: {took:.2f} s, {rss() - before:.0f} MiB more than the {before:.0f} MiB before")
    store.close()


def commit(remote: str) -> None:
    """Change one label a transaction, the way an API call does."""
    store = OvsdbStore(remote, classes=CLASSES, timeout=60)
    with store.read():
        pass
    samples = []
    for n in range(ROUNDS):
        started = time.perf_counter()
        store.transact(rename(n))
        samples.append(time.perf_counter() - started)
    print(f"commit: {percentiles(samples)}")
    store.close()


def rename(n: int) -> Callable[[Txn], None]:
    """Work that changes one port's name to the time of now."""

    def work(txn: Txn) -> None:
        known = txn.get(BenchPort, port(n % 100).id)
        assert known is not None
        txn.put(replace(known, name=f"{time.clock_gettime(time.CLOCK_MONOTONIC):.9f}"))

    return work


def notify(remote: str) -> None:
    """Print the time from a transaction's beginning, in another process, until its change is delivered here."""
    samples: list[float] = []

    def deliver(batch: Batch) -> None:
        now = time.clock_gettime(time.CLOCK_MONOTONIC)
        names = [change.new.name for change in batch.changes if change.cls is BenchPort and change.old is not None]
        samples.extend(now - float(name) for name in names)

    store = OvsdbStore(remote, classes=CLASSES, timeout=60)
    with store.read():
        pass
    store.subscribe(deliver)
    print("ready", flush=True)
    sys.stdin.readline()
    print(f"notify another process, from the start of the transaction: {percentiles(samples)}")
    store.close()


def again(role: str, remote: str) -> subprocess.Popen[str]:
    """This file in another process."""
    command = [sys.executable, "-m", "bench.store", role, remote]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def main(ports: int = 10_000) -> None:
    """Measure everything and print it."""
    with tempfile.TemporaryDirectory(prefix="sdnctl-bench-") as data:
        server = Server(Path(data), classes=CLASSES)
        server.prepare()
        process = subprocess.Popen(server.argv(), stderr=subprocess.DEVNULL)
        try:
            store = OvsdbStore(server.remote, classes=CLASSES, timeout=60)
            fill(store, ports)
            store.close()
            for _ in range(3):
                print(again("load", server.remote).communicate()[0], end="")
            listener = again("notify", server.remote)
            assert listener.stdout is not None
            listener.stdout.readline()
            print(again("commit", server.remote).communicate()[0], end="")
            print(listener.communicate("\n")[0], end="")
            size = Path(f"/proc/{process.pid}/statm").read_text().split()[1]
            print(f"ovsdb-server: {int(size) * os.sysconf('SC_PAGE_SIZE') / 2**20:.0f} MiB")
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    roles: dict[str, Callable[[str], None]] = {"load": load, "commit": commit, "notify": notify}
    if len(sys.argv) == 3:
        roles[sys.argv[1]](sys.argv[2])
    else:
        main(*map(int, sys.argv[1:]))
