"""The limit of fragments: so many go through connection tracking for one elastic IP, or from one network interface."""

from sdnctl.of.fields import FRAGMENT_ANY
from sdnctl.of.meter import Meter

PIECES_RATE, PIECES_BURST = 128, 512
"""The fragments a second, and at once, of one elastic IP, and of one interface.

A switch has room for 5000 fragments that wait for the rest of their datagram, for 15 s: with these limits two of whom
somebody fills it leave some for the others."""
PIECE = (FRAGMENT_ANY, FRAGMENT_ANY)
"""The match of a fragment, the first or a later one."""


def pieces_limit(number: int) -> Meter:
    """The limit as meter ``number``."""
    return Meter(number, PIECES_RATE, PIECES_BURST, packets=True)
