"""A private Open vSwitch for tests: real programs, no kernel, no privileges, gone when the test is.

`ovs-vswitchd --enable-dummy=override` replaces every datapath by a simulated one in memory (ovs-vswitchd(8)); packets
go in and come out by `appctl`.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from sdnctl.base.process import die_with
from sdnctl.bridge.control import call
from sdnctl.of import message

BARRIER_XID = 0x7FFF0001
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


class Connection:
    """One OpenFlow connection over a Unix socket, for messages made by sdnctl.of."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(10)
        self._socket.connect(str(path))
        self._buffer = b""
        self.send(message.hello(0))
        assert message.kind_of(self.receive()) == message.HELLO

    def send(self, *messages: bytes) -> None:
        """Send them all, expecting nothing."""
        self._socket.sendall(b"".join(messages))

    def receive(self) -> bytes:
        """The next message; TimeoutError after 10 s, ConnectionError when the switch hung up."""
        while len(self._buffer) < 8 or len(self._buffer) < int.from_bytes(self._buffer[2:4], "big"):
            data = self._socket.recv(1 << 20)
            if not data:
                raise ConnectionError("the switch closed the connection")
            self._buffer += data
        length = int.from_bytes(self._buffer[2:4], "big")
        first, self._buffer = self._buffer[:length], self._buffer[length:]
        return first

    def ask(self, *messages: bytes) -> list[bytes]:
        """Send them and a barrier; everything that came before the barrier's reply."""
        self.send(*messages, message.barrier(BARRIER_XID))
        answers: list[bytes] = []
        while True:
            answer = self.receive()
            if message.kind_of(answer) == message.BARRIER_REPLY and message.xid_of(answer) == BARRIER_XID:
                return answers
            answers.append(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()


class DummySwitch:
    """A context manager: one ovsdb-server and one ovs-vswitchd in a directory of their own, with the bridge br-int."""

    def __init__(self, bridge: str = "br-int") -> None:
        self.bridge = bridge
        self.rundir = Path()
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def mgmt(self) -> Path:
        """The bridge's OpenFlow management socket."""
        return self.rundir / f"{self.bridge}.mgmt"

    @property
    def db(self) -> str:
        """The OVSDB of the switch, as `--db` takes it."""
        return f"unix:{self.rundir}/db.sock"

    @property
    def vswitchd(self) -> int:
        """The process id of ovs-vswitchd."""
        return self._processes[-1].pid

    def vsctl(self, *args: str) -> str:
        """Run ovs-vsctl; its output. subprocess.CalledProcessError when it fails."""
        return self._run("ovs-vsctl", f"--db={self.db}", "--timeout=5", *args)

    def ofctl(self, command: str, *args: str, text: str | None = None) -> str:
        """Run `ovs-ofctl -O OpenFlow14 COMMAND BRIDGE ARGS`; `text` is its standard input."""
        options = ("-O", "OpenFlow14", "--timeout=20")
        return self._run("ovs-ofctl", *options, command, f"unix:{self.mgmt}", *args, text=text)

    def appctl(self, *args: str) -> str:
        """Ask ovs-vswitchd what ovs-appctl(8) would; its answer. SwitchError when it refuses."""
        return call(str(self.rundir), *args, patience=10)

    def trace(self, flow: str, *args: str) -> str:
        """The switch's trace of this packet (ofproto/trace), in its own words; `flow` as ovs-ofctl writes a match."""
        return self.appctl("ofproto/trace", self.bridge, flow, *args)

    def add_port(self, name: str, number: int) -> None:
        """A simulated port with this OpenFlow number; what leaves it is kept for `sent`."""
        options = f"options:tx_pcap={self.rundir}/{name}.pcap"
        interface = ("--", "set", "interface", name, "type=dummy", f"ofport_request={number}", options)
        self.vsctl("add-port", self.bridge, name, *interface)

    def receive(self, port: str, frame: bytes) -> None:
        """Let this Ethernet frame come in at a port."""
        self.appctl("netdev-dummy/receive", port, frame.hex())

    def sent(self, port: str) -> list[bytes]:
        """The frames that have left a port (all of them, first to last)."""
        data = (self.rundir / f"{port}.pcap").read_bytes()
        frames, offset = [], 24
        while offset < len(data):
            length = int.from_bytes(data[offset + 8 : offset + 12], sys.byteorder)
            frames.append(data[offset + 16 : offset + 16 + length])
            offset += 16 + length
        return frames

    def connect(self) -> "Connection":
        """An OpenFlow 1.4 connection to the management socket, past hello; a context manager."""
        return Connection(self.mgmt)

    def __enter__(self) -> Self:
        self.rundir = Path(tempfile.mkdtemp(prefix="sdnctl-ovs-"))
        with ExitStack() as undo:
            undo.callback(self._stop)
            self._start()
            undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _start(self) -> None:
        self._run("ovsdb-tool", "create", str(self.rundir / "conf.db"), SCHEMA)
        self._spawn(
            "ovsdb-server",
            f"--remote=punix:{self.rundir}/db.sock",
            f"--unixctl={self.rundir}/ovsdb.ctl",
            str(self.rundir / "conf.db"),
        )
        self._until((self.rundir / "db.sock").exists)
        self.start_vswitchd()
        bridge = ("--", "add-br", self.bridge, "--", "set", "bridge", self.bridge)
        self.vsctl("--no-wait", "init", *bridge, "datapath_type=dummy", "fail_mode=secure")
        self._until(self.mgmt.exists)

    def start_vswitchd(self) -> None:
        """Run ovs-vswitchd, again after `kill_vswitchd`: its ports come back, its flows do not."""
        self._spawn("ovs-vswitchd", "--enable-dummy=override", f"--unixctl={self.rundir}/vswitchd.ctl", self.db)

    def answers(self) -> bool:
        """True when the bridge accepts OpenFlow connections."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            return probe.connect_ex(str(self.mgmt)) == 0

    def kill_vswitchd(self) -> None:
        """Kill ovs-vswitchd as a crash would; its sockets stay where they were."""
        process = self._processes.pop()
        process.send_signal(signal.SIGKILL)
        process.wait()

    def _stop(self) -> None:
        for process in reversed(self._processes):
            process.send_signal(signal.SIGKILL)
            process.wait()
        shutil.rmtree(self.rundir, ignore_errors=True)

    def _environment(self) -> dict[str, str]:
        return os.environ | {"OVS_RUNDIR": str(self.rundir), "OVS_LOGDIR": str(self.rundir)}

    def _spawn(self, program: str, *args: str) -> None:
        quiet = ("-vconsole:off", "-vsyslog:off", "-vfile:info", f"--log-file={self.rundir}/{program}.log")
        command = [program, *quiet, "--no-chdir", *args]
        with open(self.rundir / f"{program}.err", "wb") as errors:
            process = subprocess.Popen(
                command, env=self._environment(), stdout=errors, stderr=errors, preexec_fn=die_with(os.getpid())
            )
        self._processes.append(process)

    def _run(self, program: str, *args: str, text: str | None = None) -> str:
        done = subprocess.run(
            [program, *args], env=self._environment(), input=text, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, [program, *args], done.stdout, done.stderr)
        return done.stdout

    def _until(self, ready: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait for a file of the starting programs; RuntimeError with their log when one of them ends or none comes."""
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline or any(process.poll() is not None for process in self._processes):
                logs = "\n".join(path.read_text() for path in self.rundir.glob("*.[le][or][gr]"))
                raise RuntimeError(f"Open vSwitch did not start:\n{logs}")
            time.sleep(0.005)
