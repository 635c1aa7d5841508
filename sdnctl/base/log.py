"""The log of the programs: one line an event, on stderr; stdout is for answers.

For people where a terminal listens, else JSON: an object a line with ``event``, ``level``, ``timestamp`` and the
event's own fields.  A request's ``request`` and ``sequence`` are in the API's log, ``sequence`` and ``host`` in the
controller's, so that a call can be followed to the switch (docs/operations.md).
"""

import logging
import os
import sys

import structlog

LEVEL, FORMAT = "SDNCTL_LOG", "SDNCTL_LOG_FORMAT"
"""The environment may ask for a level (debug, info, warning, error) and for a form (text, json)."""


def to_stderr() -> None:
    """Configure structlog for this process: events at info and above unless told otherwise, times in UTC."""
    level = logging.getLevelNamesMapping().get(os.environ.get(LEVEL, "").upper(), logging.INFO)
    terminal = sys.stderr.isatty()
    form = os.environ.get(FORMAT, "text" if terminal else "json")
    last: list[structlog.typing.Processor] = [structlog.dev.ConsoleRenderer(colors=terminal)]
    if form == "json":
        last = [
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
        ]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
