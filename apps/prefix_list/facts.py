"""Values derived from prefix lists, and the declaration of what names them.

A feature above, whose rules may name a prefix list instead of a block, says so in its ``writes.py``:

    LISTS = names_lists(GroupRule, "group", shown="securityGroup", quota="securityGroupRule")

The class has the fields ``vpc`` and ``prefix_list`` (a reference, empty where a rule names none) and an index on both.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, TypeVar

from apps.prefix_list.model import PrefixEntry, PrefixList
from sdnctl.base.addresses import Cidr
from sdnctl.base.discovery import declared

R = TypeVar("R")
LEAF = "writes"


class Records(Protocol):
    """The part of a state, a transaction or the caller's view that is needed here."""

    def get(self, cls: type[R], id: str) -> R | None:
        """The record with an id, or None."""


class Indexed(Protocol):
    """The part of a state or a transaction that is needed to find records by their indexes."""

    def many(self, cls: type[R], ids: Iterable[str]) -> list[R]:
        """The records with these ids."""

    def by(self, cls: type, index: tuple[str, ...], value: Any) -> Set[str]:
        """The ids under an index value."""


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """A declared class of rules that may name a prefix list.

    ``holder`` is the field with the id of what has the rule (a group, an ACL), ``shown`` the API's word for that, and
    ``quota`` the one by which its rules are counted.
    """

    of: type
    holder: str
    shown: str
    quota: str


def names_lists(of: type, holder: str, *, shown: str, quota: str) -> Names:
    """Declare a class of rules that may name prefix lists (see the module)."""
    return Names(of, holder, shown, quota)


@cache
def naming() -> Sequence[Names]:
    """Every declared class of rules that may name a prefix list."""
    return declared(Names, LEAF)


def counted(rules: Iterable[Any], records: Records) -> int:
    """The number of rules by which a quota counts some: one that names a list counts as the most entries of it."""
    sizes: dict[str, int] = {}
    for id in {rule.prefix_list for rule in rules} - {""}:
        found = records.get(PrefixList, id)
        sizes[id] = found.most if found is not None else 1
    return sum(sizes.get(rule.prefix_list, 1) for rule in rules)


def blocks_of(prefix_list: str, records: Indexed) -> tuple[Cidr, ...]:
    """The blocks of a list, sorted."""
    entries = records.many(PrefixEntry, records.by(PrefixEntry, ("prefix_list",), prefix_list))
    return tuple(sorted(entry.block for entry in entries))


def holders(prefix_list: str, records: Indexed) -> Mapping[Names, Sequence[str]]:
    """The ids of what has rules that name a list, sorted, by the declared class of the rules."""
    return {one: sorted({holder for _, holder in _rules(one, prefix_list, records)}) for one in naming()}


def first_rule(prefix_list: str, records: Indexed) -> tuple[str, str]:
    """The id of a rule that names a list and of what has the rule; empty where no rule does."""
    return min((found for one in naming() for found in _rules(one, prefix_list, records)), default=("", ""))


def _rules(names: Names, prefix_list: str, records: Indexed) -> list[tuple[str, str]]:
    """The rules of one class that name a list, and what has them, by their ids."""
    found: list[Any] = records.many(names.of, records.by(names.of, ("prefix_list",), prefix_list))
    return [(rule.id, getattr(rule, names.holder)) for rule in found]
