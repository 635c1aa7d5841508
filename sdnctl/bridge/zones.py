"""The zones of connection tracking of a host's ports: each has one of its own, for as long as it is plugged in.

It is noted with the port, so that it stays what it is whatever is started anew: ``external_ids:sdnctl-zone`` of the
Interface row says "ZONE/PORT".  What is noted for another port counts for nothing.  ``external_ids:sdnctl-zones`` of
the Open_vSwitch row is the highest that was ever given: beyond it nothing is known in any zone.

A zone that was somebody's is given again only when the switch has no flow with it any more and has forgotten what it
knew there.  Nobody so inherits a connection.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from sdnctl.bridge.ports import Bridge, noted, port_zone
from sdnctl.bridge.snapshot import Row
from sdnctl.program.zones import PORTS_HIGH, PORTS_LOW

HIGHEST = "sdnctl-zones"
EXHAUSTED = f"more than {PORTS_HIGH} ports have been plugged in at a time: those without a zone have no flows"


def highest(ids: Mapping[str, str]) -> int:
    """The highest zone that was ever given, in the ``external_ids`` of the Open_vSwitch row; 0 for none."""
    return port_zone(ids.get(HIGHEST, ""))


class Zones:
    """The zones that ports hold, by what the switch's database says, and those that are still on their way out.

    A snapshot's ``turn`` tells it from others.  A zone is on its way out from the first in which nobody has it until
    the switch has let go of all that is not in that one (``settled``).
    """

    def __init__(self) -> None:
        self._highest = 0
        self._holders: dict[int, str] | None = None
        self._leaving: dict[int, int] = {}
        self._settled = 0

    def settled(self, turn: int) -> None:
        """The switch has no flow of any port but those of this snapshot or later ones; on any thread."""
        self._settled = max(self._settled, turn)

    def look(self, bridge: Bridge, ids: Mapping[str, str], turn: int) -> None:
        """Take in what the database says before the snapshot ``turn`` is made; ``ids`` are the Open_vSwitch row's."""
        before, held = self._holders, _held(bridge, self._holders or {})
        gone = range(PORTS_LOW, highest(ids) + 1) if before is None else before
        self._leaving = {zone: at for zone, at in self._leaving.items() if at > self._settled}
        self._leaving.update(dict.fromkeys((zone for zone in gone if zone not in held), turn))
        self._highest = max([highest(ids), *held])
        self._holders = held

    @property
    def held(self) -> frozenset[int]:
        """The zones that ports hold, ready or not."""
        return frozenset(self._holders or ())

    def holds(self, row: Row) -> bool:
        """True when a port has a zone, and nobody else has the same."""
        return row.zone > 0 and self._holders is not None and self._holders.get(row.zone) == row.name

    def give(self, rows: Iterable[Row], forget: Callable[[int], bool]) -> dict[Row, int]:
        """A zone for each port without one; none for those who find all taken.

        The lowest that is free, once ``forget`` has made the switch forget what it knew there; where it could not
        (False), one that was never given.
        """
        reusable, given = self._reusable(), dict[Row, int]()
        for row in rows:
            zone = next(reusable, 0)
            if zone and not forget(zone):
                zone = 0
            if not zone and self._highest < PORTS_HIGH:
                zone = self._highest = self._highest + 1
            if zone:
                given[row] = zone
        return given

    def _reusable(self) -> Iterator[int]:
        held = self._holders or {}
        return (one for one in range(PORTS_LOW, self._highest + 1) if one not in held and one not in self._leaving)


def _held(bridge: Bridge, before: Mapping[int, str]) -> dict[int, str]:
    """The names of the ports that hold a zone; of two that were noted with the same, who had it ``before``."""
    held: dict[int, str] = {}
    for port in bridge.ports:
        for interface in port.interfaces:
            zone = noted(interface.external_ids)
            if zone and (zone not in held or before.get(zone) == port.name):
                held[zone] = port.name
    return held
