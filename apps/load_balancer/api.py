"""Tenants make load balancers of type nlb and dnlb, and listeners at them; alb is not served."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from apps.eip.api import ElasticIpSpec, ordered
from apps.eip.model import ElasticIp
from apps.eip.writes import bind, new_elastic_ip, unbind
from apps.eni import api as eni
from apps.eni.model import NetworkInterface
from apps.load_balancer.model import PROTOCOLS, Backend, Listener, LoadBalancer, Target, TargetGroup
from apps.load_balancer.writes import move_address, new_balancer, remove_balancer
from apps.vpc.model import Subnet
from sdnctl.api import quota
from sdnctl.api.access import Reader, Writer
from sdnctl.api.charge import PREPAID, show_charge
from sdnctl.api.listing import Key, Listing, answer, attribute, constant, reference
from sdnctl.api.operations import operation
from sdnctl.api.schema import Address, Id, Ids, Json, Name, Request, Tags, Text, Whole, iso, show_tags, tag_dict
from sdnctl.base.errors import IntentError

PATH, ITEM = "/regions/{regionId}/loadBalancers/", "/regions/{regionId}/loadBalancers/{loadBalancerId}"
LISTENERS, LISTENER = "/regions/{regionId}/listeners/", "/regions/{regionId}/listeners/{listenerId}"
IDLE_S = {"Tcp": 1800, "Udp": 300}
Protocol = Literal["Tcp", "Udp", "Tls", "Http", "Https"]
Port = Annotated[Whole, Field(ge=1, le=65_535)]


def inside(cls: type) -> Any:
    """The count of a class within a load balancer, for its quota."""
    return lambda view, balancer: view.count(cls, ("balancer",), balancer)


quota.declare("loadBalancer", 100, lambda view, _: len(view.mine(LoadBalancer)), service="lb")
quota.declare("listener", 50, inside(Listener), "the load balancer", parent=LoadBalancer, service="lb")


class NewBalancer(Request):
    """A load balancer to be made; without `type` an alb is meant, which is not served."""

    loadBalancerName: Name
    subnetId: Id
    type: Literal["alb", "nlb", "dnlb"] = "alb"
    azs: Annotated[Ids, Field(max_length=2)] = ()
    privateIpAddress: Address | None = None
    securityGroupIds: Ids = ()
    elasticIp: ElasticIpSpec | None = None
    deleteProtection: bool = False
    description: Text = ""
    userTags: Tags = ()


class OneBalancer(Request):
    """A load balancer."""

    loadBalancerId: Id


class DeletedBalancer(OneBalancer):
    """A load balancer to be deleted, with `deleteElasticIp` its elastic IP too, unless that is paid in advance."""

    deleteElasticIp: bool = False


class Association(OneBalancer):
    """An elastic IP that a load balancer is to have, or to have no more."""

    elasticIpId: Id


class ChangedBalancer(OneBalancer):
    """The fields of a load balancer that may change."""

    loadBalancerName: Name | None = None
    action: Literal["Start", "Stop"] | None = None
    description: Text | None = None
    domainEnable: bool | None = None
    deleteProtection: bool | None = None
    privateIpAddress: Address | None = None


class NewListener(Request):
    """A listener to be made."""

    loadBalancerId: Id
    listenerName: Name
    protocol: Protocol
    port: Port
    backendId: Id
    action: Literal["Forward", "Redirect"] = "Forward"
    connectionIdleTimeSeconds: Annotated[Whole, Field(ge=1, le=86_400)] | None = None
    description: Text = ""


class OneListener(Request):
    """A listener."""

    listenerId: Id


class ChangedListener(OneListener):
    """The fields of a listener that may change."""

    listenerName: Name | None = None
    status: Literal["On", "Off"] | None = None
    backendId: Id | None = None
    connectionIdleTimeSeconds: Annotated[Whole, Field(ge=1, le=86_400)] | None = None
    description: Text | None = None


def not_served(field: str, text: str) -> IntentError:
    """The refusal of what the public API has and this region has not."""
    return IntentError(field, text, 501, "NOT_IMPLEMENTED")


def kind_of(view: Reader, balancer: str) -> str:
    """The type of a load balancer."""
    found = view.get(LoadBalancer, balancer)
    return found.kind if found is not None else ""


def _private(view: Reader, balancer: LoadBalancer) -> Iterable[str]:
    port = view.get(NetworkInterface, balancer.port)
    return [str(address) for address in port.addresses] if port is not None else []


def _public(view: Reader, balancer: LoadBalancer) -> Iterable[str]:
    return [str(eip.address) for eip in view.of(ElasticIp, ("port",), balancer.port)]


def _targets(view: Reader, balancer: LoadBalancer) -> Iterable[str]:
    groups = view.of(TargetGroup, ("balancer",), balancer.id)
    return [str(target.address) for group in groups for target in view.of(Target, ("group",), group.id)]


KEYS = {
    "loadBalancerIds": reference("id"),
    "loadBalancerNames": attribute("name"),
    "loadBalancerType": attribute("kind"),
    "vpcId": reference("vpc"),
    "azType": constant("all", "standard"),
    "azs": constant(""),
    "privateIpAddresses": Key(_private),
    "elasticIpAddress": Key(_public),
    "targetPrivateIpAddress": Key(_targets),
    "ipv6Addresses": constant(""),
    "serviceCodes": constant(""),
    "customizedConfigurationIds": constant(""),
}
LISTENER_KEYS = {
    "listenerIds": reference("id"),
    "listenerNames": attribute("name"),
    "loadBalancerId": reference("balancer"),
    "loadBalancerType": Key(lambda view, one: (kind_of(view, one.balancer),)),
    "urlMapIds": constant(""),
    "securityPolicyIds": constant(""),
}


@operation("lb", "describeLoadBalancers", "GET", PATH, Listing)
def describe_load_balancers(request: Listing, view: Reader) -> Json:
    """The caller's load balancers, of whatever type."""
    return answer(request, view, LoadBalancer, KEYS, "loadBalancers", show)


@operation("lb", "createLoadBalancer", "POST", PATH, NewBalancer)
def create_load_balancer(request: NewBalancer, txn: Writer) -> Json:
    """Make a load balancer with an address of a subnet."""
    if request.type == "alb":
        raise not_served("type", "load balancers of type alb are not served, only nlb and dnlb")
    if request.securityGroupIds:
        raise IntentError("securityGroupIds", "only an alb has security groups: those of the targets judge")
    if request.azs and request.type == "dnlb":
        raise IntentError("azs", "a dnlb is in all zones: only an nlb is put into one or two")
    subnet = txn.own(Subnet, request.subnetId, "subnetId")
    quota.admit(txn, "loadBalancer", 1)
    made = replace(
        new_balancer(txn.txn, subnet, request.type, request.privateIpAddress),
        name=request.loadBalancerName,
        protected=request.deleteProtection,
        azs=request.azs,
        description=request.description,
        tags=tag_dict(request.userTags),
    )
    txn.create(made)
    if request.elasticIp is not None:
        quota.admit(txn, "elastic_ip", 1, field="elasticIp")
        spec = request.elasticIp
        eip = new_elastic_ip(txn.txn, txn.caller.account, None, "", spec.bandwidthMbps)
        eip = replace(eip, **ordered(spec, txn.now))
        txn.put(eip)
        _associate(txn, made, eip)
    return {"loadBalancerId": made.id}


@operation("lb", "describeLoadBalancer", "GET", ITEM, OneBalancer)
def describe_load_balancer(request: OneBalancer, view: Reader) -> Json:
    """One load balancer."""
    return {"loadBalancer": show(view, own(view, request.loadBalancerId))}


@operation("lb", "updateLoadBalancer", "PATCH", ITEM, ChangedBalancer)
def update_load_balancer(request: ChangedBalancer, txn: Writer) -> Json:
    """Rename, start or stop a load balancer, or give it another address of its subnet."""
    known = own(txn, request.loadBalancerId)
    if request.domainEnable:
        raise not_served("domainEnable", "names in the DNS are not served")
    if request.privateIpAddress is not None:
        move_address(txn.txn, known, request.privateIpAddress)
    changed = replace(
        known,
        name=_or(request.loadBalancerName, known.name),
        started=known.started if request.action is None else request.action == "Start",
        description=_or(request.description, known.description),
        protected=_or(request.deleteProtection, known.protected),
    )
    txn.change(known, changed)
    return {}


@operation("lb", "deleteLoadBalancer", "DELETE", ITEM, DeletedBalancer)
def delete_load_balancer(request: DeletedBalancer, txn: Writer) -> Json:
    """Delete a load balancer with its listeners, backends and target groups; its elastic IP is bound to nothing."""
    known = own(txn, request.loadBalancerId)
    if known.protected:
        raise IntentError.precondition("loadBalancerId", f"{known.id} is protected: set deleteProtection to false")
    for eip in txn.of(ElasticIp, ("port",), known.port):
        free = unbind(txn.txn, eip)
        if request.deleteElasticIp and not (eip.charge_mode == PREPAID and eip.charge_expiry > txn.now):
            txn.remove(free, "loadBalancerId")
    remove_balancer(txn.txn, known)
    return {}


@operation("lb", "associateElasticIp", "POST", f"{ITEM}:associateElasticIp", Association)
def associate_elastic_ip(request: Association, txn: Writer) -> Json:
    """Bind an elastic IP to a load balancer: its listeners are reached from the internet, too."""
    _associate(txn, own(txn, request.loadBalancerId), txn.own(ElasticIp, request.elasticIpId, "elasticIpId"))
    return {}


@operation("lb", "disassociateElasticIp", "POST", f"{ITEM}:disassociateElasticIp", Association)
def disassociate_elastic_ip(request: Association, txn: Writer) -> Json:
    """Take an elastic IP from a load balancer: what came by it ends."""
    known, eip = own(txn, request.loadBalancerId), txn.own(ElasticIp, request.elasticIpId, "elasticIpId")
    if eip.port != known.port:
        raise IntentError.precondition("elasticIpId", f"{eip.id} is not bound to {known.id}")
    unbind(txn.txn, eip)
    return {}


def _associate(txn: Writer, balancer: LoadBalancer, eip: ElasticIp) -> None:
    port = txn.own(NetworkInterface, balancer.port, "loadBalancerId")
    for other in sorted(txn.region.by(ElasticIp, ("port",), port.id) - {eip.id}):
        raise IntentError.precondition("loadBalancerId", f"{balancer.id} has elastic IP {other}: disassociate it first")
    bind(txn.txn, eip, port, port.addresses[0])


@operation("lb", "describeListeners", "GET", LISTENERS, Listing)
def describe_listeners(request: Listing, view: Reader) -> Json:
    """The caller's listeners."""
    return answer(request, view, Listener, LISTENER_KEYS, "listeners", show_listener)


@operation("lb", "createListener", "POST", LISTENERS, NewListener)
def create_listener(request: NewListener, txn: Writer) -> Json:
    """Make a listener at a port of a load balancer; it is on at once."""
    balancer = own(txn, request.loadBalancerId)
    if request.protocol not in PROTOCOLS:
        raise not_served("protocol", f"listeners of {request.protocol} are not served, only Tcp and Udp")
    if request.action != "Forward":
        raise not_served("action", "only Forward is served")
    _check_idle(balancer, request.connectionIdleTimeSeconds)
    where = (balancer.id, request.protocol, request.port)
    for other in txn.region.by(Listener, ("balancer", "protocol", "port"), where):
        raise IntentError("port", f"{request.protocol} port {request.port} is {other}'s already", 409, "ALREADY_EXISTS")
    quota.admit(txn, "listener", 1, parent=balancer.id)
    made = Listener(
        id=txn.new_id(Listener),
        account=balancer.account,
        vpc=balancer.vpc,
        balancer=balancer.id,
        backend=_backend(txn, balancer.id, request.protocol, request.backendId),
        protocol=request.protocol,
        port=request.port,
        idle_s=request.connectionIdleTimeSeconds or IDLE_S[request.protocol],
        name=request.listenerName,
        description=request.description,
        created=txn.now,
    )
    txn.create(made)
    return {"listenerId": made.id}


@operation("lb", "describeListener", "GET", LISTENER, OneListener)
def describe_listener(request: OneListener, view: Reader) -> Json:
    """One listener."""
    return {"listener": show_listener(view, view.own(Listener, request.listenerId, "listenerId"))}


@operation("lb", "updateListener", "PATCH", LISTENER, ChangedListener)
def update_listener(request: ChangedListener, txn: Writer) -> Json:
    """Rename a listener, switch it on or off, or give it another backend."""
    known = txn.own(Listener, request.listenerId, "listenerId")
    _check_idle(own(txn, known.balancer), request.connectionIdleTimeSeconds)
    backend = known.backend
    if request.backendId is not None:
        backend = _backend(txn, known.balancer, known.protocol, request.backendId)
    changed = replace(
        known,
        backend=backend,
        on=known.on if request.status is None else request.status == "On",
        idle_s=_or(request.connectionIdleTimeSeconds, known.idle_s),
        name=_or(request.listenerName, known.name),
        description=_or(request.description, known.description),
    )
    txn.change(known, changed)
    return {}


@operation("lb", "deleteListener", "DELETE", LISTENER, OneListener)
def delete_listener(request: OneListener, txn: Writer) -> Json:
    """Delete a listener; its connections end."""
    txn.remove(txn.own(Listener, request.listenerId, "listenerId"), "listenerId")
    return {}


def own(view: Reader, id: str) -> LoadBalancer:
    """The caller's load balancer; IntentError 404 when it has none of this id."""
    return view.own(LoadBalancer, id, "loadBalancerId")


def _backend(txn: Writer, balancer: str, protocol: str, id: str) -> str:
    backend = txn.own(Backend, id, "backendId")
    if backend.balancer != balancer:
        raise IntentError.precondition("backendId", f"{id} is a backend of {backend.balancer}, not of {balancer}")
    if backend.protocol != protocol:
        raise IntentError.precondition("backendId", f"{id} is for {backend.protocol}, not for {protocol}")
    return id


def _check_idle(balancer: LoadBalancer, asked: int | None) -> None:
    if asked is not None and balancer.kind == "dnlb":
        raise IntentError("connectionIdleTimeSeconds", "a dnlb has no idle time of its own, only an nlb has")


def _or(asked: Any, known: Any) -> Any:
    return known if asked is None else asked


def show(view: Reader, balancer: LoadBalancer) -> Json:
    """A load balancer as the API shows it."""
    port = view.get(NetworkInterface, balancer.port)
    eips = view.of(ElasticIp, ("port",), balancer.port)
    private: Json = {"privateIpAddress": str(port.addresses[0]) if port is not None else ""}
    if eips:
        private |= {"elasticIpId": eips[0].id, "elasticIpAddress": str(eips[0].address)}
    return {
        "loadBalancerId": balancer.id,
        "loadBalancerName": balancer.name,
        "subnetId": balancer.subnet,
        "vpcId": balancer.vpc,
        "type": balancer.kind,
        "state": {"code": "ACTIVE" if balancer.started else "DOWN", "reason": ""},
        "azs": list(balancer.azs),
        "azType": "standard",
        "securityGroupIds": [],
        "privateIp": private,
        "networkInterface": eni.show(view, port) if port is not None else {},
        "charge": show_charge("postpaid_by_duration", balancer.created, 0.0, view.now),
        "tags": show_tags(balancer.tags),
        "description": balancer.description,
        "deleteProtection": balancer.protected,
        "createdTime": iso(balancer.created),
        "customizedConfigurationId": "",
    }


def show_listener(view: Reader, listener: Listener) -> Json:
    """A listener as the API shows it."""
    return {
        "listenerId": listener.id,
        "listenerName": listener.name,
        "status": "On" if listener.on else "Off",
        "loadBalancerId": listener.balancer,
        "loadBalancerType": kind_of(view, listener.balancer),
        "protocol": listener.protocol,
        "port": listener.port,
        "action": "Forward",
        "backendId": listener.backend,
        "connectionIdleTimeSeconds": listener.idle_s,
        "description": listener.description,
        "createdTime": iso(listener.created),
    }
