"""Tenants get elastic IPs, set their bandwidth, bind them to addresses of interfaces and give them back."""

import csv
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from apps.eip.model import ElasticIp
from apps.eip.writes import bind, new_elastic_ip, unbind
from apps.eni.facts import PrivateAddress
from apps.eni.model import NetworkInterface
from apps.gateway.facts import server_in
from apps.holder.facts import holder_of
from apps.routing.model import INTERNET, Route
from apps.uplink.model import ElasticIpPool, Pool
from apps.vpc.model import Subnet
from sdnctl.api import listing, quota
from sdnctl.api.access import Reader, Writer
from sdnctl.api.charge import PREPAID, USAGE, ChargeSpec, expiry, show_charge
from sdnctl.api.extend import shown, shows
from sdnctl.api.listing import (
    Filtered,
    Key,
    Listing,
    answer,
    attribute,
    choose,
    constant,
    oldest_first,
    reference,
    word,
)
from sdnctl.api.operations import operation
from sdnctl.api.progress import progress
from sdnctl.api.schema import (
    Address,
    Id,
    Json,
    Model,
    Name,
    Request,
    Tags,
    Whole,
    in_any_case,
    iso,
    show_tags,
    tag_dict,
)
from sdnctl.base.addresses import Ip4
from sdnctl.base.errors import IntentError
from sdnctl.model.host import Binding, HostStatus

Cells = Callable[[Json], tuple[str, ...]]
Column = Literal[
    "az",
    "type",
    "status",
    "associatedResource",
    "tag",
    "bandwidthPackage",
    "resourceGroup",
    "charge",
    "elasticIpPoolId",
]
MOST_MBPS, MOST_MBPS_BY_USAGE = 1000, 200
Mbps = Annotated[Whole, Field(ge=1, le=MOST_MBPS)]
DONE = 3
PATH, ITEM = "/regions/{regionId}/elasticIps/", "/regions/{regionId}/elasticIps/{elasticIpId}"
PORT = "/regions/{regionId}/networkInterfaces/{networkInterfaceId}"
quota.declare("elastic_ip", 10, lambda view, _: view.count(ElasticIp, ("account",), view.caller.account))
Provider = Annotated[str, in_any_case("bgp", "no_bgp")]


class ElasticIpSpec(Model):
    """Bandwidth, line and way of paying of an elastic IP that is ordered, by itself or along with something else."""

    bandwidthMbps: Mbps
    provider: Provider = "bgp"
    chargeSpec: ChargeSpec = ChargeSpec()

    @model_validator(mode="after")
    def _limit(self) -> "ElasticIpSpec":
        if self.chargeSpec.chargeMode == USAGE and self.bandwidthMbps > MOST_MBPS_BY_USAGE:
            raise ValueError(f"bandwidthMbps must be 1 to {MOST_MBPS_BY_USAGE} when paid by usage")
        return self


class CreateElasticIps(Request):
    """Elastic IPs to be made, all alike; one may ask for its address."""

    maxCount: Annotated[Whole, Field(ge=1, le=100)]
    elasticIpSpec: ElasticIpSpec
    elasticIpName: Name | None = None
    elasticIpAddress: Address | None = None
    elasticIpPoolId: Id | None = None
    ipType: Literal["standard", "edge"] = "standard"
    userTags: Tags = ()
    dryRun: bool = False


class ExportElasticIps(Filtered):
    """The pages to export: all, or those from `startPage` to `endPage` when all three numbers are given."""

    fileType: Literal["csv", "excel"]
    startPage: Annotated[Whole, Field(ge=1)] | None = None
    endPage: Annotated[Whole, Field(ge=1)] | None = None
    pageSize: Annotated[Whole, Field(ge=10, le=100)] | None = None
    columns: Annotated[tuple[Column, ...], Field(max_length=20)] = ()


class OneElasticIp(Request):
    """An elastic IP."""

    elasticIpId: Id


class ModifyElasticIp(OneElasticIp):
    """The fields of an elastic IP that may change."""

    bandwidthMbps: Mbps | None = None
    elasticIpName: Name | None = None
    tempUpgradeEndTime: str | None = None


class Association(Request):
    """An elastic IP, by id or address, and the private address it is meant for (default: the primary one);
    with `reassociate` it moves there from where it is bound.
    """

    networkInterfaceId: Id
    elasticIpId: Id | None = None
    elasticIpAddress: Address | None = None
    privateIpAddress: Address | None = None
    reassociate: bool = False


def _status(view: Reader, eip: ElasticIp) -> Iterable[str]:
    return "ALL", "ASSOCIATED" if eip.port else "NOT_ASSOCIATED"


KEYS = {
    "elasticIpIds": reference("id"),
    "elasticIpNames": attribute("name"),
    "elasticIpAddress": attribute("address"),
    "elasticIpPoolId": Key(lambda view, eip: (eip.reserved or eip.pool,)),
    "chargeStatus": Key(lambda view, eip: (charge_of(view, eip)["chargeStatus"],)),
    "ipType": Key(lambda view, eip: ("all", eip.ip_type)),
    "azs": constant(""),
    "bandwidthPackageId": constant(),
    "status": Key(_status),
    "providers": word("provider"),
    "resourceTag": constant(""),
}


@operation("vpc", "describeElasticIps", "GET", PATH, Listing)
def describe_elastic_ips(request: Listing, view: Reader) -> Json:
    """The caller's elastic IPs."""
    return answer(request, view, ElasticIp, KEYS, "elasticIps", show)


@operation("vpc", "createElasticIps", "POST", PATH, CreateElasticIps)
def create_elastic_ips(request: CreateElasticIps, txn: Writer) -> Json:
    """Make elastic IPs from the operator's pools: all of them or none."""
    if request.maxCount > 1 and request.elasticIpAddress is not None:
        raise IntentError("elasticIpAddress", "must be empty when more than one is asked for")
    wanted = request.elasticIpPoolId
    if wanted is not None and txn.region.get(Pool, wanted) is None:
        txn.own(ElasticIpPool, wanted, "elasticIpPoolId")
    quota.admit(txn, "elastic_ip", request.maxCount, field="maxCount")
    made = [_create(request, txn) for _ in range(request.maxCount)]
    return {"elasticIpIds": [eip.id for eip in made], "requestId": txn.caller.request_id}


def ordered(spec: ElasticIpSpec, now: float) -> dict[str, Any]:
    """The fields of an elastic IP's record that an order made now decides."""
    charge = spec.chargeSpec
    return {"provider": spec.provider, "charge_mode": charge.chargeMode, "charge_expiry": expiry(charge, now)}


def _create(request: CreateElasticIps, txn: Writer) -> ElasticIp:
    spec = request.elasticIpSpec
    pool = request.elasticIpPoolId or ""
    eip = new_elastic_ip(txn.txn, txn.caller.account, request.elasticIpAddress, pool, spec.bandwidthMbps)
    eip = replace(
        eip,
        **ordered(spec, txn.now),
        ip_type=request.ipType,
        name=request.elasticIpName or "",
        tags=tag_dict(request.userTags),
    )
    txn.put(eip)
    return eip


@operation("vpc", "describeElasticIp", "GET", ITEM, OneElasticIp)
def describe_elastic_ip(request: OneElasticIp, view: Reader) -> Json:
    """One elastic IP."""
    return {"elasticIp": show(view, view.own(ElasticIp, request.elasticIpId, "elasticIpId"))}


@operation("vpc", "modifyElasticIp", "PATCH", ITEM, ModifyElasticIp)
def modify_elastic_ip(request: ModifyElasticIp, txn: Writer) -> Json:
    """Rename an elastic IP or change its bandwidth; what is prepaid then lasts longer or shorter."""
    eip = txn.own(ElasticIp, request.elasticIpId, "elasticIpId")
    if request.tempUpgradeEndTime:
        raise IntentError("tempUpgradeEndTime", "temporary upgrades are not served", 501, "NOT_IMPLEMENTED")
    wanted = eip.bandwidth if request.bandwidthMbps is None else request.bandwidthMbps
    if eip.charge_mode == USAGE and wanted > MOST_MBPS_BY_USAGE:
        message = f"must be 1 to {MOST_MBPS_BY_USAGE} when paid by usage"
        raise IntentError("bandwidthMbps", message, 400, "OUT_OF_RANGE")
    name = eip.name if request.elasticIpName is None else request.elasticIpName
    changed = replace(eip, name=name)
    if wanted != eip.bandwidth:
        expires = eip.charge_expiry
        if expires > txn.now:
            expires = txn.now + (expires - txn.now) * eip.bandwidth / wanted
        changed = replace(changed, bandwidth=wanted, charge_expiry=expires, sequence=txn.sequence)
    txn.change(eip, changed)
    return {}


@operation("vpc", "deleteElasticIp", "DELETE", ITEM, OneElasticIp)
def delete_elastic_ip(request: OneElasticIp, txn: Writer) -> Json:
    """Give an elastic IP back that is bound to nothing and not paid in advance."""
    eip = txn.own(ElasticIp, request.elasticIpId, "elasticIpId")
    if eip.port:
        raise IntentError.precondition("elasticIpId", f"{eip.id} is bound to {eip.port}: disassociate it first")
    if eip.charge_mode == PREPAID and eip.charge_expiry > txn.now:
        raise IntentError.precondition("elasticIpId", f"{eip.id} is paid until {iso(eip.charge_expiry)}")
    txn.remove(eip, "elasticIpId")
    return {}


@operation("vpc", "associateElasticIp", "POST", f"{PORT}:associateElasticIp", Association)
def associate_elastic_ip(request: Association, txn: Writer) -> Json:
    """Bind an elastic IP to a private address of a network interface, or move it there."""
    port = txn.own(NetworkInterface, request.networkInterfaceId, "networkInterfaceId")
    private = port.addresses[0] if request.privateIpAddress is None else request.privateIpAddress
    bind(txn.txn, _elastic_ip(request, txn), port, Ip4(private), move=request.reassociate)
    return {}


@operation("vpc", "disassociateElasticIp", "POST", f"{PORT}:disassociateElasticIp", Association)
def disassociate_elastic_ip(request: Association, txn: Writer) -> Json:
    """Take an elastic IP from a network interface."""
    port = txn.own(NetworkInterface, request.networkInterfaceId, "networkInterfaceId")
    eip = _elastic_ip(request, txn)
    if eip.port != port.id:
        raise IntentError.precondition("elasticIpId", f"{eip.id} is not bound to {port.id}")
    unbind(txn.txn, eip)
    return {}


def _elastic_ip(request: Association, txn: Writer) -> ElasticIp:
    """The caller's elastic IP that is named by id, by address, or by both alike."""
    if request.elasticIpId is None and request.elasticIpAddress is None:
        raise IntentError("elasticIpId", "elasticIpId or elasticIpAddress is required")
    if request.elasticIpId is not None:
        eip = txn.own(ElasticIp, request.elasticIpId, "elasticIpId")
        if request.elasticIpAddress not in (None, eip.address):
            raise IntentError("elasticIpAddress", f"{eip.id} has another address")
        return eip
    for eip in txn.of(ElasticIp, ("address",), request.elasticIpAddress):
        return eip
    raise IntentError.missing("elasticIpAddress", f"elastic IP {request.elasticIpAddress}")


def show(view: Reader, eip: ElasticIp) -> Json:
    """An elastic IP as the API shows it; UP once every switch has confirmed its last change."""
    port = view.get(NetworkInterface, eip.port)
    own = {
        "elasticIpId": eip.id,
        "elasticIpName": eip.name,
        "elasticIpAddress": str(eip.address),
        "elasticIpPoolId": eip.reserved or eip.pool,
        "bandwidthMbps": eip.bandwidth,
        "provider": eip.provider,
        "privateIpAddress": str(eip.private) if eip.port else "",
        "networkInterfaceId": eip.port,
        "instanceId": (port.owner or port.instance) if port is not None else "",
        "instanceType": (port.managed or ("compute" if port.instance else "")) if port is not None else "",
        "charge": charge_of(view, eip),
        "createdTime": iso(eip.created),
        "az": "",
        "tags": show_tags(eip.tags),
        "ipType": eip.ip_type,
        "bandwidthPackageId": "",
        "status": "ASSOCIATED" if eip.port else "NOT_ASSOCIATED",
        "state": "UP" if confirmed(view, eip) else "PROCESSING",
    }
    return shown(view, eip, own)


@operation("vpc", "exportElasticIps", "POST", "/regions/{regionId}/elasticips:export", ExportElasticIps, reads=True)
def export_elastic_ips(request: ExportElasticIps, view: Reader) -> Json:
    """The caller's elastic IPs as a file; it is in the answer itself, as a `data:` URL (RFC 2397)."""
    if request.fileType != "csv":
        raise IntentError("fileType", "excel is not served, only csv", 501, "NOT_IMPLEMENTED")
    chosen = oldest_first(choose(request, view, view.mine(ElasticIp), KEYS))
    if request.startPage and request.endPage and request.pageSize:
        if request.endPage < request.startPage:
            raise IntentError("endPage", "must not be before startPage", 400, "OUT_OF_RANGE")
        start = (request.startPage - 1) * request.pageSize
        if start and start >= len(chosen):
            raise IntentError("startPage", "is beyond the last page", 400, "OUT_OF_RANGE")
        chosen = chosen[start : request.endPage * request.pageSize]
    text = _table(listing.shown_all(view, chosen, show), request.columns, view.caller.region)
    task = {
        "region": view.caller.region,
        "taskId": view.caller.request_id,
        "fileName": "elasticIps.csv",
        "status": DONE,
        "createdTime": iso(view.now),
        "downloadUrl": "data:text/csv;charset=utf-8;base64," + b64encode(text.encode()).decode(),
    }
    return {"taskId": view.caller.request_id, "exportTask": task}


class _Lines(list[str]):
    """The lines that `csv` writes."""

    def write(self, line: str) -> None:
        """Add a line."""
        self.append(line)


def _table(shown: list[Json], columns: tuple[Column, ...], region: str) -> str:
    """Lines of comma-separated values (RFC 4180) with a header."""
    chosen = [_BASIC, *(COLUMNS[name] for name in dict.fromkeys(columns))]
    lines = _Lines()
    writer = csv.writer(lines)
    writer.writerow([*(title for titles, _ in chosen for title in titles), "Region"])
    for eip in shown:
        writer.writerow([*(cell for _, cells in chosen for cell in cells(eip)), region])
    return "".join(lines)


_BASIC: tuple[tuple[str, ...], Cells] = (
    ("ElasticIP ID", "ElasticIP Address", "ElasticIP Name", "Bandwidth (Mbps)"),
    lambda e: (e["elasticIpId"], e["elasticIpAddress"], e["elasticIpName"], str(e["bandwidthMbps"])),
)
COLUMNS: dict[Column, tuple[tuple[str, ...], Cells]] = {
    "az": (("Availability Zone",), lambda e: (e["az"],)),
    "type": (("Ip Type",), lambda e: (e["ipType"],)),
    "status": (("Associate Status", "State"), lambda e: (e["status"], e["state"])),
    "associatedResource": (
        ("Port ID", "AssociatedResource Type", "AssociatedResource ID"),
        lambda e: (e["networkInterfaceId"], e["instanceType"], e["instanceId"]),
    ),
    "tag": (("Tag",), lambda e: (" ".join(f"{tag['key']}={tag['value']}" for tag in e["tags"]),)),
    "bandwidthPackage": (("BandwidthPackage ID",), lambda e: (e["bandwidthPackageId"],)),
    "resourceGroup": (("ResourceGroup ID",), lambda e: ("",)),
    "charge": (
        ("Billing Type", "Creation Time", "Expiration Time"),
        lambda e: (e["charge"]["chargeMode"], e["createdTime"], e["charge"]["chargeExpiredTime"] or ""),
    ),
    "elasticIpPoolId": (("ElasticIpPool ID",), lambda e: (e["elasticIpPoolId"],)),
}


def charge_of(view: Reader, eip: ElasticIp) -> Json:
    """The charge of an EIP, as the API shows it."""
    return show_charge(eip.charge_mode, eip.charge_start, eip.charge_expiry, view.now)


def confirmed(view: Reader, eip: ElasticIp) -> bool:
    """True when the last change of an EIP is in force, as the switches concerned have confirmed.

    Concerned are the host of its port and the one that presents it; all hosts that are alive as long as nobody knows
    where the port is.  No other host may still answer for it, and with no host at all nothing is in force.
    """
    held = holder_of(str(eip.address), view.region)
    binding = view.region.get(Binding, eip.port) if eip.port else None
    if binding is None:
        return not held and progress(view.region.all(HostStatus).values(), eip.sequence, view.now).applied
    server = server_in(view.region, eip.port)
    statuses = (view.region.get(HostStatus, host) for host in {binding.host, server})
    in_force = all(status is not None and status.applied >= eip.sequence for status in statuses)
    return in_force and held == (server if _works(view, eip) else "")


def _works(view: Reader, eip: ElasticIp) -> bool:
    """True when its route table leads to the internet."""
    port = view.get(NetworkInterface, eip.port)
    subnet = view.region.get(Subnet, port.subnet) if port is not None else None
    return subnet is not None and bool(
        view.region.by(Route, ("table", "next_hop_type"), (subnet.route_table, INTERNET))
    )


@shows(PrivateAddress)
def public_address(view: Reader, private: PrivateAddress) -> Json:
    """The elastic IP that is bound to a private address."""
    bound = view.of(ElasticIp, ("port", "private"), (private.port.id, private.address))
    return {"elasticIpId": bound[0].id, "elasticIpAddress": str(bound[0].address)} if bound else {}
