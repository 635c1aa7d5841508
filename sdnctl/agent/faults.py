"""The faults of a host, for its log and its report: units without flows, and what the switch refuses."""

from collections.abc import Mapping
from typing import Any

import structlog

from sdnctl.base.errors import FeatureError, told
from sdnctl.engine.graph import Node
from sdnctl.of.flow import Flow
from sdnctl.of.group import Group
from sdnctl.of.meter import Meter
from sdnctl.switch.commands import Refused
from sdnctl.switch.refusals import Refusals

ERRORS_MAX = 20
log = structlog.get_logger("agent")


class Faults:
    """Logs each fault once and keeps what still holds."""

    def __init__(self) -> None:
        self._refused: dict[Any, str] = {}
        self._units: dict[Node, str] = {}

    def __bool__(self) -> bool:
        return bool(self._units)

    def units(self, errors: Mapping[Node, FeatureError]) -> None:
        """Note that these units could not be turned into flows, and no others."""
        before, self._units = self._units, {unit: _said(fault) for unit, fault in errors.items()}
        for unit, fault in self._units.items():
            if before.get(unit) != fault:
                log.error("a unit keeps its last good flows", unit=str(unit), error=fault)

    def refused(self, by_switch: Refused, owners: list[str]) -> None:
        """The switch does not take this; ``owners`` want it."""
        thing = by_switch.thing
        if isinstance(thing, Flow):
            key: Any = thing.cookie
            name = f"{', '.join(owners)}: flow {thing.cookie:#x}"
        else:
            key = type(thing), thing.id
            name = f"{type(thing).__name__.lower()} {thing.id}"
        self._refused[key] = f"{name}: {by_switch.error}"
        log.error("the switch refused", what=name, error=str(by_switch.error))

    def reconnected(self) -> None:
        """A new connection: whatever the last one refused is tried again."""
        self._refused.clear()

    def texts(self, left: Refusals | None) -> tuple[str, ...]:
        """The present faults in words, the first few; ``left`` is what the switch still refuses."""
        if left is not None and self._refused:
            others: list[Meter | Group] = [*left.meters.values(), *left.groups.values()]
            still = {*left.flows, *((type(thing), thing.id) for thing in others)}
            self._refused = {key: text for key, text in self._refused.items() if key in still}
        units = [f"{unit}: {fault}" for unit, fault in self._units.items()]
        return tuple(map(told, sorted([*units, *self._refused.values()])[:ERRORS_MAX]))


def _said(fault: FeatureError) -> str:
    """The error with the line that failed, and whose that is where it is not the unit's own."""
    return f"{fault} ({fault.feature} {fault.resource}, {fault.line})" if fault.line else str(fault)
