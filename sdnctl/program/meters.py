"""The shares of the meter numbers of a switch, 1 to 262143.

The machine's own come first, then one for each port of the switch, then the pool, from which records get theirs, and
last two for each zone of connection tracking that a port has: zones are as good a name for a port as its OpenFlow
number, and fewer.
"""

from sdnctl.program.zones import PORTS_HIGH

MACHINE_LAST = 16
PORTS_FIRST = MACHINE_LAST
POOL = "meter"
POOL_LOW, POOL_HIGH = 65_536, 196_607
"""The bounds of the pool.  The low end stays where it is: records of running regions have numbers from there on."""


def of_port(ofport: int) -> int:
    """The meter of what a port of the switch asks, by its OpenFlow number (1 to 0xfeff)."""
    return PORTS_FIRST + ofport


def of_oversized(zone: int) -> int:
    """The meter of what a port sends that is larger than the way there, by the port's zone."""
    return POOL_HIGH + zone


def of_fragments(zone: int) -> int:
    """The meter of the fragments that a port sends, by the port's zone."""
    return POOL_HIGH + PORTS_HIGH + zone
