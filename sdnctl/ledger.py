"""The ledger of what the switch should have and on whose behalf: every flow, meter, group and report has owners.

The same flow from two owners is shared.  The same key with two bodies is a conflict: it names both, and the later one
keeps its last good flows.  What changes is noted in a ``Touched``.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sdnctl.errors import FlowConflict
from sdnctl.feature import Announce, Item, Reported
from sdnctl.graph import Unit
from sdnctl.of.flow import Flow
from sdnctl.of.group import Group
from sdnctl.of.meter import Meter
from sdnctl.plan import Desired, Touched

Owners = Unit | tuple[Unit, ...]
ReportKey = tuple[type, str]


class Yield:
    """What one run of a unit gave, sorted by kind."""

    __slots__ = ("announce", "flows", "groups", "meters", "reports")

    def __init__(self, items: Iterable[Item]) -> None:
        self.flows: list[Flow] = []
        self.meters: list[Meter] = []
        self.groups: list[Group] = []
        self.reports: list[Any] = []
        self.announce: list[Announce] = []
        for item in items:
            if isinstance(item, Flow):
                self.flows.append(item)
            elif isinstance(item, Meter):
                self.meters.append(item)
            elif isinstance(item, Group):
                self.groups.append(item)
            elif isinstance(item, Reported):
                self.reports.append(item.record)
            else:
                self.announce.append(item)


NOTHING = Yield(())


class Ledger:
    """Desired state with owners."""

    def __init__(self) -> None:
        self.desired = Desired()
        self.reports: dict[ReportKey, Any] = {}
        self._owners: dict[int, Owners] = {}
        self._keys: dict[bytes, int] = {}
        self._meter_owner: dict[int, Unit] = {}
        self._group_owner: dict[int, Unit] = {}

    def owners(self, cookie: int) -> tuple[Unit, ...]:
        """The units that want a flow."""
        held = self._owners.get(cookie, ())
        return held if isinstance(held, tuple) else (held,)

    def settle(self, yields: Mapping[Unit, Yield]) -> tuple[Touched, set[ReportKey], dict[Unit, FlowConflict]]:
        """Retract what the units held, add what they yield now; the conflicts by unit, whose old flows stay."""
        touched, reports, conflicts = Touched(), set[ReportKey](), dict[Unit, FlowConflict]()
        moved = [unit for unit in sorted(yields) if not self._unchanged(unit, yields[unit])]
        before = {unit: self._held(unit) for unit in moved}
        for unit in moved:
            self._retract(unit, touched, reports)
        for unit in moved:
            conflict = self._conflict(unit, yields[unit])
            if conflict is None:
                self._add(unit, yields[unit], touched, reports)
                continue
            conflicts[unit] = conflict
            if self._conflict(unit, before[unit]) is None:
                self._add(unit, before[unit], touched, reports)
        return touched, reports, conflicts

    def _unchanged(self, unit: Unit, new: Yield) -> bool:
        return (
            unit.cookies == tuple(flow.cookie for flow in new.flows)
            and unit.meters == tuple(meter.id for meter in new.meters)
            and all(self.desired.meters[meter.id] == meter for meter in new.meters)
            and unit.groups == tuple(group.id for group in new.groups)
            and all(self.desired.groups[group.id] == group for group in new.groups)
            and unit.reports == tuple(new.reports)
        )

    def _held(self, unit: Unit) -> Yield:
        held = Yield(self.desired.flows[cookie] for cookie in unit.cookies)
        held.meters = [self.desired.meters[id] for id in unit.meters]
        held.groups = [self.desired.groups[id] for id in unit.groups]
        held.reports = list(unit.reports)
        return held

    def _conflict(self, unit: Unit, new: Yield) -> FlowConflict | None:
        seen: dict[bytes, int] = {}
        for flow in new.flows:
            known = self._keys.get(flow.key, seen.get(flow.key))
            if known is not None and known != flow.cookie and not self._same(known, flow):
                others = ", ".join(map(str, self.owners(known))) or str(unit)
                return FlowConflict(f"{unit} and {others} want the same flow key with different actions: {flow!r}")
            seen[flow.key] = flow.cookie
        for meter in new.meters:
            owner = self._meter_owner.get(meter.id)
            if owner is not None:
                return FlowConflict(f"{unit} and {owner} both want meter {meter.id}")
        for group in new.groups:
            owner = self._group_owner.get(group.id)
            if owner is not None:
                return FlowConflict(f"{unit} and {owner} both want group {group.id}")
        return None

    def _same(self, cookie: int, flow: Flow) -> bool:
        known = self.desired.flows.get(cookie)
        return known is not None and known.key == flow.key and known.body == flow.body

    def _retract(self, unit: Unit, touched: Touched, reports: set[ReportKey]) -> None:
        for cookie in unit.cookies:
            left = tuple(owner for owner in self.owners(cookie) if owner is not unit)
            if left:
                self._owners[cookie] = left[0] if len(left) == 1 else left
            elif cookie in self._owners:
                del self._owners[cookie]
                del self._keys[self.desired.flows.pop(cookie).key]
                touched.cookies.add(cookie)
        for id in unit.meters:
            del self.desired.meters[id], self._meter_owner[id]
            touched.meters.add(id)
        for id in unit.groups:
            del self.desired.groups[id], self._group_owner[id]
            touched.groups.add(id)
        for record in unit.reports:
            self.reports.pop((type(record), record.id), None)
            reports.add((type(record), record.id))
        unit.cookies = unit.meters = unit.groups = unit.reports = unit.announce = ()

    def _add(self, unit: Unit, new: Yield, touched: Touched, reports: set[ReportKey]) -> None:
        cookies = []
        for flow in new.flows:
            placed = self._place(flow)
            cookies.append(placed.cookie)
            held = self.owners(placed.cookie)
            if not held:
                self._owners[placed.cookie] = unit
                self.desired.flows[placed.cookie] = placed
                self._keys[placed.key] = placed.cookie
                touched.cookies.add(placed.cookie)
            elif unit not in held:
                self._owners[placed.cookie] = (*held, unit)
        for meter in new.meters:
            self.desired.meters[meter.id] = meter
            self._meter_owner[meter.id] = unit
            touched.meters.add(meter.id)
        for group in new.groups:
            self.desired.groups[group.id] = group
            self._group_owner[group.id] = unit
            touched.groups.add(group.id)
        for record in new.reports:
            self.reports[type(record), record.id] = record
            reports.add((type(record), record.id))
        unit.cookies = tuple(cookies)
        unit.meters = tuple(meter.id for meter in new.meters)
        unit.groups = tuple(group.id for group in new.groups)
        unit.reports = tuple(new.reports)
        unit.announce = tuple((item.flow.cookie, item.packet) for item in new.announce)
        touched.announce += unit.announce

    def _place(self, flow: Flow) -> Flow:
        """The flow, under another cookie if a different one already has this one's (2**-56 a pair)."""
        placed, salt = flow, 0
        while (known := self.desired.flows.get(placed.cookie)) is not None and (
            known.key != flow.key or known.body != flow.body
        ):
            salt += 1
            placed = flow.salted(salt)
        return placed
