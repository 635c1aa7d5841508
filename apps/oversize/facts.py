"""The way of a packet that is larger than what is before it: measured, cut if it may be, else its sender is told."""

from collections.abc import Iterator, Mapping, Sequence

from apps.oversize.model import FRAGMENT, LOOKS, UNHEARD_MOST, Fragmenter, Look, judged
from apps.oversize.tables import CUT, CUT_BACK, CUT_BARRIER, ROOM, TOO_BIG
from apps.pipeline import PORT, QUESTION
from sdnctl.of.actions import Action, Instruction, check_pkt_larger, meter, resubmit, set_field
from sdnctl.of.fields import METADATA, Field, Value
from sdnctl.of.flow import Flow
from sdnctl.of.meter import Meter
from sdnctl.packet.frame import ETH_HEADER
from sdnctl.program.declared import Question
from sdnctl.program.feature import Item, View
from sdnctl.program.pipeline import Priority, Table, goto

MEASURED_MOST = 2**16 - 1 - ETH_HEADER
"""The largest packet that a switch can measure: devices may take more (ovs-actions(7), check_pkt_larger)."""
RATE, BURST = 1000, 1000
"""The large packets a second, and at once, of one port that the fragmenter gets."""


def measured(mtu: int) -> Sequence[Action]:
    """Note in TOO_BIG whether the packet is larger than ``mtu`` bytes, and in ROOM how many fit."""
    room = min(mtu, MEASURED_MOST)
    return check_pkt_larger(room + ETH_HEADER, TOO_BIG, 0), set_field(ROOM, room)


def too_big(question: Question) -> Sequence[Action | Instruction]:
    """Have a packet cut that is larger than what is before it; if it may not be, ask the controller to tell its sender.

    ``question`` is what the controller is asked, with what fits in ROOM.
    """
    return set_field(QUESTION, question.number), goto(CUT)


def cutting(_: None, here: str, view: View) -> bool:
    """True while this host has a fragmenter that answers."""
    look = view.get(Look, LOOKS)
    return view.get(Fragmenter, here) is not None and (look is None or look.unheard <= UNHEARD_MOST)


def cut_again(question: Question, table: Table) -> Flow:
    """The flow by which fragments of a packet that was too big go on at ``table``, which now lets them pass."""
    # Fragments that fit: on where the whole packet did not fit.
    return CUT_BACK.flow(
        Priority.NORMAL,
        {METADATA: judged(FRAGMENT), QUESTION: question.number},
        [set_field(METADATA, 0), set_field(QUESTION, 0), set_field(TOO_BIG, 0), resubmit(table.id)],
    )


def oversized(port: int, number: int, view: View) -> Iterator[Item]:
    """The limit, meter ``number``, of what a port (its key) sends that is too large; nothing without a fragmenter."""
    if view.derived(cutting, None):
        yield Meter(number, RATE, BURST, packets=True)
        # Larger than the way before it: to the fragmenter, within the port's limit.
        yield limited(number, {PORT: port})


def limited(number: int, match: Mapping[Field, Value]) -> Flow:
    """The flow that keeps large packets within the limit of meter ``number``."""
    return CUT.flow(Priority.NORMAL, match, [meter(number), CUT_BARRIER.through()])
