"""Tenants connect two VPCs, their own or one of another account: each side makes a peering with the other one.

There is no call that accepts: the other side's own peering is its consent, and either side takes its one away at once.
"""

from dataclasses import replace
from typing import Any

from apps.peering.facts import connected
from apps.peering.model import PAIR, VpcPeering
from apps.peering.targets import PEERING
from apps.peering.writes import blocks_of, check_apart, meet
from apps.routing.model import Route
from apps.vpc.model import Vpc
from sdnctl.api import quota
from sdnctl.api.access import Reader, Writer
from sdnctl.api.listing import Listing, answer, attribute, constant, reference
from sdnctl.api.operations import operation
from sdnctl.api.schema import Id, Json, Name, Request, Tags, Text, iso, show_tags, tag_dict
from sdnctl.base.errors import IntentError

PATH, ITEM = "/regions/{regionId}/vpcPeerings/", "/regions/{regionId}/vpcPeerings/{vpcPeeringId}"
INITIATED, CONNECTED, DISCONNECTED = "Initiated", "Connected", "Disconnected"
quota.declare("vpcpeering", 10, lambda view, vpc: view.count(VpcPeering, ("vpc",), vpc), within="the VPC", parent=Vpc)


class OnePeering(Request):
    """A VPC peering."""

    vpcPeeringId: Id


class CreatePeering(Request):
    """One side of a peering to be made: `vpcId` is the caller's, `remoteVpcId` any VPC of the region."""

    vpcPeeringName: Name
    vpcId: Id
    remoteVpcId: Id
    description: Text = ""
    userTags: Tags = ()


class ModifyPeering(OnePeering):
    """The fields of a peering that may change."""

    vpcPeeringName: Name | None = None
    description: Text | None = None


KEYS = {
    "vpcPeeringIds": reference("id"),
    "vpcPeeringNames": attribute("name"),
    "vpcId": reference("vpc"),
    "remoteVpcId": attribute("remote_vpc"),
    "azType": constant("all", "standard"),
    "azs": constant(""),
}


@operation("vpc", "describeVpcPeerings", "GET", PATH, Listing)
def describe_vpc_peerings(request: Listing, view: Reader) -> Json:
    """The caller's sides of its VPC peerings."""
    return answer(request, view, VpcPeering, KEYS, "vpcPeerings", show)


@operation("vpc", "createVpcPeering", "POST", PATH, CreatePeering)
def create_vpc_peering(request: CreatePeering, txn: Writer) -> Json:
    """Make one side of a peering; it connects once the other VPC has one too."""
    vpc = txn.own(Vpc, request.vpcId, "vpcId")
    other = txn.region.get(Vpc, request.remoteVpcId)
    if other is None:
        raise IntentError.missing("remoteVpcId", f"Vpc {request.remoteVpcId[:64]!r}")
    if other.id == vpc.id:
        raise IntentError("remoteVpcId", "must be another VPC than vpcId")
    for known in txn.region.by(VpcPeering, PAIR, (vpc.id, other.id)):
        text = f"{vpc.id} has peering {known} with {other.id} already"
        raise IntentError("remoteVpcId", text, 409, "ALREADY_EXISTS")
    _check_name(txn, request.vpcPeeringName, "")
    quota.admit(txn, "vpcpeering", 1, parent=vpc.id)
    check_apart(txn.txn, vpc, other)
    made = VpcPeering(
        id=txn.new_id(VpcPeering),
        account=vpc.account,
        vpc=vpc.id,
        remote_vpc=other.id,
        name=request.vpcPeeringName,
        description=request.description,
        tags=tag_dict(request.userTags),
        created=txn.now,
    )
    txn.create(made)
    meet(txn.txn, made)
    return {"vpcPeering": show(txn, made)}


@operation("vpc", "describeVpcPeering", "GET", ITEM, OnePeering)
def describe_vpc_peering(request: OnePeering, view: Reader) -> Json:
    """One VPC peering."""
    return {"vpcPeering": show(view, _own(view, request))}


@operation("vpc", "modifyVpcPeering", "PUT", ITEM, ModifyPeering)
def modify_vpc_peering(request: ModifyPeering, txn: Writer) -> Json:
    """Rename a VPC peering or describe it."""
    found = _own(txn, request)
    name = found.name if request.vpcPeeringName is None else request.vpcPeeringName
    text = found.description if request.description is None else request.description
    _check_name(txn, name, found.id)
    changed = replace(found, name=name, description=text)
    txn.change(found, changed)
    return {"vpcPeering": show(txn, changed)}


@operation("vpc", "deleteVpcPeering", "DELETE", ITEM, OnePeering)
def delete_vpc_peering(request: OnePeering, txn: Writer) -> Json:
    """Delete the caller's side of a peering, which cuts the VPCs off from each other at once."""
    txn.remove(_own(txn, request), "vpcPeeringId")
    return {}


def _own(view: Reader, request: OnePeering) -> VpcPeering:
    return view.own(VpcPeering, request.vpcPeeringId, "vpcPeeringId")


def _check_name(view: Reader, name: str, id: str) -> None:
    """Raise IntentError 409 when another peering of the account has the name."""
    for other in view.mine(VpcPeering):
        if other.name == name and other.id != id:
            raise IntentError("vpcPeeringName", f"{other.id} is called {name!r} already", 409, "ALREADY_EXISTS")


def show(view: Reader, peering: VpcPeering) -> Json:
    """A VPC peering as the API shows it.

    `routesPresent` (an extension) says whose route tables lead to the other side: both, one or none of them.
    """
    return {
        "vpcPeeringId": peering.id,
        "vpcPeeringName": peering.name,
        "vpcPeeringState": _state(view, peering),
        "description": peering.description,
        "vpcInfo": _show_vpc(view, peering.vpc),
        "remoteVpcInfo": _show_vpc(view, peering.remote_vpc),
        "routesPresent": _routes(view, peering),
        "createdTime": iso(peering.created),
        "tags": show_tags(peering.tags),
    }


def _state(view: Reader, peering: VpcPeering) -> str:
    if connected(peering.vpc, peering.remote_vpc, view.region):
        return CONNECTED
    return DISCONNECTED if peering.met else INITIATED


def _show_vpc(view: Reader, id: str) -> Json:
    """A side's VPC: its id, its name and its addresses, which the other account learns too."""
    vpc = view.region.get(Vpc, id)
    if vpc is None:
        return {"vpcId": id, "vpcName": "", "addressPrefix": []}
    return {"vpcId": id, "vpcName": vpc.name, "addressPrefix": [str(block) for block in blocks_of(vpc, view.region)]}


def _routes(view: Reader, peering: VpcPeering) -> str:
    ends = (peering.id, *view.region.by(VpcPeering, PAIR, (peering.remote_vpc, peering.vpc)))
    present = sum(any(_leads(route) for route in _to(view, id)) for id in ends)
    return ("none", "one", "both")[present]


def _to(view: Reader, id: str) -> list[Route]:
    return view.region.many(Route, view.region.by(Route, ("next_hop",), id))


def _leads(route: Any) -> bool:
    return bool(route.next_hop_type == PEERING)
