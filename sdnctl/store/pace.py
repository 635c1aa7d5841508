"""When to try a broken connection again, and when to doubt a silent one: time goes in, decisions come out.

``ovs.reconnect`` has the same states, but waits no less than a second before it tries again; a store that was killed
is back within a tenth of that.
"""

FIRST_S = 0.02
LONGEST_S = 0.5
SILENCE_S = 5.0


class Pace:
    """Doubling waits between attempts, reset by a connection that outlived them; all times are monotonic seconds."""

    __slots__ = ("_connected", "_due", "_heard", "_probed", "_wait")

    def __init__(self) -> None:
        self._due = 0.0
        self._wait = FIRST_S
        self._connected = 0.0
        self._heard = 0.0
        self._probed = False

    def connected(self, now: float) -> None:
        """An attempt succeeded."""
        self._connected = self._heard = now
        self._probed = False

    def failed(self, now: float) -> None:
        """An attempt failed: wait twice as long before the one after next."""
        self._due = now + self._wait
        self._wait = min(self._wait * 2, LONGEST_S)

    def dropped(self, now: float) -> None:
        """A connection ended; one that is refused again and again does not count as success."""
        if now - self._connected > self._wait:
            self._wait = FIRST_S
        self.failed(now)

    def heard(self, now: float) -> None:
        """The other side said something."""
        self._heard = now
        self._probed = False

    def until_attempt(self, now: float) -> float:
        """Seconds to wait before the next attempt, 0 when it is due."""
        return max(0.0, self._due - now)

    def until_doubt(self, now: float) -> float:
        """Seconds of silence left before ``doubt``, 0 when it is due."""
        return max(0.0, self._heard + SILENCE_S * (2 if self._probed else 1) - now)

    def doubt(self) -> bool:
        """The silence has lasted: True for a probe, False to give the connection up, since it was probed in vain."""
        first, self._probed = not self._probed, True
        return first
