"""Our client of the store beside ovs.db.idl, without and with Open vSwitch's parser of JSON in C (decision 002).

    python -m bench.idl [PORTS ...]

One private ovsdb-server with the rows of `bench.store`; each client loads them into a fresh process, then hears single
changes that another process commits. The parser in C is ovs._json: packages of the ovs library on PyPI do not have it,
Debian's python3-openvswitch does, for Debian's own version of Python.
"""

import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from bench.store import CLASSES, BenchPort, fill, rename, rss
from bench.table import quantile, show
from sdnctl.store import Batch
from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.store.server.single import Server

DEBIAN = "/usr/lib/python3/dist-packages/ovs"
CHANGES = 200
PAUSE = 0.005
LOADS = 3
Figures = dict[str, Any]


def ours(remote: str, schema: str) -> None:
    """Follow with the client of this project."""
    delays: list[float] = []

    def deliver(batch: Batch) -> None:
        now = time.clock_gettime(time.CLOCK_MONOTONIC)
        delays.extend(
            now - float(one.new.name) for one in batch.changes if one.old is not None and one.cls is BenchPort
        )

    load = Load()
    store = OvsdbStore(remote, classes=CLASSES, timeout=60)
    with store.read() as state:
        load.done(len(state.all(BenchPort)))
    store.subscribe(deliver)
    sys.stdin.readline()
    load.tell(delays)
    store.close()


def idl(remote: str, schema: str) -> None:
    """Follow with the IDL, each row read as its users would: by attributes."""
    import ovs.db.idl
    import ovs.json
    import ovs.poller

    delays: list[float] = []

    class Following(ovs.db.idl.Idl):  # type: ignore[misc]
        def notify(self, event: str, row: Any, updates: Any = None) -> None:
            if event == "update" and row._table.name == "BenchPort":
                delays.append(time.clock_gettime(time.CLOCK_MONOTONIC) - float(row.name))

    helper = ovs.db.idl.SchemaHelper(location=schema)
    helper.register_all()
    load = Load(ovs.json.PARSER)
    following = Following(remote, helper)

    def until(true: Callable[[], bool]) -> None:
        following.run()
        while not true():
            poller = ovs.poller.Poller()
            following.wait(poller)
            poller.block()
            following.run()

    until(following.has_ever_connected)
    load.done(len(following.tables["BenchPort"].rows))
    until(lambda: len(delays) >= CHANGES)
    sys.stdin.readline()
    load.tell(delays)
    following.close()


def idl_c(remote: str, schema: str) -> None:
    """The IDL with the parser in C, taken from Debian's package."""
    import ovs

    ovs.__path__.append(DEBIAN)
    idl(remote, schema)


class Load:
    """A clock for one load and the changes after it; prints figures as lines of JSON."""

    def __init__(self, parser: str = "") -> None:
        gc.disable()
        self.parser, self.before = parser, rss()
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def done(self, rows: int) -> None:
        """Everything is there."""
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        more = rss() - self.before
        print(json.dumps({"rows": rows, "wall": wall, "cpu": cpu, "mib": more, "parser": self.parser}), flush=True)
        self.cpu = time.process_time()

    def tell(self, delays: list[float]) -> None:
        """The changes have been heard."""
        cpu = (time.process_time() - self.cpu) / max(1, len(delays))
        print(
            json.dumps({"heard": len(delays), "p50": quantile(delays, 0.5), "p99": quantile(delays, 0.99), "cpu": cpu})
        )


CLIENTS: dict[str, Callable[[str, str], None]] = {"ours": ours, "idl": idl, "idl_c": idl_c}
NAMES = {"ours": "sdnctl.store.ovsdb", "idl": "ovs.db.idl, parser in Python", "idl_c": "ovs.db.idl, parser in C"}


def once(client: str, server: Server, store: OvsdbStore) -> tuple[Figures, Figures]:
    """One client in a process of its own: its load, and how it heard changes."""
    schema = str(server.data / "bench.schema")
    argv = [sys.executable, "-W", "ignore", "-m", "bench.idl", client, server.remote, schema]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    loaded = json.loads(process.stdout.readline())
    time.sleep(0.3)
    for n in range(CHANGES):
        store.transact(rename(n))
        time.sleep(PAUSE)
    time.sleep(0.3)
    heard = json.loads(process.communicate("\n")[0])
    assert heard["heard"] >= CHANGES, heard
    return loaded, heard


def measure(ports: int) -> list[list[str]]:
    """A row for each client, medians of some loads in turns."""
    with tempfile.TemporaryDirectory(prefix="sdnctl-bench-") as data:
        server = Server(Path(data), classes=CLASSES)
        server.prepare()
        process = subprocess.Popen(server.argv(), stderr=subprocess.DEVNULL)
        try:
            store = OvsdbStore(server.remote, classes=CLASSES, timeout=60)
            fill(store, ports)
            with (server.data / "bench.schema").open("wb") as file:
                get = ["ovsdb-client", "get-schema", server.remote, "sdnctl"]
                subprocess.run(get, stdout=file, check=True)
            seen: dict[str, list[tuple[Figures, Figures]]] = {name: [] for name in CLIENTS}
            for _ in range(LOADS):
                for name, found in seen.items():
                    found.append(once(name, server, store))
            store.close()
        finally:
            process.terminate()
            process.wait()
    return [row(ports, NAMES[name], found) for name, found in seen.items()]


def row(ports: int, name: str, found: list[tuple[Figures, Figures]]) -> list[str]:
    """The figures of a client in words."""
    loads, changes = zip(*found, strict=True)

    def middle(figures: tuple[Figures, ...], key: str) -> float:
        return median(one[key] for one in figures)

    return [
        str(ports),
        name,
        f"{middle(loads, 'wall'):.2f} / {middle(loads, 'cpu'):.2f}",
        f"{middle(loads, 'mib'):.0f}",
        f"{middle(changes, 'p50') * 1e3:.2f} / {middle(changes, 'p99') * 1e3:.2f}",
        f"{middle(changes, 'cpu') * 1e3:.2f}",
    ]


def main() -> None:
    """Measure every size and print."""
    head = ("rows", "client", "load s wall / CPU", "MiB", "change heard ms p50 / p99", "CPU ms a change")
    rows = [line for ports in [int(given) for given in sys.argv[1:]] or (5_000, 10_000) for line in measure(ports)]
    show(f"Clients of the store, medians of {LOADS} loads in turns", head, rows)


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in CLIENTS:
        CLIENTS[sys.argv[1]](*sys.argv[2:])
    else:
        main()
