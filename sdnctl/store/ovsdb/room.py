"""The room on the store's disk, as far as a client can know: by its last refusal, and by looking where it is here."""

import os
import time
from pathlib import Path

LEAST_BYTES = 256 << 10
"""With less room than this a store of this machine counts as full: a transaction takes a few hundred bytes."""
REMEMBERED_S = 10.0
_SIGNS = ("I/O error", "No space left")


class Room:
    """Remembers for some seconds that a commit found no room; any thread may ask."""

    def __init__(self) -> None:
        self._refused = float("-inf")

    def answered(self, refused: str | None) -> None:
        """Note why a commit was refused, or with None that one went through."""
        if refused is None:
            self._refused = float("-inf")
        elif lacks_room(refused):
            self._refused = time.monotonic()

    def full(self, remote: str) -> bool:
        """True when the store at ``remote`` has no room: just found out, or because its disk here has none."""
        return time.monotonic() - self._refused < REMEMBERED_S or _lacking(remote)


def lacks_room(refused: str) -> bool:
    """True when the store refused a commit for want of room; ovsdb-server says "I/O error"."""
    return any(sign in refused for sign in _SIGNS)


def _lacking(remote: str) -> bool:
    """True when a store that is reached through a socket of this machine has a full disk around it."""
    if not remote.startswith("unix:"):
        return False
    try:
        there = os.statvfs(Path(remote.removeprefix("unix:")).parent)
    except OSError:
        return False
    free = there.f_bfree if os.geteuid() == 0 else there.f_bavail
    return free * there.f_frsize < LEAST_BYTES
