"""Every measurement, one after the other, each in a process of its own and bounded in time.

python -m bench [part ...]        parts: encode engine store api scale dataplane; all of them by default
"""

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

PARTS = {"encode": 60, "engine": 90, "store": 90, "api": 60, "scale": 150, "dataplane": 150}
"""Seconds that each may take at most."""


def machine() -> str:
    """What the figures were taken with and on."""
    switch = subprocess.run(["ovs-vswitchd", "--version"], capture_output=True, text=True, check=True).stdout
    model = next((x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name")), ": unknown")
    return ", ".join(
        (
            time.strftime("%Y-%m-%d %H:%M"),
            f"{os.cpu_count()} cores ({model.partition(':')[2].strip()})",
            f"Linux {platform.release()}",
            f"Python {platform.python_version()}",
            f"Open vSwitch {switch.splitlines()[0].split()[-1]}",
            f"os-ken {version('os-ken')}",
        )
    )


def main() -> int:
    """Run what was asked for; 1 when a part failed."""
    asked = sys.argv[1:] or list(PARTS)
    unknown = [part for part in asked if part not in PARTS]
    if unknown:
        print(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    print(machine())
    failed = 0
    for part in asked:
        if part == "dataplane" and os.geteuid() != 0:
            print("\n## dataplane: left out, network namespaces need root", flush=True)
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
