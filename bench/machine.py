"""The machine and the programs that figures were taken with."""

import os
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path


def machine() -> str:
    """Time, machine and versions in a line."""
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
