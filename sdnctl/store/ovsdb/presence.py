"""The presence of the store's server: whether it is followed now, else why not and what to do, in words.

The words are for people who see ``/readyz``, ``sdnctl status`` or a program's log, where an absence is said once, now
and then while it lasts, and when it is over.  A server of this machine that keeps its socket and says nothing hangs:
the kernel knows its process (unix(7), SO_PEERCRED) and what that does (proc(5)).
"""

import time
from dataclasses import dataclass
from pathlib import Path

import structlog

BORNE_S = 1.0
"""A server that died is back sooner; so short an absence is not worth a line."""
AGAIN_S = 60.0
GLANCE_S = 0.6
"""The wait of a change when the server has been away for long, an attempt to connect: threads are left for reads."""
MEANWHILE = "reads are answered, changes wait"
log = structlog.get_logger("sdnctl.store")


@dataclass(frozen=True, slots=True)
class Why:
    """The reason why a server is not followed.

    ``process`` is the one of a server that keeps its connection and does not answer, 0 if it is not known which; None
    when there is no connection.
    """

    remote: str
    reason: str
    process: int | None = None

    @property
    def trouble(self) -> str:
        """The reason, and what to do."""
        if self.process is not None:
            return f"the store's server at {self.remote} hangs: {hanging(self.process)}"
        if self.remote.startswith("unix:"):
            advice = "'sdnctl up' starts one that died; if this lasts, see store.log beside that socket"
        else:
            advice = "see that 'sdnctl store' runs there, and that this machine reaches it"
        return f"the store's server cannot be followed ({self.reason}): {advice}"


class Presence:
    """Changed by one thread, under its lock; read by any."""

    def __init__(self, remote: str) -> None:
        self.current = False
        """True while the server is followed."""
        self.problem = "not connected yet"
        """The reason why it is not followed, or did not take the last commit, in few words."""
        self._why = Why(remote, self.problem)
        self._since = time.monotonic()
        self._told: float | None = None
        self._resumes = False

    @property
    def trouble(self) -> str:
        """The reason why it is not followed now, and what to do; "" when it is."""
        return "" if self.current else f"{self._why.trouble}; {MEANWHILE}"

    def patience(self, most: float) -> float:
        """The seconds that a change waits for the server: ``most``, or little when it has been away for as long."""
        absent = 0.0 if self.current else time.monotonic() - self._since
        return most if absent < most else min(most, GLANCE_S)

    def lost(self, why: Why) -> None:
        """Note that it is not followed, or still not; say so when it is worth it."""
        now = time.monotonic()
        self._resumes = why.process is not None and (self.current or self._resumes)
        if self.current:
            self.current, self._since, self._told = False, now, None
        self._why, self.problem = why, why.reason
        worth = why.process is not None or now - self._since >= BORNE_S
        if worth and (self._told is None or now - self._told >= AGAIN_S):
            self._told = now
            log.warning("the store is away", trouble=why.trouble, seconds=round(now - self._since, 1))

    def answers(self) -> None:
        """Note that a server that did not answer does again: it goes on where it was."""
        if self._resumes:
            self.followed()

    def followed(self) -> None:
        """Note that what is held is what the server has."""
        if self._told is not None:
            log.info("the store is back", seconds=round(time.monotonic() - self._since, 1))
        self.current, self._told, self._resumes = True, None, False


def hanging(process: int) -> str:
    """The state of a store's process that does not answer, and what to do about it; 0 where it is not known which."""
    state = _state(process)
    if state in ("T", "t"):
        return f"its process {process} is stopped; 'kill -CONT {process}' lets it go on"
    if state == "D":
        return f"its process {process} waits for its disk; look at that disk and at the kernel's log (dmesg)"
    which = f"process {process}" if process else "process"
    return f"its {which} does not answer; if this lasts, end it with 'kill -9': it is started again and has all it knew"


def _state(process: int) -> str:
    """The letter of a process's state (proc(5)), "" if it cannot be seen."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""
