"""Values derived from load balancers with an elastic IP: who presents it, and the MAC address that names a target."""

from collections.abc import Iterator

from apps.eip.model import ElasticIp
from apps.eni.model import NetworkInterface
from apps.gateway.facts import translates_here
from apps.holder.facts import held_here
from apps.load_balancer.facts import TO, vip_of
from apps.load_balancer.model import Backend, Listener, LoadBalancer, Target
from apps.vpc.model import Vpc
from sdnctl.base.addresses import Ip4, Mac
from sdnctl.of.fields import OxmField
from sdnctl.program.feature import View
from sdnctl.verify.doors import Door, Records, doors

TARGET_OUI = 0x0E0000010000
TARGET_MASK = 0xFFFFFFFF0000


def target_mac(target: Target) -> Mac:
    """The MAC address by which a target is named on the way to its host; no interface has it."""
    return Mac(TARGET_OUI | target.key)


def public(balancer: str, here: str, view: View) -> bool:
    """True for a load balancer that has an elastic IP."""
    found = view.get(LoadBalancer, balancer)
    return found is not None and view.any(ElasticIp, ("port",), found.port)


def chosen_here(balancer: str, here: str, view: View) -> bool:
    """True on the host that presents the elastic IP of a load balancer, and chooses targets for what comes by it."""
    found = view.get(LoadBalancer, balancer)
    there = found is not None and view.derived(public, balancer) and view.derived(translates_here, found.vpc)
    return there and view.derived(held_here, balancer)


def openings(target: Target, view: View) -> Iterator[tuple[Backend, Listener, Ip4, OxmField]]:
    """The listeners by which a target gets connections from outside: address and field of the port."""
    for id in sorted(view.by(Backend, ("group",), target.group)):
        backend = view.get(Backend, id)
        balancer = view.get(LoadBalancer, backend.balancer) if backend is not None else None
        vip = vip_of(balancer, view) if balancer is not None else None
        if backend is None or balancer is None or vip is None or not view.derived(public, balancer.id):
            continue
        for one in sorted(view.by(Listener, ("backend",), id)):
            listener = view.get(Listener, one)
            if listener is not None and listener.on and balancer.started:
                yield backend, listener, vip, TO[listener.protocol]


def key_of(target: Target, view: View) -> int:
    """The key of a target's VPC, 0 where that is gone."""
    vpc = view.get(Vpc, target.vpc)
    return vpc.key if vpc is not None else 0


@doors
def balanced(records: Records) -> Iterator[Door]:
    """The targets of a load balancer are reached by its elastic IP."""
    ports = records.all(NetworkInterface)
    groups: dict[str, set[str]] = {}
    for backend in records.all(Backend).values():
        groups.setdefault(backend.balancer, set()).add(backend.group)
    at = {balancer.port: balancer.id for balancer in records.all(LoadBalancer).values()}
    for eip in records.all(ElasticIp).values():
        for target in records.all(Target).values() if eip.port in at else ():
            if target.group in groups.get(at[eip.port], ()) and target.port in ports:
                yield Door(target.port, eip.address, target.address)
