"""Values derived from load balancers: their addresses and ports, and who owns which slot of a target group."""

from apps.eni.model import NetworkInterface
from apps.load_balancer.model import BY_ADDRESS, Backend, Listener, LoadBalancer, Target
from apps.load_balancer.tables import SLOT, SLOTS
from apps.pipeline import NEXT_HOP, VPC
from apps.vpc.model import Vpc
from sdnctl.base.addresses import Ip4
from sdnctl.of.actions import Action, move
from sdnctl.of.fields import IP_SRC, TCP_DST, TCP_SRC, UDP_DST, UDP_SRC, Field, OxmField, Value
from sdnctl.program.feature import View
from sdnctl.program.slots import weighted

TO: dict[str, OxmField] = {"Tcp": TCP_DST, "Udp": UDP_DST}
"""The field of a packet that has the port at which it is aimed, by protocol."""


def slots_of(group: str, here: str, view: View) -> tuple[str, ...]:
    """The target that has each slot of a group, by slot; none when no target takes connections."""
    targets = (view.get(Target, id) for id in view.by(Target, ("group",), group))
    weights = {target.id: target.weight for target in targets if target is not None and target.weight}
    return weighted(weights, SLOTS) if weights else ()


def keeps_client(backend: Backend) -> bool:
    """True when all connections of a client go to one target."""
    return backend.sticky or backend.algorithm == BY_ADDRESS


def vip_of(balancer: LoadBalancer, view: View) -> Ip4 | None:
    """The address of a load balancer."""
    port = view.get(NetworkInterface, balancer.port)
    return port.addresses[0] if port is not None else None


def listens(listener: Listener, view: View) -> dict[Field, Value] | None:
    """The match of what is for a listener: the address and port; None while it or its load balancer is off."""
    vpc, balancer = view.get(Vpc, listener.vpc), view.get(LoadBalancer, listener.balancer)
    vip = vip_of(balancer, view) if balancer is not None else None
    if vpc is None or balancer is None or vip is None or not (listener.on and balancer.started):
        return None
    return {VPC: vpc.key, NEXT_HOP: vip, TO[listener.protocol]: listener.port}


def slot_of(listener: Listener, backend: Backend) -> Action:
    """The slot of a connection: by its client's address, or by its client's port.

    A hash of both would need a recirculation, and a packet on one host has no more than six: four of them are those of
    the security groups of client and target.  Linux gives connections of TCP even ports first, so the lowest bit tells
    nothing.
    """
    if keeps_client(backend):
        return move(IP_SRC, SLOT, nbits=SLOT.width)
    if listener.protocol == "Udp":
        return move(UDP_SRC, SLOT, nbits=SLOT.width)
    return move(TCP_SRC, SLOT, nbits=SLOT.width, src_ofs=1)
