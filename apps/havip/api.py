"""Tenants make HaVips, say which interfaces may claim them, and move them by hand.

The public API has the models of these operations and not the operations: they are in its style, beside it.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from apps.eip.model import ElasticIp
from apps.eni.model import NetworkInterface
from apps.havip.model import INTERFACE, HaVip, HaVipEvent, HaVipMember, MemberHealth
from apps.havip.writes import join, leave, move, new_havip
from apps.instance.model import Instance
from apps.vpc.model import Subnet, Vpc
from sdnctl.api import quota
from sdnctl.api.access import Reader, Writer
from sdnctl.api.listing import Key, Listing, answer, attribute, paged, reference
from sdnctl.api.operations import operation
from sdnctl.api.schema import Address, Id, Json, Model, Name, Request, Tags, Text, Whole, iso, show_tags, tag_dict
from sdnctl.base.addresses import Ip4
from sdnctl.base.errors import IntentError
from sdnctl.model.host import Binding

PATH, ITEM = "/regions/{regionId}/haVips/", "/regions/{regionId}/haVips/{haVipId}"
MOST_RESOURCES = 50
NOT_CHECKED = "N/A"
PRIMARY = 1
quota.declare("haVip", 50, lambda view, vpc: view.count(HaVip, ("vpc",), vpc), within="the VPC", parent=Vpc)
quota.declare(
    "haVipBinding",
    10,
    lambda view, havip: view.count(HaVipMember, ("havip",), havip),
    within="the HaVip",
    parent=HaVip,
)


class HealthCheck(Model):
    """The way in which members are asked whether they are well; one that is not is no master while another one is."""

    protocol: Literal["Icmp", "Tcp"]
    port: Annotated[Whole, Field(ge=1, le=65535)] | None = None
    intervalSeconds: Annotated[Whole, Field(ge=1, le=300)] = 5
    checkTimeoutSeconds: Annotated[Whole, Field(ge=1, le=60)] = 3
    healthyThresholdCount: Annotated[Whole, Field(ge=1, le=5)] = 2
    unhealthyThresholdCount: Annotated[Whole, Field(ge=1, le=5)] = 2


class CreateHaVip(Request):
    """A HaVip to be made, at a free address of the subnet or the one given."""

    haVipName: Name
    subnetId: Id
    ipAddress: Address | None = None
    description: Text = ""
    healthCheck: HealthCheck | None = None
    userTags: Tags = ()
    dryRun: bool = False

    @model_validator(mode="before")
    @classmethod
    def _spec(cls, data: Any) -> Any:
        """The parameters may stand in `haVipSpec`, after the name of their model."""
        spec = data.get("haVipSpec") if isinstance(data, dict) else None
        return {**spec, **data} if isinstance(spec, dict) else data


class OneHaVip(Request):
    """A HaVip."""

    haVipId: Id


class ModifyHaVip(OneHaVip):
    """The fields of a HaVip that may change."""

    haVipName: Name | None = None
    description: Text | None = None
    healthCheck: HealthCheck | None = None
    closeHealthCheck: bool = False


class Resource(Model):
    """An instance, by which its primary interface is meant, or a network interface."""

    resourceType: Literal["instance", "elastic_network_interface"]
    resourceId: Id


class Resources(OneHaVip):
    """Members of a HaVip, all of them or none."""

    resources: Annotated[tuple[Resource, ...], Field(min_length=1, max_length=MOST_RESOURCES)]


class Move(OneHaVip):
    """The member that is to be the master."""

    masterResource: Resource


def _associated(view: Reader, havip: HaVip) -> Iterable[str]:
    return (one.resource for one in _members(view, havip))


class Events(Listing):
    """The moves of all HaVips, or of one."""

    haVipId: Id | None = None


KEYS = {
    "haVipIds": reference("id"),
    "haVipNames": attribute("name"),
    "vpcId": reference("vpc"),
    "subnetId": reference("subnet"),
    "resourceId": Key(_associated),
}


@operation("vpc", "describeHaVips", "GET", PATH, Listing)
def describe_ha_vips(request: Listing, view: Reader) -> Json:
    """The caller's HaVips."""
    return answer(request, view, HaVip, KEYS, "haVips", show)


@operation("vpc", "createHaVip", "POST", PATH, CreateHaVip)
def create_ha_vip(request: CreateHaVip, txn: Writer) -> Json:
    """Make a HaVip; it has no master before a member claims it."""
    subnet = txn.own(Subnet, request.subnetId, "subnetId")
    quota.admit(txn, "haVip", 1, parent=subnet.vpc)
    address = Ip4(request.ipAddress) if request.ipAddress is not None else None
    made = new_havip(txn.txn, subnet, request.haVipName, address)
    made = replace(made, description=request.description, tags=tag_dict(request.userTags))
    made = _checked(made, request.healthCheck)
    txn.create(made)
    return {"haVipId": made.id}


@operation("vpc", "describeHaVip", "GET", ITEM, OneHaVip)
def describe_ha_vip(request: OneHaVip, view: Reader) -> Json:
    """One HaVip."""
    return {"haVip": show(view, _own(view, request))}


@operation("vpc", "modifyHaVip", "PATCH", ITEM, ModifyHaVip)
def modify_ha_vip(request: ModifyHaVip, txn: Writer) -> Json:
    """Rename a HaVip, describe it, or have its members checked in another way, or no more."""
    found = _own(txn, request)
    if request.closeHealthCheck and request.healthCheck is not None:
        raise IntentError("closeHealthCheck", "either closes the check or healthCheck changes it")
    name = found.name if request.haVipName is None else request.haVipName
    text = found.description if request.description is None else request.description
    changed = replace(found, check="") if request.closeHealthCheck else _checked(found, request.healthCheck)
    txn.change(found, replace(changed, name=name, description=text, updated=txn.now))
    return {}


@operation("vpc", "deleteHaVip", "DELETE", ITEM, OneHaVip)
def delete_ha_vip(request: OneHaVip, txn: Writer) -> Json:
    """Delete a HaVip that has no member and no elastic IP, and that no route leads to."""
    found = _own(txn, request)
    txn.remove(found, "haVipId")
    txn.remove(txn.own(NetworkInterface, found.port, "haVipId"), "haVipId")
    return {}


@operation("vpc", "associateHaVipResources", "POST", f"{ITEM}:associateHaVipResources", Resources)
def associate_ha_vip_resources(request: Resources, txn: Writer) -> Json:
    """Let interfaces of the subnet claim a HaVip."""
    found = _own(txn, request)
    quota.admit(txn, "haVipBinding", len(request.resources), parent=found.id, field="resources")
    for one in request.resources:
        join(txn.txn, found, _port(txn, one), one.resourceType, one.resourceId)
    txn.put(replace(found, updated=txn.now))
    return {}


@operation("vpc", "disassociateHaVipResources", "POST", f"{ITEM}:disassociateHaVipResources", Resources)
def disassociate_ha_vip_resources(request: Resources, txn: Writer) -> Json:
    """Take interfaces from a HaVip; where one was the master there is none until another one claims it."""
    found = _own(txn, request)
    for one in request.resources:
        leave(txn.txn, found, _member(txn, found, one, "resources"))
    txn.put(replace(found, updated=txn.now))
    return {}


@operation("vpc", "setHaVipMaster", "POST", f"{ITEM}:setHaVipMaster", Move)
def set_ha_vip_master(request: Move, txn: Writer) -> Json:
    """Move a HaVip to a member by hand: its elastic IP and the routes to it go along."""
    found = _own(txn, request)
    move(txn.txn, found, _member(txn, found, request.masterResource, "masterResource").port)
    return {}


@operation("vpc", "describeHaVipEvents", "GET", "/regions/{regionId}/haVipEvents/", Events)
def describe_ha_vip_events(request: Events, view: Reader) -> Json:
    """The last moves of the caller's HaVips, or of one, the newest first."""
    mine = [_own(view, OneHaVip(haVipId=request.haVipId))] if request.haVipId is not None else view.mine(HaVip)
    found = [event for havip in mine for event in _events(view, havip)]
    return paged(request, view, sorted(found, key=lambda event: (-event.at, event.id)), "haVipEvents", show_event)


def _events(view: Reader, havip: HaVip) -> list[HaVipEvent]:
    return view.region.many(HaVipEvent, view.region.by(HaVipEvent, ("havip",), havip.id))


def show_event(view: Reader, event: HaVipEvent) -> Json:
    """A move as the API shows it: `from` and `to` are network interfaces, `from` is empty where there was no master.

    `detectedMs` is how long it took to find the old master lost, 0 for a claim or a move by hand; `blackoutMs` the
    time from its last sign of life, or from the claim or the call, until the new master's switch had confirmed.
    """
    return {
        "haVipId": event.havip,
        "from": event.before,
        "to": event.after,
        "cause": event.cause,
        "detectedMs": event.detected_ms,
        "blackoutMs": max(round((event.at - event.began) * 1000), 0) if event.began else event.detected_ms,
        "hostId": event.host,
        "time": iso(event.at),
    }


def _checked(havip: HaVip, check: HealthCheck | None) -> HaVip:
    """The HaVip with that check; IntentError for one that could not be."""
    if check is None:
        return havip
    if (check.protocol == "Tcp") != (check.port is not None):
        raise IntentError("healthCheck.port", "is needed for Tcp, and there is none for Icmp")
    if check.checkTimeoutSeconds > check.intervalSeconds:
        raise IntentError("healthCheck.checkTimeoutSeconds", "must not be longer than intervalSeconds")
    return replace(
        havip,
        check=check.protocol,
        check_port=check.port or 0,
        interval_s=check.intervalSeconds,
        timeout_s=check.checkTimeoutSeconds,
        rise=check.healthyThresholdCount,
        fall=check.unhealthyThresholdCount,
    )


def _show_check(havip: HaVip) -> Json | None:
    if not havip.check:
        return None
    return {
        "protocol": havip.check,
        "port": havip.check_port,
        "intervalSeconds": havip.interval_s,
        "checkTimeoutSeconds": havip.timeout_s,
        "healthyThresholdCount": havip.rise,
        "unhealthyThresholdCount": havip.fall,
    }


def _show_health(view: Reader, havip: HaVip, one: HaVipMember) -> Json:
    health = view.region.get(MemberHealth, one.id)
    known = havip.check and health is not None
    return {**_show(one), "status": ("healthy" if health.healthy else "unhealthy") if known and health else NOT_CHECKED}


def _own(view: Reader, request: OneHaVip) -> HaVip:
    return view.own(HaVip, request.haVipId, "haVipId")


def _port(view: Reader, one: Resource) -> NetworkInterface:
    """The interface that is meant."""
    if one.resourceType == INTERFACE:
        return view.own(NetworkInterface, one.resourceId, "resources")
    instance = view.own(Instance, one.resourceId, "resources")
    for port in view.of(NetworkInterface, ("instance", "device_index"), (instance.id, PRIMARY)):
        return port
    raise IntentError.precondition("resources", f"{instance.id} has no primary interface")


def _members(view: Reader, havip: HaVip) -> list[HaVipMember]:
    """The members of a HaVip, in the order in which they were associated."""
    return sorted(view.of(HaVipMember, ("havip",), havip.id), key=lambda one: (one.created, one.id))


def _member(view: Reader, havip: HaVip, wanted: Resource, field: str) -> HaVipMember:
    """The member that is meant, by the resource that was associated."""
    for one in _members(view, havip):
        if (one.kind, one.resource) == (wanted.resourceType, wanted.resourceId):
            return one
    raise IntentError.missing(field, f"{wanted.resourceType} {wanted.resourceId[:64]!r} of {havip.id}")


def show(view: Reader, havip: HaVip) -> Json:
    """A HaVip as the API shows it; `networkInterfaceId` (an extension) is what an elastic IP is bound to.

    `healthCheck` and `memberHealth` are extensions too.
    """
    port, binding = view.get(NetworkInterface, havip.port), view.region.get(Binding, havip.port)
    members = _members(view, havip)
    masters = [one for one in members if binding is not None and one.port == binding.behind]
    eips = view.of(ElasticIp, ("port",), havip.port)
    return {
        "haVipId": havip.id,
        "haVipName": havip.name,
        "description": havip.description,
        "vpcId": havip.vpc,
        "subnetId": havip.subnet,
        "ipAddress": str(port.addresses[0]) if port is not None else "",
        "networkInterfaceId": havip.port,
        "masterResource": _show(masters[0]) if masters else None,
        "associatedResources": [_show(one) for one in members],
        "healthCheck": _show_check(havip),
        "memberHealth": [_show_health(view, havip, one) for one in members],
        "elasticIp": {"elasticIpId": eips[0].id, "elasticIpAddress": str(eips[0].address)} if eips else None,
        "createdTime": iso(havip.created),
        "updatedTime": iso(havip.updated),
        "tags": show_tags(havip.tags),
    }


def _show(one: HaVipMember) -> Json:
    return {"resourceType": one.kind, "resourceId": one.resource}
