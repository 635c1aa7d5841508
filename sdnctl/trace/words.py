"""A packet's way over one host, told in the words of the features: what its switch says, flow by flow.

The switch says which flows matched (``ofproto``); a cookie leads to the unit that wanted the flow, and the feature has
words for what its flows do.
"""

from collections.abc import Iterable
from dataclasses import replace

from sdnctl.base.addresses import Ip4
from sdnctl.base.errors import FeatureError
from sdnctl.engine.border import guarded
from sdnctl.engine.engine import Engine
from sdnctl.engine.graph import Unit
from sdnctl.model.host import TUNNEL, UPLINK, Host, LocalPort, LocalTunnel, LocalUplink
from sdnctl.of.actions import CONTROLLER, IN_PORT
from sdnctl.of.fields import ETH_SRC, FIELDS, TUN_DST, TUN_ID, TUN_SRC
from sdnctl.of.fields import IN_PORT as CAME_IN
from sdnctl.program import declared
from sdnctl.program.declared import Reason
from sdnctl.program.feature import Program, View
from sdnctl.program.step import Packet, Step
from sdnctl.trace.model import Exit, Leg, Outcome, Question, Statement

FRAME = frozenset(FIELDS[FIELDS.index(ETH_SRC) : FIELDS.index(TUN_ID)])
"""The fields of the frame itself, which it keeps on its way to the next host."""


def arriving(question: Question, engine: Engine) -> Packet | str:
    """The packet with the number of the switch port where it comes in; why it cannot come in, in words."""
    if question.host != engine.here:
        return f"this is host {engine.here}"
    cls = {UPLINK: LocalUplink, TUNNEL: LocalTunnel}.get(question.entry, LocalPort)
    port = engine.state.get(cls, question.entry)
    if isinstance(port, LocalPort | LocalUplink | LocalTunnel):
        return {CAME_IN: port.ofport, **question.packet}
    what = {UPLINK: "there is no uplink", TUNNEL: "there are no tunnels"}
    return f"{what.get(question.entry, f'{question.entry} is not plugged in')} on host {engine.here}"


def tell(steps: Iterable[Step], engine: Engine) -> Leg:
    """The way of a packet through these steps, in words; ``engine`` wants the flows that its host's switch has."""
    statements: list[Statement] = []
    outcome: Outcome = "dropped"
    reason: Reason | None = None
    way: Exit | None = None
    for step in steps:
        end = engine.program.pipeline.end
        if reason is not None and end is not None and step.table == end.table.id:
            continue  # only counts what was decided before
        reason = engine.program.pipeline.reason_of(step.after) or reason
        way = _exit(step, engine) or way
        outcome = _outcome(step, way) or outcome
        statement = _statement(step, engine, reason)
        if statement.says:
            statements.append(statement)
    if not statements:
        return Leg(engine.here, "dropped", "", "dropped: the switch says nothing", ())
    said = statements[-1].says
    if outcome == "dropped":
        said = f"dropped: {said}" + (f" ({reason.name})" if reason is not None else "")
    elif outcome == "delivered":
        said = f"{said} on host {engine.here}"
    return Leg(engine.here, outcome, reason.name if reason is not None else "", said, tuple(statements), way)


def _outcome(step: Step, way: Exit | None) -> Outcome | None:
    """The outcome of one step's actions for the packet, None when it goes on."""
    if not step.outputs:
        return None
    if CONTROLLER in step.outputs:
        return "asked"
    if way is not None and way.by == TUNNEL:
        return "onward"
    return "answered" if IN_PORT in step.outputs else "delivered"


def _exit(step: Step, engine: Engine) -> Exit | None:
    """The way by which a step lets the packet leave this host, None while it stays."""
    uplink, tunnel = engine.state.get(LocalUplink, UPLINK), engine.state.get(LocalTunnel, TUNNEL)
    frame = {field: value for field, value in step.after.items() if field in FRAME}
    if tunnel is not None and tunnel.ofport in step.outputs:
        host = engine.state.get(Host, engine.here)
        inside = {TUN_ID: step.after.get(TUN_ID, 0), TUN_SRC: host.encap_ip if host is not None else 0}
        return Exit(TUNNEL, Ip4(step.after.get(TUN_DST, 0)), {**inside, **frame})
    if uplink is not None and uplink.ofport in step.outputs:
        return Exit(UPLINK, Ip4(0), frame)
    return None


def _statement(step: Step, engine: Engine, reason: Reason | None) -> Statement:
    pipeline, view = engine.program.pipeline, engine.view()
    try:
        table = pipeline.by_id(step.table)
    except KeyError:  # of an earlier version, until the switch is in step
        says = f"a table that nobody declares decides, number {step.table}"
        return Statement(str(step.table), "", "", says, "a table that nobody declares decides")
    flow, unit = engine.desired.flows.get(step.cookie), next(iter(engine.units(step.cookie)), None)
    if flow is None or unit is None:
        says = f"a flow that nobody wants decides, cookie {step.cookie:#x}" if step.cookie else "no flow matches"
        return Statement(table.name, "", "", says, table.purpose)
    each = unit.feature.each
    record = engine.state.get(each, unit.id) if each is not object else None
    known = replace(step, record=record, priority=flow.priority)
    asked = pipeline.question_of(step.before) if CONTROLLER in step.outputs else None
    says = _sentence(known, unit, reason or asked, engine.program, view)
    plain = reason.text if reason is not None else asked.purpose if asked is not None else table.purpose
    id = unit.id if record is not None else ""
    return Statement(table.name, unit.feature.name, id, says, plain, unit.id)


def _sentence(step: Step, unit: Unit, why: Reason | declared.Question | None, program: Program, view: View) -> str:
    """The words of the reason, of the question, or of the feature; else what is declared of them."""
    if why is None:
        words = program.words.get(unit.feature.name)
        otherwise = f"{program.pipeline.by_id(step.table).purpose}: {unit}"
    else:
        words = program.words.get(why)
        otherwise = why.text if isinstance(why, Reason) else f"the controller is asked: {why.purpose}"
    if words is None:
        return otherwise
    try:
        return guarded(words.say, unit.id, lambda: words.say(step, view))
    except FeatureError:
        return otherwise  # the record that it speaks of may have gone, while the flow is still there
