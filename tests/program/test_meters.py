"""The shares of a switch's meter numbers do not meet, and records of running regions keep what they have."""

from sdnctl.program.meters import MACHINE_LAST, POOL_HIGH, POOL_LOW, of_fragments, of_oversized, of_port
from sdnctl.program.zones import PORTS_HIGH, PORTS_LOW

PORT_LAST, METER_LAST = 0xFEFF, 262_143
"""The highest port of a switch, and the highest meter (ovs-ofctl(8))."""


def test_the_shares_do_not_meet() -> None:
    assert MACHINE_LAST < of_port(1) < of_port(PORT_LAST) < POOL_LOW < POOL_HIGH < of_oversized(PORTS_LOW)
    assert of_oversized(PORTS_HIGH) < of_fragments(PORTS_LOW) < of_fragments(PORTS_HIGH) <= METER_LAST


def test_the_pool_begins_where_it_did_when_the_first_records_got_theirs() -> None:
    assert POOL_LOW == 65_536
