"""The engine alone: records to flows in memory, without store, switch or threads; ports elsewhere are on 49 hosts.

    python -m bench.engine [ports ...]

CPU time of this process, the collector off while loading as the controller has it; each size in a process of its own,
because what a process has allocated before shows in its memory.
"""

import gc
import os
import subprocess
import sys
import time
from statistics import median

from bench.changes import SPARES, edits, spare_id
from bench.region import FIRST_OFPORT, HERE, Region, put
from bench.rig import resident
from bench.table import milliseconds, show
from sdnctl.base.addresses import Ip4
from sdnctl.engine.engine import Engine
from sdnctl.model.host import TUNNEL, Binding, Host, LocalPort, LocalTunnel
from sdnctl.program.feature import discover
from sdnctl.store import Batch, Change
from sdnctl.store.memory import MemoryStore, everything
from sdnctl.switch.bundle import Transfer
from sdnctl.switch.plan import Installed, plan

HOSTS = 50
ROUNDS = 5
CHANGES = 100
SIZES = (10_000, 50_000)


def region_store(region: Region) -> MemoryStore:
    """The region in a store in memory, every port bound to this host or to one of the others."""
    store = MemoryStore()
    region.fill(store.transact)
    here = {port.id for port in region.local()}
    hosts = [HERE, *(f"bench-{n}" for n in range(2, HOSTS + 1))]
    ends = [Host(id=id, encap_ip=Ip4(0xAC1F0001 + n), encap_type="geneve") for n, id in enumerate(hosts)]
    bindings = []
    for n in range(region.ports):
        port = region.port(n)
        host = HERE if port.id in here else hosts[1 + n % (HOSTS - 1)]
        bindings.append(Binding(id=port.id, port=port.id, vpc=port.vpc, host=host))
    store.report(put([*ends, *bindings]))
    return store


def local_changes(region: Region) -> list[Change]:
    """The ports of this host's switch, with some more for what will be added."""
    spares = [
        LocalPort(id=spare_id(n), ofport=FIRST_OFPORT + region.here + n, zone=region.here + n + 1)
        for n in range(SPARES)
    ]
    tunnel = LocalTunnel(id=TUNNEL, ofport=2, mtu=1450)
    return [Change(type(record), record.id, None, record) for record in [*region.local_records(), tunnel, *spares]]


def load(changes: list[Change]) -> tuple[Engine, float]:
    """A new engine that has seen all this, and the CPU seconds that took."""
    program = discover()
    gc.collect()
    gc.disable()
    began = time.process_time()
    engine = Engine(program, HERE)
    engine.apply(changes, strict=True)
    engine.prepare()
    took = time.process_time() - began
    gc.enable()
    return engine, took


def encode(engine: Engine) -> float:
    """CPU seconds from flows to the bytes that go into the socket."""
    began = time.process_time()
    messages = Transfer(plan(engine.desired, Installed()), 1, 1).messages()
    b"".join(messages)
    return time.process_time() - began


def single_changes(store: MemoryStore, region: Region, engine: Engine) -> list[list[str]]:
    """The cost of single changes in units, flow-mods and CPU."""
    installed = Installed()
    plan(engine.desired, installed).apply(installed)
    seen: dict[str, list[tuple[float, int, int]]] = {}
    kind = ""

    def deliver(batch: Batch) -> None:
        if not kind:
            return
        before, began = engine.runs, time.perf_counter()
        touched = engine.apply(batch.changes, strict=True)
        todo = plan(engine.desired, installed, touched)
        messages = Transfer(todo, 1, 1).messages() if not todo.empty else []
        took = time.perf_counter() - began
        todo.apply(installed)
        mods = len(todo.adds) + len(todo.deletes)
        assert bool(messages) != todo.empty
        seen.setdefault(kind, []).append((took, engine.runs - before, mods))

    store.subscribe(deliver)
    gc.freeze()
    for edit in edits(region, CHANGES):
        kind = edit.kind
        store.transact(edit.work)
    rows = []
    for name, timed in seen.items():
        took, units, mods = zip(*timed, strict=True)
        rows.append([name, milliseconds(took), str(max(units)), str(max(mods))])
    return rows


def one(ports: int) -> None:
    """Measure one size and print."""
    discover()
    region = Region(ports=ports)
    store = region_store(region)
    changes = everything(store.state) + local_changes(region)
    before = resident(os.getpid())
    engine, first = load(changes)
    size = resident(os.getpid()) - before
    loads = [first, *(load(changes)[1] for _ in range(ROUNDS - 1))]
    flows, units = len(engine.desired.flows), engine.runs
    cost = f"{min(loads):.2f} ({median(loads):.2f})"
    row = [str(ports), str(units), str(flows), cost, f"{min(encode(engine) for _ in range(ROUNDS)):.2f}", f"{size:.0f}"]
    head = ("ports", "units", "flows", "load s best (median)", "to messages s", "MiB beside the records")
    show(f"Engine alone, {ports} ports", head, [row])
    changed = single_changes(store, region, engine)
    show("One change, ms p50 / p99 to finished messages", ("change", "ms", "units", "flow-mods"), changed)


def main() -> None:
    """Measure every size."""
    for ports in [int(given) for given in sys.argv[1:]] or SIZES:
        subprocess.run([sys.executable, "-m", "bench.engine", "--one", str(ports)], check=True, timeout=120)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(int(sys.argv[2]))
    else:
        main()
