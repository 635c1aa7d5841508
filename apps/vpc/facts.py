"""Values derived from VPCs."""

from sdnctl.model.host import Binding
from sdnctl.program.feature import View


def vpc_here(vpc: str, here: str, view: View) -> bool:
    """Whether this host has a port of the VPC, which is when the VPC concerns its switch."""
    return view.any(Binding, ("vpc", "host"), (vpc, here))
