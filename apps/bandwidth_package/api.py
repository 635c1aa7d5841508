"""Tenants let elastic IPs share one bandwidth: packages, who is in them, and the limit of each within."""

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, model_validator

from apps.bandwidth_package.facts import KBPS, members
from apps.bandwidth_package.model import (
    BLOCKED,
    MOST_MBPS,
    UNLIMITED,
    BandwidthPackage,
    MemberShare,
    PackageMember,
)
from apps.bandwidth_package.writes import divide_anew
from apps.eip.api import Provider, charge_of, confirmed
from apps.eip.model import ElasticIp
from sdnctl.api import quota
from sdnctl.api.access import Reader, Writer
from sdnctl.api.charge import PREPAID, USAGE, ChargeSpec, expiry, first_whole_month, show_charge
from sdnctl.api.extend import narrows, shows
from sdnctl.api.listing import Listing, answer, attribute, constant, reference
from sdnctl.api.operations import operation
from sdnctl.api.schema import Id, Json, Model, Name, Request, Tags, Text, Whole, iso, show_tags, tag_dict
from sdnctl.base.errors import IntentError

PATH, ITEM = "/regions/{regionId}/bandwidthPackages/", "/regions/{regionId}/bandwidthPackages/{bandwidthPackageId}"
LEAST_MBPS = {PREPAID: 100, USAGE: 200}
LEAST_OF_ALL = 50
GUARANTEED_PERCENT = 20
METERS = "meters"
"""The one way in which packages are held so far (``sharing``): the shares of meters, divided anew each second."""
Mbps = Annotated[Whole, Field(ge=LEAST_OF_ALL, le=MOST_MBPS)]
Limit = Annotated[Whole, Field(ge=UNLIMITED, le=MOST_MBPS)]
quota.declare(
    "bandwidthPackageIp",
    20,
    lambda view, package: view.count(PackageMember, ("package",), package),
    within="the package",
    parent=BandwidthPackage,
)
quota.declare("bwpByUsage", 5, lambda view, _: sum(one.charge_mode == USAGE for one in view.mine(BandwidthPackage)))


class CreatePackage(Request):
    """A bandwidth package to be made; `chargeType` is a way to count what is paid by usage (0: enhanced 95)."""

    name: Name
    bandwidthMbps: Mbps
    description: Text = ""
    provider: Provider = "bgp"
    bandwidthPackageType: Literal["standard", "edge"] = "standard"
    chargeSpec: ChargeSpec = ChargeSpec()
    chargeType: Annotated[Whole, Field(ge=0, le=2)] | None = None
    userTags: Tags = ()

    @model_validator(mode="after")
    def _limits(self) -> "CreatePackage":
        mode = self.chargeSpec.chargeMode
        if self.bandwidthMbps < LEAST_MBPS.get(mode, LEAST_OF_ALL):
            raise ValueError(f"bandwidthMbps must be {LEAST_MBPS[mode]} to {MOST_MBPS} with {mode}")
        if self.chargeType is not None and mode != USAGE:
            raise ValueError(f"chargeType is for {USAGE} only")
        return self


class OnePackage(Request):
    """A bandwidth package."""

    bandwidthPackageId: Id


class ModifyPackage(OnePackage):
    """The fields of a bandwidth package that may change."""

    bandwidthMbps: Mbps | None = None
    name: Name | None = None
    description: Text | None = None


class MemberSpec(Model):
    """An elastic IP, and its limit within the package: 0 lets nothing pass, -1 is none."""

    publicIpId: Id
    bandwidthMbps: Limit = UNLIMITED


class MemberName(Model):
    """An elastic IP that is in a package."""

    publicIpId: Id


class MemberSpecs(OnePackage):
    """Elastic IPs of a package, with their limits; all of them are changed or none."""

    bandwidthPackageIPSpecs: Annotated[tuple[MemberSpec, ...], Field(min_length=1, max_length=100)]


class MemberNames(OnePackage):
    """Elastic IPs of a package; all of them are removed or none."""

    bandwidthPackageIPSpecs: Annotated[tuple[MemberName, ...], Field(min_length=1, max_length=100)]


KEYS = {
    "bwpIds": reference("id"),
    "name": attribute("name"),
    "bandwidthPackageType": constant("standard"),
    "azs": constant(""),
}


@operation("vpc", "describeBandwidthPackages", "GET", PATH, Listing)
def describe_bandwidth_packages(request: Listing, view: Reader) -> Json:
    """The caller's bandwidth packages."""
    return answer(request, view, BandwidthPackage, KEYS, "bandwidthPackages", show)


@operation("vpc", "createBandwidthPackage", "POST", PATH, CreatePackage)
def create_bandwidth_package(request: CreatePackage, txn: Writer) -> Json:
    """Make a bandwidth package with nothing in it."""
    if request.bandwidthPackageType == "edge":
        text = "packages of edge zones are not served: this region has none"
        raise IntentError("bandwidthPackageType", text, 501, "NOT_IMPLEMENTED")
    charge = request.chargeSpec
    if charge.chargeMode == USAGE:
        quota.admit(txn, "bwpByUsage", 1)
    made = BandwidthPackage(
        id=txn.new_id(BandwidthPackage),
        account=txn.caller.account,
        bandwidth=request.bandwidthMbps,
        provider=request.provider,
        charge_mode=charge.chargeMode,
        charge_type=request.chargeType or 0,
        charge_start=txn.now,
        charge_expiry=expiry(charge, txn.now),
        name=request.name,
        description=request.description,
        tags=tag_dict(request.userTags),
        created=txn.now,
    )
    txn.create(made)
    return {"bandwidthPackageId": made.id, "requestId": txn.caller.request_id}


@operation("vpc", "describeBandwidthPackage", "GET", ITEM, OnePackage)
def describe_bandwidth_package(request: OnePackage, view: Reader) -> Json:
    """One bandwidth package."""
    return {"bandwidthPackage": show(view, _own(view, request))}


@operation("vpc", "modifyBandwidthPackage", "PATCH", ITEM, ModifyPackage)
def modify_bandwidth_package(request: ModifyPackage, txn: Writer) -> Json:
    """Rename a bandwidth package, describe it, or change its bandwidth, which holds at once for all that is in it."""
    package = _own(txn, request)
    name = package.name if request.name is None else request.name
    text = package.description if request.description is None else request.description
    changed = replace(package, name=name, description=text)
    wanted = request.bandwidthMbps
    if wanted is None or wanted == package.bandwidth:
        txn.change(package, changed)
        return {}
    _in_force(txn, package)
    least = max(
        [LEAST_MBPS.get(package.charge_mode, LEAST_OF_ALL), *(one.limit for one in members(package.id, txn.txn))]
    )
    if wanted < least:
        text = f"must be {least} to {MOST_MBPS}: less than that, or than what a member may have, it cannot be"
        raise IntentError("bandwidthMbps", text, 400, "OUT_OF_RANGE")
    changed = replace(changed, bandwidth=wanted)
    txn.change(package, changed)
    divide_anew(txn.txn, changed)
    return {}


@operation("vpc", "deleteBandwidthPackage", "DELETE", ITEM, OnePackage)
def delete_bandwidth_package(request: OnePackage, txn: Writer) -> Json:
    """Delete a bandwidth package with nothing in it that is paid for as long as was agreed."""
    package = _own(txn, request)
    if package.charge_mode == PREPAID and package.charge_expiry > txn.now:
        raise IntentError.precondition("bandwidthPackageId", f"{package.id} is paid until {iso(package.charge_expiry)}")
    least = first_whole_month(package.created)
    if package.charge_mode == USAGE and txn.now < least:
        text = f"{package.id} is paid by usage, for one whole calendar month at least: until {iso(least)}"
        raise IntentError.precondition("bandwidthPackageId", text)
    txn.remove(package, "bandwidthPackageId")
    return {}


@operation("vpc", "addBandwidthPackageIP", "POST", f"{ITEM}:addBandwidthPackageIP", MemberSpecs)
def add_bandwidth_package_ip(request: MemberSpecs, txn: Writer) -> Json:
    """Put elastic IPs into a bandwidth package: they share its bandwidth at once, and their own is suspended."""
    package = _own(txn, request)
    _in_force(txn, package)
    for spec in request.bandwidthPackageIPSpecs:
        eip = txn.own(ElasticIp, spec.publicIpId, "bandwidthPackageIPSpecs")
        _may_join(txn, package, eip)
        txn.put(
            PackageMember(
                id=txn.new_id(PackageMember),
                account=package.account,
                package=package.id,
                eip=eip.id,
                vpc=eip.vpc,
                limit=_limit(package, spec),
                created=txn.now,
            )
        )
    quota.keep(txn, "bandwidthPackageIp", package.id, "bandwidthPackageIPSpecs")
    divide_anew(txn.txn, package)
    return {}


@operation(
    "vpc",
    "modifyBandwidthPackageIpBandwidth",
    "POST",
    f"{ITEM}:modifyBandwidthPackageIpBandwidth",
    MemberSpecs,
)
def modify_bandwidth_package_ip_bandwidth(request: MemberSpecs, txn: Writer) -> Json:
    """Change the limits that elastic IPs have within their package."""
    package = _own(txn, request)
    _in_force(txn, package)
    for spec in request.bandwidthPackageIPSpecs:
        member = _member(txn, package, spec.publicIpId)
        txn.put(replace(member, limit=_limit(package, spec)))
    divide_anew(txn.txn, package)
    return {}


@operation("vpc", "removeBandwidthPackageIP", "POST", f"{ITEM}:removeBandwidthPackageIP", MemberNames)
def remove_bandwidth_package_ip(request: MemberNames, txn: Writer) -> Json:
    """Take elastic IPs out of a bandwidth package: their own bandwidth is in force again."""
    package = _own(txn, request)
    gone = []
    for named in request.bandwidthPackageIPSpecs:
        member = _member(txn, package, named.publicIpId)
        txn.delete(PackageMember, member.id)
        gone.append(member)
    divide_anew(txn.txn, package, gone)
    return {}


def _own(view: Reader, request: OnePackage) -> BandwidthPackage:
    return view.own(BandwidthPackage, request.bandwidthPackageId, "bandwidthPackageId")


def _member(txn: Writer, package: BandwidthPackage, eip: str) -> PackageMember:
    for member in txn.of(PackageMember, ("eip",), txn.own(ElasticIp, eip, "bandwidthPackageIPSpecs").id):
        if member.package == package.id:
            return member
    raise IntentError.precondition("bandwidthPackageIPSpecs", f"{eip} is not in {package.id}")


def _limit(package: BandwidthPackage, spec: MemberSpec) -> int:
    if spec.bandwidthMbps > package.bandwidth:
        text = f"{spec.publicIpId} may have {package.bandwidth} Mbit/s at most, as {package.id} has no more"
        raise IntentError("bandwidthPackageIPSpecs", text, 400, "OUT_OF_RANGE")
    return spec.bandwidthMbps


def _may_join(txn: Writer, package: BandwidthPackage, eip: ElasticIp) -> None:
    """Raise IntentError with the reason why an elastic IP cannot be put into a package."""
    reason = ""
    for other in txn.of(PackageMember, ("eip",), eip.id):
        reason = f"{eip.id} is in {other.package} already"
    if eip.charge_mode == PREPAID:
        reason = f"{eip.id} is paid in advance"
    elif charge_of(txn, eip)["chargeStatus"] != "normal":
        reason = f"{eip.id} is in arrears"
    elif (eip.provider, eip.ip_type) != (package.provider, "standard"):
        reason = f"{eip.id} is of line {eip.provider} ({eip.ip_type}), {package.id} of {package.provider} (standard)"
    if reason:
        raise IntentError.precondition("bandwidthPackageIPSpecs", reason)


def _in_force(view: Reader, package: BandwidthPackage) -> None:
    """Raise IntentError when a package is not paid for."""
    if _charge(view, package)["chargeStatus"] != "normal":
        raise IntentError.precondition("bandwidthPackageId", f"{package.id} has expired: renew it first")


def _charge(view: Reader, package: BandwidthPackage) -> Json:
    return show_charge(package.charge_mode, package.charge_start, package.charge_expiry, view.now)


def show(view: Reader, package: BandwidthPackage) -> Json:
    """A bandwidth package as the API shows it.

    PROCESSING until every switch concerned has confirmed its last change.  `sharing` (an extension) says how it is
    held, `outShareMbps` and `inShareMbps` what each member may have at this moment.
    """
    ones = members(package.id, view.region)
    by_usage = package.charge_mode == USAGE
    return {
        "bandwidthPackageId": package.id,
        "bandwidthPackageName": package.name,
        "description": package.description,
        "bandwidthMbps": package.bandwidth,
        "provider": package.provider,
        "bandwidthPackageType": "standard",
        "az": "",
        "charge": _charge(view, package),
        "chargeType": package.charge_type if by_usage else -1,
        "createdTime": iso(package.created),
        "publicIps": [_show_member(view, one) for one in ones],
        "ipCount": len(ones),
        "guaranteedRatio": GUARANTEED_PERCENT if by_usage else -1,
        "guaranteedBandwidth": package.bandwidth * GUARANTEED_PERCENT // 100 if by_usage else -1,
        "adminStatus": _status(view, package, ones),
        "sharing": METERS,
        "tags": show_tags(package.tags),
    }


def _status(view: Reader, package: BandwidthPackage, ones: list[PackageMember]) -> Literal["UP", "DOWN", "PROCESSING"]:
    if _charge(view, package)["chargeStatus"] != "normal":
        return "DOWN"
    eips = (view.get(ElasticIp, one.eip) for one in ones)
    return "UP" if all(eip is None or confirmed(view, eip) for eip in eips) else "PROCESSING"


def _show_member(view: Reader, member: PackageMember) -> Json:
    eip, share = view.get(ElasticIp, member.eip), view.region.get(MemberShare, member.id)
    now = share if share is not None and share.round == member.round else member
    return {
        "publicIpId": member.eip,
        "publicIpAddress": str(eip.address) if eip is not None else "",
        "addedTime": iso(member.created),
        "bandwidthMbps": member.limit,
        "outShareMbps": now.out / KBPS if member.limit != BLOCKED else 0,
        "inShareMbps": now.into / KBPS if member.limit != BLOCKED else 0,
    }


def _package_of(view: Reader, eip: ElasticIp) -> str:
    return next((one.package for one in view.of(PackageMember, ("eip",), eip.id)), "")


@shows(ElasticIp)
def package_shown(view: Reader, eip: ElasticIp) -> Json:
    """The package that an elastic IP is in."""
    return {"bandwidthPackageId": _package_of(view, eip)}


@narrows(ElasticIp, "bandwidthPackageId")
def by_package(view: Reader, eip: ElasticIp) -> tuple[str]:
    """The package that an elastic IP is in."""
    return (_package_of(view, eip),)
