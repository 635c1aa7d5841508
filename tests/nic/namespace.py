"""A network namespace of one test, with interfaces of its own; no interface of the machine is ever named."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sdnctl.base.process import die_with
from tests.outcome import Outcome

_NUMBERS = itertools.count()
ROOT = Path(__file__).parent.parent.parent
QUEUE_FILES = ("rps_cpus", "rps_flow_cnt", "xps_cpus")
FLOOD = """
import os, socket, struct, sys
nic, frames, cpu, flows = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
os.sched_setaffinity(0, {cpu})
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind((nic, 0))
def frame(flow):
    udp = struct.pack("!HHHH", 1024 + flow, 9, 26, 0) + bytes(18)
    ip = struct.pack("!BBHHHBBH4s4s", 69, 0, 46, 0, 0, 64, 17, 0, bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
    return b"\\xff" * 6 + b"\\x02\\0\\0\\0\\0\\1" + b"\\x08\\0" + ip + udp
made = [frame(flow) for flow in range(flows)]
for n in range(frames):
    try:
        out.send(made[n % flows])
    except BlockingIOError:
        pass
"""
TAP = """
import fcntl, os, struct, sys, time
name, queues = sys.argv[1].encode(), int(sys.argv[2])
fds = []
def more(queues):
    for _ in range(queues):
        fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", name, 0x0002 | 0x1000 | 0x0100))
        fds.append(fd)
    print("ready", flush=True)
more(queues)
for line in sys.stdin:
    if line.startswith("more"):
        more(int(line.split()[1]))
        continue
    queues = len(fds)
    frames, flows = map(int, line.split())
    for n in range(frames):
        port = struct.pack("!HHHH", 1024 + n % flows, 9, 26, 0) + bytes(18)
        ip = struct.pack("!BBHHHBBH4s4s", 69, 0, 46, 0, 0, 64, 17, 0, bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
        os.write(fds[n % flows % queues], b"\\xff" * 6 + b"\\x02\\0\\0\\0\\0\\1" + b"\\x08\\0" + ip + port)
    print("sent", flush=True)
"""
# Answers each line of arguments with what the command did: a new interpreter for each would take most of the time.
COMMANDS = """
import contextlib, io, json, sys
from sdnctl.cli import main
answers, sys.argv = sys.stdout, ["sdnctl"]
for line in sys.stdin:
    sys.argv[1:] = json.loads(line)
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    print(json.dumps([code, out.getvalue(), err.getvalue()]), file=answers, flush=True)
"""


class Namespace:
    """A context manager: the namespace, and a data directory for the journal."""

    def __init__(self, data: Path) -> None:
        self.name = f"sdnctl-nic-{os.getpid()}-{next(_NUMBERS)}"
        self.data = data
        self._running: list[subprocess.Popen[str]] = []
        self._commands: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in self._running:
            process.kill()
            process.wait()
        subprocess.run(["ip", "netns", "del", self.name], check=True)

    def run(self, *argv: str, check: bool = True) -> Outcome:
        """Run a program inside, with the namespace's own /sys."""
        done = subprocess.run(
            self._command(*argv), cwd=ROOT, env=self._environment(), capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, (argv, done.stdout, done.stderr)
        return Outcome(done.returncode, done.stdout, done.stderr)

    def spawn(self, *argv: str, stderr: int = subprocess.DEVNULL) -> "subprocess.Popen[str]":
        """Start a program inside, that one line at a time can be talked to; it ends with this object."""
        process = subprocess.Popen(
            self._command(*argv),
            cwd=ROOT,
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            preexec_fn=die_with(os.getpid()),
        )
        self._running.append(process)
        return process

    def nic(self, *args: str) -> Outcome:
        """``sdnctl nic ...`` inside."""
        if self._commands is None:
            self._commands = self.spawn(sys.executable, "-c", COMMANDS)
        assert self._commands.stdin is not None and self._commands.stdout is not None
        self._commands.stdin.write(json.dumps(["nic", *args, "--data", str(self.data)]) + "\n")
        self._commands.stdin.flush()
        return Outcome(*json.loads(self._commands.stdout.readline()))

    def done(self, *args: str) -> Any:
        """A command that must succeed; the document that it printed."""
        return self.nic(*args, "--json").json

    def refused(self, *args: str) -> str:
        """A command that must fail; what it said."""
        done = self.nic(*args)
        assert (done.code, done.out) == (1, ""), done
        return done.err.splitlines()[-1].removeprefix("error: ")

    def veth(self, name: str, peer: str, queues: int = 4) -> None:
        """A pair of interfaces with queues at both ends, up."""
        many = ("numtxqueues", str(queues), "numrxqueues", str(queues))
        self.run("ip", "link", "add", name, *many, "type", "veth", "peer", "name", peer, *many)
        for end in (name, peer):
            self.run("sysctl", "-qw", f"net.ipv6.conf.{end}.disable_ipv6=1")
            self.run("ip", "link", "set", end, "up")

    def tap(self, name: str, queues: int) -> "subprocess.Popen[str]":
        """A tap whose user opened so many queues; told "FRAMES FLOWS" it sends, told "more N" it opens more."""
        process = self.spawn(sys.executable, "-c", TAP, name, str(queues))
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        self.run("sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1")
        self.run("ip", "link", "set", name, "up")
        return process

    def flood(self, name: str, frames: int, cpu: int, flows: int = 512) -> None:
        """Send frames of many UDP flows out of an interface, from one CPU."""
        self.run(sys.executable, "-c", FLOOD, name, str(frames), str(cpu), str(flows))

    def raw(self, name: str) -> dict[str, str]:
        """Every setting of an interface as the kernel writes it, read by nothing of ours."""
        files = " ".join(f"queues/*/{file}" for file in QUEUE_FILES)
        shown = self.run("sh", "-c", f"cd /sys/class/net/{name} && grep -H '' {files} threaded 2>/dev/null; true").out
        found = dict(line.split(":", 1) for line in shown.splitlines())
        listed = self.run("ethtool", "-l", name, check=False).out.partition("Current")[2]
        return {**found, "channels": " ".join(listed.split())}

    def _command(self, *argv: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *argv]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "COLUMNS": "200", "SDNCTL_DATA": str(self.data)}
