"""The place of an address of a VPC: its MAC address, and the port behind which it is."""

from apps.eni.model import NetworkInterface
from apps.neighbour.tables import RESOLVE
from apps.pipeline import NEXT_HOP, OUT_PORT, VPC
from apps.vpc.model import Vpc
from sdnctl.base.addresses import Ip4
from sdnctl.of.actions import set_field
from sdnctl.of.fields import ETH_DST
from sdnctl.of.flow import Flow
from sdnctl.program.pipeline import Priority, onward


def resolved(vpc: Vpc, port: NetworkInterface, ip: Ip4) -> Flow:
    """The next hop is this address of the port: its MAC address, and who it is."""
    return RESOLVE.flow(
        Priority.NORMAL,
        {VPC: vpc.key, NEXT_HOP: ip},
        [set_field(ETH_DST, port.mac), set_field(OUT_PORT, port.key), onward(RESOLVE)],
    )
