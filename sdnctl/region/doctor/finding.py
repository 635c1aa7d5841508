"""One thing that was looked at, and tools to look with."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "fail"
PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Finding:
    """The finding about one thing: ``state`` is ok, warn or fail, ``todo`` what to do where it is not ok."""

    check: str
    state: str
    says: str
    todo: str = ""


def ok(check: str, says: str) -> Finding:
    """A thing that is as it should be."""
    return Finding(check, OK, says)


def warn(check: str, says: str, todo: str) -> Finding:
    """A thing without which something will not work, or not well."""
    return Finding(check, WARN, says, todo)


def fail(check: str, says: str, todo: str) -> Finding:
    """A thing without which nothing works."""
    return Finding(check, FAIL, says, todo)


def output(command: Sequence[str]) -> str | None:
    """The output of a program; None when it is not there, fails or takes too long."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
