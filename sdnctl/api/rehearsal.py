"""Rehearsals: calls of an account that are checked as if they were carried out one after the other, and are not.

``/v1/regions/R/rehearsals/TOKEN/vpcs/`` is the call ``/v1/regions/R/vpcs/`` within the rehearsal that its caller names
TOKEN: it sees what the calls before it did there, is refused as the real one would be, and changes nothing in the
region.  The path is signed, and a server that knows no rehearsals refuses it.  A rehearsal is a transaction that is
never committed, in the memory of one server.  A call with ``new-TOKEN`` begins it; a server that does not know it, as
another one behind the same address, refuses all others, since it would look at them as if nothing had been done before.
"""

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from sdnctl.base.errors import IntentError
from sdnctl.store import Store, Txn
from sdnctl.store.numbers import Hints

R = TypeVar("R")
CALLS_MOST, AT_ONCE = 1000, 64
"""Calls of one rehearsal, and rehearsals that a server keeps; an account has one."""
BEGINS = "new-"
IDLE_S = 60.0
"""The time after its last call when a rehearsal is forgotten."""
_PATH = re.compile(r"(/v\d{1,2}/regions/[^/]+)/rehearsals/([A-Za-z0-9-]{16,64})(/.+)", re.ASCII)


def part(path: str) -> tuple[str, str]:
    """The path of the call that is meant, and the token of its rehearsal; "" when it is a real one."""
    found = _PATH.fullmatch(path)
    return (found[1] + found[3], found[2]) if found else (path, "")


@dataclass(slots=True)
class Rehearsal:
    """The reading and writing of one rehearsal: as of ``store``, and on top of it what its own calls did."""

    token: str
    store: Store
    used: float
    overlay: Txn
    hints: Hints
    calls: int = 0

    @contextlib.contextmanager
    def read(self) -> Iterator[Txn]:
        """The region as this rehearsal has it; held still meanwhile."""
        with self.store.read():
            yield self.overlay

    @contextlib.contextmanager
    def moment(self) -> Iterator[Txn]:
        """The same as it is now, to be read at leisure: nobody waits for it."""
        with self.store.moment() as moment:
            seen = Txn(moment, self.hints, self.overlay.now)
            with self.store.read():
                seen.absorb(self.overlay)
            yield seen

    def transact(self, work: Callable[[Txn], R]) -> R:
        """The result of ``work``, whose writes stay in this rehearsal; IntentError passes through and nothing does."""
        with self.store.read():
            step = Txn(self.overlay, self.hints, self.overlay.now)
            result = work(step)
            self.overlay.absorb(step)
        return result


class Rehearsals:
    """The rehearsals that are under way at this server; any thread may ask."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, Rehearsal] = {}  # by account, the one that was used last at the end

    def of(self, account: str, token: str, now: float) -> Rehearsal:
        """The rehearsal of an account, begun where the token says so; ``now`` is in epoch seconds.

        IntentError when there is none with this token; 429 when it has had too many calls.
        """
        with self._lock:
            at = self._clock()
            self._known = {who: one for who, one in self._known.items() if one.used > at - IDLE_S}
            found = self._known.get(account)
            if token.startswith(BEGINS):
                hints = Hints()
                overlay = Txn(self._store.state, hints, now)
                found = Rehearsal(token.removeprefix(BEGINS), self._store, at, overlay, hints)
            elif found is None or found.token != token:
                text = "this API server knows of no such rehearsal: another one began it, or it was given up"
                raise IntentError.precondition("rehearsal", text)
            self._known.pop(account, None)
            self._known[account] = found
            if len(self._known) > AT_ONCE:
                del self._known[next(iter(self._known))]
            found.used, found.calls = at, found.calls + 1
            if found.calls > CALLS_MOST:
                text = f"a rehearsal has at most {CALLS_MOST} calls"
                raise IntentError(None, text, 429, "QUOTA_EXCEEDED")
            return found
