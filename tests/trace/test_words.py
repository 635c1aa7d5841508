"""Traces in words where the switch is not yet what its host wants."""

from sdnctl.engine.engine import Engine
from sdnctl.program.feature import discover
from sdnctl.program.step import Step
from sdnctl.trace.words import tell


def test_a_table_of_an_earlier_version_is_told() -> None:
    """After an upgrade the switch has its old tables until it is in step; a trace is answered all the same."""
    leg = tell([Step(253, 0x1234, {}, {})], Engine(discover(), "hv1"))
    assert leg.outcome == "dropped"
    assert leg.verdict == "dropped: a table that nobody declares decides, number 253"
