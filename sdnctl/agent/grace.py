"""The times of grace of a host: of the whole switch when it has started anew, of a port that has moved here.

Each is a ``Grace`` record for half a minute.  A port has moved here when it is plugged in and its binding names another
host, from which this one is about to claim it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import structlog

from sdnctl.model.host import Binding, Grace, LocalPort
from sdnctl.store import Change, State
from sdnctl.switch.commands import NEVER

log = structlog.get_logger("agent")


class Graces:
    """The ends of the times of grace, by their seconds of a steady clock; ``state`` is the engine's."""

    def __init__(self, state: State, here: str) -> None:
        self._state = state
        self._here = here
        self._ends: dict[str, float] = {}

    @property
    def deadline(self) -> float:
        """The time at which the next one is over."""
        return min(self._ends.values(), default=NEVER)

    def begun(self, ids: Iterable[str], until: float) -> list[Change]:
        """The changes that begin a time of grace for each of these, or make it last until then."""
        changes = []
        for id in ids:
            self._ends[id] = until
            known = self._state.get(Grace, id)
            if known is None:
                log.info("connections become known again", of=id)
                changes.append(Change(Grace, id, None, Grace(id=id)))
        return changes

    def over(self, now: float) -> list[Change]:
        """The changes that end those whose time is over."""
        ended = [id for id, end in self._ends.items() if now >= end]
        for id in ended:
            del self._ends[id]
            log.info("connections have become known again", of=id)
        return [Change(Grace, id, self._state.get(Grace, id), None) for id in ended]

    def moved(self, changes: Iterable[Change]) -> list[str]:
        """The ports that move here with these changes, which the state need not have yet.

        A port has one time of grace each time that it is plugged in, whatever is said of it meanwhile.
        """
        news: dict[tuple[type, str], Any] = {}
        news |= {(change.cls, change.id): change.new for change in changes if change.cls in (LocalPort, Binding)}
        ids = {id for cls, id in news if cls is LocalPort or id not in self._ends}
        return sorted(id for id in ids if self._moves(id, news))

    def _moves(self, id: str, news: Mapping[tuple[type, str], Any]) -> bool:
        port = news.get((LocalPort, id), self._state.get(LocalPort, id))
        binding = news.get((Binding, id), self._state.get(Binding, id))
        if port is None or binding is None:
            return False
        return binding.host != self._here and binding.row != "" and port.row not in binding.displaced
