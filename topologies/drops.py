"""``sdnctl drops`` of one machine, running beside a test."""

import json
import os
import subprocess
import sys
from typing import Any

from topologies.cloud import Cloud


class Drops:
    """The command for so many seconds; it counts when this is made."""

    def __init__(self, cloud: Cloud, machine: str, seconds: int = 8) -> None:
        argv = [sys.executable, "-m", "sdnctl", "drops", f"instance:{machine}", "--for", f"{seconds}s", "--json"]
        environment = {**os.environ, **cloud.owners[machine].keys, "SDNCTL_DATA": str(cloud.service.data)}
        self._process = subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True)
        self.looks: list[dict[str, Any]] = []
        while not self.looks or not self.looks[-1]["counting"]:
            if not self._look():
                raise RuntimeError(f"sdnctl drops ended with {self._process.wait(10)} before it counted")

    def _look(self) -> bool:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            self.looks.append(json.loads(line)["dropWatch"])
        return bool(line)

    def ended(self) -> dict[tuple[str, str], int]:
        """The packets by direction and reason, once it has ended by itself."""
        while self._look():
            pass
        if self._process.wait(10):
            raise RuntimeError(f"sdnctl drops ended with {self._process.returncode}")
        return {(line["direction"], line["reason"]): line["packets"] for line in self.looks[-1]["drops"]}
