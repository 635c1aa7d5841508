"""The zones of this host's ports: their limits, the connections in them, and those that nobody has any more.

No thread and no I/O: a keeper does what there is to do.
"""

from collections.abc import Iterable, Mapping

from sdnctl.agent.keeper import Keeper
from sdnctl.bridge.snapshot import Snapshot, Zone
from sdnctl.engine.desired import Desired
from sdnctl.model.host import LocalPort
from sdnctl.store import Change


class PortZones:
    """The zones that a snapshot says, beside the limits of other zones in ``desired``."""

    def __init__(self, desired: Desired, keeper: Keeper, seen: Snapshot) -> None:
        self.connections: dict[str, Zone] = {}
        """The connections of each port, as they were last counted."""
        self.full: tuple[str, ...] = ()
        """Sentences about ports that may have no connection more."""
        self._desired = desired
        self._keeper = keeper
        self._seen = seen
        self._gone: set[int] | None = set()  # None when there is nothing to let go

    def looked(self, seen: Snapshot, changes: Iterable[Change]) -> None:
        """Take in a new snapshot, and the changes of local records that follow from it."""
        ports = [change.old for change in changes if change.cls is LocalPort]
        gone = {port.zone for port in ports if port is not None} - {row.zone for row in seen.ports.values()}
        if gone:
            self._gone = gone | (self._gone or set())
        limited = seen.settings.connections != self._seen.settings.connections
        self._seen = seen
        if ports or limited:
            self.limit()

    def limit(self) -> None:
        """Have the connections limited: of each port, and in each zone that features limit."""
        most = self._seen.settings.connections
        ports = {row.zone: most for row in self._seen.ports.values() if row.zone}
        self._keeper.limit(self._desired.limits | ports)
        self._keeper.pace(dict(self._desired.times))

    def settled(self) -> None:
        """The switch has no flow that is not wanted: the zones of ports that are not here any more may be forgotten."""
        if self._gone is not None:
            self._keeper.let_go(self._seen.turn, self._gone)
            self._gone = None

    def counted(self, zones: Mapping[int, Zone]) -> bool:
        """Take in what the switch counts; true when ``full`` says something else."""
        before = self.full
        ports = sorted(self._seen.ports.items())
        self.connections = {id: zones[row.zone] for id, row in ports if row.zone in zones}
        full = ((id, zone) for id, zone in self.connections.items() if zone.used >= zone.limit)
        self.full = tuple(
            f"{id} has all the {zone.limit} connections that it may have: new ones drop" for id, zone in full
        )
        return self.full != before
