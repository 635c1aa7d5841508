"""A limit for lines of the log: so many of each kind in a second, and then one that says how many were left out."""

import threading
import time
from collections.abc import Callable

SECOND = 1.0
MOST = {"debug": 200, "info": 200, "warning": 20}
"""Lines of a kind in a second, by level; of others ``FEW``."""
FEW = 10
KINDS_MOST = 256
OTHERS = "others"


class _Kind:
    """One kind of line: since when it is counted, how many lines were admitted since, how many left out."""

    __slots__ = ("admitted", "left_out", "since")

    def __init__(self) -> None:
        self.since, self.admitted, self.left_out = -SECOND, 0, 0


class Limits:
    """The limits of all kinds; any thread may ask.  Kinds beyond 256 share one limit, so that memory is bounded."""

    def __init__(
        self, tell: Callable[[str, int], None], clock: Callable[[], float] = time.monotonic, later: bool = True
    ) -> None:
        """``tell`` is told of a kind and a number of lines left out, at most once a second and within two.

        It is called by a timer's thread; without ``later`` by whoever calls ``flush``.
        """
        self._tell = tell
        self._clock = clock
        self._later = later
        self._lock = threading.Lock()
        self._kinds: dict[str, _Kind] = {}
        self._timer = False

    def admits(self, kind: str, level: str) -> bool:
        """True when a line of this kind may be written now; else it is counted."""
        now = self._clock()
        with self._lock:
            known = self._kind(kind)
            if now - known.since >= SECOND:
                known.since, known.admitted = now, 0
            known.admitted += 1
            if known.admitted <= MOST.get(level, FEW):
                return True
        self.count(kind)
        return False

    def count(self, kind: str) -> None:
        """Note that a line of this kind was left out."""
        with self._lock:
            self._kind(kind).left_out += 1
            begin, self._timer = self._later and not self._timer, True
        if begin:
            timer = threading.Timer(SECOND, self.flush)
            timer.daemon = True
            timer.start()

    def flush(self) -> None:
        """Tell what was left out since the last time, and forget the kinds that are quiet."""
        now = self._clock()
        with self._lock:
            self._timer = False
            told = [(name, kind.left_out) for name, kind in self._kinds.items() if kind.left_out]
            quiet = len(self._kinds) > KINDS_MOST // 2
            self._kinds = {name: kind for name, kind in self._kinds.items() if not quiet or now - kind.since < SECOND}
            for kind in self._kinds.values():
                kind.left_out = 0
        for name, count in told:
            self._tell(name, count)

    def _kind(self, name: str) -> _Kind:
        known = self._kinds.get(name)
        if known is None:
            if len(self._kinds) >= KINDS_MOST:
                name = OTHERS
            known = self._kinds.setdefault(name, _Kind())
        return known
