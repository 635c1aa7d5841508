"""One program of a region's control plane: started in a station, killed as a crash would, started again."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sdnctl.base.process import readable
from topologies.process import alive, spawn, stop, wait_until
from topologies.service import ROOT, programs_of
from topologies.station import CommandError, Station


class Program:
    """`sdnctl` with some arguments in the namespaces of a station; its output goes to a log of its own."""

    def __init__(self, name: str, station: Station, argv: Sequence[str], log: Path, announces: bool = False) -> None:
        """`announces`: its first line on stdout is JSON and says where it serves."""
        self.name = name
        self.station = station
        self.log = log
        self.checkout = ROOT
        self._argv = [sys.executable, "-m", "sdnctl", *argv]
        self._announces = announces
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, the first time or again."""
        assert self._process is None or self._process.poll() is not None
        stdout = subprocess.PIPE if self._announces else None
        env = programs_of(self.checkout)
        self._process = spawn(self._argv, namespace=self.station.pid, log=self.log, env=env, stdout=stdout)

    def first_line(self, patience: float = 60.0) -> Any:
        """The JSON that it says when it serves."""
        assert self._process is not None and self._process.stdout is not None
        ready = readable(self._process.stdout, patience)
        line = self._process.stdout.readline() if ready else ""
        if not line.strip():
            raise CommandError(f"{self.name} said nothing: {self.tail()}")
        return json.loads(line)

    def listening(self, port: int, patience: float = 30.0) -> None:
        """Wait until something in its station listens on a TCP port; CommandError when it ends before."""

        def there() -> bool:
            return f":{port} " in self.station.run("ss", "-Hltn") or not self.running

        if not wait_until(there, patience, 0.05) or not self.running:
            raise CommandError(f"{self.name} does not listen on port {port}: {self.tail()}")

    @property
    def running(self) -> bool:
        """True until it has ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pids(self) -> list[int]:
        """Its process and all that those started, parents first."""
        found = [self._process.pid] if self._process is not None else []
        for pid in found:
            found += children(pid)
        return [pid for pid in found if alive(pid)]

    def kill(self) -> None:
        """SIGKILL to it and to everything that it has started, at once."""
        pids = self.pids
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(alive(pid) for pid in pids), 5)
        self.stop()

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """During a `with` block it does nothing at all (SIGSTOP)."""
        pids = self.pids
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def stop(self) -> int:
        """The orderly end; its exit code."""
        process, self._process = self._process, None
        return stop(process, signal.SIGTERM, 15) if process is not None else 0

    def tail(self, lines: int = 20) -> str:
        """The end of its log, for error messages."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return f"== {self.log}\n" + "\n".join(text.splitlines()[-lines:])


def children(pid: int) -> list[int]:
    """The processes that one has started and that have not ended (proc(5), children)."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(one) for task in tasks for one in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
