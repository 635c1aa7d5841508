"""The pace of a link: the times to try a broken connection again and to doubt a silent one, decided without a clock.

``ovs.reconnect`` has the same states, but waits no less than a second before it tries again; a store that was killed
is back within a tenth of that.
"""

FIRST_S = 0.02
LONGEST_S = 0.5
SILENCE_S = 5.0
SILENCE_WITH_OTHERS_S = 1.5  # there is somebody else to go to
SILENCE_HERE_S = 1.5  # on this machine a question costs nothing
PATIENCE_S = 12.0  # the longest silence that is borne
FORGIVEN_S = 60.0


class Pace:
    """Doubling waits between attempts, reset by a connection that outlived them; all times are monotonic seconds.

    With several ``servers``, a wait is doubled when each of them has been tried.  A server that is busy with many
    clients looks silent too, so each time that a silence ends a connection, a longer one is borne.
    """

    __slots__ = (
        "_connected",
        "_due",
        "_heard",
        "_here",
        "_probed",
        "_servers",
        "_shortest",
        "_silence",
        "_untried",
        "_wait",
    )

    def __init__(self, servers: int = 1, here: bool = False) -> None:
        """``here``: the one server is on this machine, and no silence ends a connection to it."""
        self._here = here
        self._servers = self._untried = servers
        alone = SILENCE_HERE_S if here else SILENCE_S
        self._shortest = self._silence = alone if servers == 1 else SILENCE_WITH_OTHERS_S
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
        """An attempt failed: wait twice as long before the one after next, or when the next round has begun."""
        self._due = now + self._wait
        self._untried -= 1
        if self._untried <= 0:
            self._untried = self._servers
            self._wait = min(self._wait * 2, LONGEST_S)

    def dropped(self, now: float) -> None:
        """A connection ended; one that is refused again and again does not count as success."""
        if now - self._connected > self._wait:
            self._wait = FIRST_S
            self._untried = self._servers
        self.failed(now)

    def heard(self, now: float) -> None:
        """The other side said something."""
        self._heard = now
        if now - self._connected > FORGIVEN_S:
            self._silence = self._shortest
        self._probed = False

    def until_attempt(self, now: float) -> float:
        """Seconds to wait before the next attempt, 0 when it is due."""
        return max(0.0, self._due - now)

    def until_doubt(self, now: float) -> float:
        """Seconds of silence left before ``doubt``, 0 when it is due."""
        return max(0.0, self._heard + self._silence * (2 if self._probed else 1) - now)

    def doubt(self) -> bool:
        """The silence has lasted: True for a probe, False to believe it, since it was probed in vain."""
        if self._probed:
            if not self._here:
                self._silence = min(self._silence * 2, PATIENCE_S)
            return False
        self._probed = True
        return True
