"""Other programs on this machine: one that ends with who started it, and the age of one that runs."""

import ctypes
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with(parent: int, sign: int = signal.SIGKILL) -> Callable[[], None]:
    """For ``preexec_fn``: ask the kernel for a signal when the starting thread ends (prctl(2)), unless it is gone."""

    def prepare() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, sign, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def age(pid: int) -> float:
    """The seconds since a process was started (proc(5), ``starttime``); infinite when that cannot be told."""
    ticks = started(pid)
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK") if ticks else float("inf")


def started(pid: int) -> int:
    """The time at which a process was started, in clock ticks since the machine was; 0 when that cannot be told."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0


def readable(what: int | IO[Any] | socket.socket, seconds: float) -> bool:
    """Is there something to read within so many seconds? By poll(2): select(2) knows no descriptor above 1023."""
    waits = select.poll()
    waits.register(what, select.POLLIN)
    return bool(waits.poll(max(0.0, seconds) * 1000))
