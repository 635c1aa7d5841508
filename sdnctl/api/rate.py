"""Each account may call so often; who calls more often is told to wait with 429, and nobody else is slowed down.

A token bucket for each account (RFC 2697, one colour): it fills with the account's rate and holds two seconds of it.
The rate is the quota `requestRate`, in calls a second, which the operator may change; 0 lets nothing through. Buckets
live in the memory of this process: several API servers count each for itself.
"""

import threading
import time
from collections.abc import Callable

from sdnctl.api import quota
from sdnctl.base.errors import IntentError

BURST_S = 2.0
RATE = quota.declare("requestRate", 200, lambda view, _: 0, within="a second", service="")


class Limiter:
    """The buckets of all accounts; any thread may ask."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds and never goes back."""
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}  # by account: tokens, and when they were counted

    def admit(self, account: str, rate: int) -> None:
        """Take one token of an account with this rate; raises IntentError 429 when there is none."""
        most = rate * BURST_S
        with self._lock:
            now = self._clock()
            tokens, at = self._buckets.get(account, (most, now))
            tokens = min(most, tokens + (now - at) * rate)
            enough = tokens >= 1
            self._buckets[account] = (tokens - 1 if enough else tokens, now)
        if not enough:
            text = f"more than {rate} calls a second: wait a moment and try again"
            raise IntentError(None, text, 429, "RATE_LIMIT_EXCEEDED")
