"""Tenants make backends and target groups of load balancers, and register targets in them."""

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from apps.eni.model import NetworkInterface
from apps.instance.model import Instance
from apps.load_balancer.api import Port, kind_of, not_served, own
from apps.load_balancer.model import BY_ADDRESS, Backend, LoadBalancer, Target, TargetGroup
from apps.load_balancer.writes import add_target, remove_group
from sdnctl.api import quota
from sdnctl.api.access import Reader, Writer
from sdnctl.api.listing import Key, Listing, answer, attribute, choose, oldest_first, paged, reference, shown_all
from sdnctl.api.operations import operation
from sdnctl.api.schema import Address, Id, Ids, Json, Model, Name, Request, Text, Whole, iso
from sdnctl.base.addresses import Ip4
from sdnctl.base.errors import IntentError

BACKENDS, BACKEND = "/regions/{regionId}/backends/", "/regions/{regionId}/backends/{backendId}"
GROUPS, GROUP = "/regions/{regionId}/targetGroups/", "/regions/{regionId}/targetGroups/{targetGroupId}"
MOST_AT_ONCE = 100
ALGORITHMS = {"nlb": ("RoundRobin", BY_ADDRESS), "dnlb": (BY_ADDRESS, "QuintupleHash")}
"""The algorithms that are served, by type of load balancer, the default first."""
NOT_CHECKED = "N/A"
Weight = Annotated[Whole, Field(ge=0, le=100)]
OwnPort = Annotated[Whole, Field(ge=0, le=65_535)]


def _inside(cls: type) -> Any:
    return lambda view, balancer: view.count(cls, ("balancer",), balancer)


quota.declare("backend", 50, _inside(Backend), "the load balancer", parent=LoadBalancer, service="lb")
quota.declare("targetGroup", 50, _inside(TargetGroup), "the load balancer", parent=LoadBalancer, service="lb")
quota.declare(
    "target", 100, lambda view, group: view.count(Target, ("group",), group), "the target group", parent=TargetGroup,
    service="lb",
)  # fmt: skip


class NewBackend(Request):
    """A backend to be made."""

    loadBalancerId: Id
    backendName: Name
    protocol: Literal["Tcp", "Udp", "Http"]
    port: Port
    healthCheckSpec: dict[str, Any] | None = None
    algorithm: Literal["IpHash", "RoundRobin", "LeastConn", "QuintupleHash"] | None = None
    targetGroupIds: Annotated[Ids, Field(max_length=1)] = ()
    agIds: Ids = ()
    sessionStickiness: bool = False
    sessionStickyTimeout: Annotated[Whole, Field(ge=1, le=3600)] = 300
    connectionDrainingSeconds: Annotated[Whole, Field(ge=0, le=3600)] = 300
    description: Text = ""


class OneBackend(Request):
    """A backend."""

    backendId: Id


class ChangedBackend(OneBackend):
    """The fields of a backend that may change."""

    backendName: Name | None = None
    healthCheckSpec: dict[str, Any] | None = None
    algorithm: Literal["IpHash", "RoundRobin", "LeastConn", "QuintupleHash"] | None = None
    targetGroupIds: Annotated[Ids, Field(max_length=1)] | None = None
    agIds: Ids = ()
    sessionStickiness: bool | None = None
    sessionStickyTimeout: Annotated[Whole, Field(ge=1, le=3600)] | None = None
    connectionDrainingSeconds: Annotated[Whole, Field(ge=0, le=3600)] | None = None
    description: Text | None = None


class Health(Listing):
    """The targets of a backend, page by page."""

    backendId: Id


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


_KIND = Key(lambda view, one: (kind_of(view, one.balancer),))
KEYS = {
    "backendIds": reference("id"),
    "backendNames": attribute("name"),
    "loadBalancerId": reference("balancer"),
    "loadBalancerType": _KIND,
}
GROUP_KEYS = {
    "targetGroupIds": reference("id"),
    "targetGroupNames": attribute("name"),
    "loadBalancerId": reference("balancer"),
    "loadBalancerType": _KIND,
    "type": attribute("kind"),
}
TARGET_KEYS = {"targetIds": attribute("id"), "instanceId": attribute("instance"), "ipAddress": attribute("address")}


@operation("lb", "describeBackends", "GET", BACKENDS, Listing)
def describe_backends(request: Listing, view: Reader) -> Json:
    """The caller's backends."""
    return answer(request, view, Backend, KEYS, "backends", show_backend)


@operation("lb", "createBackend", "POST", BACKENDS, NewBackend)
def create_backend(request: NewBackend, txn: Writer) -> Json:
    """Make a backend: how connections are shared among a target group, and at which port."""
    balancer = own(txn, request.loadBalancerId)
    if request.protocol == "Http":
        raise not_served("protocol", "backends of Http are not served, only Tcp and Udp")
    _no_groups_of_instances(request.agIds)
    quota.admit(txn, "backend", 1, parent=balancer.id)
    made = Backend(
        id=txn.new_id(Backend),
        account=balancer.account,
        vpc=balancer.vpc,
        balancer=balancer.id,
        key=txn.allocate(Backend, "key"),
        group=_group(txn, balancer.id, request.targetGroupIds),
        protocol=request.protocol,
        port=request.port,
        algorithm=_algorithm(balancer, request.algorithm),
        sticky=_sticky(balancer, request.sessionStickiness),
        sticky_s=request.sessionStickyTimeout,
        drain_s=request.connectionDrainingSeconds,
        check=_check(request.healthCheckSpec),
        name=request.backendName,
        description=request.description,
        created=txn.now,
    )
    txn.create(made)
    return {"backendId": made.id}


@operation("lb", "describeBackend", "GET", BACKEND, OneBackend)
def describe_backend(request: OneBackend, view: Reader) -> Json:
    """One backend."""
    return {"backend": show_backend(view, view.own(Backend, request.backendId, "backendId"))}


@operation("lb", "updateBackend", "PATCH", BACKEND, ChangedBackend)
def update_backend(request: ChangedBackend, txn: Writer) -> Json:
    """Change a backend but for its protocol and port."""
    known = txn.own(Backend, request.backendId, "backendId")
    balancer = own(txn, known.balancer)
    _no_groups_of_instances(request.agIds)
    asked = {
        "name": request.backendName,
        "description": request.description,
        "sticky_s": request.sessionStickyTimeout,
        "drain_s": request.connectionDrainingSeconds,
        "algorithm": request.algorithm and _algorithm(balancer, request.algorithm),
        "sticky": request.sessionStickiness and _sticky(balancer, request.sessionStickiness),
        "check": request.healthCheckSpec and _check(request.healthCheckSpec),
    }
    if request.targetGroupIds is not None:
        asked["group"] = _group(txn, known.balancer, request.targetGroupIds)
    told: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    txn.change(known, replace(known, **told))
    return {}


@operation("lb", "deleteBackend", "DELETE", BACKEND, OneBackend)
def delete_backend(request: OneBackend, txn: Writer) -> Json:
    """Delete a backend that no listener uses."""
    txn.remove(txn.own(Backend, request.backendId, "backendId"), "backendId")
    return {}


@operation("lb", "describeTargetHealth", "GET", f"{BACKEND}/health", Health)
def describe_target_health(request: Health, view: Reader) -> Json:
    """The health of a backend's targets: none is checked, so all of them are used, and their status is N/A."""
    backend = view.own(Backend, request.backendId, "backendId")
    targets = oldest_first(view.of(Target, ("group",), backend.group)) if backend.group else []
    shown = shown_all(view, targets, lambda _, target: _show_health(target, backend))
    return {"targetHealths": shown, "totalCount": len(targets)}


@operation("lb", "describeTargetGroups", "GET", GROUPS, Listing)
def describe_target_groups(request: Listing, view: Reader) -> Json:
    """The caller's target groups."""
    return answer(request, view, TargetGroup, GROUP_KEYS, "targetGroups", show_group)


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
    for spec in request.targetUpdateSpecs:
        known = _target(txn, group, spec.targetId, "targetUpdateSpecs")
        port = known.own_port if spec.port is None else spec.port
        weight = known.weight if spec.weight is None else spec.weight
        txn.put(replace(known, own_port=port, weight=weight))
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


def _group(txn: Writer, balancer: str, ids: tuple[str, ...]) -> str:
    for id in ids:
        group = txn.own(TargetGroup, id, "targetGroupIds")
        if group.balancer != balancer:
            text = f"{id} is a target group of {group.balancer}, not of {balancer}"
            raise IntentError.precondition("targetGroupIds", text)
        return id
    return ""


def _algorithm(balancer: LoadBalancer, asked: str | None) -> str:
    served = ALGORITHMS[balancer.kind]
    if asked == "LeastConn" and balancer.kind == "nlb":
        raise not_served("algorithm", f"LeastConn is not served, only {' and '.join(served)}")
    if asked is not None and asked not in served:
        raise IntentError("algorithm", f"a {balancer.kind} has {' and '.join(served)}")
    return asked or served[0]


def _sticky(balancer: LoadBalancer, asked: bool) -> bool:
    if asked and balancer.kind != "nlb":
        raise IntentError("sessionStickiness", f"a {balancer.kind} has none: use the algorithm {BY_ADDRESS}")
    return asked


def _check(asked: dict[str, Any] | None) -> dict[str, str]:
    return {name: str(value) for name, value in (asked or {}).items() if value is not None}


def _no_groups_of_instances(ids: tuple[str, ...]) -> None:
    if ids:
        raise not_served("agIds", "availability groups are not served: register targets in a target group")


def show_backend(view: Reader, backend: Backend) -> Json:
    """A backend as the API shows it."""
    return {
        "backendId": backend.id,
        "backendName": backend.name,
        "loadBalancerId": backend.balancer,
        "loadBalancerType": kind_of(view, backend.balancer),
        "protocol": backend.protocol,
        "port": backend.port,
        "algorithm": backend.algorithm,
        "targetGroupIds": [backend.group] if backend.group else [],
        "agIds": [],
        "description": backend.description,
        "connectionDrainingSeconds": backend.drain_s,
        "sessionStickiness": backend.sticky,
        "sessionStickyTimeout": backend.sticky_s,
        "healthCheck": dict(backend.check),
        "createdTime": iso(backend.created),
    }


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


def _show_health(target: Target, backend: Backend) -> Json:
    return {
        "targetGroupId": target.group,
        "instanceId": target.instance,
        "type": target.kind,
        "port": target.own_port or backend.port,
        "weight": target.weight,
        "status": NOT_CHECKED,
        "ipAddress": str(target.address),
    }
