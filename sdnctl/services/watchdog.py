"""Ends the process when a service blocks it, or goes on without its lease; who keeps it alive starts it again.

A thread of its own looks, since nothing else runs while the loop is blocked.  ``DATA/services/blamed.json`` tells the
next process which service it was, so that this one starts later and its health says why.
"""

import asyncio
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import structlog

from sdnctl.base.paths import write_private
from sdnctl.services.lease import Tenure
from sdnctl.services.runner import CANCEL_S

LOOK_S = 0.25
STALL_S = 15.0
CODE = 3
log = structlog.get_logger("sdnctl.services")


class Watchdog:
    """Looks after one event loop."""

    def __init__(self, file: Path, tenures: Iterable[Tenure], end: Callable[[int], Any] = os._exit) -> None:
        """``file`` is where the blame is kept."""
        self._file = file
        self._tenures = tuple(tenures)
        self._end = end
        self._beat = time.monotonic()

    async def run(self) -> None:
        """Show that the loop turns, for ever."""
        loop, thread = asyncio.get_running_loop(), threading.get_ident()
        threading.Thread(target=self._look, args=(loop, thread), name="watchdog", daemon=True).start()
        while True:
            self._beat = time.monotonic()
            await asyncio.sleep(LOOK_S)

    def _look(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        while True:
            time.sleep(LOOK_S)
            now = time.monotonic()
            late = any(tenure.until and now > tenure.until + CANCEL_S for tenure in self._tenures)
            if late or now - self._beat > STALL_S:
                self._look_up(loop, thread, "without its lease" if late else f"for {STALL_S:g} s")
                sys.stderr.flush()
                self._end(CODE)
                return

    def _look_up(self, loop: asyncio.AbstractEventLoop, thread: int, what: str) -> None:
        task = asyncio.current_task(loop)
        name = task.get_name() if task is not None else ""
        frame = sys._current_frames().get(thread)
        where = traceback.extract_stack(frame)[-1] if frame is not None else None
        at = f" ({where.filename}, line {where.lineno})" if where is not None else ""
        error = f"it blocked every service of this machine {what}{at}: blocking work belongs into context.blocking()"
        blame(self._file, name, error)


def blame(file: Path, service: str, error: str) -> None:
    """Keep for the next process which service makes this one end, and why."""
    log.error("the services' process ends", service=service, error=error)
    times = blamed(file).get(service, (0, ""))[0] + 1
    write_private(file, json.dumps({service: [times, error]}))


def blamed(file: Path) -> dict[str, tuple[int, str]]:
    """The service that made the process before end: how many times in a row, and how."""
    try:
        return {name: (int(times), str(error)) for name, (times, error) in json.loads(file.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
