"""Network ACLs within a transaction: what their rules say, and what goes when one goes."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from apps.filter.facts import matches_in, tally_of
from apps.network_acl.model import AclRule, AclSubnet, NetworkAcl
from apps.prefix_list.facts import names_lists
from apps.prefix_list.model import PrefixList
from apps.prefix_list.writes import released, uses
from apps.vpc.model import Subnet
from sdnctl.base.addresses import MAX_PORT
from sdnctl.base.errors import IntentError
from sdnctl.program.lifecycle import blocks, remove
from sdnctl.program.weight import Weighed, weighs
from sdnctl.store import Txn

LISTS = names_lists(AclRule, "acl", shown="acl", quota="aclRule")

LARGEST_LIST = 200
"""The most entries of a prefix list."""


def _flows(records: Weighed, account: str) -> int:
    """One for each block of a rule and each mask of its ports; one more for the later fragments that it lets pass."""
    lists = records.by(PrefixList, ("account",), account)
    known = records.many(NetworkAcl, records.by(NetworkAcl, ("account",), account))
    return sum(matches_in(MATCHES, acl.id, acl.vpc, lists, records) for acl in known)


MATCHES = tally_of(AclRule, "acl")
SUBNET_FLOWS = weighs(AclSubnet, 2)
RULE_FLOWS = weighs(AclRule, 2, most=31 * LARGEST_LIST, exactly=_flows)

WITH_PORTS = ("tcp", "udp")
"""The protocols whose rules may name ports."""


def ports(protocol: str, first: int | None, last: int | None, at: str) -> tuple[int, int]:
    """The ports of a rule: all of them where none is given, 0 and 0 where the protocol has none.

    Raises IntentError for others, its field being after ``at``.
    """
    if protocol not in WITH_PORTS:
        if first not in (None, 0, 1) or last not in (None, 0, MAX_PORT):
            raise IntentError(f"{at}fromPort", f"protocol {protocol} has no ports")
        return 0, 0
    low, high = 1 if first is None else first, MAX_PORT if last is None else last
    for name, port in (("fromPort", low), ("toPort", high)):
        if not port:
            raise IntentError(f"{at}{name}", f"must be 1 to {MAX_PORT}", 400, "OUT_OF_RANGE")
    if low > high:
        raise IntentError(f"{at}fromPort", f"{low} is greater than toPort, {high}")
    return low, high


def said(rule: AclRule) -> tuple[Any, ...]:
    """The meaning of a rule: two of one ACL that say the same are one too many."""
    remote = rule.prefix_list or rule.cidr
    return rule.direction, rule.protocol, rule.first, rule.last, remote, rule.action, rule.priority


def check_together(rules: Iterable[AclRule]) -> None:
    """Raise IntentError when two rules of one ACL say the same."""
    for (direction, *_, remote, _, priority), times in Counter(map(said, rules)).items():
        if times > 1:
            text = f"a rule {direction} for {remote} with priority {priority} exists that says the same"
            raise IntentError("addressPrefix", text, 409, "ALREADY_EXISTS")


def write_rule(txn: Txn, rule: AclRule, before: AclRule | None = None) -> None:
    """Write a rule that is new, or was ``before``; the blocks of the list that it names come with it."""
    txn.put(rule)
    if rule.prefix_list:
        uses(txn, rule.vpc, rule.prefix_list)
    if before is not None and before.prefix_list != rule.prefix_list:
        _let_go(txn, [before])


def delete_rules(txn: Txn, rules: Iterable[AclRule]) -> None:
    """Delete rules, and the blocks of lists that no rule of their VPC names any more."""
    gone = list(rules)
    for rule in gone:
        txn.delete(AclRule, rule.id)
    _let_go(txn, gone)


def delete_acl(txn: Txn, acl: NetworkAcl, field: str) -> None:
    """Delete an ACL with its rules; IntentError naming ``field`` while a subnet has it."""
    rules = txn.many(AclRule, sorted(txn.by(AclRule, ("acl",), acl.id)))
    remove(txn, acl, field)
    _let_go(txn, rules)


def _let_go(txn: Txn, rules: Iterable[AclRule]) -> None:
    for vpc, prefix_list in sorted({(rule.vpc, rule.prefix_list) for rule in rules if rule.prefix_list}):
        released(txn, vpc, prefix_list)


def associate(txn: Txn, acl: NetworkAcl, subnet: Subnet) -> None:
    """Let a subnet of the ACL's VPC have it, instead of the one that it had."""
    txn.put(AclSubnet(id=subnet.id, account=acl.account, vpc=acl.vpc, subnet=subnet.id, acl=acl.id))


@blocks(NetworkAcl)
def associated(acl: NetworkAcl, txn: Txn) -> str:
    """A subnet that has the ACL."""
    subnets = sorted(txn.by(AclSubnet, ("acl",), acl.id))
    return f"{acl.id} is still the ACL of {subnets[0]}: disassociate it" if subnets else ""
