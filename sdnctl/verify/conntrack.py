"""Connection tracking as a walk sees it: the state that a packet's connection is in is said beforehand.

The switch knows a connection by its original tuple, in each zone for itself: a packet begins it there, or goes on with
it, or is a reply (ovs-fields(7), ct_state).  A walk takes one state for all zones, but for those that it is told.
"""

from collections.abc import Iterable
from enum import Enum

from sdnctl.of import fields as f
from sdnctl.verify.header import ONE, ZERO, Bits, Header, constant, read, written
from sdnctl.verify.rules import Nat, Slice, Track, Write


class Connection(Enum):
    """The state of a packet's connection: the bits of ct_state, and whether there is room for one more connection."""

    NEW = f.CT_TRACKED | f.CT_NEW, True
    """Nothing is known of it yet: what is committed is known from here on."""
    FULL = f.CT_TRACKED | f.CT_NEW, False
    """Nothing is known of it yet, and the zone is full: ``ct(commit)`` lets it go on without what it should set."""
    GOING = f.CT_TRACKED | f.CT_ESTABLISHED, True
    """Both sides were heard, and the packet goes the way that the first one went."""
    REPLY = f.CT_TRACKED | f.CT_ESTABLISHED | f.CT_REPLY, True
    """The packet goes back."""
    ABOUT = f.CT_TRACKED | f.CT_RELATED, True
    """The packet is an ICMP error that quotes one that went the way of the first one."""
    ABOUT_REPLY = f.CT_TRACKED | f.CT_RELATED | f.CT_REPLY, True
    """The packet is an ICMP error that quotes one that came back."""
    INVALID = f.CT_TRACKED | f.CT_INVALID, True
    """Connection tracking makes nothing of the packet."""
    LATE = f.CT_INVALID, True
    """A fragment that has waited too long for the others: it is let on, not even tracked."""

    def __init__(self, bits: int, room: bool) -> None:
        """``bits`` are those of ct_state."""
        self.bits = bits
        self.known = not bits & (f.CT_NEW | f.CT_INVALID)
        self.remembered = bool(bits & f.CT_NEW) and room


_FORGOTTEN = (f.CT_STATE, f.CT_ZONE, f.CT_MARK, f.CT_LABEL, f.CT_NW_SRC, f.CT_NW_DST, f.CT_NW_PROTO)
FORGOTTEN = (*_FORGOTTEN, f.CT_TP_SRC, f.CT_TP_DST)
"""The fields that ``ct_clear`` empties."""
_TUPLE = (
    (f.CT_NW_SRC, f.IP_SRC, f.IP_DST),
    (f.CT_NW_DST, f.IP_DST, f.IP_SRC),
    (f.CT_NW_PROTO, f.IP_PROTO, f.IP_PROTO),
    (f.CT_TP_SRC, f.TCP_SRC, f.TCP_DST),
    (f.CT_TP_DST, f.TCP_DST, f.TCP_SRC),
)
"""A field of the original tuple, the field that it is of a packet of that way, and of one that comes back."""


def cleared(header: Header) -> dict[f.OxmField, Bits]:
    """The header when nothing is known of the connection any more."""
    return {field: bits for field, bits in header.items() if field not in FORGOTTEN}


def tracked(action: Track, header: Header, state: Connection, marks: Iterable[Write]) -> dict[f.OxmField, Bits]:
    """The header behind ``ct``; ``marks`` are those that a known connection was given when it was committed."""
    made = cleared(header)
    made = written(made, f.CT_STATE, constant(state.bits, f.CT_STATE.width))
    made = written(made, f.CT_ZONE, zone_of(action, header))
    if state.bits & f.CT_INVALID:
        return made
    back = state is Connection.REPLY
    # What an error quotes is inside it: a walk does not know that tuple, and leaves it empty.
    for known_as, there, reply in () if state.bits & f.CT_RELATED else _TUPLE:
        made = written(made, known_as, read(header, reply if back else there))
    if action.commit:
        set_now: Iterable[Write] = action.marks if state.known or state.remembered else ()
    else:
        set_now = marks if state.known else ()
    for mark in set_now:
        made = wrote(made, mark)
    return made


def zone_of(action: Track, header: Header) -> Bits:
    """The zone in which ``ct`` looks: a number, or the bits of a register."""
    if isinstance(action.zone, Slice):
        return read(header, *action.zone)
    return constant(action.zone, f.CT_ZONE.width)


def renamed(header: Header, nat: Nat, source: bool) -> dict[f.OxmField, Bits]:
    """The header with a translation's address, and its port if it has one, as the source or the destination."""
    made = dict(header)
    if nat.address is not None:
        field = f.IP_SRC if source else f.IP_DST
        made = written(made, field, constant(nat.address, field.width))
    if nat.port is not None:
        field = f.TCP_SRC if source else f.TCP_DST
        made = written(made, field, constant(nat.port, field.width))
    return made


def wrote(header: Header, action: Write) -> dict[f.OxmField, Bits]:
    """The header with what a flow writes into it."""
    if action.mask == -1:
        return written(header, action.field, constant(action.value, action.width), action.start)
    old = read(header, action.field)
    bits = ((ONE if action.value >> at & 1 else ZERO) if action.mask >> at & 1 else bit for at, bit in enumerate(old))
    return written(header, action.field, tuple(bits))
