"""Declarations of a pipeline beside its tables: reasons, questions, limits, barriers, spreads; numbered when known."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdnctl.of.actions import Action, Instruction, resubmit, set_field
from sdnctl.of.actions import group as group_action
from sdnctl.of.actions import meter as meter_instruction
from sdnctl.of.fields import RegisterField
from sdnctl.of.group import Group, bucket
from sdnctl.of.meter import Meter

if TYPE_CHECKING:
    from sdnctl.program.pipeline import Table


@dataclass(slots=True, eq=False)
class Reason:
    """The reason of a drop, in tenant words; ``number`` is what the drop table matches, ``remedy`` what to do."""

    name: str
    text: str
    remedy: str = ""
    number: int = 0


@dataclass(slots=True, eq=False)
class Question:
    """A question that only the controller can answer; ``number`` is what its field holds in a packet that asks."""

    name: str
    purpose: str
    number: int = 0


@dataclass(slots=True, eq=False)
class Limit:
    """A meter that every switch has: at most ``rate`` packets a second, after ``burst`` packets at once.

    A burst below 32 loses packets that come together: a switch takes them in batches of so many.
    """

    name: str
    purpose: str
    rate: int
    burst: int
    number: int = 0

    @property
    def meter(self) -> Meter:
        """The meter, once its number is known."""
        return Meter(self.number, self.rate, self.burst, packets=True)

    def within(self) -> Instruction:
        """Drop the packet when the limit is exceeded, before any action; a flow has one meter at most."""
        return meter_instruction(self.number)


@dataclass(slots=True, eq=False)
class Barrier:
    """A point at which the datapath looks a packet up again, so that a meter in front of it bounds what lies behind.

    Without one a switch works out the whole path for each packet that is new to it, before any meter drops it: whatever
    a sender chooses (addresses, ports) may then cost a lookup a packet.  Behind a barrier such lookups are as many as
    the meter lets through, and counters count what it let through only.

    It is a select group of one bucket: choosing needs a hash of the packet, which the datapath works out, and then
    recirculates.  A packet that has its hash is not hashed again, so a packet may pass one barrier, and no second one.
    Packets go on at ``table``, which may stand before the one they come from: ``goto`` never leads back, a barrier may.
    """

    name: str
    purpose: str
    table: "Table"
    number: int = 0

    @property
    def group(self) -> Group:
        """The group, once its number and that of its table are known."""
        return Group(self.number, "select", (bucket([resubmit(self.table.id)], weight=1),))

    def through(self) -> Action:
        """Go on behind the barrier."""
        return group_action(self.number)


@dataclass(slots=True, eq=False)
class Spread:
    """A point at which packets are spread evenly over numbered slots, by a hash that the datapath works out.

    The hash is of both addresses, the protocol and the ports of TCP, the same for both directions of a connection;
    other ports have no part in it.  The slot, as many as ``field`` has values, is written to ``field`` and packets go
    on at ``table``: its flows say who owns a slot, so that owners come and go and this group never changes.

    It is a select group of one bucket a slot, so a barrier too (see there): the packet is looked up again, by at most
    one flow a slot, however many connections there are.  256 buckets are the most that a switch tells apart by that
    hash (Open vSwitch 3.1 and 3.7).
    """

    name: str
    purpose: str
    field: RegisterField
    table: "Table"
    number: int = 0

    @property
    def slots(self) -> int:
        """The number of slots."""
        return 1 << self.field.width

    @property
    def group(self) -> Group:
        """The group, once its number, that of its table and the bits of the field are known."""
        go_on = resubmit(self.table.id)
        ways = (bucket([set_field(self.field, slot), go_on], weight=1) for slot in range(self.slots))
        return Group(self.number, "select", tuple(ways))

    def through(self) -> Action:
        """Go on at the table, with a slot."""
        return group_action(self.number)


@dataclass(frozen=True, slots=True)
class Alive:
    """A named field and the stages, by number, in which its bits mean that."""

    name: str
    field: RegisterField
    first: int
    last: int
    show: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Marked:
    """A table and the field that says there what became of a packet: why it is dropped, or what it asks."""

    field: RegisterField
    table: "Table"
