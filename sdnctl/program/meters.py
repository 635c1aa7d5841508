"""The shares of the meter numbers of a switch, 1 to 262143.

The machine's own come first, then one for each port of the switch, and last the pool, from which records get theirs.
"""

MACHINE_LAST = 16
PORTS_FIRST = MACHINE_LAST
PORTS_LAST = PORTS_FIRST + 0xFF00 - 1
POOL = "meter"
POOL_LOW, POOL_HIGH = 65_536, 262_143


def of_port(ofport: int) -> int:
    """The meter of what a port of the switch asks, by its OpenFlow number (1 to 0xfeff)."""
    return PORTS_FIRST + ofport
