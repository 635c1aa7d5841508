"""The rules that load balancers keep, within a transaction."""

from dataclasses import replace

from apps.eip.model import ElasticIp
from apps.eip.writes import bind
from apps.eni.model import NetworkInterface
from apps.eni.writes import claimed, new_managed
from apps.load_balancer.model import (
    KIND,
    Backend,
    Balanced,
    Listener,
    LoadBalancer,
    Target,
    TargetGroup,
)
from apps.load_balancer.tables import SLOTS
from apps.vpc.model import Subnet
from sdnctl.base.addresses import Ip4
from sdnctl.base.errors import IntentError
from sdnctl.program.lifecycle import blocks, changed
from sdnctl.program.weight import Weighed, weighs
from sdnctl.store import Txn

ADDRESS_FLOWS = weighs(LoadBalancer, 6)
LISTENER_FLOWS = weighs(Listener, 2)

BACKEND_FLOWS = weighs(Backend, SLOTS)
MOST_BACKENDS = MOST_LISTENERS = 50
"""The most backends of a load balancer, and the most listeners, by the public API's quotas."""


def _flows(records: Weighed, account: str) -> int:
    """For each target two flows for its replies, five for each backend of its group and one for each listener of it."""
    total = 0
    for group in records.many(TargetGroup, records.by(TargetGroup, ("account",), account)):
        backends = records.by(Backend, ("group",), group.id)
        listeners = sum(len(records.by(Listener, ("backend",), backend)) for backend in backends)
        total += len(records.by(Target, ("group",), group.id)) * (2 + 5 * len(backends) + listeners)
    return total


TARGET_FLOWS = weighs(Target, 8, most=2 + 5 * MOST_BACKENDS + MOST_LISTENERS, exactly=_flows)


def new_balancer(txn: Txn, subnet: Subnet, kind: str, address: Ip4 | None) -> LoadBalancer:
    """A load balancer with an address of a subnet; IntentError when it can have none."""
    id = txn.new_id(LoadBalancer)
    if address is not None:
        claimed(txn, subnet, address, (), "privateIpAddress")
    port = new_managed(txn, subnet, KIND, id, address)
    made = LoadBalancer(
        id=id,
        account=subnet.account,
        vpc=subnet.vpc,
        subnet=subnet.id,
        port=port.id,
        kind=kind,
        created=txn.now,
    )
    txn.put(made)
    if txn.get(Balanced, subnet.vpc) is None:
        zones = {name: txn.allocate(Balanced, name) for name in ("zone", "inner")}
        txn.put(Balanced(id=subnet.vpc, vpc=subnet.vpc, **zones))
    return made


def move_address(txn: Txn, balancer: LoadBalancer, address: Ip4) -> None:
    """Give a load balancer, and so its elastic IP, another address of its subnet; IntentError when that is not free."""
    port, subnet = txn.get(NetworkInterface, balancer.port), txn.get(Subnet, balancer.subnet)
    if port is not None and subnet is not None and port.addresses != (address,):
        moved = replace(port, addresses=(claimed(txn, subnet, address, (), "privateIpAddress"),))
        txn.put(moved)
        for eip in txn.many(ElasticIp, sorted(txn.by(ElasticIp, ("port",), port.id))):
            bind(txn, eip, moved, address, move=True)


def remove_balancer(txn: Txn, balancer: LoadBalancer) -> None:
    """Delete a load balancer with its listeners, backends and target groups."""
    for cls in (Listener, Backend):
        for id in sorted(txn.by(cls, ("balancer",), balancer.id)):
            txn.delete(cls, id)
    for id in sorted(txn.by(TargetGroup, ("balancer",), balancer.id)):
        remove_group(txn, id)
    txn.delete(LoadBalancer, balancer.id)
    txn.delete(NetworkInterface, balancer.port)
    if not txn.by(LoadBalancer, ("vpc",), balancer.vpc):
        txn.delete(Balanced, balancer.vpc)


def remove_group(txn: Txn, id: str) -> None:
    """Delete a target group with its targets."""
    for target in txn.many(Target, sorted(txn.by(Target, ("group",), id))):
        txn.delete(Target, target.id)
    txn.delete(TargetGroup, id)


def add_target(txn: Txn, group: TargetGroup, port: NetworkInterface, address: Ip4, own_port: int) -> Target:
    """A target at an address of an interface, written; IntentError 409 when the group has it already."""
    made = Target(
        id=txn.new_id(Target),
        account=group.account,
        vpc=group.vpc,
        group=group.id,
        port=port.id,
        address=address,
        key=txn.allocate(Target, "key"),
        own_port=own_port,
        created=txn.now,
    )
    check_alone(txn, made, "targetSpecs")
    txn.put(made)
    return made


def check_alone(txn: Txn, target: Target, field: str) -> None:
    """Raise IntentError 409 when its group has another target at the same port; of a dnlb, at the same address."""
    group = txn.get(TargetGroup, target.group)
    balancer = txn.get(LoadBalancer, group.balancer) if group is not None else None
    one_port = balancer is not None and balancer.kind == "dnlb"
    for other in txn.many(Target, txn.by(Target, ("group",), target.group) - {target.id}):
        if (other.port, other.address) != (target.port, target.address):
            continue
        if one_port or other.own_port == target.own_port:
            text = f"{other.address} port {other.own_port or 'of the backend'} is target {other.id} of {other.group}"
            only = ", and a dnlb takes one port of each" if one_port else " already"
            raise IntentError(field, text + only, 409, "ALREADY_EXISTS")


@changed(NetworkInterface)
def targets_follow(before: NetworkInterface, after: NetworkInterface, txn: Txn) -> None:
    """A target goes with its address to another interface; an address that is a target's is given up by nobody."""
    for address in set(before.addresses) - set(after.addresses):
        for target in txn.many(Target, sorted(txn.by(Target, ("vpc", "address"), (after.vpc, address)))):
            text = f"{address} is target {target.id} of {target.group}: deregister it first"
            raise IntentError.precondition("secondaryIps", text)
    for address in set(after.addresses) - set(before.addresses):
        for target in txn.many(Target, txn.by(Target, ("vpc", "address"), (after.vpc, address))):
            txn.put(replace(target, port=after.id))


@blocks(NetworkInterface)
def is_target(port: NetworkInterface, txn: Txn) -> str:
    """A target group in which the interface is."""
    for target in txn.many(Target, sorted(txn.by(Target, ("port",), port.id))):
        return f"{port.id} is target {target.id} of {target.group}: deregister it first"
    return ""


@blocks(Backend)
def listened(backend: Backend, txn: Txn) -> str:
    """A listener that uses the backend."""
    for listener in sorted(txn.by(Listener, ("backend",), backend.id)):
        return f"{backend.id} is still used by {listener}"
    return ""


@blocks(TargetGroup)
def used(group: TargetGroup, txn: Txn) -> str:
    """A backend that uses the target group."""
    for backend in sorted(txn.by(Backend, ("group",), group.id)):
        return f"{group.id} is still used by {backend}"
    return ""
