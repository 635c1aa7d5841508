"""The words for a fragment that has waited too long."""

from apps.reassembly.tables import UNFINISHED
from sdnctl.program.feature import View, says
from sdnctl.program.step import Step


@says(UNFINISHED)
def unfinished(step: Step, view: View) -> str:
    """The fragment whose datagram was never whole, in words."""
    return UNFINISHED.text
