"""The connections of a NAT gateway that this host is to translate as the one before it did."""

from apps.nat_handover.model import MovedPorts
from sdnctl.program.feature import View


def newest(gateway: str, view: View) -> MovedPorts | None:
    """The record of the host that told last which connections of a gateway have another port."""
    found = (view.get(MovedPorts, id) for id in view.by(MovedPorts, ("gateway",), gateway))
    return max((one for one in found if one is not None), key=lambda one: (one.turn, one.id), default=None)


def inherited(gateway: str, here: str, view: View) -> str:
    """The id of the record of the host before this one; "" when this one knows itself what it translates."""
    found = newest(gateway, view)
    return found.id if found is not None and found.host != here else ""
