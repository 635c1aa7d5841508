"""The limit of those who send fragments, and the flow that ends those which have waited too long."""

from collections.abc import Sequence

from apps.pipeline import OUT_PORT, PORT, drop
from apps.reassembly.tables import UNFINISHED
from sdnctl.of.actions import Action, Instruction, set_field
from sdnctl.of.fields import CT_INVALID, CT_STATE, CT_TRACKED, FRAGMENT_ANY
from sdnctl.of.flow import Flow
from sdnctl.of.meter import Meter
from sdnctl.program.pipeline import Priority, Table

PIECES_RATE, PIECES_BURST = 128, 512
"""The fragments a second, and at once, of one elastic IP, and of one interface.

A switch has room for 5000 fragments that wait for the rest of their datagram, for 15 s: with these limits two of whom
somebody fills it leave some for the others."""
PIECE = (FRAGMENT_ANY, FRAGMENT_ANY)
"""The match of a fragment, the first or a later one."""
LATE = (CT_INVALID, CT_INVALID | CT_TRACKED)
"""The state of a fragment that has waited too long: invalid, and not even tracked."""


def not_late(table: Table) -> Flow:
    """The flow of ``table``, behind connection tracking, that drops fragments which have waited too long.

    Open vSwitch 3.1 lets them on with the next packet that passes connection tracking, in any zone: they come to this
    table with all that is known of that packet, and whoever sent it is not to be told of their drop.
    """
    nobody: Sequence[Action | Instruction] = (set_field(PORT, 0), set_field(OUT_PORT, 0), *drop(UNFINISHED))
    # Of whatever tenant: with the VPC and the ports of another packet.
    return table.flow(Priority.EXCEPTION, {CT_STATE: LATE}, nobody)


def pieces_limit(number: int) -> Meter:
    """The limit as meter ``number``."""
    return Meter(number, PIECES_RATE, PIECES_BURST, packets=True)
