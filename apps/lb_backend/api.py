"""Tenants make backends of load balancers: how connections are shared among a target group, and at which port."""

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from apps.load_balancer.api import Port, inside, kind_of, not_served, own
from apps.load_balancer.model import BY_ADDRESS, Backend, LoadBalancer, Target, TargetGroup
from apps.load_balancer.writes import MOST_BACKENDS
from sdnctl.api import quota
from sdnctl.api.access import Reader, Writer
from sdnctl.api.listing import Key, Listing, answer, attribute, constant, oldest_first, reference, shown_all
from sdnctl.api.operations import operation
from sdnctl.api.schema import Id, Ids, Json, Name, Request, Text, Whole, iso
from sdnctl.base.errors import IntentError

BACKENDS, BACKEND = "/regions/{regionId}/backends/", "/regions/{regionId}/backends/{backendId}"
ALGORITHMS = {"nlb": ("RoundRobin", BY_ADDRESS), "dnlb": (BY_ADDRESS, "QuintupleHash")}
"""The algorithms that are served, by type of load balancer, the default first."""
NOT_CHECKED = "N/A"
KEYS = {
    "backendIds": reference("id"),
    "backendNames": attribute("name"),
    "loadBalancerId": reference("balancer"),
    "loadBalancerType": Key(lambda view, one: (kind_of(view, one.balancer),)),
    "protocol": attribute("protocol"),
    "agId": constant(""),
}
quota.declare("backend", MOST_BACKENDS, inside(Backend), "the load balancer", parent=LoadBalancer, service="lb")


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
