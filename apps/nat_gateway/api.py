"""Tenants make NAT gateways, give them elastic IPs, start, stop, resize and delete them; `internet` ones only."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from apps.eip.api import ElasticIpSpec, ordered
from apps.eip.model import ElasticIp
from apps.eip.writes import new_elastic_ip
from apps.eni import api as eni
from apps.eni.model import NetworkInterface
from apps.nat_gateway.model import CONNECTIONS, NatGateway
from apps.nat_gateway.writes import EIPS_MOST, EIPS_QUOTA, join, leave, new_gateway
from apps.routing.model import Route
from apps.vpc.model import Subnet, Vpc
from sdnctl.api import quota
from sdnctl.api.access import Reader, Writer
from sdnctl.api.charge import POSTPAID, PREPAID, ChargeSpec, expiry, show_charge
from sdnctl.api.listing import Key, Listing, answer, attribute, constant, reference
from sdnctl.api.operations import operation
from sdnctl.api.schema import Id, Ids, Json, Name, Request, Tags, Text, Whole, iso, show_tags, tag_dict
from sdnctl.base.errors import IntentError
from sdnctl.program.lifecycle import kept_by

PATH, ITEM = "/regions/{regionId}/natGateways/", "/regions/{regionId}/natGateways/{natGatewayId}"
ID, EIPS = "natGatewayId", "elasticIpIds"
ONLINE, OFFLINE = "online", "offline"
Size = Literal["small", "medium", "large"]
MOST_AT_ONCE = 100
quota.declare("natGateway", 5, lambda view, _: view.count(NatGateway, ("account",), view.caller.account))
quota.declare(EIPS_QUOTA, EIPS_MOST, lambda view, id: len(_eips(view, id)), within="the NAT gateway", parent=NatGateway)


class CreateGateway(Request):
    """A NAT gateway to be made, with elastic IPs that are there, `elasticIpCount` new ones, or both."""

    natGatewayName: Name
    vpcId: Id
    subnetId: Id
    natGatewaySpec: Size = "small"
    networkType: Literal["internet", "intranet"] = "internet"
    azs: Annotated[Ids, Field(max_length=1)] = ()
    elasticIpIds: Annotated[Ids, Field(max_length=MOST_AT_ONCE)] = ()
    elasticIpCount: Annotated[Whole, Field(ge=0, le=MOST_AT_ONCE)] = 0
    elasticIpSpec: ElasticIpSpec | None = None
    natGatewayCharge: ChargeSpec = ChargeSpec()
    description: Text = ""
    userTags: Tags = ()


class OneGateway(Request):
    """A NAT gateway."""

    natGatewayId: Id


class ModifyGateway(OneGateway):
    """The fields of a NAT gateway that may change; the size only while it is stopped."""

    natGatewayName: Name | None = None
    description: Text | None = None
    natGatewaySpec: Size | None = None


class DeleteGateway(OneGateway):
    """A NAT gateway to be deleted, with `deleteElasticIp` its elastic IPs too, but for prepaid ones."""

    deleteElasticIp: bool = False


class SomeEips(OneGateway):
    """Elastic IPs for a NAT gateway."""

    elasticIpIds: Annotated[Ids, Field(min_length=1, max_length=MOST_AT_ONCE)]


class Leaving(SomeEips):
    """Elastic IPs that a NAT gateway is to have no more, with `deleteElasticIp` nobody."""

    deleteElasticIp: bool = False


class Status(SomeEips):
    """Elastic IPs of a NAT gateway that are to get new connections (online), or only to keep those they have."""

    status: Literal["online", "offline"]


def _addresses(view: Reader, natgw: NatGateway) -> Iterable[str]:
    return [str(eip.address) for eip in _eips(view, natgw.id)]


def _private(view: Reader, natgw: NatGateway) -> Iterable[str]:
    port = view.get(NetworkInterface, natgw.port)
    return [str(port.addresses[0])] if port is not None else []


KEYS = {
    "natGatewayIds": reference("id"),
    "natGatewayNames": attribute("name"),
    "natGatewayPublicIp": Key(_addresses),
    "elasticIpAddress": Key(_addresses),
    "natGatewayPrivateIp": Key(_private),
    "networkType": constant("internet"),
    "vpcId": reference("vpc"),
    "subnetId": reference("subnet"),
    "resourceTag": constant(""),
}


@operation("vpc", "describeNatGateways", "GET", PATH, Listing)
def describe_nat_gateways(request: Listing, view: Reader) -> Json:
    """The caller's NAT gateways."""
    return answer(request, view, NatGateway, KEYS, "natGateways", show)


@operation("vpc", "createNatGateway", "POST", PATH, CreateGateway)
def create_nat_gateway(request: CreateGateway, txn: Writer) -> Json:
    """Make a NAT gateway in a subnet; it runs, and lets all connections begin that routes lead to it."""
    if request.networkType != "internet":
        raise IntentError("networkType", "intranet NAT gateways are not served", 501, "NOT_IMPLEMENTED")
    vpc, subnet = txn.own(Vpc, request.vpcId, "vpcId"), txn.own(Subnet, request.subnetId, "subnetId")
    if subnet.vpc != vpc.id:
        raise IntentError("subnetId", f"{subnet.id} is not in {vpc.id}")
    if request.elasticIpCount and request.elasticIpSpec is None:
        raise IntentError("elasticIpSpec", "is required with elasticIpCount")
    if request.elasticIpCount and request.elasticIpSpec and request.elasticIpSpec.chargeSpec.chargeMode == PREPAID:
        raise IntentError("elasticIpSpec", "elastic IPs ordered along with a NAT gateway are paid afterwards")
    if request.natGatewayCharge.chargeMode != POSTPAID:
        raise IntentError("natGatewayCharge", f"an internet NAT gateway is charged by configuration: {POSTPAID}")
    quota.admit(txn, "natGateway", 1)
    made = replace(
        new_gateway(txn.txn, subnet, request.natGatewayName, request.natGatewaySpec),
        azs=request.azs,
        description=request.description,
        tags=tag_dict(request.userTags),
        charge_mode=request.natGatewayCharge.chargeMode,
        charge_expiry=expiry(request.natGatewayCharge, txn.now),
    )
    txn.put(made)
    quota.admit(txn, EIPS_QUOTA, len(request.elasticIpIds) + request.elasticIpCount, parent=made.id)
    for id in request.elasticIpIds:
        join(txn.txn, made, txn.own(ElasticIp, id, EIPS))
    for eip in _bought(request, txn):
        join(txn.txn, made, eip)
    return {ID: made.id}


def _bought(request: CreateGateway, txn: Writer) -> list[ElasticIp]:
    """The elastic IPs that are ordered along with a gateway."""
    spec = request.elasticIpSpec
    if spec is None or not request.elasticIpCount:
        return []
    quota.admit(txn, "elastic_ip", request.elasticIpCount, field="elasticIpCount")
    found = []
    for _ in range(request.elasticIpCount):
        eip = new_elastic_ip(txn.txn, txn.caller.account, None, "", spec.bandwidthMbps)
        found.append(replace(eip, **ordered(spec, txn.now)))
        txn.put(found[-1])
    return found


@operation("vpc", "describeNatGateway", "GET", ITEM, OneGateway)
def describe_nat_gateway(request: OneGateway, view: Reader) -> Json:
    """One NAT gateway."""
    return {"natGateway": show(view, own(view, request))}


@operation("vpc", "modifyNatGateway", "PATCH", ITEM, ModifyGateway)
def modify_nat_gateway(request: ModifyGateway, txn: Writer) -> Json:
    """Rename a NAT gateway, describe it, or give it another size while it is stopped."""
    natgw = own(txn, request)
    size = natgw.size if request.natGatewaySpec is None else request.natGatewaySpec
    if size != natgw.size and natgw.running:
        raise IntentError("natGatewaySpec", f"{natgw.id} is running: stop it first", 409, "CONFLICT")
    changed = replace(
        natgw,
        name=natgw.name if request.natGatewayName is None else request.natGatewayName,
        description=natgw.description if request.description is None else request.description,
    )
    if size != natgw.size:
        changed = replace(changed, size=size, connections=CONNECTIONS[size])
    txn.change(natgw, changed)
    return {}


@operation("vpc", "deleteNatGateway", "DELETE", ITEM, DeleteGateway)
def delete_nat_gateway(request: DeleteGateway, txn: Writer) -> Json:
    """Delete a NAT gateway that is stopped and that no route leads to."""
    natgw = own(txn, request)
    if natgw.running:
        raise IntentError(ID, f"{natgw.id} is running: stop it first", 409, "CONFLICT")
    if natgw.charge_mode == PREPAID and natgw.charge_expiry > txn.now:
        raise IntentError.precondition(ID, f"{natgw.id} is paid until {iso(natgw.charge_expiry)}")
    eips, port = _eips(txn, natgw.id), txn.own(NetworkInterface, natgw.port, ID)
    txn.remove(natgw, ID)  # its rules go with it
    failed = [lost for eip in eips for lost in _let_go(txn, natgw, eip, request.deleteElasticIp)]
    txn.remove(port, ID)
    return {"failedList": failed}


def _let_go(txn: Writer, natgw: NatGateway, eip: ElasticIp, delete: bool) -> list[Json]:
    """Take an elastic IP from a gateway, and give it back if asked to; why that was not done."""
    leave(txn.txn, natgw, eip)
    if not delete:
        return []
    if eip.charge_mode == PREPAID and eip.charge_expiry > txn.now:
        return [{"elasticIpId": eip.id, "reason": f"it is paid until {iso(eip.charge_expiry)}"}]
    reason = kept_by(txn.txn, eip)
    if reason:
        return [{"elasticIpId": eip.id, "reason": reason}]
    txn.remove(eip, EIPS)
    return []


@operation("vpc", "associateElasticIps", "POST", f"{ITEM}:associateElasticIps", SomeEips)
def associate_elastic_ips(request: SomeEips, txn: Writer) -> Json:
    """Give a NAT gateway more elastic IPs; connections that run keep theirs."""
    natgw = own(txn, request)
    eips = [txn.own(ElasticIp, id, EIPS) for id in request.elasticIpIds]
    more = sum(eip.port != natgw.port for eip in eips)
    quota.admit(txn, EIPS_QUOTA, more, parent=natgw.id)
    for eip in eips:
        join(txn.txn, natgw, eip)
    return {}


@operation("vpc", "disassociateElasticIps", "POST", f"{ITEM}:disassociateElasticIps", Leaving)
def disassociate_elastic_ips(request: Leaving, txn: Writer) -> Json:
    """Take elastic IPs from a NAT gateway: their connections end at once, and go on by no other."""
    natgw = own(txn, request)
    failed = []
    for eip in _theirs(request, txn, natgw):
        failed += _let_go(txn, natgw, eip, request.deleteElasticIp)
    return {"failedList": failed}


@operation("vpc", "setElasticIpStatus", "POST", f"{ITEM}:setElasticIpStatus", Status)
def set_elastic_ip_status(request: Status, txn: Writer) -> Json:
    """Let elastic IPs of a NAT gateway get no new connections (offline), while those that run go on, or get them."""
    natgw = own(txn, request)
    named = {eip.id for eip in _theirs(request, txn, natgw)}
    others = set(natgw.offline) - named
    offline = others | named if request.status == OFFLINE else others
    txn.change(natgw, replace(natgw, offline=tuple(sorted(offline))))
    return {}


@operation("vpc", "startNatGateway", "POST", f"{ITEM}:startNatGateway", OneGateway)
def start_nat_gateway(request: OneGateway, txn: Writer) -> Json:
    """Let a NAT gateway work again, as it was."""
    return _run(request, txn, True)


@operation("vpc", "stopNatGateway", "POST", f"{ITEM}:stopNatGateway", OneGateway)
def stop_nat_gateway(request: OneGateway, txn: Writer) -> Json:
    """Let a NAT gateway drop all that comes to it; it keeps its address, its elastic IPs and rules."""
    return _run(request, txn, False)


def _run(request: OneGateway, txn: Writer, running: bool) -> Json:
    natgw = own(txn, request)
    txn.change(natgw, replace(natgw, running=running))
    return {}


def own(view: Reader, request: OneGateway) -> NatGateway:
    """The caller's NAT gateway that a request names; IntentError 404."""
    return view.own(NatGateway, request.natGatewayId, ID)


def _theirs(request: SomeEips, txn: Writer, natgw: NatGateway) -> list[ElasticIp]:
    """The elastic IPs that a request names; IntentError for one that the gateway does not have."""
    found = [txn.own(ElasticIp, id, EIPS) for id in request.elasticIpIds]
    for eip in found:
        if eip.port != natgw.port:
            raise IntentError.precondition(EIPS, f"{eip.id} is not bound to {natgw.id}")
    return found


def _eips(view: Reader, natgw: str) -> list[ElasticIp]:
    known = view.get(NatGateway, natgw)
    return sorted(view.of(ElasticIp, ("port",), known.port), key=lambda eip: eip.id) if known is not None else []


def show(view: Reader, natgw: NatGateway) -> Json:
    """A NAT gateway as the API shows it; `networkInterface` (an extension) is the managed one at its address."""
    port = view.get(NetworkInterface, natgw.port)
    routes = view.of(Route, ("next_hop",), natgw.id)
    return {
        ID: natgw.id,
        "natGatewayName": natgw.name,
        "natGatewaySpec": natgw.size,
        "networkType": "internet",
        "state": {"status": "RUNNING" if natgw.running else "STOPPED", "adminStatus": "UP"},
        "description": natgw.description,
        "natGatewayCharge": show_charge(natgw.charge_mode, natgw.charge_start, natgw.charge_expiry, view.now),
        "azs": list(natgw.azs),
        "vpcId": natgw.vpc,
        "subnetId": natgw.subnet,
        "privateIpAddress": str(port.addresses[0]) if port is not None else "",
        "networkInterface": eni.show(view, port) if port is not None else {},
        "elasticIps": [_show_eip(natgw, eip) for eip in _eips(view, natgw.id)],
        "natIps": [],
        "createdTime": iso(natgw.created),
        "tags": show_tags(natgw.tags),
        "resourceGroupId": "",
        "routeTableIds": sorted({route.table for route in routes}),
    }


def _show_eip(natgw: NatGateway, eip: ElasticIp) -> Json:
    return {
        "elasticIpId": eip.id,
        "elasticIpAddress": str(eip.address),
        "bandwidthMbps": eip.bandwidth,
        "status": OFFLINE if eip.id in natgw.offline else ONLINE,
    }
