"""Every measurement, one after the other, each in a process of its own and bounded in time.

python -m bench [part ...]        parts: encode engine store api groups scale dataplane faults; all of them by default
python -m bench ovn|hosts|filters [...]   long ones, by themselves, with arguments of their own (--help)
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

from bench import filters, hosts, ovn
from bench.machine import machine

PARTS = {
    "encode": 60,
    "engine": 90,
    "store": 90,
    "api": 60,
    "groups": 120,
    "scale": 150,
    "dataplane": 150,
    "faults": 240,
}
"""Seconds that each may take at most."""
ROOT = {"dataplane", "faults"}
"""The parts that make network namespaces."""
LONG: Mapping[str, Callable[[list[str]], int]] = {"ovn": ovn.main, "hosts": hosts.main, "filters": filters.main}
"""Each by itself, with arguments of its own."""


def main() -> int:
    """Run what was asked for; 1 when a part failed."""
    if sys.argv[1:2] and sys.argv[1] in LONG:
        return LONG[sys.argv[1]](sys.argv[2:])
    asked = sys.argv[1:] or list(PARTS)
    unknown = [part for part in asked if part not in PARTS]
    if unknown:
        print(f"no such part: {', '.join(unknown)}; there are {', '.join((*PARTS, *LONG))}", file=sys.stderr)
        return 2
    print(machine())
    failed = 0
    for part in asked:
        if part in ROOT and os.geteuid() != 0:
            print(f"\n## {part}: left out, network namespaces need root", flush=True)
            continue
        print(f"\n## {part} (load average before: {os.getloadavg()[0]:.2f})\n", flush=True)
        began = time.monotonic()
        try:
            subprocess.run([sys.executable, "-m", f"bench.{part}"], check=True, timeout=PARTS[part])
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            failed = 1
            print(f"{part} failed: {error}", file=sys.stderr)
        print(f"({time.monotonic() - began:.0f} s)", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
