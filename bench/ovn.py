"""OVN and sdnctl side by side: the same network, the same switch, the same operations, one run on one machine.

    python -m bench ovn [--sizes 100,1000,5000,10000] [--bound 200]     without --bound all ports are plugged in here

OVN's side is ../shared/peers/ovn/ovnbench.py beside the checkout, or $OVNBENCH; needs root and the packages that its
README names.  Figures are kept in bench/results/ovn.json, by size, and bench/results/ovn.md is made of all of them.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import against, ours, peer
from bench.machine import machine
from sdnctl.program import feature

RESULTS = Path(__file__).resolve().parent / "results"
SIZES = (100, 1000, 5000, 10_000)


def measure(size: int, bound: int | None, given: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """Both sides of one size, ours first."""
    loads = [os.getloadavg()[0]]
    print(f"{size} ports, {bound or size} here: sdnctl ...", file=sys.stderr, flush=True)
    made = ours.run(peer.laboratory(), size, bound, given.rounds, given.restarts)
    loads.append(os.getloadavg()[0])
    time.sleep(given.pause)
    print(f"{size} ports, {bound or size} here: OVN ...", file=sys.stderr, flush=True)
    loads.append(os.getloadavg()[0])
    ovn = peer.run(size, bound, given.ovn_rounds, given.restarts, directory)
    loads.append(os.getloadavg()[0])
    return {"when": time.strftime("%Y-%m-%d %H:%M"), "machine": machine(), "loads": loads, "ovn": ovn, "ours": made}


def keep(found: dict[str, Any], out: Path) -> str:
    """Add these sizes to those already measured; the report of all."""
    out.mkdir(exist_ok=True)
    file = out / "ovn.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    known |= found
    known = dict(sorted(known.items(), key=lambda item: [int(n) for n in item[0].split("/")]))
    file.write_text(json.dumps(known, indent=1) + "\n")
    text = against.report(known)
    (out / "ovn.md").write_text(text)
    return text


def main(arguments: list[str]) -> int:
    """Measure, keep and print; 1 when something that is needed is not installed."""
    parser = argparse.ArgumentParser(prog="python -m bench ovn", description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="numbers of ports")
    parser.add_argument("--bound", type=int, help="plug in only so many of them")
    parser.add_argument("--rounds", type=int, default=20, help="single changes of each kind on our side")
    parser.add_argument("--ovn-rounds", type=int, default=5, help="single changes of each kind on OVN's side")
    parser.add_argument("--restarts", type=int, default=1, help="restarts of each kind")
    parser.add_argument("--pause", type=float, default=5.0, help="seconds of rest between both sides")
    parser.add_argument("--out", type=Path, default=RESULTS, help="directory for the results")
    parser.add_argument("--report", action="store_true", help="measure nothing, print the report of what is kept")
    given = parser.parse_args(arguments)
    if given.report:
        print(keep({}, given.out))
        return 0
    missing = [name for name in peer.REQUIRED if shutil.which(name) is None]
    if missing or not peer.script().exists() or os.geteuid() != 0:
        print(f"needed: root, {peer.script()}, and of the programs {', '.join(missing) or 'all are here'}")
        return 1
    feature.discover()
    sys.setswitchinterval(peer.HANDOVER_S)
    text = ""
    with tempfile.TemporaryDirectory(prefix="sdnctl-ovn-") as directory:
        for size in map(int, given.sizes.split(",")):
            bound = given.bound if given.bound and given.bound < size else None
            text = keep({f"{size}/{bound or size}": measure(size, bound, given, Path(directory))}, given.out)
    print(text)
    return 0
