"""Helpers of tests that wait for another thread or program."""

from collections.abc import Callable

from topologies.process import wait_until


def eventually(true: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until something is true; AssertionError when it does not become so in time."""
    assert wait_until(true, seconds, 0.002), "it did not happen in time"
