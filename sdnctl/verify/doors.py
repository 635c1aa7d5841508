"""Doors: the declared ways by which packets get from one network into another, or in from outside.

    @doors
    def public(records: Records) -> Iterator[Door | Exit | Passage]:

A feature declares in its ``facts.py`` which doors there are; nothing else may let a packet through.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from sdnctl.base.addresses import Ip4
from sdnctl.base.discovery import declared


class Records(Protocol):
    """The records of a region."""

    def all(self, cls: type[Any]) -> Mapping[str, Any]:
        """All records of a class by id."""


class Door(NamedTuple):
    """The interface ``owner`` is reached from outside by one address, which becomes another one inside its network.

    What it sends to the outside has the address ``outside`` as its source.
    """

    owner: str
    outside: Ip4
    inside: Ip4


class Exit(NamedTuple):
    """Interfaces of the network of ``owner`` begin connections to the outside from ``outside``, and are answered there.

    An answer comes back to whoever began the connection; nothing else comes in.
    """

    owner: str
    outside: Ip4


class Passage(NamedTuple):
    """Interfaces of the network ``sender`` reach those of the network ``receiver`` by their own addresses."""

    sender: str
    receiver: str


@dataclass(frozen=True, slots=True)
class Doors:
    """A declaration: the doors that there are with some records."""

    find: Callable[[Records], Iterable[Door | Exit | Passage]]


def doors(find: Callable[[Records], Iterable[Door | Exit | Passage]]) -> Doors:
    """Declare doors."""
    return Doors(find)


def all_doors(records: Records) -> Iterator[Door | Exit | Passage]:
    """The doors and passages of all features."""
    for each in declared(Doors, "facts"):
        yield from each.find(records)
