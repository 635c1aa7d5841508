"""Values derived from network ACLs."""

from apps.eni.model import Resident
from apps.network_acl.model import AclRule, Direction, Guarded
from sdnctl.program.feature import View

LOWEST = 32_768
"""The priority of the rules that give way to all others."""


def precedence(rule: AclRule) -> tuple[str, int, bool, str]:
    """The place of a rule among those of its ACL: in before out, the smallest priority first, of equal ones denials."""
    return rule.direction, rule.priority, rule.action == "allow", rule.id


def subnet_here(subnet: str, here: str, view: View) -> bool:
    """True when a port of this host is in the subnet."""
    return view.any(Resident, ("subnet",), subnet)


def acl_here(acl: str, here: str, view: View) -> bool:
    """True when a subnet with a port of this host has the ACL."""
    return view.any(Guarded, ("acl",), acl)


def contested(of: tuple[str, Direction], here: str, view: View) -> tuple[int, ...]:
    """The priorities that both an allowing and a denying rule of an ACL have, in one direction."""
    actions: dict[int, set[str]] = {}
    for id in view.by(AclRule, ("acl", "direction"), of):
        rule = view.get(AclRule, id)
        if rule is not None:
            actions.setdefault(rule.priority, set()).add(rule.action)
    return tuple(sorted(priority for priority, both in actions.items() if len(both) > 1))


def place(rule: AclRule, view: View) -> int:
    """The place of a rule among those of its ACL and direction: the higher one decides.

    Of equal priorities denial wins, which takes a place of its own where there are both.
    """
    both = view.derived(contested, (rule.acl, rule.direction))
    denies = rule.action == "deny" and rule.priority in both
    return LOWEST - rule.priority + sum(other > rule.priority for other in both) + denies
