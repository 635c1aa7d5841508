"""Values derived from security groups: the groups in force at an interface, their profile, and the rules of one."""

from collections.abc import Iterator

from apps.eni.model import NetworkInterface
from apps.security_group.model import (
    BITS,
    EVERYWHERE,
    NO_BIT,
    Direction,
    Filtered,
    GroupDefaults,
    GroupProfile,
    GroupRule,
    SecurityGroup,
)
from apps.vpc.facts import vpc_here
from sdnctl.program.feature import View
from sdnctl.store import Records

LOWEST = 100
"""The priority of the rules that give way to all others."""


def default_group(vpc: str, view: View | Records) -> str:
    """The id of a VPC's default group; empty where there is none yet."""
    return next(iter(view.by(SecurityGroup, ("vpc", "default"), (vpc, True))), "")


def in_force(port: NetworkInterface, view: View | Records) -> tuple[str, ...]:
    """The ids of the groups whose rules count for an interface, sorted: those asked for, else the VPC's default."""
    if port.security_groups:
        return tuple(sorted(port.security_groups))
    default = default_group(port.vpc, view)
    return (default,) if default else ()


def profile_of(port: NetworkInterface, view: View) -> GroupProfile | None:
    """The profile of the groups in force at an interface; None while its transaction has not made one."""
    name = ",".join(in_force(port, view))
    found = (view.get(GroupProfile, id) for id in view.by(GroupProfile, ("vpc", "name"), (port.vpc, name)))
    return next(found, None)


def filters_here(profile: str, here: str, view: View) -> bool:
    """True when a port of this host has the profile."""
    return view.any(Filtered, ("profile",), profile)


def names_groups(vpc: str, here: str, view: View) -> bool:
    """True when a VPC with a port here has groups that rules name."""
    return view.derived(vpc_here, vpc) and any(
        view.any(SecurityGroup, ("vpc", "bit"), (vpc, bit)) for bit in range(BITS)
    )


def bits_of(port: NetworkInterface, view: View) -> int:
    """The groups that an interface is in, as bits, of those that rules of its VPC name."""
    groups = (view.get(SecurityGroup, id) for id in in_force(port, view))
    return sum(1 << group.bit for group in groups if group is not None and group.bit != NO_BIT)


def rules_of(profile: GroupProfile, direction: Direction, view: View) -> Iterator[GroupRule]:
    """The rules of a profile's groups in one direction, in the order in which they decide."""
    ids = (id for group in profile.groups for id in view.by(GroupRule, ("group", "direction"), (group, direction)))
    rules = (view.get(GroupRule, id) for id in ids)
    yield from sorted((rule for rule in rules if rule is not None), key=precedence)


def precedence(rule: GroupRule) -> tuple[int, bool, str]:
    """The place of a rule in the order in which rules decide: the smallest priority, then denial."""
    return rule.priority, rule.action == "allow", rule.id


def open_by_default(profile: GroupProfile, direction: Direction, view: View) -> bool:
    """True when what no rule concerns is allowed: out, while no group of the profile has a rule for that direction.

    An operator may turn that off.
    """
    if direction == "in" or any(
        view.any(GroupRule, ("group", "direction"), (group, direction)) for group in profile.groups
    ):
        return False
    said = view.get(GroupDefaults, EVERYWHERE)
    return said is None or not said.closed


def bit_of(rule: GroupRule, view: View) -> int:
    """The bit of the group that a rule names as its remote side, ``NO_BIT`` while it has none."""
    peer = view.get(SecurityGroup, rule.peer)
    return peer.bit if peer is not None else NO_BIT
