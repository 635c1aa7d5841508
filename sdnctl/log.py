"""What the machine has to say about itself goes to stderr, one line an event; stdout is for answers."""

import logging
import sys

import structlog


def to_stderr() -> None:
    """Configure structlog for this process: events at info and above, times in UTC."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
