"""Zones of connection tracking that are being forgotten: at once, and again when the data path obeys the new flows.

Until then it may still have old flows in force, by which a connection is made anew.
"""

from collections.abc import Iterable

from sdnctl.switch.commands import NEVER

AGAIN_S = 0.6
"""Longer than a data path takes to obey a bundle (docs/decisions/013-counters.md)."""


class Forgetting:
    """The zones that are to be forgotten once more, and when."""

    def __init__(self) -> None:
        self._again: dict[int, float] = {}

    @property
    def deadline(self) -> float:
        """The time at which ``due`` has something, in seconds of the session's clock."""
        return min(self._again.values(), default=NEVER)

    def begin(self, zones: Iterable[int], now: float) -> list[int]:
        """The zones to forget now, each once; ``due`` gives them again."""
        found = list(dict.fromkeys(zones))
        self._again.update(dict.fromkeys(found, now + AGAIN_S))
        return found

    def due(self, now: float) -> list[int]:
        """The zones to forget once more by now."""
        found = [zone for zone, at in self._again.items() if at <= now]
        for zone in found:
            del self._again[zone]
        return found

    def clear(self) -> None:
        """The connection is gone."""
        self._again.clear()
