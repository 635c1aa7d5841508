"""Brings interfaces to their plans and back: all of it or nothing, and never one that was not named."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from apps.multi_queue.host import state
from apps.multi_queue.host.journal import Journal, Record
from apps.multi_queue.host.machine import Machine
from apps.multi_queue.host.state import CHANNELS, FLOWS, State
from apps.multi_queue.model import Impossible, Nic, Plan, Wish, plan
from sdnctl.base.problem import Problem

log = structlog.get_logger("nic")
Changes = Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Proposal:
    """The changes proposed for an interface: setting -> (before, after), and what the operator should know."""

    plan: Plan
    changes: Changes
    warnings: tuple[str, ...] = ()

    def shown(self) -> dict[str, Any]:
        """The proposal as JSON, for programs."""
        pairs = {knob: {"before": before, "after": after} for knob, (before, after) in self.changes.items()}
        return {"plan": asdict(self.plan), "changes": pairs, "warnings": list(self.warnings)}


class Tuner:
    """One machine's interfaces and the journal of what was done to them."""

    def __init__(self, machine: Machine, data: Path) -> None:
        self.machine = machine
        self.journal = Journal(data)

    def show(self, name: str) -> dict[str, Any]:
        """Everything about one interface, for programs; nothing is changed."""
        nic, now = self.machine.nic(name), state.read(self.machine, name)
        record = self.journal.read(name)
        irqs = [{**asdict(irq), "cpus": now.get(f"irq {irq.name}", "")} for irq in nic.irqs]
        return {
            "nic": name,
            "driver": nic.driver,
            "node": nic.node,
            "channels": asdict(nic.now),
            "most": None if nic.most is None else asdict(nic.most),
            "irqs": irqs,
            "rps": _of_queues(now, "rx", "rps_cpus"),
            "rpsFlows": _of_queues(now, "rx", "rps_flow_cnt"),
            "xps": _of_queues(now, "tx", "xps_cpus"),
            "threaded": nic.threaded,
            "rings": dict(nic.rings),
            "coalesce": dict(nic.coalesce),
            "applied": record is not None and record.applied,
        }

    def plan(self, name: str, wish: Wish) -> Proposal:
        """The changes that ``apply`` would make; nothing is changed.

        What only follows once the channels are others (interrupts that are not there yet) is not told.
        """
        nic, made = self._planned(name, wish)
        now = state.read(self.machine, name)
        # The queues that more channels bring have no settings yet.
        coming = {knob: ("", value) for knob, value in state.wanted(made, nic).items() if knob not in now and value}
        shown = {**state.changes(now, state.wanted(made, nic)), **coming}
        return Proposal(made, shown, (*made.notes, *self.warnings(nic, made)))

    def apply(self, name: str, wish: Wish, force: bool = False) -> Proposal:
        """Bring an interface to its plan; when one step fails, the earlier ones are undone and Problem is raised."""
        if name == self.machine.default_interface() and not force:
            text = f"{name} carries this machine's default route: changing it can cut you off"
            raise Problem(f"{text}; name it with --force if you mean it")
        with self.journal.held():
            self._recover(name)
            return self._apply(name, wish)

    def _apply(self, name: str, wish: Wish) -> Proposal:
        nic, first = self._planned(name, wish)
        before = state.read(self.machine, name)
        if not wish.flows:
            before.pop(FLOWS, None)  # the machine's, not this interface's
        old, index = self.journal.read(name), self.machine.index(name)
        # Another interface of that name was never touched.
        known = old if old is not None and old.index == index else None
        base = {**before, **known.base} if known is not None else before
        record = Record(name, index, wish, first.cpus, base, before)
        if known is not None:
            record = replace(record, changes=known.changes, applied=known.applied)
        self.journal.write(record)
        try:
            record, done = self._steps(record, nic, first)
        except (Problem, Impossible) as problem:
            self._undo(name, before, known, str(problem))
            raise Problem(f"{problem}; everything is as it was before") from None
        self.journal.write(replace(record, pending=None, applied=True))
        return done

    def _steps(self, record: Record, nic: Nic, first: Plan) -> tuple[Record, Proposal]:
        """Channels, then what depends on the queues and interrupts that there are with them."""
        now = state.read(self.machine, nic.name)
        channels = {CHANNELS: state.wanted(first, nic)[CHANNELS]} if nic.most is not None else {}
        todo = state.changes(now, channels)
        record = self._set(record, todo)
        nic = self.machine.nic(nic.name)
        wish = replace(record.wish, queues=record.wish.queues or nic.now.receiving)
        made = self._plan_of(nic, wish, first.cpus)
        then = state.wanted(made, nic)
        more = state.changes(state.read(self.machine, nic.name), then)
        record = self._set(replace(record, cpus=made.cpus), more)
        for knob, (now_is, value) in state.changes(state.read(self.machine, nic.name), then).items():
            raise Problem(f"{nic.name}: {knob} was set to {value or 'none'} and reads {now_is or 'none'}")
        notes = (*first.notes, *(note for note in made.notes if note not in first.notes))
        return record, Proposal(made, {**todo, **more}, (*notes, *self.warnings(nic, made)))

    def _set(self, record: Record, todo: Changes) -> Record:
        """Write down some changes, then make them."""
        if not todo:
            return record
        record = record.noting(todo)
        self.journal.write(record)
        for knob, (before, after) in todo.items():
            state.write(self.machine, record.nic, knob, after)
            log.debug("set", nic=record.nic, what=knob, before=before, after=after)
        return record

    def rollback(self, name: str) -> Changes:
        """Bring back everything as it was before the first change; Problem when there is nothing to bring back."""
        with self.journal.held():
            self._recover(name)
            record = self.journal.read(name)
            if record is None:
                raise Problem(f"{name}: nothing was changed here, so there is nothing to roll back")
            if record.index != self.machine.index(name):
                self.journal.forget(name)
                raise Problem(f"{name} is another interface than the one that was changed: it is left alone")
            base = {knob: value for knob, value in record.base.items() if knob != FLOWS or self._last_with_flows(name)}
            now = state.read(self.machine, name)
            self.journal.write(replace(record, pending=now))
            failed = state.restore(self.machine, name, base)
            if failed:
                raise Problem("; ".join(failed))
            self.journal.forget(name)
            log.info("rolled back", nic=name)
            return state.changes(now, base)

    def drift(self, name: str) -> Changes:
        """The settings that are not (any more) as asked for; empty for an interface that nothing was asked for."""
        record = self.journal.read(name)
        if record is None:
            return {}
        nic, made = self.planned(name)
        return state.changes(state.read(self.machine, name), state.wanted(made, nic))

    def planned(self, name: str) -> tuple[Nic, Plan]:
        """An interface and the plan for it by what was asked for last."""
        record = self.journal.read(name)
        return self._planned(name, record.wish if record is not None else Wish())

    def _planned(self, name: str, wish: Wish) -> tuple[Nic, Plan]:
        record, nic = self.journal.read(name), self.machine.nic(name)
        before = record.cpus if record is not None and record.index == self.machine.index(name) else ()
        return nic, self._plan_of(nic, wish, before)

    def _plan_of(self, nic: Nic, wish: Wish, before: tuple[int, ...]) -> Plan:
        try:
            return plan(nic, self.machine.cpus(self.journal.load(nic.name)), wish, before)
        except Impossible as impossible:
            raise Problem(str(impossible)) from None

    def _recover(self, name: str) -> None:
        """Undo what a program left half done."""
        record = self.journal.read(name)
        if record is None or record.pending is None:
            return
        if record.index == self.machine.index(name):
            kept = replace(record, pending=None) if record.applied else None
            self._undo(name, record.pending, kept, "the program ended in the middle")
        else:
            self.journal.forget(name)

    def _undo(self, name: str, before: Mapping[str, str], known: Record | None, why: str) -> None:
        failed = state.restore(self.machine, name, State(before))
        log.warning("undone", nic=name, because=why, failed=failed)
        if failed:
            raise Problem(f"{why}; and undoing it failed: {'; '.join(failed)}")
        if known is None:
            self.journal.forget(name)
        else:
            self.journal.write(known)

    def _last_with_flows(self, name: str) -> bool:
        """True when no other interface needs the machine's table of flows."""
        others = (self.journal.read(other) for other in self.journal.names() if other != name)
        return not any(record is not None and record.wish.flows for record in others)

    def warnings(self, nic: Nic, made: Plan) -> list[str]:
        """Warnings of what else on this machine will undo a plan, and how to keep it from that."""
        pid = self.machine.running("irqbalance")
        if not pid or not made.irqs:
            return []
        banned = " ".join(f"--banirq={number}" for number in sorted(made.irqs))
        return [
            f"irqbalance runs (process {pid}) and will move the interrupts of {nic.name} again; keep it off them with "
            f'IRQBALANCE_ARGS="{banned}" in /etc/default/irqbalance'
        ]


def _of_queues(now: Mapping[str, str], kind: str, file: str) -> list[str]:
    """One setting of all queues, in order."""
    found: list[str] = []
    while (knob := f"{kind}-{len(found)}/{file}") in now:
        found.append(now[knob])
    return found
