"""Everything that the command line has: what this room declares, and what each feature declares in its ``cli.py``."""

from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from sdnctl.base.discovery import modules
from sdnctl.cli import declare as intents
from sdnctl.cli import elastic, hosts, machine, networks, nic, nic_guest, region, trace, waiting, watch
from sdnctl.cli.command import Command, Group
from sdnctl.cli.kinds import KINDS
from sdnctl.cli.resources import common

T = TypeVar("T")
OWN = (machine, hosts, region, waiting, intents, watch, nic, nic_guest, trace, networks, elastic)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All declared objects, each once, in the order of the features' names."""

    declared: tuple[object, ...]

    def of(self, sort: type[T]) -> tuple[T, ...]:
        """Those of one sort."""
        return tuple(one for one in self.declared if isinstance(one, sort))


@cache
def catalogue(package: str = "apps") -> Catalogue:
    """The catalogue with the features of a package; discovered once in a process."""
    found = [value for module in (*OWN, *modules(package, "cli")) for value in vars(module).values()]
    own = {(one.group, one.name) for one in found if isinstance(one, Command)}
    for kind in KINDS.values():
        found.append(Group(kind.command, kind.help))
        found += [one for one in common(kind) if (one.group, one.name) not in own]
    return Catalogue(tuple({id(value): value for value in found}.values()))
