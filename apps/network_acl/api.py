"""Tenants make network ACLs, give them rules, and say which subnets have them.

An ACL without rules lets nothing in or out of its subnets, which talk among themselves all the same.
"""

from dataclasses import replace
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from apps.network_acl.facts import precedence
from apps.network_acl.model import EVERYBODY, AclRule, AclSubnet, NetworkAcl
from apps.network_acl.writes import WITH_PORTS, associate, check_together, delete_acl, delete_rules, ports, write_rule
from apps.prefix_list.facts import counted
from apps.prefix_list.model import PrefixList
from apps.vpc.model import Subnet, Vpc
from sdnctl.api import quota
from sdnctl.api.access import Reader, Writer
from sdnctl.api.extend import narrows, shows
from sdnctl.api.listing import Key, Listing, answer, attribute, choose, paged, reference
from sdnctl.api.operations import operation
from sdnctl.api.schema import (
    MAX_ID,
    SAID,
    Id,
    Ids,
    Json,
    Model,
    Name,
    Request,
    Tags,
    Text,
    Token,
    Whole,
    in_any_case,
    iso,
    show_tags,
    tag_dict,
)
from sdnctl.base.addresses import MAX_PORT, Cidr
from sdnctl.base.errors import IntentError

PATH, ITEM = "/regions/{regionId}/networkAcls/", "/regions/{regionId}/networkAcls/{networkAclId}"
MOST_AT_ONCE = 100
quota.declare("acl", 20, lambda view, vpc: view.count(NetworkAcl, ("vpc",), vpc), within="the VPC", parent=Vpc)
quota.declare(
    "aclRule", 100, lambda view, acl: counted(_rules(view, acl), view), within="the network ACL", parent=NetworkAcl
)

PREFIX_LIST, BLOCK = "prefixlist", "cidr"
PROTOCOLS = {"all": "All", "tcp": "TCP", "udp": "UDP", "icmp": "ICMP"}
DIRECTIONS = {"ingress": "in", "egress": "out"}


_SMALL = AfterValidator(str.lower)
Protocol = Annotated[str, in_any_case("all", "tcp", "udp", "icmp"), _SMALL]
Direction = Annotated[str, in_any_case(*DIRECTIONS), _SMALL]
Action = Annotated[str, in_any_case("allow", "deny"), _SMALL]
Kind = Annotated[str, in_any_case(BLOCK, PREFIX_LIST), _SMALL]
Remote = Annotated[str, Field(min_length=1, max_length=MAX_ID)]
Port = Annotated[Whole, Field(ge=0, le=MAX_PORT)]
Priority = Annotated[Whole, Field(ge=1, le=32768)]


class NewRule(Model):
    """A rule to be added; `addressPrefix` is the other side's, the ports are the destination's."""

    protocol: Protocol
    direction: Direction
    addressPrefix: Remote
    ruleAction: Action
    priority: Priority
    addressPrefixType: Kind = BLOCK
    fromPort: Port | None = None
    toPort: Port | None = None
    description: Text = ""


class ChangedRule(Model):
    """A rule to be changed; what is not given stays, and the direction stays always."""

    ruleId: Id
    protocol: Protocol | None = None
    addressPrefix: Annotated[Remote | None, SAID] = None
    ruleAction: Action | None = None
    priority: Priority | None = None
    addressPrefixType: Kind | None = None
    fromPort: Port | None = None
    toPort: Port | None = None
    description: Text | None = None


class OneAcl(Request):
    """A network ACL."""

    networkAclId: Id


class CreateAcl(Request):
    """A network ACL to be made; it starts without rules."""

    vpcId: Id
    networkAclName: Name
    description: Text = ""
    userTags: Tags = ()
    clientToken: Token | None = None


class ModifyAcl(OneAcl):
    """The fields of a network ACL that may change."""

    networkAclName: Name | None = None
    description: Text | None = None


class AddRules(OneAcl):
    """Rules to be added, all or none."""

    networkAclRuleSpecs: Annotated[tuple[NewRule, ...], Field(min_length=1, max_length=MOST_AT_ONCE)]
    clientToken: Token | None = None


class ModifyRules(OneAcl):
    """Rules to be changed, all or none."""

    modifyNetworkAclRuleSpecs: Annotated[tuple[ChangedRule, ...], Field(min_length=1, max_length=MOST_AT_ONCE)]


class RemoveRules(OneAcl):
    """Rules to be removed, all or none."""

    ruleIds: Annotated[Ids, Field(min_length=1, max_length=MOST_AT_ONCE)]


class Rules(Listing):
    """The rules of a network ACL, page by page."""

    networkAclId: Id


class Associate(OneAcl):
    """Subnets that are to have a network ACL."""

    subnetIds: Annotated[Ids, Field(min_length=1, max_length=MOST_AT_ONCE)]


class Disassociate(OneAcl):
    """A subnet that is to have no network ACL any more."""

    subnetId: Id


KEYS = {"networkAclIds": reference("id"), "networkAclNames": attribute("name"), "vpcId": reference("vpc")}
RULE_KEYS = {
    "ruleIds": attribute("id"),
    "directions": Key(lambda view, rule: (_shown(DIRECTIONS, rule.direction),)),
    "ruleActions": attribute("action"),
    "ruleTypes": attribute("origin"),
}


@operation("vpc", "describeNetworkAcls", "GET", PATH, Listing)
def describe_network_acls(request: Listing, view: Reader) -> Json:
    """The caller's network ACLs."""
    return answer(request, view, NetworkAcl, KEYS, "networkAcls", show)


@operation("vpc", "createNetworkAcl", "POST", PATH, CreateAcl)
def create_network_acl(request: CreateAcl, txn: Writer) -> Json:
    """Make a network ACL in a VPC; without rules it lets nothing pass."""
    vpc = txn.own(Vpc, request.vpcId, "vpcId")
    quota.admit(txn, "acl", 1, parent=vpc.id)
    acl = NetworkAcl(
        id=txn.new_id(NetworkAcl),
        account=vpc.account,
        vpc=vpc.id,
        key=txn.allocate(NetworkAcl, "key"),
        name=request.networkAclName,
        description=request.description,
        tags=tag_dict(request.userTags),
        created=txn.now,
    )
    return {"networkAclId": txn.create(acl).id}


@operation("vpc", "describeNetworkAcl", "GET", ITEM, OneAcl)
def describe_network_acl(request: OneAcl, view: Reader) -> Json:
    """One network ACL with its rules and subnets."""
    return {"networkAcl": show(view, view.own(NetworkAcl, request.networkAclId, "networkAclId"))}


@operation("vpc", "modifyNetworkAcl", "PATCH", ITEM, ModifyAcl)
def modify_network_acl(request: ModifyAcl, txn: Writer) -> Json:
    """Rename a network ACL or describe it."""
    acl = txn.own(NetworkAcl, request.networkAclId, "networkAclId")
    name = acl.name if request.networkAclName is None else request.networkAclName
    text = acl.description if request.description is None else request.description
    txn.change(acl, replace(acl, name=name, description=text))
    return {}


@operation("vpc", "deleteNetworkAcl", "DELETE", ITEM, OneAcl)
def delete_network_acl(request: OneAcl, txn: Writer) -> Json:
    """Delete a network ACL that no subnet has, and its rules with it."""
    delete_acl(txn.txn, txn.own(NetworkAcl, request.networkAclId, "networkAclId"), "networkAclId")
    return {}


@operation("vpc", "describeNetworkAclRules", "GET", f"{ITEM}/networkAclRules", Rules)
def describe_network_acl_rules(request: Rules, view: Reader) -> Json:
    """The rules of a network ACL, those inwards first, each in the order in which they are tried."""
    acl = view.own(NetworkAcl, request.networkAclId, "networkAclId")
    rules = choose(request, view, _rules(view, acl.id), RULE_KEYS)
    return paged(request, view, rules, "networkAclRules", lambda _, rule: show_rule(rule))


@operation("vpc", "addNetworkAclRules", "POST", f"{ITEM}:addNetworkAclRules", AddRules)
def add_network_acl_rules(request: AddRules, txn: Writer) -> Json:
    """Add rules to a network ACL; they are in force together."""
    acl = txn.own(NetworkAcl, request.networkAclId, "networkAclId")
    made = [_new(txn, acl, spec, f"networkAclRuleSpecs.{n}.") for n, spec in enumerate(request.networkAclRuleSpecs)]
    quota.admit(txn, "aclRule", counted(made, txn), parent=acl.id)
    for rule in made:
        write_rule(txn.txn, rule)
    check_together(_rules(txn, acl.id))
    return {"networkAclRules": [show_rule(rule) for rule in made]}


@operation("vpc", "modifyNetworkAclRules", "POST", f"{ITEM}:modifyNetworkAclRules", ModifyRules)
def modify_network_acl_rules(request: ModifyRules, txn: Writer) -> Json:
    """Change rules of a network ACL; they are in force together."""
    acl = txn.own(NetworkAcl, request.networkAclId, "networkAclId")
    for place, spec in enumerate(request.modifyNetworkAclRuleSpecs):
        rule = _custom(txn, acl, spec.ruleId, "ruleId")
        write_rule(txn.txn, _changed(txn, rule, spec, f"modifyNetworkAclRuleSpecs.{place}."), before=rule)
    quota.keep(txn, "aclRule", acl.id)
    check_together(_rules(txn, acl.id))
    return {}


@operation("vpc", "removeNetworkAclRules", "POST", f"{ITEM}:removeNetworkAclRules", RemoveRules)
def remove_network_acl_rules(request: RemoveRules, txn: Writer) -> Json:
    """Remove rules from a network ACL."""
    acl = txn.own(NetworkAcl, request.networkAclId, "networkAclId")
    delete_rules(txn.txn, [_custom(txn, acl, id, "ruleIds") for id in request.ruleIds])
    return {}


@operation("vpc", "associateNetworkAcl", "POST", f"{ITEM}:associateNetworkAcl", Associate)
def associate_network_acl(request: Associate, txn: Writer) -> Json:
    """Let subnets of the ACL's VPC have it, instead of the one that they had."""
    acl = txn.own(NetworkAcl, request.networkAclId, "networkAclId")
    for id in request.subnetIds:
        subnet = txn.own(Subnet, id, "subnetIds")
        if subnet.vpc != acl.vpc:
            raise IntentError.precondition("subnetIds", f"{subnet.id} is not in the ACL's VPC {acl.vpc}")
        associate(txn.txn, acl, subnet)
    return {}


@operation("vpc", "disassociateNetworkAcl", "POST", f"{ITEM}:disassociateNetworkAcl", Disassociate)
def disassociate_network_acl(request: Disassociate, txn: Writer) -> Json:
    """Let a subnet have no network ACL: nothing at its border is filtered."""
    acl = txn.own(NetworkAcl, request.networkAclId, "networkAclId")
    subnet = txn.own(Subnet, request.subnetId, "subnetId")
    if acl_of(txn, subnet) != acl.id:
        raise IntentError.precondition("subnetId", f"{subnet.id} does not have {acl.id}")
    txn.delete(AclSubnet, subnet.id)
    return {}


def _custom(txn: Writer, acl: NetworkAcl, id: str, field: str) -> AclRule:
    rule = txn.own(AclRule, id, field)
    if rule.acl != acl.id:
        raise IntentError.missing(field, f"rule {id!r} of {acl.id}")
    return rule


def _rules(view: Reader, acl: str) -> list[AclRule]:
    return sorted(view.of(AclRule, ("acl",), acl), key=precedence)


def _new(txn: Writer, acl: NetworkAcl, spec: NewRule, at: str) -> AclRule:
    """A rule as ordered, not written yet; ``at`` is the place of the order, for what is wrong with it."""
    cidr, prefix_list = _remote(txn, spec.addressPrefix, spec.addressPrefixType, at)
    first, last = ports(spec.protocol, spec.fromPort, spec.toPort, at)
    fields: dict[str, Any] = {"protocol": spec.protocol, "action": spec.ruleAction}
    return AclRule(
        id=txn.new_id(AclRule),
        account=acl.account,
        vpc=acl.vpc,
        acl=acl.id,
        direction="in" if spec.direction == "ingress" else "out",
        first=first,
        last=last,
        cidr=cidr,
        prefix_list=prefix_list,
        priority=spec.priority,
        description=spec.description,
        created=txn.now,
        **fields,
    )


def _changed(txn: Writer, rule: AclRule, spec: ChangedRule, at: str) -> AclRule:
    """A rule as it is to be; without ports in the order, those of another protocol are all that it has."""
    protocol: Any = spec.protocol or rule.protocol
    kept = (rule.first, rule.last) if rule.protocol in WITH_PORTS and protocol in WITH_PORTS else (None, None)
    asked = spec.fromPort, spec.toPort
    first, last = (old if new is None else new for old, new in zip(kept, asked, strict=True))
    first, last = ports(protocol, first, last, at)
    changed = replace(rule, protocol=protocol, first=first, last=last)
    kind = spec.addressPrefixType or (PREFIX_LIST if rule.prefix_list else BLOCK)
    if spec.addressPrefix is not None:
        cidr, prefix_list = _remote(txn, spec.addressPrefix, kind, at)
        changed = replace(changed, cidr=cidr, prefix_list=prefix_list)
    elif (kind == PREFIX_LIST) != bool(rule.prefix_list):
        raise IntentError(f"{at}addressPrefix", "is required where addressPrefixType changes")
    action: Any = spec.ruleAction or rule.action
    priority = rule.priority if spec.priority is None else spec.priority
    text = rule.description if spec.description is None else spec.description
    return replace(changed, action=action, priority=priority, description=text)


def _remote(txn: Writer, text: str, kind: str, at: str) -> tuple[Cidr, str]:
    """The other side of a rule: a block, where a single address is one of its own, or the id of a prefix list."""
    field = f"{at}addressPrefix"
    if kind == PREFIX_LIST:
        found = txn.own(PrefixList, text, field)
        if found.ip_version != "IPv4":
            raise IntentError(field, f"{found.id} is a list of {found.ip_version} blocks, which no rule may name")
        return EVERYBODY, found.id
    try:
        return Cidr.parse(text if "/" in text else f"{text}/32"), ""
    except ValueError as error:
        raise IntentError(field, str(error)) from None


def _shown(words: dict[str, str], kept: str) -> str:
    """The word of the API for what a record keeps."""
    return next(word for word, known in words.items() if known == kept)


def show_rule(rule: AclRule) -> Json:
    """A rule as the API shows it."""
    return {
        "ruleId": rule.id,
        "protocol": PROTOCOLS[rule.protocol],
        "fromPort": rule.first,
        "toPort": rule.last,
        "direction": _shown(DIRECTIONS, rule.direction),
        "addressPrefixType": "PREFIXLIST" if rule.prefix_list else "CIDR",
        "addressPrefix": rule.prefix_list or str(rule.cidr),
        "ruleAction": rule.action,
        "priority": rule.priority,
        "description": rule.description,
        "createdTime": iso(rule.created),
        "ruleType": rule.origin,
    }


def show(view: Reader, acl: NetworkAcl) -> Json:
    """A network ACL as the API shows it."""
    return {
        "networkAclId": acl.id,
        "networkAclName": acl.name,
        "vpcId": acl.vpc,
        "networkAclRules": [show_rule(rule) for rule in _rules(view, acl.id)],
        "subnetIds": sorted(view.region.by(AclSubnet, ("acl",), acl.id)),
        "description": acl.description,
        "createdTime": iso(acl.created),
        "tags": show_tags(acl.tags),
    }


def acl_of(view: Reader, subnet: Subnet) -> str:
    """The id of a subnet's network ACL, empty where it has none."""
    found = view.region.get(AclSubnet, subnet.id)
    return found.acl if found is not None else ""


@shows(Vpc)
def acls(view: Reader, vpc: Vpc) -> Json:
    """The network ACLs of a VPC."""
    return {"aclIds": sorted(view.region.by(NetworkAcl, ("vpc",), vpc.id))}


@shows(Subnet)
def has_acl(view: Reader, subnet: Subnet) -> Json:
    """The network ACL of a subnet."""
    return {"aclId": acl_of(view, subnet)}


@narrows(Subnet, "aclId")
def with_acl(view: Reader, subnet: Subnet) -> tuple[str]:
    """The network ACL of a subnet, to look for."""
    return (acl_of(view, subnet),)
