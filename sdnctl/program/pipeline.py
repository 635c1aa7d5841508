"""The pipeline is the path of a packet through the switch: stages of tables, named, in the order in which they decide.

A feature declares its tables itself and says between which others they stand; numbers are given by ``settle``, once all
are declared.  Each stage owns sixteen, so that a new table renumbers nothing in another stage.  A field is some bits of
a register with a name and the stages in which it is alive; ``settle`` finds the bits.

The path is what most packets take: the tables of a stage one after the other, then those of the next stage.  A flow
leaves to the next of them (``onward``) or to the beginning of a later stage (``enter``), so that a table put between
two others changes no flow of theirs.  A table that is declared ``aside`` is on nobody's path: packets get there by a
``goto`` that names it, in the feature that owns it.  ``onward`` from such a table joins the path where it stands.

Declaring fails on what would be wrong at run time: a seventeenth table, a match that the table did not declare, a way
backward.  A packet that is dropped is dropped for a declared reason, by one flow of the last table, which counts it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Literal

from sdnctl.of.actions import CONTROLLER, Action, Instruction, output, resubmit, set_field
from sdnctl.of.actions import goto as goto_id
from sdnctl.of.actions import meter as meter_id
from sdnctl.of.fields import ETH_TYPE, IP_PROTO, Field, OxmField, RegisterField, value_in
from sdnctl.of.flow import Flow, flow
from sdnctl.of.meter import Meter
from sdnctl.program.layout import Span, allocated, ordered

TABLES_PER_STAGE = 16
FIRST_TENANT_METER = 17
"""Meters below this number belong to the machine: one for each table that asks the controller."""
UNSETTLED = -1


class Priority(IntEnum):
    """The only priorities there are: what a flow is to its table."""

    MISS = 0
    BROAD = 100
    NORMAL = 200
    EXACT = 300
    EXCEPTION = 400

    @staticmethod
    def prefix(length: int, preference: int = 0) -> int:
        """A longer prefix (0–32) wins, then a lower preference (0–255)."""
        return 1000 + length * 256 + (255 - preference)


PRIORITIES = frozenset(Priority) | {Priority.prefix(length, least) for length in range(33) for least in range(256)}
"""Every priority that a flow may have."""


@dataclass(slots=True, eq=False)
class Reason:
    """Why a packet is dropped, in tenant words; ``number`` is what the drop table matches, in order of the names."""

    name: str
    text: str
    number: int = 0


Miss = Reason | Literal["onward"] | None
"""What becomes of a packet that no flow of a table matches: dropped, on to the next table, or said by a flow."""


@dataclass(slots=True, eq=False, repr=False)
class Table:
    """One decision: what it may look at, and what becomes of a packet that no flow of it matches.

    ``next`` is the table that ``onward`` leads to; ``id`` and ``next`` are known once the pipeline is settled.
    """

    name: str
    stage: "Stage"
    purpose: str
    matches: frozenset[Field]
    miss: Miss
    after: tuple[str, ...]
    before: tuple[str, ...]
    aside: bool
    punt_meter: Meter | None
    id: int = UNSETTLED
    next: "Table | None" = None
    _checked: set[tuple[object, ...]] | None = None

    def flow(
        self, priority: int, match: Mapping[Field, int | tuple[int, int]], actions: Sequence[Action | Instruction]
    ) -> Flow:
        """A flow of this table; ValueError for an undeclared match, another priority or a way backward."""
        shape = (priority, *match)
        checked = self._checked
        if checked is None or shape not in checked:
            self._check(priority, match)
        if actions and isinstance(last := actions[-1], Instruction) and last[1] == 1 and last[4] <= self.id:
            raise ValueError(f"table {self.name} ({self.id}) cannot go back to table {last[4]}")
        return flow(self.id, priority, match, actions)

    def _check(self, priority: int, match: Mapping[Field, object]) -> None:
        undeclared = [field.name for field in match if field not in self.matches]
        if undeclared:
            raise ValueError(f"table {self.name} does not declare a match on {', '.join(undeclared)}")
        if priority not in PRIORITIES:
            raise ValueError(f"table {self.name}: {priority} is none of Priority")
        if self.id == UNSETTLED:
            raise ValueError(f"table {self.name} has no number before the pipeline is settled")
        if self._checked is None:
            self._checked = set()
        self._checked.add((priority, *match))

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Alive:
    """A named field and the stages, by number, in which its bits mean that."""

    name: str
    field: RegisterField
    first: int
    last: int
    show: Callable[[int], str]


class Stage:
    """Sixteen table numbers for decisions that belong together."""

    def __init__(self, pipeline: "Pipeline", name: str, number: int) -> None:
        self._pipeline = pipeline
        self.name = name
        self.number = number
        self.tables: list[Table] = []
        """In order of their numbers, once the pipeline is settled."""

    def table(
        self,
        name: str,
        purpose: str,
        *,
        matches: Sequence[Field] = (),
        miss: Miss = None,
        after: str = "",
        before: str = "",
        aside: bool = False,
    ) -> Table:
        """Declare a table of this stage; ``after`` and ``before`` name tables of it, several with spaces between.

        ``miss`` is the reason to drop what no flow matches, or "onward"; without it flows say what becomes of that.
        ``aside`` takes the table off the path: packets get there by a ``goto`` that names it.
        """
        return self._add(name, purpose, matches, miss, tuple(after.split()), tuple(before.split()), aside, None)

    def punt(self, name: str, purpose: str, *, packets_per_second: int) -> Table:
        """Declare a table that hands every packet to the controller, at most so many a second."""
        meter = Meter(0, packets_per_second, packets_per_second, packets=True)
        return self._add(name, purpose, (), None, (), (), True, meter)

    def _add(
        self,
        name: str,
        purpose: str,
        matches: Sequence[Field],
        miss: Miss,
        after: tuple[str, ...],
        before: tuple[str, ...],
        aside: bool,
        meter: Meter | None,
    ) -> Table:
        self._pipeline.open()
        if len(self.tables) == TABLES_PER_STAGE:
            raise ValueError(f"stage {self.name} has no table number left for {name}")
        if name in self._pipeline.tables:
            raise ValueError(f"table {name} is declared twice")
        for match in matches:
            if isinstance(match, RegisterField) and not self._pipeline.alive(match, self.number):
                raise ValueError(f"table {name} matches {match}, which means nothing in stage {self.name}")
        implied = {need.field for match in matches for need in match.needs}
        allowed = frozenset({*matches, *implied, *({ETH_TYPE, IP_PROTO} if implied else ())})
        table = Table(name, self, purpose, allowed, miss, after, before, aside, meter)
        self.tables.append(table)
        self._pipeline.tables[name] = table
        return table

    def settle(self) -> None:
        """Give each table its number."""
        by_name = {table.name: table for table in self.tables}
        after = {name: table.after for name, table in by_name.items()}
        before = {name: table.before for name, table in by_name.items()}
        self.tables = [by_name[name] for name in ordered(before, after)]
        for place, table in enumerate(self.tables):
            table.id = self.number * TABLES_PER_STAGE + place

    @property
    def entry(self) -> Table:
        """The table at which packets enter: the first that is not aside, else the first; ValueError without tables."""
        if not self.tables:
            raise ValueError(f"stage {self.name} has no table to enter")
        return next((table for table in self.tables if not table.aside), self.tables[0])


@dataclass(frozen=True, slots=True)
class End:
    """Where dropped packets are counted: the last table, and the field that holds the reason's number."""

    field: RegisterField
    table: Table


class Pipeline:
    """The declarations of one pipeline, settled once all features have been imported."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self.tables: dict[str, Table] = {}
        self.fields: dict[str, Alive] = {}
        self.reasons: list[Reason] = []
        """In order of their numbers, once the pipeline is settled."""
        self.end: End | None = None
        self.settled = False
        self._alive: dict[RegisterField, Alive] = {}
        self._punts = 0

    def open(self) -> None:
        """ValueError once the pipeline is settled: a table more would renumber flows that are made already."""
        if self.settled:
            raise ValueError("the pipeline is settled: whatever is declared stands in apps/<feature>/tables.py")

    def stage(self, name: str) -> Stage:
        """Declare the next stage."""
        self.open()
        made = Stage(self, name, len(self.stages))
        self.stages.append(made)
        return made

    def field(
        self, name: str, *, bits: int = 32, since: Stage, until: Stage, show: Callable[[int], str] = str
    ) -> RegisterField:
        """Declare a field of so many bits that is alive from one stage to another; ``show`` writes its value.

        Its bits are found by ``settle``.  What it holds outside these stages is somebody else's.
        """
        self.open()
        if since.number > until.number:
            raise ValueError(f"field {name} ends in stage {until.name}, before it begins in {since.name}")
        if name in self.fields:
            raise ValueError(f"field {name} is declared twice")
        made = RegisterField(name, bits)
        self.fields[name] = self._alive[made] = Alive(name, made, since.number, until.number, show)
        return made

    def alive(self, field: RegisterField, stage: int) -> bool:
        """Whether a field of this pipeline means something in a stage, by the stage's number."""
        known = self._alive.get(field)
        return known is not None and known.first <= stage <= known.last

    def reason(self, name: str, text: str) -> Reason:
        """Declare why packets may be dropped."""
        self.open()
        if any(one.name == name for one in self.reasons):
            raise ValueError(f"reason {name} is declared twice")
        made = Reason(name, text)
        self.reasons.append(made)
        return made

    def dropper(self, field: RegisterField, table: Table) -> "Dropper":
        """Declare where drops are counted; a function from a reason to the actions that drop for it."""
        self.end = End(field, table)
        return dropper(field, table)

    def settle(self) -> None:
        """Give tables and reasons their numbers and fields their bits; nothing may be declared afterwards.

        ValueError when the tables of a stage are in no order, or the registers are full.
        """
        if self.settled:
            return
        for name, (register, shift) in allocated(
            {one.name: Span(one.field.width, one.first, one.last) for one in self.fields.values()}
        ).items():
            self.fields[name].field.place(register, shift)
        self.reasons.sort(key=lambda reason: reason.name)
        for number, reason in enumerate(self.reasons, 1):
            reason.number = number
        for stage in self.stages:
            stage.settle()
        following: Table | None = None
        for table in reversed([table for stage in self.stages for table in stage.tables]):
            table.next = following
            if table.punt_meter is not None:
                table.punt_meter = replace(table.punt_meter, id=self.next_punt())
            following = following if table.aside else table
        self.settled = True

    def reason_of(self, packet: Mapping[OxmField, int]) -> Reason | None:
        """Why a packet with these registers was dropped, None when it was not."""
        number = value_in(packet, self.end.field) if self.end is not None else 0
        return self.reasons[number - 1] if 0 < number <= len(self.reasons) else None

    def next_punt(self) -> int:
        """The next machine meter number."""
        self._punts += 1
        if self._punts >= FIRST_TENANT_METER:
            raise ValueError("no machine meter is left")
        return self._punts

    def by_id(self, id: int) -> Table:
        """The table with a number; KeyError when there is none."""
        stage = self.stages[id // TABLES_PER_STAGE] if id // TABLES_PER_STAGE < len(self.stages) else None
        if stage is None or id % TABLES_PER_STAGE >= len(stage.tables):
            raise KeyError(id)
        return stage.tables[id % TABLES_PER_STAGE]

    def misses(self, drop: "Dropper") -> tuple[list[Flow], list[Meter]]:
        """The flows and meters that the declarations themselves ask for: table misses and punts."""
        flows, meters = [], []
        for table in self.tables.values():
            actions: Sequence[Action | Instruction]
            if table.punt_meter is not None:
                meters.append(table.punt_meter)
                actions = [meter_id(table.punt_meter.id), output(CONTROLLER)]
            elif table.miss == "onward":
                actions = [onward(table)]
            elif table.miss is not None:
                actions = drop(table.miss)
            else:
                continue
            flows.append(table.flow(Priority.MISS, {}, actions))
        return flows, meters


def goto(table: Table) -> Instruction:
    """Go on in a later table of the same feature (OpenFlow 1.4, 7.2.4); ValueError before the pipeline is settled."""
    if table.id == UNSETTLED:
        raise ValueError(f"table {table.name} has no number before the pipeline is settled")
    return goto_id(table.id)


def onward(table: Table) -> Instruction:
    """Go on to the next table of the path after ``table``, of its stage or else of a later one.

    Tables aside are passed over: whoever stands beside the path, and leaves onward, joins it at the next table that is
    on it.  So a table that is put into the path before that one gets these packets too.
    """
    if table.next is None:
        raise ValueError(f"nothing follows table {table.name}")
    return goto_id(table.next.id)


def enter(stage: Stage) -> Instruction:
    """Go on at the beginning of a later stage: its first table that is not aside."""
    return goto(stage.entry)


def begin_at(stage: Stage) -> Action:
    """Have a packet that the controller sends looked up from the beginning of a stage."""
    return resubmit(stage.entry.id)


Dropper = Callable[[Reason], tuple[Action | Instruction, ...]]


def dropper(field: RegisterField, table: Table) -> Dropper:
    """A function from a reason to the actions that drop for it: note the reason, go where it is counted."""
    return lambda reason: (set_field(field, reason.number), goto(table))
