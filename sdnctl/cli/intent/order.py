"""The order in which an intent file makes, joins and deletes: it follows from what resources refer to.

A resource is made after those that its class in the model must refer to (``ref`` without a default), and deleted before
them.  What a key of the file names comes first as well, then what the class may refer to, unless that would close a
circle with what must be: such a reference is given by a later task.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

from sdnctl.base.discovery import modules
from sdnctl.cli.catalogue import Catalogue, catalogue
from sdnctl.cli.intent.schema import Addition, Key, Part, Schema, Section
from sdnctl.model.resource import meta, named


class Edge(NamedTuple):
    """``first`` comes before ``then``: both are the commands of kinds."""

    first: str
    then: str


def schema() -> Schema:
    """The schema of what the features declare."""
    return _schema(catalogue())


@cache
def _schema(found: Catalogue) -> Schema:
    list(modules("model"))
    sections = {section.kind.command: section for section in found.of(Section)}
    if len(sections) < len(found.of(Section)):
        raise ValueError("two sections are of the same kind of resource")
    keys = {command: _keys(section, found) for command, section in sections.items()}
    must, may = _references(sections.values())
    says, joins = _mentions(keys)
    made = ordered(sorted(sections), must, says, may)
    joined = ordered(made, joins)
    parts: dict[str, Part] = {}
    for command in reversed(made):
        additions = tuple(one for one in found.of(Addition) if one.kind == command)
        inside = tuple(parts[one] for one in made if sections[one].kind.inside == command)
        parts[command] = Part(sections[command], keys[command], additions, inside)
    return Schema(
        tuple(parts[command] for command in made),
        tuple(parts[command] for command in made if not sections[command].kind.inside),
        {command: place for place, command in enumerate(made)},
        {command: place for place, command in enumerate(joined)},
    )


def _keys(section: Section, found: Catalogue) -> dict[str, Key]:
    added = [key for one in found.of(Addition) if one.kind == section.kind.command for key in one.keys]
    keys = [*section.keys, *added, *section.about]
    named = {key.name: key for key in keys}
    if len(named) < len(keys):
        raise ValueError(f"two keys of section {section.name} have the same name")
    return named


def _references(sections: Iterable[Section]) -> tuple[set[Edge], set[Edge]]:
    """The references of each kind's class: those that it must have, and those that it may."""
    kinds = [section.kind for section in sections]
    command_of = {kind.resource: kind.command for kind in kinds}
    must = {Edge(kind.inside, kind.command) for kind in kinds if kind.inside}
    may: set[Edge] = set()
    for kind in kinds:
        for ref in meta(named(kind.resource)).refs:
            if ref.target in command_of:
                (may if ref.optional else must).add(Edge(command_of[ref.target], kind.command))
    return must, may


def _mentions(keys: dict[str, dict[str, Key]]) -> tuple[set[Edge], set[Edge]]:
    """The kinds that each section's keys name, and those of them that are given by a task of its own."""
    says, joins = set(), set()
    for command, of_section in keys.items():
        for key in of_section.values():
            edges = {Edge(kind, command) for kind in (key.mentions.kinds() if key.mentions else ())}
            says |= edges
            joins |= edges if key.own else set()
    return says, joins


def ordered(kinds: Sequence[str], *tiers: Iterable[Edge]) -> tuple[str, ...]:
    """The kinds, each after those that an edge puts first; what is left open is as it was.

    An edge that would close a circle with those of the tiers before it (and of its own, by name) is left out.
    """
    before: dict[str, set[str]] = {kind: set() for kind in kinds}

    def comes_before(first: str, then: str) -> bool:
        return first == then or any(comes_before(first, one) for one in before[then])

    for tier in tiers:
        for edge in sorted(tier):
            if edge.first in before and edge.then in before and not comes_before(edge.then, edge.first):
                before[edge.then].add(edge.first)
    found: list[str] = []
    while len(found) < len(kinds):
        found.append(next(kind for kind in kinds if kind not in found and before[kind] <= set(found)))
    return tuple(found)
