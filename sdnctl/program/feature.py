"""A feature is a pure function from one resource to flows; this is how one is declared and found.

    @feature(each=Subnet, within=placed("vpc", vpc_here))
    def router(subnet, here, view):
        yield SWITCH.flow(...)

A unit is (feature, resource): the engine runs it again when something that it read through its ``View`` changed, and
retracts what it no longer yields.  Derived values are shared between units and stop a wave of changes when they come
out equal.  ``@packet_in`` answers what packets ask, ``@every`` looks at the world now and then.  ``@says``
says in words what a flow does to a packet, ``@counts`` what a meter or a flow counts, ``@tells`` reports it at once.
"""

import importlib
from collections.abc import Callable, Hashable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol, TypeVar

from sdnctl.base.discovery import FEATURES, modules
from sdnctl.model import records
from sdnctl.model.resource import Index, meta
from sdnctl.of.flow import Flow
from sdnctl.of.group import Group
from sdnctl.of.meter import Meter
from sdnctl.program.connections import Census
from sdnctl.program.declared import Question, Reason
from sdnctl.program.packets import Forget, PacketIn, PacketOut, Report
from sdnctl.program.pipeline import Pipeline, Table
from sdnctl.program.step import Step
from sdnctl.program.zones import ZoneLimit

R = TypeVar("R")
V = TypeVar("V")
Counter = TypeVar("Counter", Meter, Flow)


@dataclass(frozen=True, slots=True)
class Announce:
    """A packet to send, or a zone to forget, once ``flow``, yielded by the same unit, is newly confirmed."""

    flow: Flow
    packet: PacketOut | Forget


@dataclass(frozen=True, slots=True)
class Reported:
    """A record that this host reports for as long as the unit yields it."""

    record: Any


Item = Flow | Meter | Group | Announce | Reported | ZoneLimit


class View(Protocol):
    """The records that a unit may read; every read is remembered."""

    def get(self, cls: type[R], id: str) -> R | None:
        """A record, or None."""

    def by(self, cls: type, index: Index, value: Hashable) -> Set[str]:
        """The ids under an index value; felt when membership changes."""

    def all(self, cls: type) -> Set[str]:
        """The ids of every record of a class; felt when one comes or goes: for the few classes an operator owns."""

    def any(self, cls: type, index: Index, value: Hashable) -> bool:
        """True when an index value has members; felt only when that answer changes."""

    def derived(self, of: "Derived[V]", value: Hashable) -> V:
        """A shared derived value; felt only when it comes out different."""


Derived = Callable[[Any, str, View], V]
"""A pure function of (value, here, view), memoised by the engine; it must not loop over members."""


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """The resources that a feature runs for on this host: those whose ``index`` value passes ``test``."""

    index: Index
    test: Derived[bool]


UnitFunction = Callable[[Any, str, View], Iterable[Item]]


@dataclass(frozen=True, slots=True, eq=False)
class Feature:
    """A declared feature function."""

    name: str
    each: type
    within: Placed | None = None
    reports: tuple[type, ...] = ()
    run: UnitFunction = lambda *_: ()


@dataclass(frozen=True, slots=True, eq=False)
class Handler:
    """A declared packet-in function; one that is ``first`` is asked before that of the question's own feature."""

    question: Question
    run: Callable[[PacketIn, str, View], Iterable[PacketOut | Report]]
    first: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Ticker:
    """A declared periodic function."""

    name: str
    seconds: float
    run: Callable[[str, View], Iterable[PacketOut | Report | Census]]


@dataclass(frozen=True, slots=True, eq=False)
class Static:
    """Flows that depend on no resource: they are in every switch, always."""

    name: str
    run: Callable[[], Iterable[Item]]


Subject = Feature | Static | Reason | Question
"""The subjects that can have words of their own: what yields flows, a reason to drop, a question to the controller."""


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """A declared function that says in a tenant's words what happened to a packet at one step."""

    subject: Subject
    say: Callable[[Step, View], str]


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """A declared function that tells what a feature's meters or flows count: the ``direction`` of one of them.

    ``tables`` are those whose flows count; without any, the feature's meters do.
    """

    of: Feature
    family: str
    direction: Callable[[Any, Any], str]
    tables: tuple[Table, ...] = ()

    def concerns(self, thing: Meter | Flow) -> bool:
        """True for a meter, or a flow of the tables, that the function is to be asked about."""
        if isinstance(thing, Meter):
            return not self.tables
        return any(table.id == thing.table for table in self.tables)


@dataclass(frozen=True, slots=True)
class Used:
    """The use of a meter over some ``seconds``: the bytes that it let through, and the packets that it dropped."""

    seconds: float
    bytes: int
    dropped: int


@dataclass(frozen=True, slots=True)
class Reading:
    """The counts of one resource at one moment: its ``flows`` with their packets, and the packets that meters dropped.

    ``dropped`` has the meters of the switch that were read, by number; ``used`` the use of the resource's own since the
    last reading, where they are what is told.  ``now`` is in seconds since 1970.
    """

    now: float
    flows: tuple[tuple[Flow, int], ...]
    dropped: Mapping[int, int]
    used: Mapping[int, Used] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Tells:
    """A declared function that makes a report of what a feature's flows of some ``tables`` count, as it is read.

    Without tables it is what its meters let through and drop.
    """

    of: Feature
    tables: tuple[Table, ...]
    report: Callable[[Any, Reading, str, View], Any]
    seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class Program:
    """All that was declared under a package."""

    features: tuple[Feature, ...]
    statics: tuple[Static, ...]
    handlers: Mapping[Question, tuple[Handler, ...]]
    """By question, in the order in which they are asked; the first that has an answer gives it."""
    tickers: tuple[Ticker, ...]
    pipeline: Pipeline
    words: Mapping[str | Reason | Question, Words] = field(default_factory=dict)
    """By the name of a feature or static, else by the reason or question itself."""
    counted: Mapping[Feature, tuple[Counted, ...]] = field(default_factory=dict)
    tells: Mapping[Feature, Tells] = field(default_factory=dict)


@cache  # features that run for the same resources share one, and with it what was found out
@cache
def placed(*index: str, test: Derived[bool]) -> Placed:
    """Run for resources whose ``index`` value passes ``test``; asked once for each value, not for each resource.

    Features that say the same share the answer.
    """
    return Placed(index, test)


def feature(
    *, each: type, within: Placed | None = None, reports: tuple[type, ...] = ()
) -> Callable[[UnitFunction], Feature]:
    """Declare a function from one ``each`` resource to what it needs in this host's switch.

    ``reports`` are the classes of records that it tells the region; ValueError for one that no host follows (see
    ``resource``): who does not hear of a record cannot tell it anew.
    """
    for cls in reports:
        if not meta(cls).reach and not meta(cls).local:
            raise ValueError(f"{cls.__name__} could be reported once only: it has no reach, so no host follows it")

    def declare(run: UnitFunction) -> Feature:
        return Feature(f"{_folder(run)}.{run.__name__}", each, within, reports, run)

    return declare


def always(run: Callable[[], Iterable[Item]]) -> Static:
    """Declare flows that every switch has."""
    return Static(f"{_folder(run)}.{run.__name__}", run)


def packet_in(
    question: Question, *, first: bool = False
) -> Callable[[Callable[[PacketIn, str, View], Iterable[PacketOut | Report]]], Handler]:
    """Declare who answers a question.

    A feature above the question's own may answer ``first``: where it has nothing to say, the other one is asked.
    """
    return lambda run: Handler(question, run, first)


def every(
    seconds: float,
) -> Callable[[Callable[[str, View], Iterable[PacketOut | Report | Census]]], Ticker]:
    """Declare a function that runs each so many seconds while the switch is connected.

    Besides packets and records it may yield a ``Census`` of the connections that the switch knows.
    """
    return lambda run: Ticker(f"{_folder(run)}.{run.__name__}", seconds, run)


def says(subject: Subject) -> Callable[[Callable[[Step, View], str]], Words]:
    """Declare the words for what a feature's flows do, for a reason, or for what the controller answers.

    ``step.record`` is the resource that the flow is for; a sentence starts small and has no full stop.  A step with
    nothing to say ("") is left out of what is told.
    """
    return lambda say: Words(subject, say)


def counts(of: Feature, family: str, *tables: Table) -> Callable[[Callable[[Any, Counter], str]], Counted]:
    """Declare that a feature's meters are counters of ``family``, one for each resource and direction.

    With ``tables``, its flows of these count instead: all of one resource and direction are added up.  A flow counts
    what a meter before it drops too, unless there is a barrier between the two.  The function is given the resource
    and the meter or flow, and returns the direction, "" for one that is not counted.
    """
    return lambda direction: Counted(of, family, direction, tables)


def tells(
    of: Feature, *tables: Table, seconds: float = 2.0
) -> Callable[[Callable[[R, Reading, str, View], Any]], Tells]:
    """Declare what this host reports of the counts of a feature's flows in these tables, for somebody who looks on.

    Without tables it is the use of the feature's meters.  The function is given the resource, what was read, this host
    and a view, and returns the record to report, None for nothing.  While there are such flows or meters they are read
    every so many ``seconds`` and told at once, where ``counts`` adds up in its own time what ledgers need.
    """
    return lambda report: Tells(of, tables, report, seconds)


def _folder(run: Callable[..., Any]) -> str:
    parts = run.__module__.split(".")
    return parts[-2] if len(parts) > 1 else parts[-1]


def discover(package: str = "") -> Program:
    """Import every feature, of one package or of all, and collect what it declares; nothing is listed anywhere."""
    records.load(package)
    shape = importlib.import_module(f"{package or FEATURES}.pipeline")
    list(modules("tables", package))
    declared = [value for module in (shape, *modules("flows", package)) for value in vars(module).values()]
    program = assemble(declared, shape.PIPELINE)
    for item in program.features:
        if not meta(item.each).reach and not meta(item.each).local:
            raise ValueError(f"{item.name} never runs: no host follows {item.each.__name__}, which has no reach")
    return program


def assemble(declared: Iterable[Any], pipeline: Pipeline) -> Program:
    """A program from declared objects; anything else among them is passed over.

    The pipeline is settled by this: all that is declared has been imported.
    """
    kinds = Feature | Static | Handler | Ticker | Words | Counted | Tells
    unique = list(dict.fromkeys(value for value in declared if isinstance(value, kinds)))
    pipeline.settle()
    return Program(
        tuple(item for item in unique if isinstance(item, Feature)),
        tuple(item for item in unique if isinstance(item, Static)),
        _handlers(item for item in unique if isinstance(item, Handler)),
        tuple(item for item in unique if isinstance(item, Ticker)),
        pipeline,
        _words(item for item in unique if isinstance(item, Words)),
        _counted(item for item in unique if isinstance(item, Counted)),
        {item.of: item for item in unique if isinstance(item, Tells)},
    )


def _handlers(declared: Iterable[Handler]) -> dict[Question, tuple[Handler, ...]]:
    found: dict[Question, tuple[Handler, ...]] = {}
    for item in sorted(declared, key=lambda handler: not handler.first):
        known = found.get(item.question, ())
        if any(other.first == item.first for other in known):
            raise ValueError(f"question {item.question.name} has two packet-in functions")
        found[item.question] = (*known, item)
    return found


def _counted(declared: Iterable[Counted]) -> dict[Feature, tuple[Counted, ...]]:
    found: dict[Feature, tuple[Counted, ...]] = {}
    for item in declared:
        known = found.get(item.of, ())
        if any(other.tables == item.tables or set(other.tables) & set(item.tables) for other in known):
            raise ValueError(f"{item.of.name} has two functions that say what it counts")
        found[item.of] = (*known, item)
    return found


def _words(declared: Iterable[Words]) -> dict[str | Reason | Question, Words]:
    found: dict[str | Reason | Question, Words] = {}
    for item in declared:
        subject = item.subject
        key = subject.name if isinstance(subject, Feature | Static) else subject
        if key in found:
            raise ValueError(f"{subject.name} has two functions that say what it does")
        found[key] = item
    return found
