"""The rate of each account's calls: a call is charged for what it costs; who spends more is told to wait with 429.

A token bucket for each account (RFC 2697, one colour): it fills with the account's rate and holds two seconds of it.
The rate is the quota `requestRate`, in calls a second, which the operator may change; 0 lets nothing through. A call
costs one token, and one more for each thousand `STEPS` of work: before a list is looked at, and after a change is
made. What a call costs beyond the bucket is owed, for ten seconds at most. Buckets live in the memory of this process:
several API servers count each for itself.
"""

import threading
import time
from collections.abc import Callable

from sdnctl.api import quota
from sdnctl.api.cost import STEPS
from sdnctl.base.errors import IntentError

BURST_S, DEBT_S = 2.0, 10.0
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
        left = self.take(account, rate, 1, least=1)
        if left < 0:
            seconds = -left / rate if rate else 0.0
            again = f"try again in {seconds:.1f} s" if rate else "none is let through"
            text = f"calls cost more than the {rate} a second of the quota {RATE.name}: {again}"
            raise IntentError(None, text, 429, "RATE_LIMIT_EXCEEDED", seconds)

    def take(self, account: str, rate: int, tokens: int, least: float) -> float:
        """Take tokens, more than there are too, if there are at least so many.

        Returns how many there were beyond ``least``; less than 0, so many are missing and nothing was taken.
        """
        most = rate * BURST_S
        with self._lock:
            now = self._clock()
            left, at = self._buckets.get(account, (most, now))
            left = min(most, left + (now - at) * rate)
            enough = left >= least
            self._buckets[account] = (max(left - tokens, -rate * DEBT_S) if enough else left, now)
        return left - least


class Budget:
    """The account of a call while it is carried out: what it costs beyond its one token."""

    def __init__(self, limiter: Limiter, account: str, rate: int) -> None:
        self._limiter = limiter
        self._account = account
        self._rate = rate
        self._steps = self._taken = 0

    def spend(self, steps: int, what: str) -> None:
        """Pay for work before it is done; IntentError 429 that names the work, ``what``.

        A call that was let in may go as far beyond the bucket as it must, unless others have emptied it meanwhile.
        """
        tokens = self._tokens(steps)
        left = self._take(tokens, least=-self._taken) if tokens else 0.0
        if left < 0:
            text = f"{what} cost as much as {tokens} calls, and none of {self._rate} a second is left: wait or ask less"
            raise IntentError(None, text, 429, "RATE_LIMIT_EXCEEDED", -left / self._rate if self._rate else 0.0)

    def owe(self, steps: int) -> None:
        """Pay for work that is done."""
        tokens = self._tokens(steps)
        if tokens:
            self._take(tokens, least=float("-inf"))

    def _take(self, tokens: int, least: float) -> float:
        self._taken += tokens
        return self._limiter.take(self._account, self._rate, tokens, least)

    def _tokens(self, steps: int) -> int:
        tokens, self._steps = divmod(self._steps + steps, STEPS)
        return tokens
