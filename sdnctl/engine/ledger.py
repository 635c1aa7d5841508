"""The ledger of what the switch should have and on whose behalf: every flow, meter, group and report has owners.

The same flow from two owners is shared, a report too.  The same key with two bodies is a conflict: it names both, and
the later one keeps its last good flows.  What changes is noted in a ``Touched``.
"""

from collections import Counter
from collections.abc import Generator, Mapping
from operator import attrgetter
from typing import Any

from sdnctl.base.errors import FlowConflict
from sdnctl.engine.desired import Desired, Touched
from sdnctl.engine.graph import Unit
from sdnctl.engine.outputs import NOTHING, Outputs
from sdnctl.engine.slices import SLICE
from sdnctl.of.flow import Flow

Owners = Unit | tuple[Unit, ...]
ReportKey = tuple[type, str]
Settled = tuple[Touched, set[ReportKey], dict[Unit, FlowConflict]]


class Ledger:
    """Desired state with owners."""

    def __init__(self) -> None:
        self.desired = Desired()
        self.reports: dict[ReportKey, Any] = {}
        self._owners: dict[int, Owners] = {}
        self._by_key: dict[bytes, Flow] = {}
        self._meter_owner: dict[int, Unit] = {}
        self._group_owner: dict[int, Unit] = {}
        self._limit_owner: dict[int, Unit] = {}
        self._reporters: Counter[ReportKey] = Counter()
        self._contesting: set[Unit] = set()

    def owners(self, cookie: int) -> tuple[Unit, ...]:
        """The units that want a flow."""
        held = self._owners.get(cookie, ())
        return held if isinstance(held, tuple) else (held,)

    def meter_owner(self, id: int) -> Unit | None:
        """The unit that wants a meter."""
        return self._meter_owner.get(id)

    def settle(self, yields: Mapping[Unit, Outputs]) -> Generator[None, None, Settled]:
        """Retract what the units held, add what they yield now; the conflicts by unit, whose old flows stay.

        It pauses between some units; until it has come to its end the desired state is in between and not to be read.
        """
        touched, reports, conflicts = Touched(), set[ReportKey](), dict[Unit, FlowConflict]()
        moved = [unit for unit, new in yields.items() if not new.same(unit.held)]
        if len(moved) > 1:
            moved.sort(key=attrgetter("feature.name", "id"))
            # Who lost a conflict is tried again after everybody else: the first stays the first.
            moved.sort(key=self._contesting.__contains__)
        self._contesting.difference_update(yields)
        before = {unit: unit.held for unit in moved}
        done = 0
        for unit, held in before.items():
            if done >= SLICE:
                done = 0
                yield
            if held is not NOTHING:
                done += 1 + len(held.flows)
                self._retract(unit, touched, reports)
        for unit in moved:
            if done >= SLICE:
                done = 0
                yield
            new = yields[unit]
            done += 1 + len(new.flows)
            conflict = self._conflict(unit, new)
            if conflict is None:
                self._add(unit, new, touched, reports)
                continue
            conflicts[unit] = conflict
            self._add(unit, self._free(before[unit]), touched, reports)
        self._contesting.update(conflicts)
        return touched, reports, conflicts

    def _conflict(self, unit: Unit, new: Outputs) -> FlowConflict | None:
        own: dict[bytes, Flow] = {}
        for flow in new.flows:
            known = self._by_key.get(flow.key) or own.get(flow.key)
            if known is not None and known.body != flow.body:
                others = ", ".join(map(str, self.owners(known.cookie))) or str(unit)
                return FlowConflict(f"{unit} and {others} want the same flow key with different actions: {flow!r}")
            own[flow.key] = flow
        for meter in new.meters:
            owner = self._meter_owner.get(meter.id)
            if owner is not None:
                return FlowConflict(f"{unit} and {owner} both want meter {meter.id}")
        for group in new.groups:
            owner = self._group_owner.get(group.id)
            if owner is not None:
                return FlowConflict(f"{unit} and {owner} both want group {group.id}")
        for limit in new.limits:
            owner = self._limit_owner.get(limit.zone)
            if owner is not None:
                return FlowConflict(f"{unit} and {owner} both limit zone {limit.zone}")
        return None

    def _free(self, held: Outputs) -> Outputs:
        """The part of what a unit held that nobody else got meanwhile."""
        left = Outputs(flow for flow in held.flows if self._by_key.get(flow.key, flow).body == flow.body)
        left.meters = tuple(meter for meter in held.meters if meter.id not in self._meter_owner)
        left.groups = tuple(group for group in held.groups if group.id not in self._group_owner)
        left.limits = tuple(limit for limit in held.limits if limit.zone not in self._limit_owner)
        left.reports = held.reports
        return left

    def _retract(self, unit: Unit, touched: Touched, reports: set[ReportKey]) -> None:
        held, unit.held = unit.held, NOTHING
        for flow in held.flows:
            cookie = flow.cookie
            owners = self._owners.get(cookie)
            if owners is unit or owners == (unit,):
                del self._owners[cookie], self.desired.flows[cookie], self._by_key[flow.key]
                touched.cookies.add(cookie)
            elif isinstance(owners, tuple):
                left = tuple(owner for owner in owners if owner is not unit)
                self._owners[cookie] = left[0] if len(left) == 1 else left
        for meter in held.meters:
            del self.desired.meters[meter.id], self._meter_owner[meter.id]
            touched.meters.add(meter.id)
        for group in held.groups:
            del self.desired.groups[group.id], self._group_owner[group.id]
            touched.groups.add(group.id)
        for limit in held.limits:
            del self.desired.limits[limit.zone], self._limit_owner[limit.zone]
            self.desired.times.pop(limit.zone, None)
            touched.limits.add(limit.zone)
        for record in held.reports:
            key = (type(record), record.id)
            self._reporters[key] -= 1
            if not self._reporters[key]:
                del self._reporters[key], self.reports[key]
            reports.add(key)

    def _add(self, unit: Unit, new: Outputs, touched: Touched, reports: set[ReportKey]) -> None:
        unit.held = new
        for flow in new.flows:
            known = self.desired.flows.get(flow.cookie)
            if known is None:
                self._enter(unit, flow, touched)
            elif known != flow:
                self._salt(unit, new, flow, touched)
            elif unit not in (held := self.owners(flow.cookie)):
                self._owners[flow.cookie] = (*held, unit)
        for meter in new.meters:
            self.desired.meters[meter.id] = meter
            self._meter_owner[meter.id] = unit
            touched.meters.add(meter.id)
        for group in new.groups:
            self.desired.groups[group.id] = group
            self._group_owner[group.id] = unit
            touched.groups.add(group.id)
        for limit in new.limits:
            self.desired.limits[limit.zone] = limit.limit
            if limit.times:
                self.desired.times[limit.zone] = limit.times
            self._limit_owner[limit.zone] = unit
            touched.limits.add(limit.zone)
        for record in new.reports:
            key = (type(record), record.id)
            self.reports[key] = record
            self._reporters[key] += 1
            reports.add(key)
        touched.announce += ((item.flow.cookie, item.packet) for item in new.announce)

    def _enter(self, unit: Unit, flow: Flow, touched: Touched) -> None:
        """A flow that nobody has wanted until now."""
        self._owners[flow.cookie] = unit
        self.desired.flows[flow.cookie] = flow
        self._by_key[flow.key] = flow
        touched.cookies.add(flow.cookie)

    def _salt(self, unit: Unit, new: Outputs, flow: Flow, touched: Touched) -> None:
        """A flow whose cookie a different one already has (2**-56 a pair): it gets another."""
        salt, placed = 0, flow
        while (known := self.desired.flows.get(placed.cookie)) is not None and known != placed:
            salt += 1
            placed = flow.salted(salt)
        new.flows = tuple(placed if one is flow else one for one in new.flows)
        if known is None:
            self._enter(unit, placed, touched)
        elif unit not in (held := self.owners(placed.cookie)):
            self._owners[placed.cookie] = (*held, unit)
