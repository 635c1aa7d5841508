"""The places that packets come to on a walk: where they are, what was met on the way, and the ends."""

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from sdnctl.program.pipeline import Pipeline
from sdnctl.verify.header import Header
from sdnctl.verify.rules import Rule, Switch


class Ends(Enum):
    """The ways in which a walk ends, and what ``End.who`` says of each."""

    TO = "to"
    """Out to an interface or to the public network: its id."""
    ASKS = "asks"
    """To the controller: the question."""
    PROGRAM = "program"
    """To a program beside the switch: its number."""
    DROPPED = "dropped"
    """The reason, "" where none is noted."""
    LOST = "lost"
    """Nowhere: why."""


class End(NamedTuple):
    """One way in which packets end: which ones, and how they look then."""

    what: Ends
    who: str
    host: str
    header: Header
    packets: int


class Seen(NamedTuple):
    """One flow that packets met, in a recorded walk; ``parent`` is the one before, by its place in the record."""

    parent: int
    host: str
    table: int
    rule: Rule | None
    before: Header
    after: Header
    outputs: tuple[int, ...]


class At(NamedTuple):
    """A place on the way, and the changes that packets had until there."""

    host: str
    table: int
    header: Header
    turn: int
    parent: int


class Region:
    """The switches that packets may meet, and the names of what is noted in their registers."""

    def __init__(self, switches: Iterable[Switch], pipeline: Pipeline) -> None:
        self.switches = {switch.name: switch for switch in switches}
        self.pipeline = pipeline
        self.tunnels = {switch.end: switch for switch in self.switches.values() if switch.end}
        self.stateful = any(switch.stateful for switch in self.switches.values())
        """True when any flow asks for the state of a connection."""
        self.marks = {mark for switch in self.switches.values() for mark in switch.marks}
