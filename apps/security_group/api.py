"""Tenants make security groups, change, list and delete them, and see which ones their network interfaces are in."""

from dataclasses import replace
from typing import Literal

from apps.eni.model import NetworkInterface
from apps.prefix_list.facts import counted
from apps.security_group.facts import default_group
from apps.security_group.model import EVERYWHERE, GroupDefaults, GroupRule, SecurityGroup
from apps.security_group.writes import new_group, obstacle, remove_group
from apps.vpc.model import Vpc
from sdnctl.api import quota
from sdnctl.api.access import Reader, Writer
from sdnctl.api.extend import narrows, shows
from sdnctl.api.listing import Listing, answer, attribute, reference
from sdnctl.api.operations import operation, operator
from sdnctl.api.schema import Id, Json, Name, Request, Tags, Text, Token, iso, show_tags, tag_dict
from sdnctl.base.errors import IntentError

PATH = "/regions/{regionId}/networkSecurityGroups/"
ITEM = "/regions/{regionId}/networkSecurityGroups/{networkSecurityGroupId}"
ID = "networkSecurityGroupId"
PROTOCOLS = {"all": 300, "tcp": 6, "udp": 17, "icmp": 1}
CIDR, LIST, GROUP = "CIDR", "PREFIXLIST", "SECURITYGROUP"

quota.declare(
    "security_group", 50, lambda view, vpc: view.count(SecurityGroup, ("vpc",), vpc), within="the VPC", parent=Vpc
)
quota.declare(
    "securityGroupRule",
    100,
    lambda view, group: counted(view.of(GroupRule, ("group",), group), view.region),
    within="the security group",
    parent=SecurityGroup,
)


class CreateGroup(Request):
    """A security group to be made; without rules it lets nothing in and everything out."""

    vpcId: Id
    networkSecurityGroupName: Name
    description: Text = ""
    userTags: Tags = ()
    clientToken: Token | None = None


class OneGroup(Request):
    """A security group."""

    networkSecurityGroupId: Id


class ModifyGroup(OneGroup):
    """The fields of a security group that may change."""

    networkSecurityGroupName: Name | None = None
    description: Text | None = None


KEYS = {
    "networkSecurityGroupIds": reference("id"),
    "networkSecurityGroupNames": attribute("name"),
    "vpcId": reference("vpc"),
}


@operation("vpc", "describeNetworkSecurityGroups", "GET", PATH, Listing)
def describe_network_security_groups(request: Listing, view: Reader) -> Json:
    """The caller's security groups."""
    return answer(request, view, SecurityGroup, KEYS, "networkSecurityGroups", show)


@operation("vpc", "createNetworkSecurityGroup", "POST", PATH, CreateGroup)
def create_network_security_group(request: CreateGroup, txn: Writer) -> Json:
    """Make a security group in a VPC; it has no rules yet."""
    vpc = txn.own(Vpc, request.vpcId, "vpcId")
    quota.admit(txn, "security_group", 1, parent=vpc.id)
    tags = tag_dict(request.userTags)
    group = new_group(txn.txn, vpc, request.networkSecurityGroupName, request.description, tags)
    return {ID: group.id}


@operation("vpc", "describeNetworkSecurityGroup", "GET", ITEM, OneGroup)
def describe_network_security_group(request: OneGroup, view: Reader) -> Json:
    """One security group with its rules and the network interfaces that are in it."""
    return {"networkSecurityGroup": show(view, view.own(SecurityGroup, request.networkSecurityGroupId, ID))}


@operation("vpc", "modifyNetworkSecurityGroup", "PATCH", ITEM, ModifyGroup)
def modify_network_security_group(request: ModifyGroup, txn: Writer) -> Json:
    """Rename a security group or describe it."""
    group = txn.own(SecurityGroup, request.networkSecurityGroupId, ID)
    name, text = request.networkSecurityGroupName, request.description
    named = replace(group, name=group.name if name is None else name)
    txn.put(replace(named, description=group.description if text is None else text))
    return {}


@operation("vpc", "deleteNetworkSecurityGroup", "DELETE", ITEM, OneGroup)
def delete_network_security_group(request: OneGroup, txn: Writer) -> Json:
    """Delete a security group that no network interface is in and no other group's rule names; not a default one."""
    group = txn.own(SecurityGroup, request.networkSecurityGroupId, ID)
    if reason := obstacle(txn.txn, group):
        raise IntentError(ID, reason, 409, "CONFLICT")
    remove_group(txn.txn, group)
    return {}


def show(view: Reader, group: SecurityGroup) -> Json:
    """A security group as the API shows it; the default one of a VPC is in the list of all its interfaces."""
    index, value = (("vpc",), group.vpc) if group.default else (("security_groups",), group.id)
    return {
        ID: group.id,
        "networkSecurityGroupName": group.name,
        "description": group.description,
        "vpcId": group.vpc,
        "securityGroupRules": [show_rule(rule) for rule in rules_of(view, group.id)],
        "createdTime": iso(group.created),
        "networkSecurityGroupType": "default" if group.default else "custom",
        "networkInterfaceIds": sorted(view.region.by(NetworkInterface, index, value)),
        "tags": show_tags(group.tags),
    }


def rules_of(view: Reader, group: str) -> list[GroupRule]:
    """The rules of a group: those of what comes in first, each in the order in which they decide."""

    def order(rule: GroupRule) -> tuple[str, int, bool, float, str]:
        return rule.direction, rule.priority, rule.action == "allow", rule.created, rule.id

    return sorted(view.of(GroupRule, ("group",), group), key=order)


def show_rule(rule: GroupRule) -> Json:
    """A rule as the API shows it: what has several spellings in that of its account."""
    first, last = (0, 0) if "ports" in rule.written else (rule.first, rule.last)
    return {
        "ruleId": rule.id,
        "direction": int(rule.direction == "out"),
        "ruleAction": rule.action.upper(),
        "priority": rule.priority,
        "protocol": PROTOCOLS[rule.protocol],
        "addressPrefixType": kind_of(rule),
        "addressPrefix": rule.peer or rule.prefix_list or rule.written.get("addressPrefix", str(rule.cidr)),
        "ipVersion": 4,
        "fromPort": first,
        "toPort": last,
        "createdTime": iso(rule.created),
        "description": rule.description,
        "ruleType": rule.origin,
    }


def kind_of(rule: GroupRule) -> str:
    """The API's word for the remote side of a rule."""
    return GROUP if rule.peer else LIST if rule.prefix_list else CIDR


@shows(NetworkInterface)
def groups_of(view: Reader, port: NetworkInterface) -> Json:
    """The groups of an interface, the VPC's default group first: it is in force while there is no other."""
    return {"networkSecurityGroupIds": _listed(view, port)}


@narrows(NetworkInterface, "networkSecurityGroupId")
def in_group(view: Reader, port: NetworkInterface) -> list[str]:
    """The groups that an interface shows."""
    return _listed(view, port)


def show_groups(view: Reader, port: NetworkInterface) -> list[Json]:
    """The groups of an interface as the vm service shows them."""
    groups = (view.region.get(SecurityGroup, id) for id in _listed(view, port))
    return [{"groupId": group.id, "groupName": group.name} for group in groups if group is not None]


def _listed(view: Reader, port: NetworkInterface) -> list[str]:
    default = default_group(port.vpc, view.region)
    return [*filter(None, (default,)), *port.security_groups]


class Defaults(Request):
    """The fate of packets outward while no group of their sender has a rule for that direction."""

    outboundWithoutRules: Literal["allow", "deny"]


@operator("getSecurityGroupDefaults", "GET", "/securityGroupDefaults", Request)
def get_security_group_defaults(request: Request, view: Reader) -> Json:
    """The operator's word on all security groups."""
    said = view.region.get(GroupDefaults, EVERYWHERE)
    return {"outboundWithoutRules": "deny" if said is not None and said.closed else "allow"}


@operator("setSecurityGroupDefaults", "PATCH", "/securityGroupDefaults", Defaults)
def set_security_group_defaults(request: Defaults, txn: Writer) -> Json:
    """Say for all security groups of the region, now and later ones, what no rules outward mean."""
    txn.put(GroupDefaults(id=EVERYWHERE, closed=request.outboundWithoutRules == "deny"))
    return {"outboundWithoutRules": request.outboundWithoutRules}
