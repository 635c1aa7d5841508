"""Tenants make target groups of load balancers, and register targets in them."""

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from apps.eni.model import NetworkInterface
from apps.instance.model import Instance
from apps.load_balancer.api import inside, kind_of, own
from apps.load_balancer.model import Backend, LoadBalancer, Target, TargetGroup
from apps.load_balancer.writes import add_target, check_alone, remove_group
from sdnctl.api import quota
from sdnctl.api.access import Reader, Writer
from sdnctl.api.listing import Key, Listing, answer, attribute, choose, oldest_first, paged, reference
from sdnctl.api.operations import operation
from sdnctl.api.schema import Address, Id, Ids, Json, Model, Name, Request, Text, Whole, iso
from sdnctl.base.addresses import Ip4
from sdnctl.base.errors import IntentError

GROUPS, GROUP = "/regions/{regionId}/targetGroups/", "/regions/{regionId}/targetGroups/{targetGroupId}"
MOST_AT_ONCE = 100
Weight = Annotated[Whole, Field(ge=0, le=100)]
OwnPort = Annotated[Whole, Field(ge=0, le=65_535)]
KEYS = {
    "targetGroupIds": reference("id"),
    "targetGroupNames": attribute("name"),
    "loadBalancerId": reference("balancer"),
    "loadBalancerType": Key(lambda view, one: (kind_of(view, one.balancer),)),
}
TARGET_KEYS = {
    "targetIds": attribute("id"),
    "instanceId": attribute("instance"),
    "type": attribute("kind"),
    "port": attribute("own_port"),
    "ipAddress": attribute("address"),
}


def _registered(view: Reader, group: str) -> int:
    return view.count(Target, ("group",), group)


quota.declare("targetGroup", 50, inside(TargetGroup), "the load balancer", parent=LoadBalancer, service="lb")
quota.declare("target", 100, _registered, "the target group", parent=TargetGroup, service="lb")


class NewGroup(Request):
    """A target group to be made."""

    loadBalancerId: Id
    targetGroupName: Name
    type: Literal["instance", "ip"] = "instance"
    description: Text = ""


class OneGroup(Request):
    """A target group."""

    targetGroupId: Id


class ChangedGroup(OneGroup):
    """The fields of a target group that may change."""

    targetGroupName: Name | None = None
    description: Text | None = None


class NewTarget(Model):
    """A target to be registered: an instance by its id, or an address of an interface of the VPC."""

    type: Literal["vm", "container", "ip"] = "vm"
    instanceId: Id | None = None
    ipAddress: Address | None = None
    port: OwnPort = 0
    weight: Weight = 10


class Register(OneGroup):
    """Targets to be registered, all or none."""

    targetSpecs: Annotated[tuple[NewTarget, ...], Field(min_length=1, max_length=MOST_AT_ONCE)]


class Deregister(OneGroup):
    """Targets to be taken out, all or none."""

    targetIds: Annotated[Ids, Field(min_length=1, max_length=MOST_AT_ONCE)]


class ChangedTarget(Model):
    """A target's port or weight to be changed."""

    targetId: Id
    port: OwnPort | None = None
    weight: Weight | None = None


class UpdateTargets(OneGroup):
    """Targets to be changed, all or none."""

    targetUpdateSpecs: Annotated[tuple[ChangedTarget, ...], Field(min_length=1, max_length=MOST_AT_ONCE)]


class Targets(Listing):
    """The targets of a group, page by page."""

    targetGroupId: Id


@operation("lb", "describeTargetGroups", "GET", GROUPS, Listing)
def describe_target_groups(request: Listing, view: Reader) -> Json:
    """The caller's target groups."""
    return answer(request, view, TargetGroup, KEYS, "targetGroups", show_group)


@operation("lb", "createTargetGroup", "POST", GROUPS, NewGroup)
def create_target_group(request: NewGroup, txn: Writer) -> Json:
    """Make a target group of a load balancer, without targets."""
    balancer = own(txn, request.loadBalancerId)
    quota.admit(txn, "targetGroup", 1, parent=balancer.id)
    made = TargetGroup(
        id=txn.new_id(TargetGroup),
        account=balancer.account,
        vpc=balancer.vpc,
        balancer=balancer.id,
        kind=request.type,
        name=request.targetGroupName,
        description=request.description,
        created=txn.now,
    )
    txn.create(made)
    return {"targetGroupId": made.id}


@operation("lb", "describeTargetGroup", "GET", GROUP, OneGroup)
def describe_target_group(request: OneGroup, view: Reader) -> Json:
    """One target group."""
    return {"targetGroup": show_group(view, _own(view, request))}


@operation("lb", "updateTargetGroup", "PATCH", GROUP, ChangedGroup)
def update_target_group(request: ChangedGroup, txn: Writer) -> Json:
    """Rename a target group or describe it."""
    known = _own(txn, request)
    name = known.name if request.targetGroupName is None else request.targetGroupName
    text = known.description if request.description is None else request.description
    txn.change(known, replace(known, name=name, description=text))
    return {}


@operation("lb", "deleteTargetGroup", "DELETE", GROUP, OneGroup)
def delete_target_group(request: OneGroup, txn: Writer) -> Json:
    """Delete a target group that no backend uses, with its targets."""
    known = _own(txn, request)
    for backend in sorted(txn.region.by(Backend, ("group",), known.id)):
        raise IntentError.precondition("targetGroupId", f"{known.id} is still used by {backend}")
    remove_group(txn.txn, known.id)
    return {}


@operation("lb", "describeTargets", "GET", f"{GROUP}:describeTargets", Targets)
def describe_targets(request: Targets, view: Reader) -> Json:
    """The targets of a group."""
    group = view.own(TargetGroup, request.targetGroupId, "targetGroupId")
    found = choose(request, view, oldest_first(view.of(Target, ("group",), group.id)), TARGET_KEYS)
    return paged(request, view, found, "targets", lambda _, target: show_target(target))


@operation("lb", "registerTargets", "POST", f"{GROUP}:registerTargets", Register)
def register_targets(request: Register, txn: Writer) -> Json:
    """Register targets; each takes its share of new connections at once."""
    group = _own(txn, request)
    quota.admit(txn, "target", len(request.targetSpecs), parent=group.id)
    for spec in request.targetSpecs:
        if (spec.type == "ip") != (group.kind == "ip"):
            raise IntentError.precondition("targetSpecs", f"{group.id} takes targets of type {group.kind} only")
        port, address = _place(txn, group, spec)
        made = add_target(txn.txn, group, port, address, spec.port)
        txn.put(replace(made, weight=spec.weight, kind=spec.type, instance=spec.instanceId or ""))
    return {}


@operation("lb", "deRegisterTargets", "POST", f"{GROUP}:deregisterTargets", Deregister)
def deregister_targets(request: Deregister, txn: Writer) -> Json:
    """Take targets out of a group; their connections end, those of others go on."""
    group = _own(txn, request)
    for id in request.targetIds:
        txn.remove(_target(txn, group, id, "targetIds"), "targetIds")
    return {}


@operation("lb", "updateTargets", "POST", f"{GROUP}:updateTargets", UpdateTargets)
def update_targets(request: UpdateTargets, txn: Writer) -> Json:
    """Change ports and weights of targets; the connections that there are go on."""
    group = _own(txn, request)
    made = []
    for spec in request.targetUpdateSpecs:
        known = _target(txn, group, spec.targetId, "targetUpdateSpecs")
        port = known.own_port if spec.port is None else spec.port
        weight = known.weight if spec.weight is None else spec.weight
        made.append(replace(known, own_port=port, weight=weight))
        txn.put(made[-1])
    for target in made:
        check_alone(txn.txn, target, "targetUpdateSpecs")
    return {}


def _own(view: Reader, request: OneGroup) -> TargetGroup:
    return view.own(TargetGroup, request.targetGroupId, "targetGroupId")


def _target(view: Reader, group: TargetGroup, id: str, field: str) -> Target:
    found = view.own(Target, id, field)
    if found.group != group.id:
        raise IntentError.missing(field, f"target {id} of {group.id}")
    return found


def _place(txn: Writer, group: TargetGroup, spec: NewTarget) -> tuple[NetworkInterface, Ip4]:
    """The interface and its address that a target names: an instance's primary ones, or those of the address."""
    if spec.type == "ip":
        if spec.ipAddress is None:
            raise IntentError("targetSpecs", "a target of type ip needs ipAddress")
        for port in txn.of(NetworkInterface, ("vpc", "addresses"), (group.vpc, spec.ipAddress)):
            if not port.managed:
                return port, spec.ipAddress
        text = f"{spec.ipAddress} is no address of a network interface of {group.vpc}: no other targets are served"
        raise IntentError.precondition("targetSpecs", text)
    if spec.instanceId is None:
        raise IntentError("targetSpecs", f"a target of type {spec.type} needs instanceId")
    instance = txn.own(Instance, spec.instanceId, "targetSpecs")
    if instance.vpc != group.vpc:
        raise IntentError.precondition("targetSpecs", f"{instance.id} is in {instance.vpc}, {group.id} in {group.vpc}")
    (primary,) = txn.of(NetworkInterface, ("instance", "device_index"), (instance.id, 1))
    return primary, primary.addresses[0]


def show_group(view: Reader, group: TargetGroup) -> Json:
    """A target group as the API shows it."""
    balancer = view.get(LoadBalancer, group.balancer)
    return {
        "targetGroupId": group.id,
        "targetGroupName": group.name,
        "loadBalancerId": group.balancer,
        "loadBalancerType": kind_of(view, group.balancer),
        "loadBalancerName": balancer.name if balancer is not None else "",
        "description": group.description,
        "createdTime": iso(group.created),
        "type": group.kind,
    }


def show_target(target: Target) -> Json:
    """A target as the API shows it."""
    return {
        "targetId": target.id,
        "targetGroupId": target.group,
        "type": target.kind,
        "instanceId": target.instance,
        "port": target.own_port,
        "weight": target.weight,
        "privateIpAddress": str(target.address) if target.instance else "",
        "ipAddress": str(target.address),
    }
