"""Everything that the features declare in their ``cli.py``: kinds, groups, commands, sections of an intent file, …

A feature may declare objects of a class of its own, too, and ask the catalogue for all that there are: so a later
feature adds to an earlier one without an edit of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import TypeVar

from sdnctl.base.discovery import modules
from sdnctl.cli.kind import Kind

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """All declared objects, each once, in the order of the features' names."""

    declared: tuple[object, ...]
    kinds: Mapping[str, Kind] = field(init=False)
    """Kinds by the word of their commands."""

    def __post_init__(self) -> None:
        kinds: dict[str, Kind] = {}
        for kind in self.of(Kind):
            if kinds.setdefault(kind.command, kind) is not kind:
                raise ValueError(f"two kinds of resource are called {kind.command!r}")
        object.__setattr__(self, "kinds", MappingProxyType(kinds))

    def of(self, sort: type[T]) -> tuple[T, ...]:
        """The objects of one class."""
        return tuple(one for one in self.declared if isinstance(one, sort))


@cache
def catalogue() -> Catalogue:
    """The declarations of all features; imported once in a process."""
    found = [value for module in modules("cli") for value in vars(module).values()]
    return Catalogue(tuple({id(value): value for value in found}.values()))
