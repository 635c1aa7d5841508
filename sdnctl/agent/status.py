"""What a host tells the region of itself: what it is, and how far its switch has got.

That a transaction is in force is told at once where it changed something in the switch.  Where it changed nothing,
and that is nearly everywhere, half a second is soon enough: many transactions then cost one report.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from sdnctl.model.host import Host, HostStatus
from sdnctl.program.packets import Put, Report
from sdnctl.switch.session import NEVER

LAZY_S = 0.5


class StatusReporter:
    """Compares what there is to say with what was said; ``tell`` takes reports for the store, ``wall`` says when."""

    def __init__(self, tell: Callable[[Iterable[Report]], None], wall: Callable[[], float]) -> None:
        self.due = NEVER
        self._tell = tell
        self._wall = wall
        self._host: Host | None = None
        self._status: HostStatus | None = None

    def host(self, host: Host, always: bool = False) -> None:
        """Report what this host is, when that is news or the store may have lost it."""
        if always or host != self._host:
            self._host = host
            self._tell([Put(host)])

    def status(self, status: HostStatus, now: float, *, always: bool = False, lazy: bool = False) -> None:
        """Report how this host does when that is news; ``lazy`` within half a second, so that others may join in."""
        told = self._status
        news = told is None or replace(status, seen=told.seen) != told
        if not (news or always):
            return
        if lazy and not always and told is not None:
            self.due = min(self.due, now + LAZY_S)
            return
        self.due = NEVER
        self._status = replace(status, seen=self._wall())
        self._tell([Put(self._status)])
