"""What every test that waits for another thread or program needs."""

from collections.abc import Callable

from topologies.process import wait_until


def eventually(true: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until something is true; AssertionError when it does not become so in time."""
    assert wait_until(true, seconds, 0.002), "it did not happen in time"
