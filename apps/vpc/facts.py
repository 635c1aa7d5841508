"""Values derived from VPCs."""

from apps.vpc.model import Vpc
from sdnctl.model.host import Binding
from sdnctl.program.feature import View


def vpc_here(vpc: str, here: str, view: View) -> bool:
    """True when this host has a port of the VPC, which is when the VPC concerns its switch."""
    return view.any(Binding, ("vpc", "host"), (vpc, here))


def account_meter(account: str, here: str, view: View) -> int:
    """The number of the meter that limits what an account asks of this host: the least of its VPCs that are known."""
    vpcs = (view.get(Vpc, id) for id in view.by(Vpc, ("account",), account))
    return min((vpc.meter for vpc in vpcs if vpc is not None), default=0)
