"""The status that a host reports of itself: what it is, and how far its switch has got.

That a transaction is in force is told at once where it changed something in the switch.  Where it changed nothing,
and that is nearly everywhere, half a second is soon enough: many transactions then cost one report.
"""

from collections.abc import Callable
from dataclasses import replace

from sdnctl.model.host import Host, HostStatus
from sdnctl.program.packets import Put, Report
from sdnctl.switch.commands import NEVER

LAZY_S = 0.5


class StatusReports:
    """Compares what there is to say with what was said; ``wall`` says when, in seconds since 1970."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self.due = NEVER
        self._wall = wall
        self._host: Host | None = None
        self._status: HostStatus | None = None

    def host(self, host: Host, always: bool = False) -> list[Report]:
        """The report of what this host is, when that is news or the store may have lost it."""
        if not always and host == self._host:
            return []
        self._host = host
        return [Put(host)]

    def status(
        self, status: HostStatus, now: float, *, always: bool = False, lazy: bool = False, alive: bool = True
    ) -> list[Report]:
        """The report of how this host does when that is news; ``lazy`` within half a second, so that others join in.

        One that is not ``alive`` is no sign of life: it says when the last one was.
        """
        told = self._status
        news = told is None or replace(status, seen=told.seen) != told
        if not (news or always):
            return []
        if lazy and not always and told is not None:
            self.due = min(self.due, now + LAZY_S)
            return []
        self.due = NEVER
        seen = self._wall() if alive or told is None else told.seen
        self._status = replace(status, seen=seen)
        return [Put(self._status)]
