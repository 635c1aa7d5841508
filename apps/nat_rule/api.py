"""Tenants give NAT gateways rules: by which elastic IPs connections leave (SNAT), and which ports are open (DNAT).

The public API knows the rules as models only, so their operations are extensions, named and shaped like its others.
"""

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from apps.eip.model import ElasticIp
from apps.eni.model import NetworkInterface
from apps.nat_gateway.api import ID, ITEM, OneGateway, own
from apps.nat_gateway.model import DnatRule, NatGateway, SnatRule
from apps.nat_gateway.writes import SHIFTED_MOST
from apps.vpc.model import Subnet
from sdnctl.api import quota
from sdnctl.api.access import Reader, Writer
from sdnctl.api.listing import Listing, attribute, choose, paged
from sdnctl.api.operations import operation
from sdnctl.api.schema import Address, Addresses, Block, Id, Ids, Json, Model, Text, Whole, iso
from sdnctl.base.addresses import MAX_PORT
from sdnctl.base.errors import IntentError

MOST_AT_ONCE = 100
SNAT, DNAT = "snatRuleSpecs", "dnatRuleSpecs"
Switch = Literal["ENABLE", "DISABLE"]
Port = Annotated[Whole, Field(ge=1, le=MAX_PORT)]
quota.declare(
    "natGatewaySnat", 100, lambda view, id: view.count(SnatRule, ("gateway",), id), "the NAT gateway", parent=NatGateway
)
quota.declare(
    "natGatewayDnat", 100, lambda view, id: view.count(DnatRule, ("gateway",), id), "the NAT gateway", parent=NatGateway
)


class NewSnat(Model):
    """An SNAT rule to be added: `sourceCidr`, or all of a subnet; without addresses by any of the gateway's."""

    sourceCidr: Block | None = None
    subnetId: Id | None = None
    snatElasticIpAddresses: Addresses = ()
    snatIpAddresses: Addresses = ()
    snatRuleStatus: Switch = "ENABLE"
    ipAffinity: Switch = "DISABLE"
    intelliDstISP: Switch = "DISABLE"
    description: Text = ""


class ChangedSnat(Model):
    """An SNAT rule to be changed; what is not given stays, and of the system rule all but status and affinity."""

    snatRuleId: Id
    snatElasticIpAddresses: Addresses | None = None
    snatIpAddresses: Addresses | None = None
    snatRuleStatus: Switch | None = None
    ipAffinity: Switch | None = None
    intelliDstISP: Switch | None = None
    description: Text | None = None


class NewDnat(Model):
    """A DNAT rule to be added; with protocol ALL the address is translated whole, and ports say nothing."""

    protocol: Literal["TCP", "UDP", "ALL"]
    externalIpAddress: Address
    internalIpAddress: Address
    externalPortStart: Port | None = None
    externalPortEnd: Port | None = None
    internalPortStart: Port | None = None
    internalPortEnd: Port | None = None
    description: Text = ""


class ChangedDnat(Model):
    """A DNAT rule to be changed; what is not given stays."""

    dnatRuleId: Id
    protocol: Literal["TCP", "UDP", "ALL"] | None = None
    externalIpAddress: Address | None = None
    internalIpAddress: Address | None = None
    externalPortStart: Port | None = None
    externalPortEnd: Port | None = None
    internalPortStart: Port | None = None
    internalPortEnd: Port | None = None
    description: Text | None = None


class AddSnat(OneGateway):
    """SNAT rules to be added, all or none."""

    snatRuleSpecs: Annotated[tuple[NewSnat, ...], Field(min_length=1, max_length=MOST_AT_ONCE)]


class ModifySnat(OneGateway):
    """SNAT rules to be changed, all or none."""

    snatRuleSpecs: Annotated[tuple[ChangedSnat, ...], Field(min_length=1, max_length=MOST_AT_ONCE)]


class RemoveSnat(OneGateway):
    """SNAT rules to be removed, all or none."""

    snatRuleIds: Annotated[Ids, Field(min_length=1, max_length=MOST_AT_ONCE)]


class AddDnat(OneGateway):
    """DNAT rules to be added, all or none."""

    dnatRuleSpecs: Annotated[tuple[NewDnat, ...], Field(min_length=1, max_length=MOST_AT_ONCE)]


class ModifyDnat(OneGateway):
    """DNAT rules to be changed, all or none."""

    dnatRuleSpecs: Annotated[tuple[ChangedDnat, ...], Field(min_length=1, max_length=MOST_AT_ONCE)]


class RemoveDnat(OneGateway):
    """DNAT rules to be removed, all or none."""

    dnatRuleIds: Annotated[Ids, Field(min_length=1, max_length=MOST_AT_ONCE)]


class Rules(Listing):
    """The rules of a NAT gateway, page by page."""

    natGatewayId: Id


@operation("vpc", "describeSnatRules", "GET", f"{ITEM}/snatRules", Rules)
def describe_snat_rules(request: Rules, view: Reader) -> Json:
    """The SNAT rules of a NAT gateway."""
    rules = view.of(SnatRule, ("gateway",), view.own(NatGateway, request.natGatewayId, ID).id)
    return paged(request, view, choose(request, view, rules, {"snatRuleIds": attribute("id")}), "snatRules", show_snat)


@operation("vpc", "addSnatRules", "POST", f"{ITEM}:addSnatRules", AddSnat)
def add_snat_rules(request: AddSnat, txn: Writer) -> Json:
    """Say by which elastic IPs the connections of some sources leave."""
    natgw = own(txn, request)
    quota.admit(txn, "natGatewaySnat", len(request.snatRuleSpecs), parent=natgw.id)
    made = []
    for spec in request.snatRuleSpecs:
        addresses = spec.snatIpAddresses or spec.snatElasticIpAddresses
        rule = SnatRule(
            id=txn.new_id(SnatRule),
            account=natgw.account,
            vpc=natgw.vpc,
            gateway=natgw.id,
            cidr=_source(spec, natgw, txn),
            eips=_named(addresses, natgw, txn, _said(spec)),
            enabled=spec.snatRuleStatus == "ENABLE",
            affinity=spec.ipAffinity == "ENABLE",
            description=spec.description,
            created=txn.now,
            updated=txn.now,
        )
        _check_isp(spec.intelliDstISP)
        _check_alone(rule, natgw, txn)
        txn.create(rule)
        made.append(rule.id)
    return {"snatRuleIds": made}


@operation("vpc", "modifySnatRules", "POST", f"{ITEM}:modifySnatRules", ModifySnat)
def modify_snat_rules(request: ModifySnat, txn: Writer) -> Json:
    """Change SNAT rules of a NAT gateway."""
    natgw = own(txn, request)
    for spec in request.snatRuleSpecs:
        rule = _snat(txn, natgw, spec.snatRuleId, "snatRuleId")
        addresses = spec.snatIpAddresses if spec.snatIpAddresses is not None else spec.snatElasticIpAddresses
        if rule.system and addresses is not None:
            raise IntentError.precondition(_said(spec), f"{rule.id} is the system rule, for all elastic IPs")
        _check_isp(spec.intelliDstISP)
        eips = rule.eips if addresses is None else _named(addresses, natgw, txn, _said(spec))
        enabled = rule.enabled if spec.snatRuleStatus is None else spec.snatRuleStatus == "ENABLE"
        affinity = rule.affinity if spec.ipAffinity is None else spec.ipAffinity == "ENABLE"
        text = rule.description if spec.description is None else spec.description
        changed = replace(rule, eips=eips, enabled=enabled, affinity=affinity, description=text, updated=txn.now)
        txn.change(rule, changed)
    return {}


@operation("vpc", "removeSnatRules", "POST", f"{ITEM}:removeSnatRules", RemoveSnat)
def remove_snat_rules(request: RemoveSnat, txn: Writer) -> Json:
    """Remove SNAT rules of a NAT gateway, but not the system's."""
    natgw = own(txn, request)
    for id in request.snatRuleIds:
        rule = _snat(txn, natgw, id, "snatRuleIds")
        if rule.system:
            raise IntentError.precondition("snatRuleIds", f"{rule.id} is the system rule: disable it")
        txn.remove(rule, "snatRuleIds")
    return {}


@operation("vpc", "describeDnatRules", "GET", f"{ITEM}/dnatRules", Rules)
def describe_dnat_rules(request: Rules, view: Reader) -> Json:
    """The DNAT rules of a NAT gateway."""
    rules = view.of(DnatRule, ("gateway",), view.own(NatGateway, request.natGatewayId, ID).id)
    return paged(request, view, choose(request, view, rules, {"dnatRuleIds": attribute("id")}), "dnatRules", show_dnat)


@operation("vpc", "addDnatRules", "POST", f"{ITEM}:addDnatRules", AddDnat)
def add_dnat_rules(request: AddDnat, txn: Writer) -> Json:
    """Open ports of the gateway's elastic IPs to connections from outside."""
    natgw = own(txn, request)
    quota.admit(txn, "natGatewayDnat", len(request.dnatRuleSpecs), parent=natgw.id)
    made = []
    for spec in request.dnatRuleSpecs:
        rule = DnatRule(
            id=txn.new_id(DnatRule),
            account=natgw.account,
            vpc=natgw.vpc,
            gateway=natgw.id,
            key=txn.txn.allocate(DnatRule, "key"),
            description=spec.description,
            created=txn.now,
            updated=txn.now,
            **_opened(spec, natgw, txn),
        )
        _check_free(rule, txn)
        txn.create(rule)
        made.append(rule.id)
    return {"dnatRuleIds": made}


@operation("vpc", "modifyDnatRules", "POST", f"{ITEM}:modifyDnatRules", ModifyDnat)
def modify_dnat_rules(request: ModifyDnat, txn: Writer) -> Json:
    """Change DNAT rules of a NAT gateway; connections that began by one go on to where they lead."""
    natgw = own(txn, request)
    for spec in request.dnatRuleSpecs:
        rule = _dnat(txn, natgw, spec.dnatRuleId, "dnatRuleId")
        said = {key: value for key, value in spec.model_dump().items() if value is not None}
        whole = NewDnat.model_validate({**_as_order(txn, rule), **_as_sent(said)})
        changed = replace(rule, **_opened(whole, natgw, txn), description=whole.description, updated=txn.now)
        _check_free(changed, txn)
        txn.change(rule, changed)
    return {}


@operation("vpc", "removeDnatRules", "POST", f"{ITEM}:removeDnatRules", RemoveDnat)
def remove_dnat_rules(request: RemoveDnat, txn: Writer) -> Json:
    """Remove DNAT rules of a NAT gateway; connections that began by one end at once."""
    natgw = own(txn, request)
    for id in request.dnatRuleIds:
        txn.remove(_dnat(txn, natgw, id, "dnatRuleIds"), "dnatRuleIds")
    return {}


def _snat(txn: Writer, natgw: NatGateway, id: str, field: str) -> SnatRule:
    rule = txn.own(SnatRule, id, field)
    if rule.gateway != natgw.id:
        raise IntentError.missing(field, f"rule {id!r} of {natgw.id}")
    return rule


def _dnat(txn: Writer, natgw: NatGateway, id: str, field: str) -> DnatRule:
    rule = txn.own(DnatRule, id, field)
    if rule.gateway != natgw.id:
        raise IntentError.missing(field, f"rule {id!r} of {natgw.id}")
    return rule


def _source(spec: NewSnat, natgw: NatGateway, txn: Writer) -> Any:
    """The block of addresses that an order names, by itself or by a subnet."""
    subnet = txn.own(Subnet, spec.subnetId, "subnetId") if spec.subnetId is not None else None
    if subnet is not None and subnet.vpc != natgw.vpc:
        raise IntentError("subnetId", f"{subnet.id} is not in {natgw.vpc}")
    if spec.sourceCidr is None and subnet is None:
        raise IntentError("sourceCidr", "sourceCidr or subnetId is required")
    if subnet is not None and spec.sourceCidr not in (None, subnet.cidr):
        raise IntentError("sourceCidr", f"{subnet.id} has {subnet.cidr}")
    return spec.sourceCidr if subnet is None else subnet.cidr


def _named(addresses: Any, natgw: NatGateway, txn: Writer, field: str) -> tuple[str, ...]:
    """The ids of elastic IPs of the gateway, by their addresses."""
    found = []
    for address in addresses:
        eip = next(iter(txn.of(ElasticIp, ("address",), address)), None)
        if eip is None or eip.port != natgw.port:
            raise IntentError(field, f"{address} is no elastic IP of {natgw.id}")
        found.append(eip.id)
    return tuple(sorted(found))


def _said(spec: NewSnat | ChangedSnat) -> str:
    """The parameter by which an order names elastic IPs: the one of today, or of before."""
    return "snatIpAddresses" if spec.snatIpAddresses or not spec.snatElasticIpAddresses else "snatElasticIpAddresses"


def _check_isp(wanted: Switch | None) -> None:
    if wanted == "ENABLE":
        raise IntentError("intelliDstISP", "a choice by the receiver's line is not served", 501, "NOT_IMPLEMENTED")


def _check_alone(rule: SnatRule, natgw: NatGateway, txn: Writer) -> None:
    for other in txn.of(SnatRule, ("gateway",), natgw.id):
        if other.cidr == rule.cidr:
            raise IntentError("sourceCidr", f"{other.id} is for {rule.cidr} already", 409, "ALREADY_EXISTS")


def _opened(spec: NewDnat, natgw: NatGateway, txn: Writer) -> Json:
    """The fields of a DNAT rule that an order decides; IntentError for what does not fit."""
    (eip,) = _named((spec.externalIpAddress,), natgw, txn, "externalIpAddress")
    owners = txn.of(NetworkInterface, ("vpc", "addresses"), (natgw.vpc, spec.internalIpAddress))
    if not owners:
        raise IntentError("internalIpAddress", f"{spec.internalIpAddress} is no interface's of {natgw.vpc}")
    for port in owners:
        if port.managed:
            raise IntentError("internalIpAddress", f"{spec.internalIpAddress} is of {port.owner}, no machine's")
    fields = {"eip": eip, "address": spec.internalIpAddress, "protocol": spec.protocol.lower()}
    if spec.protocol == "ALL":
        return {**fields, "first": 0, "last": 0, "inside": 0}
    first, inside = spec.externalPortStart, spec.internalPortStart
    if first is None or inside is None:
        raise IntentError("externalPortStart", "externalPortStart and internalPortStart are required")
    last = spec.externalPortEnd or first
    inside_last = spec.internalPortEnd or inside
    for start, end, name in ((first, last, "external"), (inside, inside_last, "internal")):
        if end < start:
            raise IntentError(f"{name}PortEnd", f"must not be less than {name}PortStart")
    if inside_last - inside != last - first:
        text = "the ranges of externalPortStart to externalPortEnd and of the internal ports must be equally long"
        raise IntentError("internalPortEnd" if spec.externalPortEnd is None else "externalPortEnd", text)
    if first != inside and last - first >= SHIFTED_MOST:
        text = f"at most {SHIFTED_MOST} ports of one rule may stand for others; as many as you like for the same ones"
        raise IntentError("externalPortEnd", text, 400, "OUT_OF_RANGE")
    return {**fields, "first": first, "last": last, "inside": inside}


def _check_free(rule: DnatRule, txn: Writer) -> None:
    """Raise IntentError 409 when another rule opens the same ports."""
    for other in txn.of(DnatRule, ("eip",), rule.eip):
        if other.id == rule.id:
            continue
        apart = other.protocol != rule.protocol or other.last < rule.first or other.first > rule.last
        if "all" in (other.protocol, rule.protocol) or not apart:
            raise IntentError("externalIpAddress", f"{other.id} is for the same ports", 409, "CONFLICT")


def _as_order(view: Reader, rule: DnatRule) -> Json:
    """A rule as one would order it."""
    shown = show_dnat(view, rule)
    return {key: value for key, value in shown.items() if key in NewDnat.model_fields and value}


def _as_sent(said: Json) -> Json:
    return {key: str(value) if key.endswith("Address") else value for key, value in said.items()}


def show_snat(view: Reader, rule: SnatRule) -> Json:
    """An SNAT rule as the API shows it."""
    addresses = [str(eip.address) for eip in view.region.many(ElasticIp, rule.eips)]
    subnets = view.of(Subnet, ("vpc",), rule.vpc)
    return {
        "snatRuleId": rule.id,
        "description": rule.description,
        "sourceCidr": str(rule.cidr),
        "subnetId": next((subnet.id for subnet in subnets if subnet.cidr == rule.cidr), ""),
        "snatElasticIpAddresses": addresses,
        "snatIpAddresses": addresses,
        "snatRuleStatus": "ENABLE" if rule.enabled else "DISABLE",
        "snatRuleType": "SYSTEM" if rule.system else "USER",
        "ipAffinity": "ENABLE" if rule.affinity else "DISABLE",
        "intelliDstISP": "DISABLE",
        "createdTime": iso(rule.created),
        "updatedTime": iso(rule.updated),
    }


def show_dnat(view: Reader, rule: DnatRule) -> Json:
    """A DNAT rule as the API shows it."""
    eip = view.get(ElasticIp, rule.eip)
    return {
        "dnatRuleId": rule.id,
        "protocol": rule.protocol.upper(),
        "description": rule.description,
        "externalIpAddress": str(eip.address) if eip is not None else "",
        "externalPortStart": rule.first,
        "externalPortEnd": rule.last,
        "internalIpAddress": str(rule.address),
        "internalPortStart": rule.inside,
        "internalPortEnd": rule.inside + rule.last - rule.first,
        "createdTime": iso(rule.created),
        "updatedTime": iso(rule.updated),
    }
