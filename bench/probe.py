"""The figures of one checkout for `bench.before_after`, as JSON: CPU milliseconds and MiB, smaller is better.

It is read from standard input in the checkout that it measures, which may be an earlier commit: it uses only what
`bench.engine` and `bench.encode` have had all along, by their names there.  No port is in a security group: that is a
feature which an earlier commit may lack.
"""

import dataclasses
import gc
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from bench import encode, engine

LOADS = 4
FLOWS = 10_000
TRANSFER = getattr(engine, "Transfer", None) or engine.Flight
AGENTS = ("sdnctl.agent.app", "sdnctl.controller")
"""The program of a host, by its name now and before."""
STATUS = "import {}, re; print(re.search(r'VmRSS:\\s+(\\d+)', open('/proc/self/status').read())[1])"


def all_flows(region, store):
    """CPU ms from records to flows and from flows to messages, and MiB of the engine beside the records."""
    changes = engine.everything(store.state) + engine.local_changes(region)
    gc.collect()
    before = engine.resident(os.getpid())
    built, first = engine.load(changes)
    size = engine.resident(os.getpid()) - before
    loads = [first, *(engine.load(changes)[1] for _ in range(LOADS - 1))]
    figures = {"engine, records to all flows, ms": min(loads) * 1e3}
    figures["all flows to messages, ms"] = min(engine.encode(built) for _ in range(LOADS)) * 1e3
    figures["engine beside the records, MiB"] = size
    return built, figures


def one_change(region, store, built):
    """CPU ms of one change to finished messages, the median of each kind."""
    installed = engine.Installed()
    engine.plan(built.desired, installed).apply(installed)
    took, kind = {}, ""

    def deliver(batch):
        began = time.process_time_ns()
        touched = built.apply(batch.changes, strict=True)
        todo = engine.plan(built.desired, installed, touched)
        if not todo.empty:
            TRANSFER(todo, 1, 1).messages()
        took.setdefault(kind, []).append(time.process_time_ns() - began)
        todo.apply(installed)

    store.subscribe(deliver)
    gc.collect()
    gc.freeze()
    for edit in engine.edits(region, engine.CHANGES):
        kind = edit.kind
        store.transact(edit.work)
    took.pop("", None)
    figures = {f"{name}, ms": median(samples) / 1e6 for name, samples in took.items()}
    return {"one change, all kinds, ms": sum(figures.values()) / len(figures), **figures}


def imports():
    """MiB of the controller before it has done anything."""
    name = next(name for name in AGENTS if Path(*name.split(".")).with_suffix(".py").exists())
    done = subprocess.run([sys.executable, "-c", STATUS.format(name)], check=True, capture_output=True, text=True)
    return int(done.stdout) / 1024


def main():
    """Measure this checkout."""
    assert Path(engine.__file__).is_relative_to(Path.cwd()), engine.__file__
    ports = int(sys.argv[1])
    gc.disable()
    figures = {"a flow built, hashed and framed, us": 1e6 / encode.per_second(encode.build_and_frame, FLOWS)}
    gc.enable()
    engine.discover()
    known = {field.name for field in dataclasses.fields(engine.Region)}
    region = engine.Region(ports=ports, **({"grouped": False} if "grouped" in known else {}))
    store = engine.region_store(region)
    built, more = all_flows(region, store)
    figures |= more | one_change(region, store, built)
    figures["controller's imports, MiB"] = imports()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
