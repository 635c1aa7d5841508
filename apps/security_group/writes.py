"""Changes of security groups within a transaction: groups, rules, their bits, and the groups of an interface."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from apps.eni.model import NetworkInterface
from apps.filter.facts import matches_in, tally_of
from apps.prefix_list.facts import names_lists
from apps.prefix_list.model import PrefixList
from apps.prefix_list.writes import released, uses
from apps.security_group.facts import default_group, in_force
from apps.security_group.model import BITS, NO_BIT, Direction, GroupProfile, GroupRule, SecurityGroup
from apps.vpc.model import Vpc
from sdnctl.base.errors import IntentError
from sdnctl.program import lifecycle
from sdnctl.program.lifecycle import born, changed, removed
from sdnctl.program.weight import Weighed, weighs
from sdnctl.store import Txn

MOST_GROUPS = 5
DEFAULT, DEFAULT_NAME = "default", "default"
FIELD = "securityGroups"
RESTS = 4
"""The flows of a set of groups without rules: what no rule concerns, each way, and the replies to it."""


def _flows(records: Weighed, account: str) -> int:
    """Those of each set of groups: for a rule both ways, for each block and each mask of its ports."""
    lists = records.by(PrefixList, ("account",), account)
    profiles = records.many(GroupProfile, records.by(GroupProfile, ("account",), account))
    groups = {group: profile.vpc for profile in profiles for group in profile.groups}
    rules = {group: 2 * matches_in(MATCHES, group, vpc, lists, records) for group, vpc in groups.items()}
    return sum(RESTS + sum(rules[group] for group in profile.groups) for profile in profiles)


MATCHES = tally_of(GroupRule, "group")
RULE_FLOWS = weighs(GroupRule, 4, most=1 << 20, exactly=_flows)
LISTS = names_lists(GroupRule, "group", shown="securityGroup", quota="securityGroupRule")


def new_group(
    txn: Txn, vpc: Vpc, name: str, description: str = "", tags: Mapping[str, str] | None = None, default: bool = False
) -> SecurityGroup:
    """A group of a VPC without rules, written to the transaction."""
    group = SecurityGroup(
        id=txn.new_id(SecurityGroup),
        account=vpc.account,
        vpc=vpc.id,
        default=default,
        name=name,
        description=description,
        tags=dict(tags or {}),
        created=txn.now,
    )
    txn.put(group)
    return group


def new_default(txn: Txn, vpc: Vpc) -> SecurityGroup:
    """The default group of a VPC, written to the transaction: its two rules let everything in and out."""
    group = new_group(txn, vpc, DEFAULT_NAME, default=True)
    new_rule(txn, group, "in", origin=DEFAULT)
    new_rule(txn, group, "out", origin=DEFAULT)
    return group


@born(Vpc)
def default_of(vpc: Vpc, txn: Txn) -> None:
    """The default group that a VPC is born with."""
    new_default(txn, vpc)


def new_rule(txn: Txn, group: SecurityGroup, direction: Direction, **fields: Any) -> GroupRule:
    """A rule of a group, written to the transaction; ``fields`` are those of ``GroupRule`` that are not the default."""
    given = {"id": txn.new_id(GroupRule), "created": txn.now, **fields}
    rule = GroupRule(account=group.account, vpc=group.vpc, group=group.id, direction=direction, **given)
    change_rule(txn, None, rule)
    return rule


def change_rule(txn: Txn, before: GroupRule | None, after: GroupRule) -> None:
    """Write a rule; a group that it names has a bit from then on, and one that none names any more has none.

    Raises IntentError 429 when every bit of the VPC is taken.
    """
    txn.put(after)
    if after.prefix_list:
        uses(txn, after.vpc, after.prefix_list)
    if before is not None:
        _unnamed(txn, before)
    _settle_bit(txn, after.peer)


def remove_rule(txn: Txn, rule: GroupRule) -> None:
    """Remove a rule, and what only it needed: the bit of a group, the blocks of a prefix list."""
    txn.delete(GroupRule, rule.id)
    _unnamed(txn, rule)


def _unnamed(txn: Txn, rule: GroupRule) -> None:
    """Give up what a rule named, unless another one names it."""
    if rule.prefix_list:
        released(txn, rule.vpc, rule.prefix_list)
    _settle_bit(txn, rule.peer)


def check_together(rules: Iterable[GroupRule]) -> None:
    """Raise IntentError 409 when two rules of one group are equal but for their descriptions."""
    seen: set[tuple[object, ...]] = set()
    for rule in rules:
        remote = rule.peer or rule.prefix_list or rule.cidr
        key = (rule.direction, rule.protocol, rule.first, rule.last, remote, rule.action, rule.priority)
        if key in seen:
            text = f"{rule.group} has such a rule for {remote} with priority {rule.priority} already"
            raise IntentError("addressPrefix", text, 409, "ALREADY_EXISTS")
        seen.add(key)


def obstacle(txn: Txn, group: SecurityGroup) -> str:
    """The reason why a group stays: it is its VPC's default one, or an interface or another group's rule needs it."""
    if group.default:
        return f"{group.id} is the default group of {group.vpc}, and goes with it"
    for port in sorted(txn.by(NetworkInterface, ("security_groups",), group.id)):
        return f"network interface {port} is in {group.id}: take it out first"
    for rule in txn.many(GroupRule, sorted(txn.by(GroupRule, ("peer",), group.id))):
        if rule.group != group.id:
            return f"{group.id} is named by rule {rule.id} of {rule.group}: remove that rule first"
    return ""


def remove_group(txn: Txn, group: SecurityGroup) -> None:
    """Remove a group that nothing needs any more, and its rules."""
    for rule in txn.many(GroupRule, sorted(txn.by(GroupRule, ("group",), group.id))):
        remove_rule(txn, rule)
    txn.delete(SecurityGroup, group.id)


def _settle_bit(txn: Txn, id: str) -> None:
    group = txn.get(SecurityGroup, id) if id else None
    if group is None:
        return
    named = bool(txn.by(GroupRule, ("peer",), id))
    if named and group.bit == NO_BIT:
        txn.put(replace(group, bit=_free_bit(txn, group.vpc)))
    elif not named and group.bit != NO_BIT:
        txn.put(replace(group, bit=NO_BIT))


def _free_bit(txn: Txn, vpc: str) -> int:
    for bit in range(BITS):
        if not txn.by(SecurityGroup, ("vpc", "bit"), (vpc, bit)):
            return bit
    text = f"rules of a VPC may name {BITS} different groups as their remote side, and those of {vpc} do"
    raise IntentError("addressPrefix", text, 429, "QUOTA_EXCEEDED")


def set_groups(txn: Txn, port: NetworkInterface, groups: Iterable[str]) -> None:
    """Give an interface other groups instead of those that it has; none: the default group of its VPC."""
    lifecycle.change(txn, port, replace(port, security_groups=tuple(groups)))


@born(NetworkInterface)
def joined(port: NetworkInterface, txn: Txn) -> None:
    """Check the groups of a new interface, and have a profile for them."""
    _profiled(txn, _checked(txn, port))


@changed(NetworkInterface)
def regrouped(before: NetworkInterface, after: NetworkInterface, txn: Txn) -> None:
    """Check the changed groups of an interface, have a profile for them, and give up one that nobody needs."""
    if before.security_groups != after.security_groups:
        _profiled(txn, _checked(txn, after))
        _left(txn, before)


@removed(NetworkInterface)
def left(port: NetworkInterface, txn: Txn) -> None:
    """Give up the profile of an interface's groups when it was the last one that had them."""
    _left(txn, port)


def _checked(txn: Txn, port: NetworkInterface) -> NetworkInterface:
    """The interface with the groups that were asked for, less the default one; IntentError when it may not have them.

    A VPC that has no default group yet, since an earlier program made it, gets its own.
    """
    default = default_group(port.vpc, txn)
    if not default and (vpc := txn.get(Vpc, port.vpc)) is not None:
        default = new_default(txn, vpc).id
    asked = tuple(id for id in port.security_groups if id != default)
    if len(asked) > MOST_GROUPS:
        raise IntentError(FIELD, f"must be {MOST_GROUPS} groups at most, beside the VPC's default group")
    if len(set(asked)) < len(asked):
        raise IntentError(FIELD, "must not repeat a group")
    for id in asked:
        group = txn.get(SecurityGroup, id)
        if group is None or group.account != port.account:
            raise IntentError.missing(FIELD, f"SecurityGroup {id[:64]!r}")
        if group.vpc != port.vpc:
            raise IntentError(FIELD, f"{id} is a group of {group.vpc}, and the interface is in {port.vpc}")
    if asked == port.security_groups:
        return port
    made = replace(port, security_groups=asked)
    txn.put(made)
    return made


def _profiled(txn: Txn, port: NetworkInterface) -> None:
    """Have a profile for the groups in force at an interface."""
    groups = in_force(port, txn)
    name = ",".join(groups)
    if not txn.by(GroupProfile, ("vpc", "name"), (port.vpc, name)):
        key = txn.allocate(GroupProfile, "key")
        id, account = f"{port.vpc}/{name}", port.account
        txn.put(GroupProfile(id=id, account=account, vpc=port.vpc, groups=groups, name=name, key=key))


def _left(txn: Txn, port: NetworkInterface) -> None:
    """Delete the profile of the groups that were in force at an interface, unless another one has them."""
    groups = in_force(port, txn)
    if port.security_groups:
        found = [txn.by(NetworkInterface, ("security_groups",), id) for id in groups]
    else:
        found = [txn.by(NetworkInterface, ("vpc",), port.vpc)]
    for id in min(found, key=len, default=()):
        other = txn.get(NetworkInterface, id)
        if other is not None and in_force(other, txn) == groups:
            return
    for id in txn.by(GroupProfile, ("vpc", "name"), (port.vpc, ",".join(groups))):
        txn.delete(GroupProfile, id)
