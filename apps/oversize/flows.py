"""A packet that is larger than the way before it is cut, unless it says that it may not be (RFC 1812, 5.2.6).

The switch can do neither: it does not see whether a packet may be cut, nor cut one.  So each goes to the fragmenter, a
program beside it, and comes back in fragments, or whole: then, and while there is no fragmenter, its sender is told.
"""

from collections.abc import Iterator
from dataclasses import replace

from apps.oversize.facts import cutting
from apps.oversize.model import (
    ALIVE,
    HEARD_LEAST,
    LOOKS,
    PROGRAM,
    UNHEARD_MOST,
    WHOLE,
    Fragmenter,
    Letter,
    Look,
    judged,
)
from apps.oversize.tables import (
    ASK_FRAGMENTER,
    CUT,
    CUT_ALL,
    CUT_BACK,
    CUT_BARRIER,
    CUT_OTHERS,
    CUT_OUT,
    ROOM,
)
from apps.pipeline import ask_alone
from sdnctl.model.host import Host, LocalPort
from sdnctl.of.actions import move, resubmit, set_field, to_program
from sdnctl.of.fields import METADATA
from sdnctl.packet import arp_request
from sdnctl.program.feature import Item, View, always, every, feature, packet_in, says
from sdnctl.program.packets import Drop, PacketIn, PacketOut, Put, Report
from sdnctl.program.pipeline import Priority, onward
from sdnctl.program.step import Step

LOOK_SECONDS = 1.0


@always
def way() -> Iterator[Item]:
    """The way to the fragmenter and back."""
    # Nobody can cut it: its sender is told.
    yield CUT.flow(Priority.MISS, {}, [onward(CUT)])
    # To the fragmenter, with what fits and where to come back to.
    letter = Letter(0, CUT_BACK.id).bits
    yield CUT_OUT.flow(
        Priority.MISS,
        {},
        [CUT_ALL.within(), set_field(METADATA, letter), move(ROOM, METADATA), to_program(PROGRAM)],
    )
    # Back whole: it may not be cut, and its sender is told.
    yield CUT_BACK.flow(Priority.NORMAL, {METADATA: judged(WHOLE)}, [set_field(METADATA, 0), onward(CUT_BACK)])
    # The fragmenter says that it is there.
    yield CUT_BACK.flow(Priority.NORMAL, {METADATA: judged(ALIVE)}, ask_alone(ASK_FRAGMENTER))


@feature(each=Host)
def others(host: Host, here: str, view: View) -> Iterator[Item]:
    """Large packets of senders that have no limit of their own, while there is a fragmenter."""
    if host.id == here and view.derived(cutting, None):
        # All of them share one limit.
        yield CUT.flow(Priority.BROAD, {}, [CUT_OTHERS.within(), CUT_BARRIER.through()])


@every(LOOK_SECONDS)
def look(here: str, view: View) -> Iterator[PacketOut | Report]:
    """Ask the fragmenter whether it is there; note it when it has not been for a while."""
    known = view.get(Look, LOOKS)
    unheard = known.unheard + 1 if known is not None else 1
    heard = known.heard if known is not None and unheard == 1 else 0
    # Where there are no ports yet, nothing is disturbed by flows that come a moment later.
    enough = known.enough if known is not None else HEARD_LEAST if view.all(LocalPort) else 1
    if unheard <= UNHEARD_MOST + 1:
        yield Put(Look(id=LOOKS, unheard=unheard, heard=heard, enough=enough))
    if unheard > UNHEARD_MOST and view.get(Fragmenter, here) is not None:
        yield Drop(Fragmenter, here)
    yield PacketOut(arp_request(0, 0, 0), (resubmit(CUT_OUT.id),))


@packet_in(ASK_FRAGMENTER)
def there(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut | Report]:
    """The fragmenter answers: from now on it gets what is too large."""
    known = view.get(Look, LOOKS)
    if known is None:
        return
    heard = min(known.heard + 1, known.enough)
    yield Put(replace(known, unheard=0, heard=heard))
    if heard == known.enough and view.get(Fragmenter, here) is None:
        yield Put(Fragmenter(id=here, host=here))


@says(way)
def on_the_way(step: Step, view: View) -> str:
    """The way to the fragmenter and back, in words."""
    if step.table == CUT.id:
        return "there is no fragmenter to cut it"
    to = "to the fragmenter, which cuts it if it may be cut"
    return to if step.table == CUT_OUT.id else "back from the fragmenter"


@says(others)
def shared(step: Step, view: View) -> str:
    """The limit that a large packet is within, in words."""
    return "within the limit of large packets"


@says(ASK_FRAGMENTER)
def there_said(step: Step, view: View) -> str:
    """The answer of the fragmenter, in words."""
    return "the fragmenter says that it is there"
