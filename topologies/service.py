"""The region's control plane as a program: `sdnctl up` beside a topology, and what tests do to it."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sdnctl.base.process import readable
from topologies.process import alive, spawn, stop, wait_until
from topologies.station import CommandError, environment

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("store", "api", "controller", "services")


def programs_of(checkout: Path) -> dict[str, str]:
    """An environment in which Python's modules are those of a checkout, whatever the directory it is started in."""
    return environment(PYTHONPATH=str(checkout), PYTHONSAFEPATH="1")


class Service:
    """One `sdnctl up`: started, asked, killed in whole or in part, and started again with the same data.

    `checkout` is the project whose programs run; another one may follow it on the same data.
    """

    def __init__(self, directory: Path, database: Path, region: str = "cn-north-1", checkout: Path = ROOT) -> None:
        self.data = directory / "data"
        self.checkout = checkout
        self.region = region
        self.listen = "127.0.0.1:0"
        self.account: dict[str, str] = {}
        self._database = database
        self._log = directory / "sdnctl.log"
        self._process: subprocess.Popen[str] | None = None

    @property
    def _env(self) -> dict[str, str]:
        return programs_of(self.checkout)

    @property
    def endpoint(self) -> str:
        """The API's address: "127.0.0.1:PORT"."""
        return self.account["endpoint"]

    def up(self, patience: float = 60.0) -> float:
        """Start it and wait for its first line; how many seconds that took. The port stays the same later on."""
        started = time.monotonic()
        argv = [sys.executable, "-m", "sdnctl", "up", "--data", str(self.data), "--listen", self.listen]
        argv += ["--ovs-db", f"unix:{self._database}", "--region", self.region]
        self._process = spawn(argv, log=self._log, env=self._env, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        ready = readable(self._process.stdout, patience)
        line = self._process.stdout.readline() if ready else ""
        if not line.strip():
            stop(self._process, signal.SIGTERM)
            raise CommandError(f"sdnctl up said nothing: {self.tail()}")
        self.account = json.loads(line)
        self.listen = self.endpoint
        return time.monotonic() - started

    def serves(self) -> bool:
        """True when the API would serve a call now, as it says itself (GET /readyz)."""
        with contextlib.closing(http.client.HTTPConnection(self.endpoint, timeout=5)) as door:
            try:
                door.request("GET", "/readyz")
                return door.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                return False

    def down(self) -> None:
        """The orderly end (SIGTERM)."""
        if self._process is not None:
            stop(self._process, signal.SIGTERM, 15)
            self._process = None

    def kill(self) -> None:
        """SIGKILL to the supervisor and everything it runs, at once."""
        assert self._process is not None
        pids = self.pids()
        stop(self._process, signal.SIGKILL)
        self._process = None
        for pid in pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(alive(pid) for pid in pids.values()), 5)

    def kill_part(self, part: str, patience: float = 20.0) -> float:
        """SIGKILL the store, the API or the controller; seconds until the supervisor has started another."""
        old = self.pids()[part]
        started = time.monotonic()
        os.kill(old, signal.SIGKILL)

        def replaced() -> bool:
            return (new := self.pids().get(part, old)) != old and alive(new)

        if not wait_until(replaced, patience):
            raise CommandError(f"{part} was not started again: {self.tail()}")
        return time.monotonic() - started

    def pids(self) -> dict[str, int]:
        """The processes that `up` supervises, by part."""
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            found = json.loads((self.data / "pids.json").read_text())
            return {part: int(found[part]) for part in PARTS if found.get(part)}
        return {}

    def cli(self, *args: str, json_output: bool = True) -> Any:
        """Run an `sdnctl` command on this region; its JSON, or text."""
        argv = [sys.executable, "-m", "sdnctl", *args, "--data", str(self.data), *(["--json"] if json_output else [])]
        done = subprocess.run(argv, env=self._env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise CommandError(f"sdnctl {' '.join(args)} -> {done.returncode}: {done.stderr.strip()} {done.stdout}")
        return json.loads(done.stdout) if json_output and done.stdout.strip() else done.stdout

    def tail(self, lines: int = 30) -> str:
        """The end of every log, for error messages."""
        logs = [self._log, *sorted(self.data.glob("*.log"))]
        return "\n".join(
            f"== {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
            for log in logs
            if log.exists()
        )
