"""The log of the programs: one line an event, on stderr; stdout is for answers.

For people where a terminal listens, else JSON: an object a line with ``event``, ``level``, ``timestamp`` and the
event's own fields.  A request's ``request`` and ``sequence`` are in the API's log, ``sequence`` and ``host`` in the
controller's, so that a call can be followed to the switch (docs/operations.md).

Whatever is logged, a line is short, a kind of event has so many lines a second (``limits``), and writing one neither
fails nor waits: not on a full disk, and not for a reader that has stopped.  Libraries' own lines come the same way.
"""

import logging
import os
import select
import sys
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import structlog

from sdnctl.base.limits import Limits
from sdnctl.base.problem import Usage

LEVEL, FORMAT = "SDNCTL_LOG", "SDNCTL_LOG_FORMAT"
"""The environment may ask for a level and for a form."""
LEVELS, FORMATS = ("debug", "info", "warning", "error"), ("text", "json")
STDERR = 2
LINE_MOST = 4096
"""Bytes of a line with its end: as many as a pipe takes whole, without waiting, when it is writable (pipe(7))."""
TEXT_MOST, TRACE_MOST, ITEMS_MOST = 512, 2048, 64
"""Characters of a field, characters of a traceback (its end), and members of a list."""
SHORTER = (TEXT_MOST, 128, 32)
LEFT_OUT = "lines left out"
KINDS = ("code", "feature", "service")
"""Fields that tell kinds of one event apart."""
_LINES = "lines"

Event = structlog.typing.EventDict


def to_stderr() -> None:
    """Configure this process's log: events at info and above unless told otherwise, times in UTC.

    Raises Usage when the environment asks for what there is not.
    """
    terminal = sys.stderr.isatty()
    level = logging.getLevelNamesMapping()[_asked(LEVEL, LEVELS, "info").upper()]
    form = _asked(FORMAT, FORMATS, "text" if terminal else "json")
    render: Callable[..., Any] = structlog.dev.ConsoleRenderer(colors=terminal)
    if form == "json":
        render = structlog.processors.JSONRenderer(default=str, ensure_ascii=False)
    limits = Limits(_left_out)

    @cache
    def lines() -> Lines:  # when the first one is written
        return Lines(_stderr(), lambda: limits.count(_LINES))

    structlog.configure(
        processors=[
            Limited(limits),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            Short(render),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: lines(),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[Forward()], level=max(level, logging.WARNING), force=True)


def _stderr() -> int:
    """The descriptor of stderr, or of the process's own where a caller has put something without one in its place."""
    try:
        return sys.stderr.fileno()
    except OSError:
        return STDERR


class Limited:
    """A structlog processor: ends events of a kind of which there were enough in this second."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def __call__(self, logger: Any, method: str, event: Event) -> Event:
        """See structlog; raises DropEvent."""
        kind = str(event.pop("kind_of_line", event.get("event")))
        if kind != LEFT_OUT and not self._limits.admits(" ".join([kind[:128], *_told(event)]), method):
            raise structlog.DropEvent
        return event


def _told(event: Event) -> list[str]:
    return [f"{name}={str(event[name])[:64]}" for name in KINDS if name in event]


class Short:
    """A structlog processor: the event as a line that is no longer than it may be."""

    def __init__(self, render: Callable[..., Any]) -> None:
        self._render = render

    def __call__(self, logger: Any, method: str, event: Event) -> bytes:
        """See structlog."""
        line = b""
        for most in SHORTER:
            short = {name: cut(value, most, name == "exception") for name, value in event.items()}
            line = str(self._render(logger, method, short)).encode(errors="backslashreplace")
            if len(line) < LINE_MOST:
                return line
        few = {name: cut(event[name], SHORTER[-1]) for name in ("event", "level", "timestamp") if name in event}
        return str(self._render(logger, method, few)).encode(errors="backslashreplace")[: LINE_MOST - 1]


def cut(value: Any, most: int, trace: bool = False) -> Any:
    """A field's value, no longer than ``most`` characters; of a traceback the end is what matters."""
    if value is None or isinstance(value, int | float):
        return value
    if trace:
        most = most * TRACE_MOST // TEXT_MOST
        return value if len(value) <= most else f"… {value[-most:]}"
    if isinstance(value, list | tuple) and len(value) <= ITEMS_MOST:
        whole = sum(len(str(one)) for one in value)
        return value if whole <= most else cut(str(value), most)
    text = str(value[:ITEMS_MOST]) + "…" if isinstance(value, list | tuple) else str(value)
    if len(text) > most:
        return f"{text[:most]}… ({len(text) - most} more)"
    return value if isinstance(value, str | dict) else text


class Lines:
    """A structlog logger: writes lines to a descriptor, each whole or not at all, without failing and without waiting.

    A line that cannot be written is ``lost``; a line that was written in part, as on a full disk, is ended first.
    """

    def __init__(self, descriptor: int, lost: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._lost = lost
        self._lock = threading.Lock()
        self._broken = False
        self._ready = select.poll()
        self._ready.register(descriptor, select.POLLOUT)

    def msg(self, line: bytes) -> None:
        """Write one line."""
        with self._lock:
            whole = self._write((b"\n" if self._broken else b"") + line + b"\n")
        if not whole:
            self._lost()

    debug = info = warning = error = critical = exception = log = msg

    def _write(self, data: bytes) -> bool:
        try:
            if not self._ready.poll(0):
                return False
            written = os.write(self._descriptor, data)
        except OSError:
            return False
        self._broken = written < len(data)
        return not self._broken


class Forward(logging.Handler):
    """A handler of the standard library's loggers: their lines become events, with their logger's name."""

    def emit(self, record: logging.LogRecord) -> None:
        """See logging."""
        log = structlog.get_logger()
        more = {"exc_info": record.exc_info} if record.exc_info else {}
        kind = f"{record.name}: {record.msg}"[:128]
        log.log(record.levelno, record.getMessage(), logger=record.name, kind_of_line=kind, **more)


def _left_out(kind: str, count: int) -> None:
    structlog.get_logger().warning(LEFT_OUT, kind=kind, count=count)


def _asked(name: str, known: tuple[str, ...], default: str) -> str:
    """The value that a variable of the environment asks for."""
    value = os.environ.get(name) or default
    if value.lower() not in known:
        raise Usage(f"{name} must be {', '.join(known[:-1])} or {known[-1]}, not {value!r}")
    return value.lower()
