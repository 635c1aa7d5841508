"""The real programs of a host for the bench: a store, an Open vSwitch with simulated ports, and a controller process.

All of it lives in one temporary directory and ends with the ``with`` block, each process by its own pid.
"""

import contextlib
import copy
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.region import FIRST_OFPORT, HERE, UPLINK_OFPORT, Region
from sdnctl.model.host import HostStatus
from sdnctl.program import feature
from sdnctl.store import Batch
from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.store.server.single import Server
from sdnctl.testing.ovs import DummySwitch

UPLINK_PORT = "up0"
LIVE_S = 60.0


def resident(pid: int) -> float:
    """Resident memory of a process, in MiB."""
    return _pages(pid) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _pages(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1])


def peak(pid: int) -> float:
    """The most resident memory that a process ever had, in MiB (proc(5), VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu(pid: int) -> float:
    """CPU seconds that a process has used (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Watch:
    """Follows this host's row in the store: when the controller says that it is in step, and with how many flows."""

    def __init__(self, store: OvsdbStore) -> None:
        self.row: HostStatus | None = None
        self._changed = threading.Condition()
        store.subscribe(self._deliver)

    def _deliver(self, batch: Batch) -> None:
        for change in batch.changes:
            if change.cls is HostStatus and change.id == HERE:
                with self._changed:
                    self.row = change.new
                    self._changed.notify_all()

    def wait(self, reached: Callable[[HostStatus], bool], seconds: float = LIVE_S) -> float:
        """The time (``time.monotonic``) at which the row was as asked; TimeoutError when it does not come to that."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.row is not None and reached(self.row), seconds):
                raise TimeoutError(f"the controller did not get that far in {seconds} s: {self.row}")
        return time.monotonic()


class Rig:
    """A context manager: ``store`` is this process's own view of the region, as an API server has it."""

    def __init__(self, region: Region) -> None:
        self.region = region
        self.directory = tempfile.TemporaryDirectory(prefix="sdnctl-bench-")
        self.data = Path(self.directory.name)
        feature.discover()
        self.server = Server(self.data)
        self.switch = DummySwitch()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.store: OvsdbStore
        self.watch: Watch

    def __enter__(self) -> Self:
        try:
            self.server.prepare()
            self.spawn("store", self.server.argv())
            self.store = OvsdbStore(self.server.remote, timeout=60)
            self.watch = Watch(self.store)
            self.switch.__enter__()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        for name in list(self.processes):
            self.stop(name)
        self.switch.__exit__(None, None, None)
        self.directory.cleanup()

    def spawn(self, name: str, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a program; its output goes to NAME.log in the directory."""
        with (self.data / f"{name}.log").open("ab") as log:
            environment = os.environ | {"OVS_RUNDIR": str(self.switch.rundir), "SDNCTL_LOG_FORMAT": "text"}
            self.processes[name] = subprocess.Popen(argv, stdout=log, stderr=log, env=environment)
        return self.processes[name]

    def stop(self, name: str) -> None:
        """End a program."""
        process = self.processes.pop(name)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def controller(self) -> subprocess.Popen[bytes]:
        """Start the controller; it serves when ``watch`` says so."""
        program = [sys.executable, "-m", "sdnctl.agent.app"]
        return self.spawn("controller", [*program, "--store", self.server.remote, "--ovs-db", self.switch.db])

    def plug(self, names: Sequence[tuple[str, int, str]]) -> None:
        """Add simulated switch ports: name, OpenFlow number, and the network interface's id."""
        commands: list[str] = []
        for name, number, iface in names:
            commands += ["--", "add-port", self.switch.bridge, name, "--", "set", "interface", name, "type=dummy"]
            commands += [f"ofport_request={number}", *([f"external_ids:iface-id={iface}"] if iface else [])]
        self.switch.vsctl(*commands[1:])

    def plug_region(self) -> None:
        """The uplink and every port of the region that is here."""
        settings = (f"external_ids:sdnctl-host={HERE}", f"external_ids:sdnctl-uplink={UPLINK_PORT}")
        self.switch.vsctl("set", "Open_vSwitch", ".", *settings)
        ports = [(f"p{n}", FIRST_OFPORT + n, port.id) for n, port in enumerate(self.region.local())]
        self.plug([(UPLINK_PORT, UPLINK_OFPORT, ""), *ports])

    @contextlib.contextmanager
    def other_bridge(self) -> Iterator[DummySwitch]:
        """A second, empty bridge of the same ovs-vswitchd."""
        other = copy.copy(self.switch)
        other.bridge = "br-other"
        settings = ("datapath_type=dummy", "fail_mode=secure")
        other.vsctl("add-br", other.bridge, "--", "set", "bridge", other.bridge, *settings)
        try:
            yield other
        finally:
            other.vsctl("del-br", other.bridge)
