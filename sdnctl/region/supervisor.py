"""Keeps the programs of a region alive on one machine: the store, the API, the controller and the services.

Each is a process of its own, started again when it dies, with a back-off.  Traffic depends on none of them.  They never
outlive this one: the kernel kills them when it dies (prctl(2), PR_SET_PDEATHSIG).  What they say comes through pipes
into log files that stay small, so none of them meets a full disk by speaking.  Nothing here knows what they do.
"""

import contextlib
import fcntl
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
from sdnctl.base.rotating import Rotating

BACKOFF_FIRST_S = 0.05
BACKOFF_MAX_S = 2.0
HEALTHY_S = 5.0  # who lived this long has earned a quick start again
STOP_S = 5.0  # what an orderly end may take before it is cut short
TRIES = 6  # deaths in a row before anything served: not bad luck, but a wrong set-up
PIPE_BYTES = 1 << 20  # what a child may say while this process is busy (fcntl(2), F_SETPIPE_SZ)
CHUNK = 1 << 16
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
    said: int = -1
    log: Rotating = field(init=False)
    heard: bytearray = field(default_factory=bytearray)
    started: float = 0.0
    due: float = 0.0
    deaths: int = 0

    def __post_init__(self) -> None:
        self.log = Rotating(self.spec.log)

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
        child.said, theirs = _pipe()
        child.process = subprocess.Popen(
            list(spec.argv()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if spec.announce else theirs,
            stderr=theirs,
            start_new_session=True,  # Ctrl-C is for the supervisor, which ends them in order
            preexec_fn=die_with(os.getpid()),
        )
        os.close(theirs)
        child.log.write(b"")  # so that it is there to look at
        child.started = time.monotonic()
        child.pidfd = os.pidfd_open(child.process.pid)
        self._selector.register(child.pidfd, selectors.EVENT_READ, lambda: self._died(child))
        self._selector.register(child.said, selectors.EVENT_READ, lambda: self._listen(child))
        if child.process.stdout is not None:
            child.heard.clear()
            self._selector.register(child.process.stdout, selectors.EVENT_READ, lambda: self._hear(child))
        self._write_pids()
        log.info("started", child=spec.name, pid=child.process.pid)

    def _listen(self, child: Child) -> bool:
        """Put what a child has said into its log; False when there is no more for now."""
        try:
            data = os.read(child.said, CHUNK)
        except BlockingIOError:
            return False
        if not data:  # it has closed its end, or is about to end
            self._selector.unregister(child.said)
            return False
        child.log.write(data)
        return True

    def _hear(self, child: Child) -> None:
        """Read what an announcing child prints; its first line is news, all else goes to its log."""
        assert child.process is not None
        pipe = child.process.stdout
        assert pipe is not None
        data = os.read(pipe.fileno(), CHUNK)
        if not data:
            self._selector.unregister(pipe)
            return
        if child.spec.announce is None or b"\n" in child.heard:
            child.log.write(data)
            return
        child.heard += data
        line, newline, rest = bytes(child.heard).partition(b"\n")
        if newline:
            child.spec.announce(line.decode(errors="replace"))
            self._announced = True
            if rest:
                child.log.write(rest)

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
        with contextlib.suppress(KeyError):  # it had closed its end before
            for _ in range(PIPE_BYTES // CHUNK):  # no more than fits: a child of the child may go on speaking
                if not self._listen(child):
                    break
            self._selector.unregister(child.said)
        os.close(child.said)
        child.said = child.pidfd = -1
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
            if not self._ends(child, STOP_S):
                log.warning("killed", child=child.spec.name, after_s=STOP_S)
                child.process.kill()
            log.info("stopped", child=child.spec.name, code=self._reap(child))
        self._pids.unlink(missing_ok=True)

    def _ends(self, child: Child, seconds: float) -> bool:
        """True once a child has ended, within some time; what all of them say meanwhile is listened to."""
        until = time.monotonic() + seconds
        pidfds = {other.pidfd for other in self._children}
        while (left := until - time.monotonic()) > 0:
            for key, _ in self._selector.select(left)[:1]:
                if key.fd == child.pidfd:
                    return True
                if key.fd not in pidfds:
                    key.data()
        return False

    def _write_pids(self) -> None:
        pids = {c.spec.name: c.process.pid for c in self._children if c.process is not None}
        try:
            write_private(self._pids, json.dumps({"up": os.getpid(), **pids}))
        except OSError as error:  # a full disk ends nobody
            log.warning("not written", file=str(self._pids), error=str(error))


def _pipe() -> tuple[int, int]:
    """Our end of a pipe, which never blocks, and a child's."""
    ours, theirs = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(ours, False)
    with contextlib.suppress(OSError):  # more than this user may have
        fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return ours, theirs


def _tail(path: Path, lines: int = 8) -> str:
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 8192, 0))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
