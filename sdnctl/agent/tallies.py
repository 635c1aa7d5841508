"""The counts that somebody looks at now: read often, and told to the store as features declare it with ``@tells``.

No clock and no I/O: ``counters`` brings what the switch answered.
"""

import math
from collections.abc import Callable, Mapping

from sdnctl.agent.totals import FLOW, Amounts, flow_counter
from sdnctl.engine.engine import Engine
from sdnctl.engine.graph import Unit
from sdnctl.of.flow import Flow
from sdnctl.program.feature import Reading, Tells, Used
from sdnctl.program.packets import Put, Report

BYTES, DROPPED, DROPPED_BYTES = 1, 2, 3
"""The places among the amounts of a meter: bytes that came, packets and bytes that it dropped."""


class Tallies:
    """The flows whose counts a host tells as they are, by their cookies."""

    def __init__(self, engine: Engine, wall: Callable[[], float]) -> None:
        """``wall`` tells the seconds since 1970."""
        self._engine = engine
        self._wall = wall
        self._declared = engine.program.tells
        self._tables = {table.id for one in self._declared.values() for table in one.tables}
        self._flows: dict[int, Flow] = {}
        self._meters: dict[int, Unit] = {}
        self._before: dict[int, tuple[float, Amounts]] = {}

    def name(self, flow: Flow) -> bool:
        """Note a flow that is newly wanted; False when nobody looks at what its table counts."""
        if flow.table not in self._tables:
            return False
        self._flows[flow.cookie] = flow
        return True

    def tables(self) -> list[int]:
        """The tables to be read: those with flows that are still wanted."""
        wanted = self._engine.desired.flows
        self._flows = {cookie: flow for cookie, flow in self._flows.items() if cookie in wanted}
        return sorted({flow.table for flow in self._flows.values()})

    def name_meter(self, meter: int) -> bool:
        """Note a meter that is newly wanted, or by another unit than before; False when nobody looks at its use."""
        unit = self._engine.meter_unit(meter)
        declared = self._declared.get(unit.feature) if unit is not None else None
        if unit is None or declared is None or declared.tables:
            self._meters.pop(meter, None)
            return False
        fresh = self._meters.get(meter) != unit
        self._meters[meter] = unit
        if fresh:
            self._before.pop(meter, None)
        return fresh

    def meters(self) -> list[int]:
        """The meters to be read: those whose use is told, while they are wanted."""
        wanted = self._engine.desired.meters
        self._meters = {meter: unit for meter, unit in self._meters.items() if meter in wanted}
        self._before = {meter: before for meter, before in self._before.items() if meter in self._meters}
        return sorted(self._meters)

    def seconds(self) -> float:
        """The time to the next reading: the shortest that somebody who looks on wants; infinite when nobody does."""
        units = {unit.feature for unit in self._meters.values()}
        for flow in self._flows.values():
            units |= {unit.feature for unit in self._engine.units(flow.cookie)}
        return min((self._declared[one].seconds for one in units if one in self._declared), default=math.inf)

    def last(self, meter: int, amounts: Amounts) -> None:
        """Take the last count of a meter that begins again from zero."""
        if meter in self._before:
            at, before = self._before[meter]
            # What it counts anew from zero comes on top of this.
            self._before[meter] = at, tuple(was - now for was, now in zip(before, amounts, strict=True))

    def reports(self, found: Mapping[int, Amounts]) -> list[Report]:
        """The reports that say something new; ``found`` has the amounts of meters and flows by their counters."""
        dropped = {meter: amounts[DROPPED] for meter, amounts in found.items() if meter < FLOW}
        now = self._wall()
        readings = {unit: Reading(now, tuple(flows), dropped) for unit, flows in self._read(found).items()}
        for unit, used in self._used(found, now).items():
            readings[unit] = Reading(now, (), dropped, used)
        made = [self._report(unit, reading) for unit, reading in readings.items()]
        return [report for report in made if report is not None]

    def _used(self, found: Mapping[int, Amounts], now: float) -> dict[Unit, dict[int, Used]]:
        """The use of the meters of each unit since they were last read."""
        told: dict[Unit, dict[int, Used]] = {}
        for meter, unit in self._meters.items():
            amounts = found.get(meter)
            if amounts is None:
                continue
            at, before = self._before.get(meter, (now, amounts))
            self._before[meter] = now, amounts
            if now > at and amounts[BYTES] >= before[BYTES]:
                passed = amounts[BYTES] - amounts[DROPPED_BYTES] - before[BYTES] + before[DROPPED_BYTES]
                told.setdefault(unit, {})[meter] = Used(now - at, passed, amounts[DROPPED] - before[DROPPED])
        return told

    def _read(self, found: Mapping[int, Amounts]) -> dict[Unit, list[tuple[Flow, int]]]:
        """The flows of each unit that the switch has, with their packets."""
        read: dict[Unit, list[tuple[Flow, int]]] = {}
        for flow in self._flows.values():
            amounts = found.get(flow_counter(flow.key))
            if amounts is None:
                continue
            for unit in self._engine.units(flow.cookie):
                if unit.feature in self._declared:
                    read.setdefault(unit, []).append((flow, amounts[0]))
        return read

    def _report(self, unit: Unit, reading: Reading) -> Report | None:
        state, here = self._engine.state, self._engine.here
        record = state.get(unit.feature.each, unit.id)
        if record is None:
            return None
        declared: Tells = self._declared[unit.feature]
        made = self._engine.ask(
            "tells", unit.id, declared.report, lambda: declared.report(record, reading, here, self._engine.view())
        )
        return Put(made) if made is not None and made != state.get(type(made), made.id) else None
