"""The story of a packet: each step that the switch took, told in the words of the feature and resource behind it.

The switch says which flows matched (``steps``); a cookie leads to the unit that wanted the flow, and the feature has
words for what its flows do.  Whose resource a step concerned is kept with it, so that a tenant can be told its own part
and no more (``for_account``).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from sdnctl.engine.engine import Engine
from sdnctl.engine.graph import Unit
from sdnctl.model.resource import resources
from sdnctl.of.actions import CONTROLLER, IN_PORT
from sdnctl.program.feature import Program, View
from sdnctl.program.pipeline import Reason
from sdnctl.program.step import Packet, Step

_ID = re.compile(r"\b[a-z]+-[A-Za-z0-9-]+")
Outcome = Literal["delivered", "answered", "asked", "dropped"]
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: a packet from a network interface of a host, or from its uplink when ``port`` is ""."""

    host: str
    port: str
    packet: Packet


@dataclass(frozen=True, slots=True)
class Line:
    """One step told: ``plain`` says it without naming anybody, ``accounts`` own what ``says`` names.

    ``kind`` says what sort of resource the flow is for.
    """

    table: str
    feature: str
    resource: str
    says: str
    plain: str
    accounts: frozenset[str]
    kind: str


@dataclass(frozen=True, slots=True)
class Story:
    """What became of a packet on one host; ``reason`` is the name of a declared reason where it was dropped."""

    host: str
    outcome: Outcome
    reason: str
    verdict: str
    lines: tuple[Line, ...]


def tell(steps: Iterable[Step], engine: Engine) -> Story:
    """The story of these steps; ``engine`` wants the flows that the switch of its host has."""
    lines: list[Line] = []
    outcome: Outcome = "dropped"
    reason: Reason | None = None
    for step in steps:
        end = engine.program.pipeline.end
        if reason is not None and end is not None and step.table == end.table.id:
            continue  # only counts what was decided before
        reason = engine.program.pipeline.reason_of(step.after) or reason
        found = _outcome(step)
        outcome = found if found is not None else outcome
        lines.append(_line(step, engine, reason))
    if not lines:
        return Story(engine.here, "dropped", "", "dropped: the switch says nothing", ())
    said = lines[-1].says
    if outcome == "dropped":
        said = f"dropped: {said}" + (f" ({reason.name})" if reason is not None else "")
    elif outcome == "delivered":
        said = f"{said} on host {engine.here}"
    return Story(engine.here, outcome, reason.name if reason is not None else "", said, tuple(lines))


def _outcome(step: Step) -> Outcome | None:
    """What the actions of one step make of the packet, None when it goes on."""
    if not step.outputs:
        return None
    if CONTROLLER in step.outputs:
        return "asked"
    return "answered" if IN_PORT in step.outputs else "delivered"


def _line(step: Step, engine: Engine, reason: Reason | None) -> Line:
    pipeline, view = engine.program.pipeline, engine.view()
    table = pipeline.by_id(step.table)
    flow, unit = engine.desired.flows.get(step.cookie), next(iter(engine.units(step.cookie)), None)
    if flow is None or unit is None:
        says = f"a flow that nobody wants decides, cookie {step.cookie:#x}" if step.cookie else "no flow matches"
        return Line(table.name, "", "", says, table.purpose, frozenset(), "")
    each = unit.feature.each
    record = engine.state.get(each, unit.id) if each is not object else None
    known = replace(step, record=record, priority=flow.priority)
    says = _sentence(known, unit, reason, engine.program, view)
    account, kind = _owner(unit.id, engine)
    accounts = {account, *(_owner(id, engine)[0] for id in _ID.findall(says))} - {""}
    plain = reason.text if reason is not None else table.purpose
    id = unit.id if record is not None else ""
    return Line(table.name, unit.feature.name, id, says, plain, frozenset(accounts), kind)


def _sentence(step: Step, unit: Unit, reason: Reason | None, program: Program, view: View) -> str:
    """The words of the reason, of the table that asks, or of the feature; else what is declared of them."""
    table = program.pipeline.by_id(step.table)
    if reason is not None:
        words, otherwise = program.words.get(reason), reason.text
    elif table.punt_meter is not None:
        words, otherwise = program.words.get(table), f"the controller is asked: {table.purpose}"
    else:
        words, otherwise = program.words.get(unit.feature.name), f"{table.purpose}: {unit}"
    return words.say(step, view) if words is not None else otherwise


def _owner(id: str, engine: Engine) -> tuple[str, str]:
    """The account of the resource with an id, and what kind of thing it is; a port of a switch is its interface."""
    for name, cls in resources().items():
        record = engine.state.get(cls, id)
        account = getattr(record, "account", "")
        if account:
            return account, _CAPITAL.sub(" ", name).lower().replace(" ip", " IP")
    return "", ""


def for_account(story: Story, account: str) -> Story:
    """The story as a tenant may hear it: from the first resource of another account on, nothing is named any more."""
    lines: list[Line] = []
    foreign = False
    for line in story.lines:
        strange = not line.accounts <= {account}
        foreign |= strange
        if strange:
            whose = f"another account's {line.kind}: " if line.kind else "another account's: "
            line = replace(line, says=f"{whose}{line.plain}", resource="")
        elif foreign:
            line = replace(line, says=line.plain, resource="")
        lines.append(line)
    verdict = lines[-1].says if lines else "the switch says nothing"
    if story.outcome == "dropped":
        verdict = f"dropped: {verdict}" + (f" ({story.reason})" if story.reason else "")
    elif foreign and story.outcome == "delivered":
        verdict = "delivered to another account's network interface"
    return replace(story, host="", verdict=verdict, lines=tuple(lines))
