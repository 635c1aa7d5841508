"""The pipeline is the path of a packet through the switch: stages of tables, named, in the order in which they decide.

Tables are declared by name and get their numbers from their place; each stage owns eight, so that a new table renumbers
nothing in another stage.  A field is a register with a name and the stages in which it is alive.  Declaring fails on
what would be wrong at run time: two fields in one live register, a ninth table, a match that the table did not declare.
A packet that is dropped is dropped for a declared reason, by one flow of the last table, which counts it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from sdnctl.of.actions import CONTROLLER, Action, Instruction, output, set_field
from sdnctl.of.actions import goto as goto_id
from sdnctl.of.actions import meter as meter_id
from sdnctl.of.fields import ETH_TYPE, IP_PROTO, REG, OxmField
from sdnctl.of.flow import Flow, flow
from sdnctl.of.meter import Meter
from sdnctl.of.text import Bits

TABLES_PER_STAGE = 8
FIRST_TENANT_METER = 17
"""Meters below this number belong to the machine: one for each table that asks the controller."""


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


@dataclass(frozen=True, slots=True, eq=False)
class Reason:
    """Why a packet is dropped, in tenant words; ``number`` is what the drop table matches."""

    number: int
    name: str
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One decision: what it may look at, and what becomes of a packet that no flow of it matches."""

    id: int
    name: str
    stage: str
    purpose: str
    matches: frozenset[OxmField]
    miss: "Reason | Table | None"
    punt_meter: Meter | None
    _checked: set[tuple[object, ...]]

    def flow(
        self, priority: int, match: Mapping[OxmField, int | tuple[int, int]], actions: Sequence[Action | Instruction]
    ) -> Flow:
        """A flow of this table; ValueError for an undeclared match, another priority or a way backward."""
        shape = (priority, *match)
        if shape not in self._checked:
            undeclared = [f.name for f in match if f not in self.matches]
            if undeclared:
                raise ValueError(f"table {self.name} does not declare a match on {', '.join(undeclared)}")
            if priority not in PRIORITIES:
                raise ValueError(f"table {self.name}: {priority} is none of Priority")
            self._checked.add(shape)
        if actions and isinstance(last := actions[-1], Instruction) and last[1] == 1 and last[4] <= self.id:
            raise ValueError(f"table {self.name} ({self.id}) cannot go back to table {last[4]}")
        return flow(self.id, priority, match, actions)


@dataclass(frozen=True, slots=True)
class Alive:
    """A named register and the stages in which it means that."""

    name: str
    register: OxmField
    first: int
    last: int
    show: Callable[[int], str]


class Stage:
    """Eight table numbers for decisions that belong together."""

    def __init__(self, pipeline: "Pipeline", name: str, number: int) -> None:
        self._pipeline = pipeline
        self.name = name
        self.number = number
        self.tables: list[Table] = []

    def table(
        self, name: str, purpose: str, *, matches: Sequence[OxmField] = (), miss: Reason | Table | None = None
    ) -> Table:
        """Declare the stage's next table; a packet that misses is dropped for a reason, or goes on to a table."""
        return self._add(name, purpose, matches, miss, None)

    def punt(self, name: str, purpose: str, *, packets_per_second: int) -> Table:
        """Declare a table that hands every packet to the controller, at most so many a second."""
        meter = Meter(self._pipeline.next_punt(), packets_per_second, packets_per_second, packets=True)
        return self._add(name, purpose, (), None, meter)

    def _add(
        self, name: str, purpose: str, matches: Sequence[OxmField], miss: Reason | Table | None, meter: Meter | None
    ) -> Table:
        if len(self.tables) == TABLES_PER_STAGE:
            raise ValueError(f"stage {self.name} has no table number left for {name}")
        if name in self._pipeline.tables:
            raise ValueError(f"table {name} is declared twice")
        dead = [match.name for match in matches if match in REG and not self._pipeline.alive(match, self.number)]
        if dead:
            raise ValueError(f"table {name} matches {dead[0]}, which means nothing in stage {self.name}")
        implied = {need.field for match in matches for need in match.needs}
        number = self.number * TABLES_PER_STAGE + len(self.tables)
        allowed = frozenset({*matches, *implied, *({ETH_TYPE, IP_PROTO} if implied else ())})
        table = Table(number, name, self.name, purpose, allowed, miss, meter, set())
        if isinstance(miss, Table) and miss.id <= number:
            raise ValueError(f"table {name} cannot miss backward to {miss.name}")
        self.tables.append(table)
        self._pipeline.tables[name] = table
        return table


@dataclass(frozen=True, slots=True)
class End:
    """Where dropped packets are counted: the last table, and the register that holds the reason's number."""

    register: OxmField
    table: Table


class Pipeline:
    """Collects the declarations of one pipeline; complete when its module is imported."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self.tables: dict[str, Table] = {}
        self.fields: list[Alive] = []
        self.reasons: list[Reason] = []
        self.end: End | None = None
        self._punts = 0

    def stage(self, name: str) -> Stage:
        """Declare the next stage."""
        made = Stage(self, name, len(self.stages))
        self.stages.append(made)
        return made

    def field(
        self, name: str, register: OxmField, since: Stage, until: Stage, show: Callable[[int], str] = str
    ) -> OxmField:
        """Name a register from one stage to another; ValueError when another field lives there then.

        ``show`` writes its value for readers.
        """
        if since.number > until.number:
            raise ValueError(f"field {name} ends in stage {until.name}, before it begins in {since.name}")
        for other in self.fields:
            if other.register is register and other.first <= until.number and since.number <= other.last:
                raise ValueError(f"fields {other.name} and {name} both live in {register.name}")
        self.fields.append(Alive(name, register, since.number, until.number, show))
        return register

    def alive(self, register: OxmField, stage: int) -> Alive | None:
        """What a register means in a stage, by the stage's number."""
        found = (one for one in self.fields if one.register is register and one.first <= stage <= one.last)
        return next(found, None)

    def reason(self, name: str, text: str) -> Reason:
        """Declare why packets may be dropped."""
        made = Reason(len(self.reasons) + 1, name, text)
        self.reasons.append(made)
        return made

    def dropper(self, register: OxmField, table: Table) -> "Dropper":
        """Declare where drops are counted; a function from a reason to the actions that drop for it."""
        self.end = End(register, table)
        return dropper(register, table)

    def reason_of(self, registers: Mapping[OxmField, int]) -> Reason | None:
        """Why a packet with these registers was dropped, None when it was not."""
        number = registers.get(self.end.register, 0) if self.end is not None else 0
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

    def misses(self, drop: Callable[[Reason], Sequence[Action | Instruction]]) -> tuple[list[Flow], list[Meter]]:
        """The flows and meters that the declarations themselves ask for: table misses and punts."""
        flows, meters = [], []
        for table in self.tables.values():
            actions: Sequence[Action | Instruction]
            if table.punt_meter is not None:
                meters.append(table.punt_meter)
                actions = [meter_id(table.punt_meter.id), output(CONTROLLER)]
            elif isinstance(table.miss, Table):
                actions = [goto(table.miss)]
            elif table.miss is not None:
                actions = drop(table.miss)
            else:
                continue
            flows.append(table.flow(Priority.MISS, {}, actions))
        return flows, meters


class Names:
    """Numbers back to names, for readers of flows (``of.text``, explain, docs)."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def table(self, id: int) -> str:
        """The name of a table, or its number."""
        try:
            return self._pipeline.by_id(id).name
        except KeyError:
            return str(id)

    def register(self, table: int, register: int, mask: int) -> tuple[Bits, ...]:
        """What a register means in a table: one field of all its bits, or nothing."""
        alive = self._pipeline.alive(REG[register], table // TABLES_PER_STAGE)
        return (Bits(alive.name, 0, alive.register.width, alive.show),) if alive is not None else ()


def goto(table: Table) -> Instruction:
    """Go on in a later table (OpenFlow 1.4, 7.2.4)."""
    return goto_id(table.id)


Dropper = Callable[[Reason], tuple[Action | Instruction, ...]]


def dropper(register: OxmField, table: Table) -> Dropper:
    """A function from a reason to the actions that drop for it: note the reason, go where it is counted."""
    return lambda reason: (set_field(register, reason.number), goto(table))
