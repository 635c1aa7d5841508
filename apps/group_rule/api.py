"""Tenants add rules to security groups, change, list and remove them.

The remote side of a rule is a block, a prefix list, or, which the public API has no word for, a group of the same VPC:
`addressPrefixType` SECURITYGROUP. A rule reads as it was written.
"""

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from apps.prefix_list.model import PrefixList
from apps.security_group.api import GROUP, ID, ITEM, LIST, PROTOCOLS, OneGroup, kind_of, rules_of, show_rule
from apps.security_group.model import GroupRule, Protocol, SecurityGroup
from apps.security_group.writes import change_rule, check_together, remove_rule
from sdnctl.api import quota, schema
from sdnctl.api.access import Reader, Writer
from sdnctl.api.listing import Filter, Key, Listing, attribute, choose, paged
from sdnctl.api.operations import operation
from sdnctl.api.schema import MAX_ID, Id, Ids, Json, Model, Text, Token, Whole, without_empty
from sdnctl.base.addresses import Cidr, Ip4
from sdnctl.base.errors import IntentError

MOST_AT_ONCE = 1000
EVERY_PORT, NO_PORT = (1, 65535), (0, 0)
NAMES: dict[int, Protocol] = {300: "all", 6: "tcp", 17: "udp", 1: "icmp"}
PORTED = ("tcp", "udp")
QUOTA = "securityGroupRule"
WRITTEN_PORTS, WRITTEN_PREFIX = "ports", "addressPrefix"


def _known(number: int) -> int:
    if number not in NAMES:
        raise ValueError("must be 300 (all), 6 (TCP), 17 (UDP) or 1 (ICMP)")
    return number


Number = Annotated[Whole, AfterValidator(_known)]
Priority = Annotated[Whole, Field(ge=1, le=100)]
Port = Annotated[Whole, Field(ge=0, le=65535)]
Side = Annotated[Whole, Field(ge=0, le=1)]
Remote = Annotated[str, Field(min_length=1, max_length=MAX_ID)]
Kind = Literal["CIDR", "PREFIXLIST", "SECURITYGROUP"]
Verdict = Literal["ALLOW", "DENY"]


class NewRule(Model):
    """A rule to be added; ports are those that TCP and UDP go to, 0 and 0 for other protocols."""

    protocol: Number
    direction: Side
    addressPrefix: Remote
    addressPrefixType: Kind = "CIDR"
    ruleAction: Verdict = "ALLOW"
    priority: Priority = 100
    fromPort: Port | None = None
    toPort: Port | None = None
    description: Text = ""


class ChangedRule(Model):
    """A rule to be changed; what is not given stays, and its direction always does."""

    ruleId: Id
    protocol: Number | None = None
    direction: Side | None = None
    addressPrefix: Annotated[Remote | None, schema.SAID] = None
    addressPrefixType: Kind | None = None
    ruleAction: Verdict | None = None
    priority: Priority | None = None
    fromPort: Port | None = None
    toPort: Port | None = None
    description: Text | None = None


class Rules(Listing):
    """The rules of a group, page by page."""

    networkSecurityGroupId: Id


class AddRules(OneGroup):
    """Rules to be added, all or none."""

    networkSecurityGroupRuleSpecs: Annotated[tuple[NewRule, ...], Field(max_length=MOST_AT_ONCE)]
    clientToken: Token | None = None


class ModifyRules(OneGroup):
    """Rules to be changed, all or none."""

    modifySecurityGroupRuleSpecs: Annotated[tuple[ChangedRule, ...], Field(max_length=MOST_AT_ONCE)]
    clientToken: Token | None = None


class RemoveRules(OneGroup):
    """Rules to be removed, all or none."""

    ruleIds: Annotated[Ids, Field(max_length=MOST_AT_ONCE), BeforeValidator(without_empty)]
    clientToken: Token | None = None


KEYS = {
    "ruleIds": attribute("id"),
    "directions": Key(lambda view, rule: (str(int(rule.direction == "out")),)),
    "ruleActions": Key(lambda view, rule: (rule.action.upper(),)),
    "ruleTypes": attribute("origin"),
    "prioritys": attribute("priority"),
    "protocols": Key(lambda view, rule: (str(PROTOCOLS[rule.protocol]),)),
    "addressPrefix": Key(lambda view, rule: (show_rule(rule)["addressPrefix"],), fuzzy=True),
    "description": attribute("description", fuzzy=True),
}
PORT_KEYS = ("fromPort", "toPort")


@operation("vpc", "describeNetworkSecurityGroupRules", "GET", f"{ITEM}/networkSecurityGroupRules", Rules)
def describe_network_security_group_rules(request: Rules, view: Reader) -> Json:
    """The rules of a security group, those of what comes in first, each in the order in which they decide."""
    group = view.own(SecurityGroup, request.networkSecurityGroupId, ID)
    ports = [wanted for wanted in request.filters if wanted.name in PORT_KEYS]
    others = request.model_copy(update={"filters": tuple(one for one in request.filters if one not in ports)})
    found = choose(others, view, rules_of(view, group.id), KEYS | dict.fromkeys(PORT_KEYS, KEYS["ruleIds"]))
    chosen = [rule for rule in found if all(_covers(rule, wanted) for wanted in ports)]
    return paged(request, view, chosen, "securityGroupRules", lambda _, rule: show_rule(rule))


@operation("vpc", "addNetworkSecurityGroupRules", "POST", f"{ITEM}:addNetworkSecurityGroupRules", AddRules)
def add_network_security_group_rules(request: AddRules, txn: Writer) -> Json:
    """Add rules to a security group; the answer has them with their ids."""
    group = txn.own(SecurityGroup, request.networkSecurityGroupId, ID)
    made = []
    for place, spec in enumerate(request.networkSecurityGroupRuleSpecs):
        blank = GroupRule(
            id=txn.new_id(GroupRule),
            account=group.account,
            vpc=group.vpc,
            group=group.id,
            direction="out" if spec.direction else "in",
            created=txn.now,
        )
        rule = _as_asked(txn, blank, spec, f"networkSecurityGroupRuleSpecs.{place}.")
        change_rule(txn.txn, None, rule)
        made.append(rule)
    _check(txn, group, bool(made))
    return {"securityGroupRules": [show_rule(rule) for rule in made]}


@operation("vpc", "modifyNetworkSecurityGroupRules", "POST", f"{ITEM}:modifyNetworkSecurityGroupRules", ModifyRules)
def modify_network_security_group_rules(request: ModifyRules, txn: Writer) -> Json:
    """Change rules of a security group, the default ones too."""
    group = txn.own(SecurityGroup, request.networkSecurityGroupId, ID)
    for place, spec in enumerate(request.modifySecurityGroupRuleSpecs):
        where = f"modifySecurityGroupRuleSpecs.{place}."
        rule = _rule_of(txn, group, spec.ruleId, f"{where}ruleId")
        if spec.direction is not None and spec.direction != int(rule.direction == "out"):
            raise IntentError(f"{where}direction", "of a rule cannot be changed: remove it and add another one")
        change_rule(txn.txn, rule, _as_asked(txn, rule, spec, where))
    _check(txn, group, bool(request.modifySecurityGroupRuleSpecs))
    return {}


@operation("vpc", "removeNetworkSecurityGroupRules", "POST", f"{ITEM}:removeNetworkSecurityGroupRules", RemoveRules)
def remove_network_security_group_rules(request: RemoveRules, txn: Writer) -> Json:
    """Remove rules from a security group; the default ones stay."""
    group = txn.own(SecurityGroup, request.networkSecurityGroupId, ID)
    for id in request.ruleIds:
        rule = _rule_of(txn, group, id, "ruleIds")
        if rule.origin != "custom":
            text = f"{id} is a default rule of {group.id}: it can be changed, and not be removed"
            raise IntentError.precondition("ruleIds", text)
        remove_rule(txn.txn, rule)
    return {}


def _rule_of(view: Reader, group: SecurityGroup, id: str, field: str) -> GroupRule:
    rule = view.own(GroupRule, id, field)
    if rule.group != group.id:
        raise IntentError.missing(field, f"rule {id!r} of {group.id}")
    return rule


def _check(txn: Writer, group: SecurityGroup, changed: bool) -> None:
    """Refuse rules that are equal, and more of them than a group may have."""
    if changed:
        check_together(rules_of(txn, group.id))
        quota.keep(txn, QUOTA, group.id)


def _covers(rule: GroupRule, wanted: Filter) -> bool:
    """True when a rule is about one of the ports that a filter names."""
    if not all(value.isdecimal() for value in wanted.values):
        raise IntentError("filters", f"{wanted.name} must be numbers of ports")
    first, last = EVERY_PORT if rule.protocol == "all" else (rule.first, rule.last)
    return any(first <= int(value) <= last for value in wanted.values)


def _as_asked(txn: Writer, rule: GroupRule, spec: NewRule | ChangedRule, where: str) -> GroupRule:
    """A rule with what is asked for; IntentError naming the field, which begins with ``where``."""
    made = replace(
        rule,
        protocol=rule.protocol if spec.protocol is None else NAMES[spec.protocol],
        action=rule.action if spec.ruleAction is None else _action(spec.ruleAction),
        priority=rule.priority if spec.priority is None else spec.priority,
        description=rule.description if spec.description is None else spec.description,
    )
    made = _with_ports(made, spec.fromPort, spec.toPort, where)
    kind = kind_of(rule) if spec.addressPrefixType is None else spec.addressPrefixType
    if spec.addressPrefix is not None:
        return _with_remote(txn, made, kind, spec.addressPrefix, f"{where}addressPrefix")
    if kind != kind_of(rule):
        raise IntentError(f"{where}addressPrefix", "is required where addressPrefixType becomes another one")
    return made


def _action(verdict: Verdict) -> Literal["allow", "deny"]:
    return "allow" if verdict == "ALLOW" else "deny"


def _with_ports(rule: GroupRule, first: int | None, last: int | None, where: str) -> GroupRule:
    """A rule with the ports given, or those that it has, or all; 0 and 0 are written for all ports, too."""
    if rule.protocol not in PORTED:
        if not any(first in (None, low) and last in (None, high) for low, high in (NO_PORT, EVERY_PORT)):
            text = "a rule has ports for TCP and UDP only: leave them out, or give 0 and 0"
            raise IntentError(f"{where}fromPort", text)
        return replace(rule, first=0, last=0, written=_written(rule, WRITTEN_PORTS))
    had = (rule.first, rule.last) if rule.last else EVERY_PORT
    if (first, last) == (None, None):
        return replace(rule, first=had[0], last=had[1])
    low, high = had[0] if first is None else first, had[1] if last is None else last
    if (low, high) == NO_PORT:
        return replace(rule, first=1, last=65535, written={**rule.written, WRITTEN_PORTS: "0"})
    if not low:
        raise IntentError(f"{where}fromPort", "must be 1 to 65535, or 0 together with toPort", 400, "OUT_OF_RANGE")
    if low > high:
        raise IntentError(f"{where}fromPort", f"{low} is beyond toPort {high}", 400, "OUT_OF_RANGE")
    return replace(rule, first=low, last=high, written=_written(rule, WRITTEN_PORTS))


def _written(rule: GroupRule, less: str) -> dict[str, str]:
    return {name: value for name, value in rule.written.items() if name != less}


def _with_remote(txn: Writer, rule: GroupRule, kind: str, text: str, field: str) -> GroupRule:
    """A rule with another remote side: what ``text`` means as a block, or as the id of a list or group."""
    blank = replace(rule, cidr=Cidr(Ip4(0), 0), prefix_list="", peer="", written=_written(rule, WRITTEN_PREFIX))
    if kind == GROUP:
        peer = txn.own(SecurityGroup, text, field)
        if peer.vpc != rule.vpc:
            raise IntentError(field, f"{peer.id} is a group of {peer.vpc}, and the rule is for {rule.vpc}")
        return replace(blank, peer=peer.id)
    if kind == LIST:
        found = txn.own(PrefixList, text, field)
        if found.ip_version != "IPv4":
            raise IntentError(field, f"{found.id} is a list of {found.ip_version} blocks, and rules are for IPv4")
        return replace(blank, prefix_list=found.id)
    return _with_block(blank, text, field)


def _with_block(rule: GroupRule, text: str, field: str) -> GroupRule:
    if ":" in text:
        raise IntentError(field, "IPv6 is not served: give an IPv4 block such as 10.0.0.0/16")
    if text.startswith(("sg-", "pl-")):
        raise IntentError(field, f"for {text} give the addressPrefixType {GROUP if text[0] == 's' else LIST}")
    try:
        block = Cidr.parse(text if "/" in text else f"{text}/32")
    except ValueError as error:
        raise IntentError(field, str(error)) from None
    alike = str(block) == text
    return replace(rule, cidr=block, written=rule.written if alike else {**rule.written, WRITTEN_PREFIX: text})
