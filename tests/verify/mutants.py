"""Faults in computed flows: each kind makes one flow wrong, or two of a table."""

import random
from collections.abc import Callable, Iterable

from apps.security_group.tables import PEERS, PROFILE, ZONE
from sdnctl.of.fields import OxmField, RegisterField
from sdnctl.verify.rules import Action, Rule, Slice, Track, Write

Changes = dict[int, Rule]
"""The flows that become others, by their places; none where a kind of fault cannot be made."""
Kind = Callable[[random.Random, list[Rule], int], Changes]


def match_dropped(chance: random.Random, rules: list[Rule], at: int) -> Changes:
    """A flow matches one field less."""
    match = rules[at].match
    gone = chance.randrange(len(match)) if match else 0
    return {at: rules[at]._replace(match=match[:gone] + match[gone + 1 :])} if match else {}


def priorities_swapped(chance: random.Random, rules: list[Rule], at: int) -> Changes:
    """Two flows of a table have each other's priority."""
    one = rules[at]
    others = [n for n, rule in enumerate(rules) if rule.table == one.table and rule.priority != one.priority]
    if not others:
        return {}
    other = chance.choice(others)
    theirs = rules[other]
    return {at: one._replace(priority=theirs.priority), other: theirs._replace(priority=one.priority)}


def table_passed_over(chance: random.Random, rules: list[Rule], at: int) -> Changes:
    """A flow leads past a table, to the next one that any flow leads to."""
    goto = rules[at].goto
    beyond = {rule.table for rule in rules if goto is not None and rule.table > goto}
    return {at: rules[at]._replace(goto=min(beyond))} if beyond else {}


def action_dropped(chance: random.Random, rules: list[Rule], at: int) -> Changes:
    """A flow does one thing less."""
    actions = rules[at].actions
    gone = chance.randrange(len(actions)) if actions else 0
    return {at: rules[at]._replace(actions=actions[:gone] + actions[gone + 1 :])} if actions else {}


def flow_missing(chance: random.Random, rules: list[Rule], at: int) -> Changes:
    """A flow is not there: it matches a bit that is 2, which no packet has."""
    return {at: rules[at]._replace(match=((PROFILE.home, 1, 2),))}


def another_s_doing(chance: random.Random, rules: list[Rule], at: int) -> Changes:
    """A flow does what another one of its table does: it allows what it should deny, say."""
    one = rules[at]
    others = {(rule.actions, rule.goto) for rule in rules if rule.table == one.table} - {(one.actions, one.goto)}
    if not others:
        return {}
    actions, goto = chance.choice(sorted(others, key=str))
    return {at: one._replace(actions=actions, goto=goto)}


def back_elsewhere(chance: random.Random, rules: list[Rule], at: int) -> Changes:
    """A packet comes back from connection tracking in another table."""
    table = chance.choice(sorted({rule.table for rule in rules}))
    return _acting(rules, at, lambda one: one._replace(table=table) if isinstance(one, Track) else one)


def wrong_zone(chance: random.Random, rules: list[Rule], at: int) -> Changes:
    """Connection tracking looks where the connections of another are, or where none are."""
    other = Slice(PROFILE.home, PROFILE.shift, PROFILE.width)
    looks = _acting(rules, at, lambda one: one._replace(zone=other) if isinstance(one, Track) else one)
    numbered = _numbered(chance, rules, at, (ZONE,))
    return looks if not numbered or (looks and chance.random() < 0.5) else numbered


def profile_of_another(chance: random.Random, rules: list[Rule], at: int) -> Changes:
    """An interface has the groups of another, or the rules of some groups are those of others."""
    return _numbered(chance, rules, at, (PROFILE,)) or _matching(chance, rules, at, PROFILE)


def peer_bit_wrong(chance: random.Random, rules: list[Rule], at: int) -> Changes:
    """An address is in other groups than it is, or a rule is for another group."""
    return _numbered(chance, rules, at, PEERS) or next(
        (found for part in PEERS if (found := _matching(chance, rules, at, part))), {}
    )


ANY_FLOW: tuple[Kind, ...] = (match_dropped, priorities_swapped, table_passed_over, action_dropped, flow_missing)
OF_ACLS: tuple[Kind, ...] = (*ANY_FLOW, another_s_doing)
OF_GROUPS: tuple[Kind, ...] = (*OF_ACLS, back_elsewhere, wrong_zone, profile_of_another, peer_bit_wrong)


def _acting(rules: list[Rule], at: int, change: Callable[[Action], Action]) -> Changes:
    actions = tuple(map(change, rules[at].actions))
    return {at: rules[at]._replace(actions=actions)} if actions != rules[at].actions else {}


def _numbered(chance: random.Random, rules: list[Rule], at: int, fields: Iterable[RegisterField]) -> Changes:
    """The flow writes another number into one of some fields: one that some flow writes there."""
    places = {_place(field) for field in fields}

    def where(one: Action) -> tuple[OxmField, int] | None:
        """The bits that an action writes, if they are one of the fields."""
        here = (one.field, one.field.limit if one.mask == -1 else one.mask) if isinstance(one, Write) else None
        return here if here in places else None

    def change(one: Action) -> Action:
        here = where(one)
        if here is None or not isinstance(one, Write):
            return one
        written = {
            each.value for rule in rules for each in rule.actions if isinstance(each, Write) and where(each) == here
        }
        others = sorted(written - {one.value})
        return one._replace(value=chance.choice(others)) if others else one

    return _acting(rules, at, change)


def _matching(chance: random.Random, rules: list[Rule], at: int, field: RegisterField) -> Changes:
    """The flow matches another number in a field: one that another flow of its table matches."""
    home, bits = _place(field)
    own = [(mask & bits, value & bits) for there, mask, value in rules[at].match if there is home and mask & bits]
    others = {
        (mask & bits, value & bits)
        for rule in rules
        for there, mask, value in rule.match
        if there is home and mask & bits and rule.table == rules[at].table
    }
    others -= set(own)
    if not own or not others:
        return {}
    mask, value = chance.choice(sorted(others))
    match = tuple(
        (there, had & ~bits | mask, was & ~bits | value) if there is home else (there, had, was)
        for there, had, was in rules[at].match
    )
    return {at: rules[at]._replace(match=match)}


def _place(field: RegisterField) -> tuple[OxmField, int]:
    """The register of a field, and its bits there."""
    return field.home, field.limit << field.shift
