"""Keeps the programs of a region alive on one machine: the store, the API, the controller and the services.

Each is a process of its own, started again when it dies, with a back-off.  Traffic depends on none of them.  They never
outlive this one: the kernel kills them when it dies (prctl(2), PR_SET_PDEATHSIG).  Nothing here knows what they do.
"""

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import structlog

from sdnctl.base.paths import write_private
from sdnctl.base.problem import Problem
from sdnctl.base.process import die_with

BACKOFF_FIRST_S = 0.05
BACKOFF_MAX_S = 2.0
HEALTHY_S = 5.0  # who lived this long has earned a quick start again
STOP_S = 5.0  # what an orderly end may take before it is cut short
TRIES = 6  # deaths in a row before anything served: not bad luck, but a wrong set-up
LOG_MAX = 16 << 20
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

log = structlog.get_logger("sdnctl.up")


class Hopeless(Problem):
    """A child cannot be brought up; the message says which and what it said last."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One program to keep alive: ``argv`` is asked at every start; ``announce`` gets each start's first stdout line."""

    name: str
    argv: Callable[[], Sequence[str]]
    log: Path
    announce: Callable[[str], None] | None = None


@dataclass(slots=True)
class Child:
    """A spec and the process that serves it now, if any."""

    spec: Spec
    process: subprocess.Popen[bytes] | None = None
    pidfd: int = -1
    heard: bytearray = field(default_factory=bytearray)
    started: float = 0.0
    due: float = 0.0
    deaths: int = 0

    @property
    def backoff_s(self) -> float:
        """The wait before the next start, in seconds: 0.05, doubled with each early death, at most 2."""
        return min(BACKOFF_FIRST_S * 2.0 ** max(self.deaths - 1, 0), BACKOFF_MAX_S)


class Supervisor:
    """Runs specs until a signal ends it; single-threaded, because the death signal follows the starting thread."""

    def __init__(self, specs: Sequence[Spec], pids: Path) -> None:
        """``pids`` is the JSON file that says which process is which; specs start in the order given."""
        self._children = [Child(spec) for spec in specs]
        self._pids = pids
        self._selector = selectors.DefaultSelector()
        self._announced = not any(spec.announce for spec in specs)
        self._stopping = False

    def run(self) -> None:
        """Keep every child alive until SIGTERM, SIGINT or SIGHUP, then end them, last started first.

        Raises Hopeless when a child keeps dying before anything was announced.
        """
        with self._signals():
            try:
                while not self._stopping:
                    self._start_due()
                    # One event a round: handling it may close what the next one is about.
                    for key, _ in self._selector.select(self._patience())[:1]:
                        key.data()
            finally:
                self._stop_all()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Turn stop signals into a flag and a wake-up of the selector."""
        reader, writer = socket.socketpair()
        for end in (reader, writer):
            end.setblocking(False)
        self._selector.register(reader, selectors.EVENT_READ, lambda: reader.recv(64))
        before = {number: signal.signal(number, self._asked) for number in STOP_SIGNALS}
        wakeup = signal.set_wakeup_fd(writer.fileno())
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.close()
            reader.close()
            writer.close()

    def _asked(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True

    def _patience(self) -> float | None:
        """Seconds until the next start is due; None when all run."""
        due = [child.due for child in self._children if child.process is None]
        return max(min(due) - time.monotonic(), 0.0) if due else None

    def _start_due(self) -> None:
        for child in self._children:
            if child.process is None and child.due <= time.monotonic() and not self._stopping:
                self._start(child)

    def _start(self, child: Child) -> None:
        spec = child.spec
        stdout = subprocess.PIPE if spec.announce else None
        with _open_log(spec.log) as out:
            child.process = subprocess.Popen(
                list(spec.argv()),
                stdin=subprocess.DEVNULL,
                stdout=stdout or out,
                stderr=out,
                start_new_session=True,  # Ctrl-C is for the supervisor, which ends them in order
                preexec_fn=die_with(os.getpid()),
            )
        child.started = time.monotonic()
        child.pidfd = os.pidfd_open(child.process.pid)
        self._selector.register(child.pidfd, selectors.EVENT_READ, lambda: self._died(child))
        if child.process.stdout is not None:
            child.heard.clear()
            self._selector.register(child.process.stdout, selectors.EVENT_READ, lambda: self._hear(child))
        self._write_pids()
        log.info("started", child=spec.name, pid=child.process.pid)

    def _hear(self, child: Child) -> None:
        """Read what an announcing child prints; its first line is news, all else goes to its log."""
        assert child.process is not None
        pipe = child.process.stdout
        assert pipe is not None
        data = os.read(pipe.fileno(), 65536)
        if not data:
            self._selector.unregister(pipe)
            return
        if child.spec.announce is None or b"\n" in child.heard:
            with _open_log(child.spec.log) as out:
                os.write(out, data)
            return
        child.heard += data
        line, newline, rest = bytes(child.heard).partition(b"\n")
        if newline:
            child.spec.announce(line.decode(errors="replace"))
            self._announced = True
            with _open_log(child.spec.log) as out:
                os.write(out, rest)

    def _died(self, child: Child) -> None:
        """Reap a child and plan its next start."""
        name, code = child.spec.name, self._reap(child)
        lived = time.monotonic() - child.started
        child.deaths = 1 if lived >= HEALTHY_S else child.deaths + 1
        child.due = time.monotonic() + child.backoff_s
        log.warning("died", child=name, code=code, lived_s=round(lived, 2), again_in_s=child.backoff_s)
        if child.deaths >= TRIES and not self._announced:
            raise Hopeless(
                f"the {name} does not start (exit code {code}); its log {child.spec.log} ends:\n{_tail(child.spec.log)}"
            )

    def _reap(self, child: Child) -> int:
        """Forget a child's process, which is dead or about to be; its exit code, negative for a signal."""
        process, child.process = child.process, None
        assert process is not None
        code = process.wait()
        self._selector.unregister(child.pidfd)
        os.close(child.pidfd)
        if process.stdout is not None:
            with contextlib.suppress(KeyError):
                self._selector.unregister(process.stdout)
            process.stdout.close()
        self._write_pids()
        return code

    def _stop_all(self) -> None:
        """Ask each child to end, in the reverse of their order, and insist after a while."""
        for child in reversed(self._children):
            if child.process is None:
                continue
            child.process.terminate()
            try:
                child.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                log.warning("killed", child=child.spec.name, after_s=STOP_S)
                child.process.kill()
            log.info("stopped", child=child.spec.name, code=self._reap(child))
        self._pids.unlink(missing_ok=True)

    def _write_pids(self) -> None:
        pids = {c.spec.name: c.process.pid for c in self._children if c.process is not None}
        write_private(self._pids, json.dumps({"up": os.getpid(), **pids}))


@contextlib.contextmanager
def _open_log(path: Path) -> Iterator[int]:
    """An append-only descriptor of a log; one that has grown past 16 MiB becomes ``.1`` first."""
    if path.exists() and path.stat().st_size > LOG_MAX:
        path.replace(path.with_suffix(path.suffix + ".1"))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _tail(path: Path, lines: int = 8) -> str:
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 8192, 0))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
