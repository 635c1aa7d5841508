"""The engine turns what changed into what the switch should have instead, running only the units that are concerned.

Changes come in; each dirties the units of its resource and every unit that read a changed key.  All dirty units run
first, then their old yields are retracted and the new ones added, and what differs is handed to the plan.  The engine
has no clock, no socket and no thread: the same changes in any order, split or repeated, end in the same flows.

A run can be cut into slices (``slices``).  Between two of them the records are all new already and the derived values
agree with them, while the desired state is in between: packets may be answered then, and nothing else is asked.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from sdnctl.base.errors import FeatureError
from sdnctl.engine.absorb import absorb
from sdnctl.engine.border import guarded, name_of
from sdnctl.engine.desired import Desired, Touched
from sdnctl.engine.graph import Graph, Memo, Node, Placement, Unit
from sdnctl.engine.ledger import Ledger, ReportKey
from sdnctl.engine.outputs import NOTHING, Outputs
from sdnctl.engine.slices import SLICE, finished
from sdnctl.model.resource import meta
from sdnctl.program.connections import Census, KnownConnection
from sdnctl.program.feature import Feature, Placed, Program, Static, View
from sdnctl.program.packets import Drop, PacketIn, PacketOut, Put, Report
from sdnctl.store.state import Change, State

LOCAL_ROUNDS = 16
"""The most rounds in which the units of one change may answer each other by local records: beyond, they go round."""
Answer = PacketOut | Report | Census
R = TypeVar("R")


class Engine:
    """One host's view of the intent, and the flows that follow from it."""

    def __init__(self, program: Program, here: str) -> None:
        """``here`` is the id of the host whose switch this engine serves."""
        self.program = program
        self.here = here
        self.state = State()
        self.errors: dict[Node, FeatureError] = {}
        """The faults by what they concern: a unit, a placement, or (as a unit of no class) a handler or ticker."""
        self.runs = 0
        self.unanswered = 0
        """The number of packets and ticks that a feature failed to answer."""
        self._graph = Graph()
        self._memo = Memo(self.state, self._graph, here)
        self._ledger = Ledger()
        self._units: dict[Feature, dict[str, Unit]] = {}
        self._placements: dict[tuple[type, Placed, Any], Placement] = {}
        self._by_class: dict[type, dict[Placed | None, list[Feature]]] = {}
        for feature in program.features:
            self._by_class.setdefault(feature.each, {}).setdefault(feature.within, []).append(feature)
        self._reports: set[ReportKey] = set()
        self._own: set[ReportKey] = set()
        self._reporting: set[Unit] = set()
        reported = {cls for feature in program.features for cls in feature.reports}
        self._reported = frozenset(cls for cls in reported if not meta(cls).local)
        self._responders: dict[str, Unit] = {}
        self._withdrawn: set[ReportKey] = set()
        self._told: dict[ReportKey, Any] = {}
        self._slicing = False
        always = {Unit(Feature(s.name, object), "always"): _static(s) for s in program.statics}
        self._waiting, _, clash = finished(self._ledger.settle(always))
        if clash:
            raise next(iter(clash.values()))

    @property
    def desired(self) -> Desired:
        """The desired state of the switch."""
        return self._ledger.desired

    @property
    def reports(self) -> Mapping[ReportKey, Any]:
        """The records that this host should have reported, by class and id."""
        return self._ledger.reports

    def owners(self, cookie: int) -> list[str]:
        """Feature and resource id behind a flow."""
        return [str(unit) for unit in self._ledger.owners(cookie)]

    def units(self, cookie: int) -> tuple[Unit, ...]:
        """The units that want a flow, none when nobody does."""
        return self._ledger.owners(cookie)

    def meter_unit(self, id: int) -> Unit | None:
        """The unit that wants a meter."""
        return self._ledger.meter_owner(id)

    def view(self) -> View:
        """A view for a reader that is no unit: what it reads is remembered by nobody."""
        return self._memo.view()

    def apply(self, changes: Iterable[Change], *, strict: bool = False) -> Touched:
        """Take changes in and run what they concern; ``strict`` raises what a feature raises, for tests.

        What units report of ``local`` classes is a change of its own, which runs what it concerns, until all agree.
        """
        return finished(self.slices(changes, strict=strict))

    def slices(self, changes: Iterable[Change], *, strict: bool = False) -> Generator[None, None, Touched]:
        """The same in slices, each about as long as a few units run; between two of them only ``handle`` may be called.

        RuntimeError when another run is under way.
        """
        if self._slicing:
            raise RuntimeError("a run of the engine inside another one")
        self._slicing = True
        try:
            touched = yield from self._step([*changes, *self._told_changes()], strict)
            touched.merge(self._waiting)
            self._waiting = Touched()
            for _ in range(LOCAL_ROUNDS):
                own = self._own_changes()
                if not own:
                    break
                touched.local.update(change.cls for change in own)
                touched.merge((yield from self._step(own, strict)))
            else:
                self._go_round(strict)
            self._memo.sweep()
            return touched
        finally:
            self._slicing = False

    @property
    def slicing(self) -> bool:
        """True between two slices of a run."""
        return self._slicing

    @property
    def stirred(self) -> bool:
        """True when an answer to a packet or to the time is a change of local records; ``apply`` of nothing tells."""
        return bool(self._told)

    def _told_changes(self) -> list[Change]:
        """The changes that answers to packets and to the time made to local records, since they were last asked for."""
        told, self._told = self._told, {}
        self._waiting.local.update(cls for cls, _ in told)
        return [Change(*key, self.state.get(*key), record) for key, record in told.items()]

    def _step(self, changes: Iterable[Change], strict: bool) -> Generator[None, None, Touched]:
        """One round of ``apply``: the changes, and the units that they concern."""
        felt, keys = absorb(self.state, changes)
        dirty = self._memo.settle(node for key in keys for node in self._graph.readers(key))
        dirty.update(self._failed())
        units = {node for node in dirty if isinstance(node, Unit)}
        gone: set[Unit] = set()
        for node in dirty:
            if isinstance(node, Placement):
                self._replace(node, units, gone)
        for change in felt:
            for within, features in self._by_class.get(change.cls, {}).items():
                self._enrol(change, within, features, units, gone)
        return (yield from self._run(units - gone, gone, strict))

    def _failed(self) -> list[Node]:
        """The nodes to be tried again with every change; handlers and tickers wait for their next turn instead."""
        return [node for node in self.errors if not (isinstance(node, Unit) and node.feature.each is object)]

    def _own_changes(self) -> list[Change]:
        """The changes that make this controller's own records what the units report of them."""
        if not self._own:
            return []
        keys, self._own = self._own, set()
        wanted = [(key, self._ledger.reports.get(key), self.state.get(*key)) for key in keys]
        changes = [Change(*key, known, new) for key, new, known in wanted if new != known]
        return sorted(changes, key=lambda change: (change.cls.__name__, change.id)) if len(changes) > 1 else changes

    def _go_round(self, strict: bool) -> None:
        """Fail the units whose local records never settle, whatever they yield; the others keep what they have."""
        own = self._own_changes()
        self._own.update((change.cls, change.id) for change in own)  # to be tried again, and told again
        for unit in self._reporting if own else ():
            names = ", ".join(f"{change.cls.__name__} {change.id}" for change in own)
            fault = FeatureError(f"goes round: what it reports of {names} changes itself", unit.feature.name, unit.id)
            if strict:
                raise fault
            self.errors[unit] = fault

    def prepare(self) -> None:
        """Make, after loading, the indexes that the first deletion would otherwise make, among thousands of records."""
        for cls, features in self._by_class.items():
            for within in features:
                if within is not None:
                    self.state.index(cls, within.index)

    def _replace(self, node: Placement, units: set[Unit], gone: set[Unit]) -> None:
        """Ask again whether a placement holds; if that flipped, all its members come or go."""
        was = node.placed
        if self._ask(node) == was:
            return
        for feature in self._by_class[node.cls][node.within]:
            for id in self.state.by(node.cls, node.within.index, node.value):
                if node.placed:
                    units.add(self._unit(feature, id))
                elif (unit := self._known(feature, id)) is not None:
                    gone.add(unit)

    def _ask(self, node: Placement) -> bool:
        """Ask whether the placement holds and return it; one whose test fails stays as it was."""
        view = self._memo.view()
        try:
            node.placed = view.derived(node.within.test, node.value)
            self.errors.pop(node, None)
        except FeatureError as fault:
            self.errors[node] = fault
        self._graph.record(node, view.reads)
        return node.placed

    def _enrol(
        self, change: Change, within: Placed | None, features: list[Feature], units: set[Unit], gone: set[Unit]
    ) -> None:
        """One resource came, changed or went: its units are to run, or to go."""
        if within is not None and change.old is not None:
            self._retire(change, within)
        if change.new is not None and (within is None or self._is_placed(change, within)):
            for feature in features:
                unit = self._unit(feature, change.id)
                units.add(unit)
                gone.discard(unit)
        elif change.old is not None:
            known = (self._known(feature, change.id) for feature in features)
            gone.update(unit for unit in known if unit is not None)

    def _is_placed(self, change: Change, within: Placed) -> bool:
        """True when the changed resource is of concern here."""
        values_of = meta(change.cls).index_of[within.index]
        placed = False
        for value in values_of(change.new):
            key = (change.cls, within, value)
            node = self._placements.get(key)
            if node is None:
                node = self._placements[key] = Placement(*key)
                self._ask(node)
            placed |= node.placed
        return placed

    def _retire(self, change: Change, within: Placed) -> None:
        """Forget a placement whose index value has no members left."""
        values_of = meta(change.cls).index_of[within.index]
        before = values_of(change.old)
        if change.new is not None and values_of(change.new) == before:
            return
        for value in before:
            if not self.state.by(change.cls, within.index, value):
                node = self._placements.pop((change.cls, within, value), None)
                if node is not None:
                    self._graph.record(node, frozenset())
                    self.errors.pop(node, None)

    def _known(self, feature: Feature, id: str) -> Unit | None:
        units = self._units.get(feature)
        return units.get(id) if units is not None else None

    def _unit(self, feature: Feature, id: str) -> Unit:
        units = self._units.setdefault(feature, {})
        unit = units.get(id)
        if unit is None:
            unit = units[id] = Unit(feature, id)
        return unit

    def _drop(self, unit: Unit) -> None:
        """Forget a unit that has nothing left."""
        self._graph.record(unit, frozenset())
        self.errors.pop(unit, None)
        units = self._units.get(unit.feature, {})
        if units.pop(unit.id, None) is not None and not units:
            del self._units[unit.feature]

    def _run(self, units: set[Unit], gone: set[Unit], strict: bool) -> Generator[None, None, Touched]:
        if not units and not gone:
            self._reporting = set()
            return Touched()
        yields: dict[Unit, Outputs] = dict.fromkeys(gone, NOTHING)
        done = 0
        for unit in units:
            if done >= SLICE:
                done = 0
                yield
            done += 1
            record = self.state.get(unit.feature.each, unit.id)
            if record is None:
                yields[unit] = NOTHING
                gone.add(unit)
                continue
            try:
                yields[unit] = new = self._outputs(unit, record)
                done += len(new.flows)
                self.errors.pop(unit, None)
            except FeatureError as fault:
                if strict:
                    raise
                self.errors[unit] = fault
        self._reporting = {unit for unit, outputs in yields.items() if outputs.reports != unit.held.reports}
        touched, reports, conflicts = yield from self._ledger.settle(yields)
        if strict and conflicts:
            raise next(iter(conflicts.values()))
        self.errors.update(dict[Node, FeatureError](conflicts.items()))
        for key in reports:
            (self._own if meta(key[0]).local else self._reports).add(key)
        for unit in gone:
            self._drop(unit)
        return touched

    def _outputs(self, unit: Unit, record: Any) -> Outputs:
        """The outputs of a unit for its record; raises FeatureError."""
        feature, view = unit.feature, self._memo.view()
        self.runs += 1
        try:
            return guarded(feature.run, unit.id, lambda: Outputs(feature.run(record, self.here, view)), feature.name)
        finally:
            self._graph.record(unit, view.reads)

    def take_reports(self, *, also: Iterable[ReportKey] = (), reconcile: bool = False) -> list[Report]:
        """The reports due to the store since the last call, and those of ``also`` that are still due.

        ``reconcile`` compares all that it ever told.  What is true again is told again while its withdrawal may still
        be on its way.
        """
        keys, self._reports = self._reports | {key for key in also if key[0] in self._reported}, set()
        if reconcile:
            keys |= {key for key in self._ledger.reports if not meta(key[0]).local}
            for cls in self._reported:
                keys |= {(cls, id) for id in self.state.by(cls, ("host",), self.here)}
        reports: list[Report] = []
        for key in sorted(keys, key=lambda key: (key[0].__name__, key[1])):
            wanted, known = self._ledger.reports.get(key), self.state.get(*key)
            withdrawn = key in self._withdrawn
            self._withdrawn.discard(key)
            if wanted is not None and (wanted != known or withdrawn):
                reports.append(Put(wanted, known))
            elif wanted is None and known is not None and known.host == self.here:
                self._withdrawn.add(key)
                reports.append(Drop(*key, known))
        return reports

    def handle(self, packet: PacketIn) -> list[Answer]:
        """Answer a packet that asks something; nothing when no feature does, or when it fails."""
        question = self.program.pipeline.question_of(packet.fields)
        view = self._memo.view()
        for handler in self.program.handlers.get(question, ()) if question is not None else ():
            run = partial(handler.run, packet, self.here, view)
            answers = self._answer("packet-in", handler.question.name, handler.run, run)
            if answers:
                return answers
        return []

    def tick(self, name: str) -> list[Answer]:
        """Run the periodic function of that name once; nothing when it fails."""
        answers: list[Answer] = []
        for ticker in self.program.tickers:
            if ticker.name == name:
                view = self._memo.view()
                answers += self._answer("every", name, ticker.run, partial(ticker.run, self.here, view))
        return answers

    def recalled(self, census: Census, connections: Sequence[KnownConnection]) -> list[Answer]:
        """The answers of whoever wanted a census to what it has found; nothing when it fails."""
        view = self._memo.view()
        run = partial(census.then, census.id, connections, self.here, view)
        return self._answer("census", name_of(census.then), census.then, run)

    def ask(self, kind: str, resource: str, function: Callable[..., Any], run: Callable[[], R]) -> R | None:
        """Ask a feature's ``function`` beside its flows, None when it fails; the error stands until it answers."""
        name = name_of(function)
        unit = self._responders.setdefault(f"{kind} {name}", Unit(Feature(kind, object), name))
        try:
            said = guarded(function, resource, run, kind)
        except FeatureError as fault:
            self.errors[unit] = fault
            return None
        self.errors.pop(unit, None)
        return said

    def _answer(
        self, kind: str, name: str, function: Callable[..., Any], run: Callable[[], Iterable[Answer]]
    ) -> list[Answer]:
        """The answers of a feature to a packet or to the time, less what it reports of ``local`` classes."""
        answers = self.ask(kind, name, function, lambda: list(run()))
        if answers is None:
            self.unanswered += 1
            return []
        own = [one for one in answers if isinstance(one, Put | Drop) and meta(_about(one)[0]).local]
        if not own:
            return answers
        self._told.update((_about(one), one.record if isinstance(one, Put) else None) for one in own)
        return [one for one in answers if one not in own]


def _static(static: Static) -> Outputs:
    return guarded(static.run, "always", lambda: Outputs(static.run()), static.name)


def _about(report: Report) -> ReportKey:
    return (type(report.record), report.record.id) if isinstance(report, Put) else (report.cls, report.id)
