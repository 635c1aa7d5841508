"""This checkout beside an earlier commit, in turns in one run: engine to all flows, one change, encoding, memory.

    python -m bench.before_after [--before REVISION] [--after REVISION] [--rounds N] [--ports N]

``--after`` takes a commit in place of this checkout.  A commit is unpacked with `git archive` and runs with the same
Python and the same packages. Each round runs both, the order changing. A ratio is that of the best rounds: what else
the machine does can only add to a figure. Exit code 1 when anything is more than 5 % slower or larger.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.machine import machine
from bench.table import show

BEFORE = "4042f9f"
WORSE = 1.05
ROUNDS = 7
PORTS = 10_000
PROBE = Path(__file__).with_name("probe.py")
ROOT = PROBE.parent.parent


def unpack(revision: str, directory: Path) -> None:
    """Put a commit's files into a new directory; CalledProcessError when the history does not reach back to it."""
    directory.mkdir()
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", revision], check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "-x", "-C", str(directory)], input=archive, check=True)


def probe(checkout: Path, ports: int) -> dict[str, float]:
    """The figures of a checkout by name; smaller is better."""
    argv = [sys.executable, "-", str(ports)]
    environment = os.environ | {"PYTHONPATH": str(checkout), "PYTHONHASHSEED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        argv, cwd=checkout, env=environment, input=PROBE.read_text(), text=True, stdout=subprocess.PIPE, check=True
    )
    return {name: float(value) for name, value in json.loads(done.stdout).items()}


def measure(
    before: Path, after: Path, ports: int, rounds: int
) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """The figures of both checkouts, a round each; the first of each is not counted (caches are cold)."""
    figures: dict[Path, list[dict[str, float]]] = {before: [], after: []}
    for number in range(rounds + 1):
        for checkout in (before, after) if number % 2 else (after, before):
            found = probe(checkout, ports)
            if number:
                figures[checkout].append(found)
    return figures[before], figures[after]


class Compared(NamedTuple):
    """A figure's medians before and now, and how its best rounds compare."""

    before: float
    now: float
    ratio: float


def compare(old: Sequence[dict[str, float]], new: Sequence[dict[str, float]]) -> dict[str, Compared]:
    """Every figure of both sides."""
    found = {}
    for name in old[0]:
        was, now = [one[name] for one in old], [one[name] for one in new]
        found[name] = Compared(median(was), median(now), min(now) / min(was))
    return found


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description="this checkout beside an earlier commit")
    parser.add_argument("--before", default=BEFORE)
    parser.add_argument("--after", help="default: this checkout as it stands")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--ports", type=int, default=PORTS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sdnctl-before-") as directory:
        before, after = Path(directory, "before"), Path(directory, "after") if asked.after else ROOT
        unpack(asked.before, before)
        if asked.after:
            unpack(asked.after, after)
        load = os.getloadavg()[0]
        found = compare(*measure(before, after, asked.ports, asked.rounds))
    print(f"{machine()}; load {load:.1f} before, {os.getloadavg()[0]:.1f} after")
    rows = [[name, f"{one.before:.4g}", f"{one.now:.4g}", f"{one.ratio:.2f}"] for name, one in found.items()]
    title = f"{asked.before} and {asked.after or 'now'}, {asked.ports} ports, {asked.rounds} rounds in turns"
    show(title, ("what", "median before", "median now", "ratio of the best"), rows)
    worse = [name for name, one in found.items() if one.ratio > WORSE]
    if worse:
        print(f"more than {WORSE - 1:.0%} worse: {', '.join(worse)}", file=sys.stderr)
    return bool(worse)


if __name__ == "__main__":
    sys.exit(main())
