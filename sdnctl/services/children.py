"""Processes of services: they outlive whoever started them, are found again, and end only when they are told to.

``PLACE/NAME.process.json`` says which process it is: a pid alone could be somebody else's by now, so the time at which
the kernel started it is kept too (proc(5), ``/proc/PID/stat``, field 22).
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from sdnctl.base.paths import write_private
from sdnctl.base.process import readable

LOG_MAX = 16 << 20
ENDING = ".process.json"
log = structlog.get_logger("sdnctl.services")
Waits = Callable[[Awaitable[Any]], Awaitable[Any]]


def started(pid: int) -> int:
    """The time at which the kernel started a process, in clock ticks since boot; 0 when it is no more (or a zombie)."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return 0
    return 0 if words[0] in "ZX" else int(words[19])


class Process:
    """A process that is there or was; see ``program.service.Child``."""

    def __init__(self, file: Path, pid: int, since: int, fresh: bool, waits: Waits) -> None:
        """``waits`` awaits something that may take as long as it likes."""
        self.pid = pid
        self.fresh = fresh
        self._file = file
        self._since = since
        self._waits = waits

    def alive(self) -> bool:
        """See ``program.service.Child``."""
        if self.fresh:
            _reap(self.pid)
        return started(self.pid) == self._since

    async def ended(self) -> None:
        """See ``program.service.Child``; a pidfd tells, whoever's child it is (pidfd_open(2))."""
        try:
            end = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if self.alive():
                over = asyncio.Event()
                asyncio.get_running_loop().add_reader(end, over.set)
                await self._waits(over.wait())
        finally:
            asyncio.get_running_loop().remove_reader(end)
            os.close(end)
        _reap(self.pid)

    async def stop(self, seconds: float = 5.0) -> None:
        """See ``program.service.Child``."""
        await asyncio.to_thread(end, self.pid, self._since, seconds)
        self._file.unlink(missing_ok=True)


def _reap(pid: int) -> None:
    """Let a child of this very process go; one that was found again has another parent."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def end(pid: int, since: int, seconds: float) -> None:
    """End a process, if it is still the one that was started then; blocks until it is gone."""
    for sign, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
        if not since or started(pid) != since:
            return
        try:
            waits = os.pidfd_open(pid)
        except ProcessLookupError:  # it has ended just now
            return
        try:
            signal.pidfd_send_signal(waits, sign)
            readable(waits, patience)
        except ProcessLookupError:
            return
        finally:
            os.close(waits)
        _reap(pid)


async def find_or_start(place: Path, name: str, argv: Sequence[str], within: str, waits: Waits) -> Process:
    """The process ``name`` of a service with this command, in the network namespace ``within`` (empty: ours).

    One that runs with another command is ended first.
    """
    file = place / f"{name}{ENDING}"
    command = [*(("ip", "netns", "exec", within) if within else ()), *argv]
    known = read(file)
    if known and started(known["pid"]) == known["started"]:
        if known["command"] == command:
            return Process(file, known["pid"], known["started"], False, waits)
        await asyncio.to_thread(end, known["pid"], known["started"], 5.0)
    pid = await asyncio.to_thread(_start, place / f"{name}.log", command, place)
    since = started(pid)
    write_private(file, json.dumps({"pid": pid, "started": since, "command": command}))
    log.info("child started", child=name, pid=pid)
    return Process(file, pid, since, True, waits)


def _start(output: Path, command: list[str], place: Path) -> int:
    if output.exists() and output.stat().st_size > LOG_MAX:
        output.replace(output.with_suffix(".log.1"))
    with output.open("ab") as out:
        # A session of its own: a signal for the services' process does not reach it.
        made = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=place, start_new_session=True
        )
    made.returncode = 0  # subprocess is not to wait for it, or warn that nobody did: see Process
    return made.pid


def read(file: Path) -> dict[str, Any]:
    """The record of a process as a file has it; empty when there is none."""
    try:
        found: dict[str, Any] = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return found if {"pid", "started", "command"} <= found.keys() else {}


def end_all(place: Path) -> list[str]:
    """End every process of a service that is no more; their names."""
    ended = []
    for file in sorted(place.glob(f"*{ENDING}")):
        known = read(file)
        if known:
            end(known["pid"], known["started"], 5.0)
            ended.append(file.name.removesuffix(ENDING))
        file.unlink(missing_ok=True)
    return ended


def trim(place: Path) -> None:
    """Keep the logs of a service's processes small: of one that is too long the end is kept as ``.1``."""
    for path in place.glob("*.log"):
        if path.stat().st_size > LOG_MAX:
            with contextlib.suppress(OSError):  # the disk is full: then the end is lost, and there is room
                _keep_end(path, path.with_suffix(".log.1"))
            os.truncate(path, 0)


def _keep_end(path: Path, kept: Path) -> None:
    with path.open("rb") as old, kept.open("wb") as new:
        old.seek(-LOG_MAX, os.SEEK_END)
        shutil.copyfileobj(old, new)
