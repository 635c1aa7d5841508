"""Programs that a topology starts: each is ended by its own pid, also when whoever started it dies.

Nothing here looks a process up by name, so that two topologies on one machine never touch each other's.
"""

import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from sdnctl.base.process import die_with

T = TypeVar("T")

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000  # setns(2)


def within(pid: int, work: Callable[[], T]) -> T:
    """Run `work` in the network namespace of process `pid`, in a thread of its own, and return its result.

    A socket stays in the namespace in which it was made, so this is how a test gets a raw socket inside a guest.
    """
    outcome: Future[T] = Future()

    def body() -> None:
        try:
            with open(f"/proc/{pid}/ns/net", "rb") as namespace:
                if _LIBC.setns(namespace.fileno(), _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            outcome.set_result(work())
        except OSError as error:
            outcome.set_exception(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    return outcome.result(timeout=0)


def spawn(
    argv: Sequence[str],
    *,
    namespace: int = 0,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdout: int | None = None,
    text: bool = True,
    end: int = signal.SIGTERM,
) -> "subprocess.Popen[str]":
    """Start a program, in the namespaces of process `namespace` if given, which gets signal `end` when we die.

    Output goes to the file `log`, or nowhere; `stdout=PIPE` gives the caller its standard output.
    """
    command = ["mnexec", "-a", str(namespace), *argv] if namespace else list(argv)
    with open(log or os.devnull, "ab") as sink:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink if stdout is None else stdout,
            stderr=sink,
            env=dict(env) if env is not None else None,
            text=text,
            preexec_fn=die_with(os.getpid(), end),
        )


def stop(process: "subprocess.Popen[str]", sign: int = signal.SIGTERM, patience: float = 5.0) -> int:
    """Send `sign`, wait at most `patience` seconds, then SIGKILL; return the exit code."""
    if process.poll() is None:
        process.send_signal(sign)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout:
        process.stdout.close()
    return process.returncode


def alive(pid: int) -> bool:
    """Is there a process with this pid that has not ended (a zombie has)?"""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(true: Callable[[], object], seconds: float, step: float = 0.02) -> bool:
    """Ask again and again until `true()` is, at most `seconds` long; tell whether it was."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(step)
    return True
