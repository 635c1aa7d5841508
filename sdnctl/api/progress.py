"""The progress of the hosts: which have put a transaction into force, which have still to, which are silent.

What a caller may say about that on the wire is read here too: ``?wait=SECONDS`` and the header ``x-sdnctl-after``.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_plus

from sdnctl.base.errors import IntentError
from sdnctl.model.host import HostStatus

ALIVE_S = 30.0
"""A host reports at least every 10 s; one that has not for three times as long is dead."""
MOST_S = 60.0
WAIT = "wait"
AFTER = "x-sdnctl-after"
SEQUENCE = "x-sdnctl-sequence"
APPLIED = "x-sdnctl-applied"
BEHIND = "x-sdnctl-behind"
PENDING = "pending"
MOST_NAMED = 50  # in a header, whose length clients and proxies limit
_SECONDS = re.compile(r"\d{1,4}(\.\d{1,6})?", re.ASCII)
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)


class Progress(NamedTuple):
    """The progress of the transaction ``sequence``: by name, each host is in one of three groups.

    ``late`` are alive and have it not in force yet; ``dead`` neither, and nobody knows when they will.
    """

    sequence: int
    confirmed: tuple[HostStatus, ...]
    late: tuple[HostStatus, ...]
    dead: tuple[HostStatus, ...]

    @property
    def applied(self) -> bool:
        """True when every host has it in force, but for dead ones; with no host at all nothing is in force."""
        return bool(self.confirmed) and not self.late

    @property
    def behind(self) -> tuple[HostStatus, ...]:
        """The hosts that do not have it in force, dead ones included."""
        return tuple(sorted((*self.late, *self.dead), key=lambda status: status.id))


@dataclass(frozen=True, slots=True)
class Held:
    """An answer that is given once every host has ``sequence`` in force, or after ``seconds``.

    ``show`` makes the answer's document of what the hosts have then; None when it is there already.  ``names`` is
    whether the caller may know what the hosts are called.  Only an operation of the operator's returns one.
    """

    sequence: int
    seconds: float
    show: Callable[[Progress], dict[str, Any]] | None = None
    names: bool = False


def alive(status: HostStatus | None, now: float) -> bool:
    """True when a host has told of itself in the last 30 s; ``now`` is in epoch seconds."""
    return status is not None and now - status.seen < ALIVE_S


def progress(statuses: Iterable[HostStatus], sequence: int, now: float) -> Progress:
    """The hosts by what they have made of a transaction; ``now`` is in epoch seconds."""
    groups: tuple[list[HostStatus], list[HostStatus], list[HostStatus]] = ([], [], [])
    for status in sorted(statuses, key=lambda status: status.id):
        groups[0 if status.applied >= sequence else 1 if alive(status, now) else 2].append(status)
    return Progress(sequence, *(tuple(group) for group in groups))


def headers(held: Held, found: Progress) -> dict[str, str]:
    """The headers by which an answer that was held tells the hosts' progress: names, for a tenant their number."""
    made = {APPLIED: str(found.sequence) if found.applied else PENDING}
    if found.behind:
        names = ",".join(quote(status.id, safe="") for status in found.behind[:MOST_NAMED])
        made[BEHIND] = names if held.names else str(len(found.behind))
    return made


def patience(query: str) -> float | None:
    """The seconds that ``?wait=SECONDS`` asks for, None without it; IntentError 400 that names ``wait``.

    The query is as it stood in the request line, because it was signed like that.
    """
    given = None
    for part in query.split("&"):
        key, _, value = part.partition("=")
        if unquote_plus(key) == WAIT:
            given = unquote_plus(value)
    if given is None:
        return None
    if not _SECONDS.fullmatch(given):
        raise IntentError(WAIT, f"must be seconds such as 5 or 0.5, not {given[:32]!r}")
    if float(given) > MOST_S:
        raise IntentError(WAIT, f"must be at most {MOST_S:g} seconds", 400, "OUT_OF_RANGE")
    return float(given)


def after(header: str) -> int:
    """The sequence number that ``x-sdnctl-after`` asks for, 0 without it; IntentError 400 that names it."""
    if header and not _NUMBER.fullmatch(header):
        raise IntentError(AFTER, f"must be a sequence number, not {header[:32]!r}")
    return int(header or "0")
