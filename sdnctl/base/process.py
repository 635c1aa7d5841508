"""A program that is started for another one ends with it, also when that one is killed."""

import ctypes
import os
import signal
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with(parent: int, sign: int = signal.SIGKILL) -> Callable[[], None]:
    """For ``preexec_fn``: ask the kernel for a signal when the starting thread ends (prctl(2)), unless it is gone."""

    def prepare() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, sign, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return prepare
