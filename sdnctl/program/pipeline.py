"""The pipeline is the path of a packet through the switch: stages of tables, named, in the order in which they decide.

A feature declares its tables itself and says between which others they stand; numbers are given by ``settle``, once all
are declared.  Each stage owns sixteen, or as many as it says, so that a new table renumbers nothing in another stage.
A field is some bits of a register with a name and the stages in which it is alive; ``settle`` finds the bits.

The path is what most packets take: the tables of a stage one after the other, then those of the next stage.  A flow
leaves to the next of them (``onward``) or to the beginning of a later stage (``enter``), so that a table put between
two others changes no flow of theirs.  A table that is declared ``aside`` is on nobody's path: packets get there by a
``goto`` that names it, in the feature that owns it.  ``onward`` from such a table joins the path where it stands.

Declaring fails on what would be wrong at run time: a table too many, a match that the table did not declare, a way
backward.  A packet that is dropped is dropped for a declared reason, by one flow of the last table, which counts it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, TypeVar

from sdnctl.of.actions import Action, Instruction, resubmit, set_field
from sdnctl.of.actions import goto as goto_id
from sdnctl.of.fields import ETH_TYPE, IP_PROTO, Field, OxmField, RegisterField, value_in
from sdnctl.of.flow import Flow, flow
from sdnctl.of.group import Group
from sdnctl.of.meter import Meter
from sdnctl.program.declared import Alive, Barrier, Limit, Marked, Question, Reason, Spread
from sdnctl.program.layout import Span, allocated, ordered
from sdnctl.program.meters import MACHINE_LAST

ROOM = 16
"""The tables that a stage has numbers for, unless it says how many."""
TABLES = 254
"""The tables that a switch has: Open vSwitch keeps number 254 to itself, and 255 stands for all of them."""
UNSETTLED = -1
SPREAD_BITS = 8
Named = TypeVar("Named", Reason, Question, Limit, Barrier, Spread)


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

    @staticmethod
    def rank(place: int) -> int:
        """A higher place (0–55535) wins: for rules that have an order among themselves."""
        return _RANKS.start + place


_RANKS = range(10_000, 1 << 16)
_OTHERS = frozenset(Priority) | {Priority.prefix(length, least) for length in range(33) for least in range(256)}


Miss = Reason | Literal["onward"] | None
"""The fate of a packet that no flow of a table matches: dropped, on to the next table, or said by a flow."""


@dataclass(slots=True, eq=False, repr=False)
class Table:
    """One decision: what it may look at, and what becomes of a packet that no flow of it matches.

    A change in a table that is ``obeyed`` counts as in force when the data path obeys, and not when the switch has it.
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
    obeyed: bool = False
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
        if priority not in _OTHERS and priority not in _RANKS:
            raise ValueError(f"table {self.name}: {priority} is none of Priority")
        if self.id == UNSETTLED:
            raise ValueError(f"table {self.name} has no number before the pipeline is settled")
        if self._checked is None:
            self._checked = set()
        self._checked.add((priority, *match))

    def __repr__(self) -> str:
        return self.name


class Stage:
    """Some table numbers, ``room`` from ``first`` on, for decisions that belong together."""

    def __init__(self, pipeline: "Pipeline", name: str, number: int, ends: bool, first: int, room: int) -> None:
        self._pipeline = pipeline
        self.name = name
        self.number = number
        self.ends = ends
        self.first = first
        self.room = room
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
        obeyed: bool = False,
    ) -> Table:
        """Declare a table of this stage; ``after`` and ``before`` name tables of it, several with spaces between.

        ``miss`` is the reason to drop what no flow matches, or "onward"; without it flows say what becomes of that.
        ``aside`` takes the table off the path: packets get there by a ``goto`` that names it.  ``obeyed`` is for tables
        whose promise is that packets stop: a change of their flows is confirmed (PROCESSING becomes UP, ``--wait``
        returns) when the data path has let go of the old ones too, some milliseconds later.
        """
        self._pipeline.open()
        if len(self.tables) == self.room:
            raise ValueError(f"stage {self.name} has no table number left for {name}")
        if name in self._pipeline.tables:
            raise ValueError(f"table {name} is declared twice")
        for match in matches:
            if isinstance(match, RegisterField) and not self._pipeline.alive(match, self.number):
                raise ValueError(f"table {name} matches {match}, which means nothing in stage {self.name}")
        implied = {need.field for match in matches for need in match.needs}
        allowed = frozenset({*matches, *implied, *({ETH_TYPE, IP_PROTO} if implied else ())})
        table = Table(name, self, purpose, allowed, miss, tuple(after.split()), tuple(before.split()), aside, obeyed)
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
            table.id = self.first + place

    @property
    def entry(self) -> Table:
        """The table at which packets enter: the first that is not aside, else the first; ValueError without tables."""
        if not self.tables:
            raise ValueError(f"stage {self.name} has no table to enter")
        return next((table for table in self.tables if not table.aside), self.tables[0])


class Pipeline:
    """The declarations of one pipeline, settled once all features have been imported."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self.tables: dict[str, Table] = {}
        self.fields: dict[str, Alive] = {}
        self.reasons: list[Reason] = []
        """These, and the four lists after it, are in order of their numbers (and names) once all is settled."""
        self.questions: list[Question] = []
        self.limits: list[Limit] = []
        self.barriers: list[Barrier] = []
        self.spreads: list[Spread] = []
        self.end: Marked | None = None
        self.asked: Marked | None = None
        self.settled = False
        self._alive: dict[RegisterField, Alive] = {}

    def open(self) -> None:
        """ValueError once the pipeline is settled: a table more would renumber flows that are made already."""
        if self.settled:
            raise ValueError("the pipeline is settled: whatever is declared stands in apps/<feature>/tables.py")

    def stage(self, name: str, *, ends: bool = False, room: int = ROOM) -> Stage:
        """Declare the next stage, with numbers for ``room`` tables; where one ``ends`` the path, nothing follows."""
        self.open()
        first = self.stages[-1].first + self.stages[-1].room if self.stages else 0
        if first + room > TABLES:
            raise ValueError(f"stage {name}: a switch has {TABLES} tables, and this would be number {first + room}")
        made = Stage(self, name, len(self.stages), ends, first, room)
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
        """True when a field of this pipeline means something in a stage, by the stage's number."""
        known = self._alive.get(field)
        return known is not None and known.first <= stage <= known.last

    def reason(self, name: str, text: str, remedy: str = "") -> Reason:
        """Declare why packets may be dropped, and in words what the one whose packets they are may do about it."""
        return self._one_more(self.reasons, Reason(name, text, remedy))

    def question(self, name: str, purpose: str) -> Question:
        """Declare what a packet may ask of the controller."""
        return self._one_more(self.questions, Question(name, purpose))

    def limit(self, name: str, purpose: str, *, rate: int, burst: int) -> Limit:
        """Declare a meter of every switch, in packets a second and packets at once."""
        return self._one_more(self.limits, Limit(name, purpose, rate, burst))

    def barrier(self, name: str, purpose: str, to: Table) -> Barrier:
        """Declare a point at which packets are looked up again, and the table at which they go on."""
        return self._one_more(self.barriers, Barrier(name, purpose, to))

    def spread(self, name: str, purpose: str, field: RegisterField, to: Table) -> Spread:
        """Declare a point at which packets get a slot, by a hash, and the table at which they go on."""
        if field.width > SPREAD_BITS:
            raise ValueError(f"spread {name}: a switch hashes to {1 << SPREAD_BITS} slots at most")
        return self._one_more(self.spreads, Spread(name, purpose, field, to))

    def _one_more(self, known: list[Named], made: Named) -> Named:
        self.open()
        if any(one.name == made.name for one in known):
            raise ValueError(f"{type(made).__name__.lower()} {made.name} is declared twice")
        known.append(made)
        return made

    def dropper(self, field: RegisterField, table: Table) -> "Dropper":
        """Declare where drops are counted; a function from a reason to the actions that drop for it."""
        self.end = Marked(field, table)
        return dropper(field, table)

    def desk(self, field: RegisterField, table: Table) -> None:
        """Declare from which table packets go to the controller, and which field says there what they ask."""
        self.asked = Marked(field, table)

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
        _number(self.reasons)
        _number(self.questions)
        _number(self.limits)
        _number(self.barriers)
        _number(self.spreads, len(self.barriers))
        if len(self.limits) > MACHINE_LAST:
            raise ValueError(f"no meter is left for limit {self.limits[-1].name}")
        for stage in self.stages:
            stage.settle()
        following: Table | None = None
        for stage in reversed(self.stages):
            following = None if stage.ends else following
            for table in reversed(stage.tables):
                table.next = following
                following = following if table.aside else table
        self.settled = True

    def reason_of(self, packet: Mapping[OxmField, int]) -> Reason | None:
        """The reason for which a packet with these registers was dropped, None when it was not."""
        number = value_in(packet, self.end.field) if self.end is not None else 0
        return self.reasons[number - 1] if 0 < number <= len(self.reasons) else None

    def question_of(self, packet: Mapping[OxmField, int]) -> Question | None:
        """The question that a packet with these registers puts to the controller, None when it asks nothing."""
        number = value_in(packet, self.asked.field) if self.asked is not None else 0
        return self.questions[number - 1] if 0 < number <= len(self.questions) else None

    def by_id(self, id: int) -> Table:
        """The table with a number; KeyError when there is none."""
        stage = self.stage_of(id)
        if id - stage.first >= len(stage.tables):
            raise KeyError(id)
        return stage.tables[id - stage.first]

    def stage_of(self, id: int) -> Stage:
        """The stage that owns a table's number; KeyError when none does."""
        for stage in self.stages:
            if stage.first <= id < stage.first + stage.room:
                return stage
        raise KeyError(id)

    def items(self, drop: "Dropper") -> Iterator[Flow | Meter | Group]:
        """Yield what the declarations ask for: limits, groups, and the flows for what a table does not match."""
        yield from (limit.meter for limit in self.limits)
        yield from (barrier.group for barrier in self.barriers)
        yield from (spread.group for spread in self.spreads)
        for table in self.tables.values():
            if table.miss == "onward":
                yield table.flow(Priority.MISS, {}, [onward(table)])
            elif table.miss is not None:
                yield table.flow(Priority.MISS, {}, drop(table.miss))


def _number(declared: list[Named], after: int = 0) -> None:
    declared.sort(key=lambda one: one.name)
    for number, one in enumerate(declared, after + 1):
        one.number = number


def goto(table: Table) -> Instruction:
    """Go on in a later table of the same feature (OpenFlow 1.4, 7.2.4); ValueError before the pipeline is settled."""
    return goto_id(settled(table))


def settled(table: Table) -> int:
    """The number of a table; ValueError before the pipeline is settled."""
    if table.id == UNSETTLED:
        raise ValueError(f"table {table.name} has no number before the pipeline is settled")
    return table.id


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
