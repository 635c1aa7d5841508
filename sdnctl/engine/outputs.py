"""The outputs of one run of a unit for the switch and the region, sorted by kind."""

from collections.abc import Iterable
from typing import Any

from sdnctl.of.flow import Flow
from sdnctl.of.group import Group
from sdnctl.of.meter import Meter
from sdnctl.program.feature import Announce, Item, Reported
from sdnctl.program.zones import ZoneLimit


class Outputs:
    """The items of one run; nearly always a few flows and nothing else.  Raises TypeError for what is no item."""

    __slots__ = ("announce", "flows", "groups", "limits", "meters", "reports")

    def __init__(self, items: Iterable[Item]) -> None:
        flows: list[Flow] = []
        others: list[Item] = []
        for item in items:
            if isinstance(item, Flow):
                flows.append(item)
            else:
                others.append(item)
        self.flows = tuple(flows)
        self.meters: tuple[Meter, ...] = ()
        self.groups: tuple[Group, ...] = ()
        self.reports: tuple[Any, ...] = ()
        self.announce: tuple[Announce, ...] = ()
        self.limits: tuple[ZoneLimit, ...] = ()
        if others:
            self._sort(others)

    def _sort(self, items: list[Item]) -> None:
        for item in items:
            if isinstance(item, Reported):
                self.reports += (item.record,)
            elif isinstance(item, Meter):
                self.meters += (item,)
            elif isinstance(item, Group):
                self.groups += (item,)
            elif isinstance(item, Announce):
                self.announce += (item,)
            elif isinstance(item, ZoneLimit):
                self.limits += (item,)
            else:
                raise TypeError(f"yields {item!r}, which is nothing that a switch or the region can have")

    def same(self, other: "Outputs") -> bool:
        """True when both want the same of the switch and the region; what they announce is not looked at."""
        return (
            len(self.flows) == len(other.flows)
            and all(mine.cookie == its.cookie for mine, its in zip(self.flows, other.flows, strict=True))
            and self.meters == other.meters
            and self.groups == other.groups
            and self.reports == other.reports
            and self.limits == other.limits
        )


NOTHING = Outputs(())
