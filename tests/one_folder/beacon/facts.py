"""Values derived from beacons."""

from sdnctl.model.host import Binding, Host
from sdnctl.program.feature import View


def rank(vpc: str, here: str, view: View) -> int:
    """The number of hosts that come before this one, by name, in presenting the beacons of a VPC."""
    return sum(view.any(Binding, ("vpc", "host"), (vpc, host)) for host in view.all(Host) if host < here)
