"""The owners of counters: for which resource a meter or a flow counts, as features declare it with ``@counts``.

Limits on questions and reasons to drop belong to the pipeline, and are counted without a declaration.
"""

from collections.abc import Iterator

from sdnctl.agent.totals import FLOW, Metered, flow_counter
from sdnctl.engine.engine import Engine
from sdnctl.engine.graph import Unit
from sdnctl.of.fields import value_in
from sdnctl.of.flow import Flow
from sdnctl.of.meter import Meter

PUNT = "punt"
"""The family of the meters that every switch has: limits on what is asked of the controller."""
DROPS = "drops"
"""The family of the flows that count drops, one for each reason."""
MACHINE = frozenset((PUNT, DROPS))
"""The families that are the pipeline's own: no resource is counted, so no ledger is told."""


class Owners:
    """The owners of the meters and flows that an engine wants."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._end = engine.program.pipeline.end
        self._tables = {table.id for ones in engine.program.counted.values() for one in ones for table in one.tables}
        if self._end is not None:
            self._tables.add(self._end.table.id)
        self._flows: dict[int, tuple[Flow, tuple[Unit, ...]]] = {}

    def counts(self, flow: Flow) -> bool:
        """True when flows of its table are counted, whether this one is or not."""
        return flow.key[0] in self._tables

    def wanted(self, counter: int) -> bool:
        """True when the switch should have the meter, or a flow of the key."""
        desired = self._engine.desired
        if counter < FLOW:
            return counter in desired.meters
        return counter in self._flows and self._flows[counter][0].cookie in desired.flows

    def flows(self) -> dict[int, list[int]]:
        """The cookies of the flows that are counted, by table."""
        found: dict[int, list[int]] = {}
        for flow, _ in self._flows.values():
            found.setdefault(flow.table, []).append(flow.cookie)
        return found

    def moved(self) -> Iterator[Flow]:
        """The counted flows that others want now than when they were named; those that nobody wants are forgotten."""
        for counter, (flow, units) in list(self._flows.items()):
            now = self._engine.units(flow.cookie)
            if not now:
                del self._flows[counter]
            elif now != units:
                yield flow

    def of_meter(self, meter: int) -> Metered | None:
        """The owner of a meter; None when nobody counts it."""
        unit, wanted = self._engine.meter_unit(meter), self._engine.desired.meters.get(meter)
        if unit is None or wanted is None:
            return None
        for limit in self._engine.program.pipeline.limits:
            if limit.number == meter:
                return Metered(PUNT, limit.name, "")
        return self._declared(unit, wanted)

    def of_flow(self, flow: Flow) -> Metered | None:
        """The owner of a flow; None when nobody counts it, or when several want it: whose packets, it cannot tell."""
        units, counter = self._engine.units(flow.cookie), flow_counter(flow.key)
        owner = self._reason(flow)
        if owner is None and len(units) == 1:
            owner = self._declared(units[0], flow)
        shared = len(units) > 1 and any(unit.feature in self._engine.program.counted for unit in units)
        if owner is not None or shared:
            self._flows[counter] = flow, units
        else:
            self._flows.pop(counter, None)
        return owner

    def _reason(self, flow: Flow) -> Metered | None:
        """The reason that a flow of the table of drops counts for."""
        if self._end is None or flow.table != self._end.table.id:
            return None
        number, reasons = value_in(flow.matched, self._end.field), self._engine.program.pipeline.reasons
        return Metered(DROPS, reasons[number - 1].name, "") if 0 < number <= len(reasons) else None

    def _declared(self, unit: Unit, thing: Meter | Flow) -> Metered | None:
        """The owner as the unit's feature declares it."""
        declared = self._engine.program.counted.get(unit.feature, ())
        counted = next((one for one in declared if one.concerns(thing)), None)
        record = self._engine.state.get(unit.feature.each, unit.id)
        if counted is None or record is None:
            return None
        direction = self._engine.ask("counts", unit.id, counted.direction, lambda: counted.direction(record, thing))
        return Metered(counted.family, unit.id, direction) if direction else None
