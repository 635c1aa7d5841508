"""Connection tracking as a walk sees it: the state that a packet's connection is in is said beforehand.

The switch knows a connection by its original tuple, in each zone for itself.  A walk takes one state for all zones that
a packet passes: it begins the connection, or goes on with it, or is a reply (ovs-fields(7), ct_state).
"""

from collections.abc import Iterable
from enum import Enum

from sdnctl.of import fields as f
from sdnctl.verify.header import ONE, ZERO, Bits, Header, constant, known, read, written
from sdnctl.verify.rules import Slice, Track, Write


class Connection(Enum):
    """The state of a packet's connection, as the bits of ct_state."""

    NEW = f.CT_TRACKED | f.CT_NEW
    """Nothing is known of it yet: what is committed is known from here on."""
    GOING = f.CT_TRACKED | f.CT_ESTABLISHED
    """Both sides were heard, and the packet goes the way that the first one went."""
    REPLY = f.CT_TRACKED | f.CT_ESTABLISHED | f.CT_REPLY
    """The packet goes back."""
    INVALID = f.CT_TRACKED | f.CT_INVALID
    """Connection tracking makes nothing of the packet."""


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
    made = written(made, f.CT_STATE, constant(state.value, f.CT_STATE.width))
    zone = read(header, *action.zone) if isinstance(action.zone, Slice) else constant(action.zone, f.CT_ZONE.width)
    made = written(made, f.CT_ZONE, zone)
    if state is Connection.INVALID:
        return made
    back = state is Connection.REPLY
    for known_as, there, reply in _TUPLE:
        made = written(made, known_as, read(header, reply if back else there))
    if action.commit:
        set_now: Iterable[Write] = action.marks
    else:
        set_now = () if state is Connection.NEW else marks
    for mark in set_now:
        made = wrote(made, mark)
    return made


def wrote(header: Header, action: Write) -> dict[f.OxmField, Bits]:
    """The header with what a flow writes into it."""
    if action.mask == -1:
        return written(header, action.field, constant(action.value, action.width), action.start)
    old = read(header, action.field)
    bits = ((ONE if action.value >> at & 1 else ZERO) if action.mask >> at & 1 else bit for at, bit in enumerate(old))
    return written(header, action.field, tuple(bits))


def number_of(header: Header, field: f.OxmField) -> int | None:
    """The number that a field holds, None when it is not known."""
    return known(read(header, field))
