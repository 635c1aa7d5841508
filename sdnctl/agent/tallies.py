"""The counts that somebody looks at now: read often, and told to the store as features declare it with ``@tells``.

No clock and no I/O: ``counters`` brings what the switch answered.
"""

from collections.abc import Callable, Mapping

from sdnctl.agent.totals import FLOW, Amounts, flow_counter
from sdnctl.engine.engine import Engine
from sdnctl.engine.graph import Unit
from sdnctl.of.flow import Flow
from sdnctl.program.feature import Reading, Tells
from sdnctl.program.packets import Put, Report

DROPPED = 2
"""The place of the dropped packets among the amounts of a meter."""


class Tallies:
    """The flows whose counts a host tells as they are, by their cookies."""

    def __init__(self, engine: Engine, wall: Callable[[], float]) -> None:
        """``wall`` tells the seconds since 1970."""
        self._engine = engine
        self._wall = wall
        self._declared = engine.program.tells
        self._tables = {table.id for one in self._declared.values() for table in one.tables}
        self._flows: dict[int, Flow] = {}

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

    def reports(self, found: Mapping[int, Amounts]) -> list[Report]:
        """The reports that say something new; ``found`` has the amounts of meters and flows by their counters."""
        dropped = {meter: amounts[DROPPED] for meter, amounts in found.items() if meter < FLOW}
        now = self._wall()
        made = [self._report(unit, Reading(now, tuple(flows), dropped)) for unit, flows in self._read(found).items()]
        return [report for report in made if report is not None]

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
