"""A pipeline, resources and features that are no use to anybody, for the tests of the machine."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sdnctl.engine.desired import Touched
from sdnctl.engine.engine import Engine
from sdnctl.model.resource import field as plain
from sdnctl.model.resource import label, number, ref, resource
from sdnctl.of.actions import Action, output
from sdnctl.of.fields import REG
from sdnctl.of.flow import Flow
from sdnctl.program import feature as f
from sdnctl.program.declared import Question
from sdnctl.program.feature import Announce, Feature, Item, Placed, Program, Reported, View, assemble, placed
from sdnctl.program.packets import PacketIn, PacketOut, Put
from sdnctl.program.pipeline import Pipeline, Priority
from sdnctl.store import Change

SHAPE = Pipeline()
FIRST, LAST = SHAPE.stage("first"), SHAPE.stage("last")
WHICH = SHAPE.field("which", since=FIRST, until=LAST)
GONE = SHAPE.reason("gone", "a reason")
TABLE = FIRST.table("table", "what is it", matches=[WHICH], miss=GONE)
WHAT = SHAPE.field("what", bits=8, since=FIRST, until=LAST)
ASK = SHAPE.question("ask", "somebody must know")
ASK_NOBODY = SHAPE.question("ask_nobody", "nobody knows")
SHAPE.desk(WHAT, LAST.table("answer", "to the controller", matches=[WHAT]))
SHAPE.settle()


@resource(prefix="toy-group", local=True, indexes=(("id",),))
class ToyGroup:
    """A group that toys belong to."""

    id: str
    here: bool = plain(default=True)
    name: str = label(default="")


@resource(prefix="toy", local=True, indexes=(("group", "colours"), ("group", "size"), ("colours",)))
class Toy:
    """A thing with a size and colours."""

    id: str
    group: str = ref("ToyGroup")
    friend: str = ref("Toy", default="", on_delete="clear")
    friends: tuple[str, ...] = ref("Toy", default=(), on_delete="clear")
    size: int = plain(default=0)
    colours: tuple[str, ...] = plain(default=())
    key: int = number("toy key", 1, 4)
    name: str = label(default="")


@resource(prefix="toy-part", local=True)
class ToyPart:
    """A part that goes with its toy."""

    id: str
    toy: str = ref("Toy", on_delete="cascade")


@resource(local=True)
class ToyMeter:
    """A thing with two numbers of one pool."""

    id: str
    out: int = number("toy meter", 1, 5)
    back: int = number("toy meter", 1, 5)


@resource(local=True)
class ToyGauge:
    """Another with a number of the same pool."""

    id: str
    key: int = number("toy meter", 1, 5)


@resource(report=True, reach="host", indexes=(("host",),))
class ToySeen:
    """A host's report of a toy."""

    id: str
    host: str = plain()
    size: int = plain(default=0)


@resource(local=True)
class ToyNote:
    """A host's own note of a toy."""

    id: str
    size: int = plain(default=0)


def asks(question: Question) -> dict[int, int]:
    """The registers of a packet that asks a question, by number."""
    return {REG.index(WHAT.home): question.number << WHAT.shift}


def toy(number: int, **given: Any) -> Toy:
    """The toy of that number."""
    return Toy(**{"id": f"toy-{number}", "group": "g", "key": number, **given})


def flow(which: int, port: int = 1) -> Flow:
    """A flow for ``which`` that sends it out at ``port``."""
    return TABLE.flow(Priority.NORMAL, {WHICH: which}, [output(port)])


def came(*records: Any) -> list[Change]:
    """The records are new."""
    return [Change(type(record), record.id, None, record) for record in records]


def went(*records: Any) -> list[Change]:
    """The records are gone."""
    return [Change(type(record), record.id, record, None) for record in records]


@dataclass
class Bench:
    """An engine over features made on the spot; ``ran`` lists the units in order of running."""

    engine: Engine
    ran: list[str] = field(default_factory=list)

    def take(self, *changes: Change) -> tuple[Touched, list[str]]:
        """The changes that one batch made to the switch's desired state, and the units that ran for it."""
        self.ran.clear()
        touched = self.engine.apply(changes)
        return touched, sorted(self.ran)

    @property
    def errors(self) -> dict[str, str]:
        """The errors of units."""
        return {str(unit): str(error) for unit, error in self.engine.errors.items()}

    def flows(self) -> set[Flow]:
        """The flows that the switch should have beside those that every switch has."""
        return {one for one in self.engine.desired.flows.values() if one.priority != Priority.MISS}


Run = Callable[[Any, View], Iterable[Item]]


def bench(
    *runs: Run, each: type = Toy, within: Placed | None = None, reports: tuple[type, ...] = (), more: Iterable[Any] = ()
) -> Bench:
    """An engine with one feature for each function, called ``toys.NAME``."""
    made: Bench

    def declared(run: Run) -> Feature:
        def recorded(record: Any, here: str, view: View) -> Iterator[Item]:
            made.ran.append(f"{run.__name__} {record.id}")
            yield from run(record, view)

        return Feature(f"toys.{run.__name__}", each, within, reports, recorded)

    made = Bench(Engine(assemble([*map(declared, runs), *more], SHAPE), "here"))
    return made


def group_here(group: str, here: str, view: View) -> bool:
    """True when a group concerns this host."""
    found = view.get(ToyGroup, group)
    return found is not None and found.here


WITHIN = placed("group", test=group_here)


@f.packet_in(ASK)
def answer(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut | Put]:
    """Sends the packet back, and reports its first byte."""
    yield PacketOut(packet.data, (output(packet.in_port),))
    yield Put(ToySeen(id="seen", host=here, size=packet.data[0]))


__all__ = ["Action", "Announce", "Program", "Reported"]
