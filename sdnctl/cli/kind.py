"""A kind of resource as people meet it: what it is called, where the public API keeps it, and the columns of its table.

    HOLE = Kind("hole", "blackhole", "Prefixes that lead nowhere.", resource="Blackhole", path="blackholes/", ...)

A feature declares its kinds in its ``cli.py``.  Listing, getting, deleting, names, completion and the intent file work
from the declaration alone.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A column of a table: its heading and what it shows; the ids in it become names if ``named``."""

    heading: str
    of: Callable[[Json], Any]
    named: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A kind of resource, as the public API has it.

    ``resource`` is its class in the model, ``inside`` the command of the kind that each of them is in, if any: a name
    is then looked for there, and may be written SCOPE/NAME.  ``known_by`` maps a filter of the API to the spelling of
    what it looks for, where a thing has such a second name; ``lines`` tells an element of a nested list in one line.
    ``warns`` tells what is probably not meant in one of them.
    """

    command: str
    noun: str
    help: str
    resource: str
    path: str
    plural: str
    singular: str
    prefix: str
    name_filter: str
    columns: tuple[Column, ...]
    service: str = "vpc"
    inside: str = ""
    known_by: Mapping[str, str] = field(default_factory=dict)
    lines: Mapping[str, Callable[[Any], str]] = field(default_factory=dict)
    warns: Callable[[Json], Sequence[str]] = lambda shown: ()

    @property
    def id_key(self) -> str:
        """The key of its id in an answer."""
        return f"{self.singular}Id"

    @property
    def name_key(self) -> str:
        """The key of its name in an answer."""
        return f"{self.singular}Name"

    @property
    def word(self) -> str:
        """The word for one of them in a usage line."""
        return self.command.upper().replace("-", "_")

    def item(self, id: str, action: str = "") -> str:
        """The path of one of them, or of an action on it."""
        return f"{self.path.rstrip('/')}/{id}" + (f":{action}" if action else "")

    def is_id(self, text: str) -> bool:
        """True when a text looks like an id of this kind."""
        return re.fullmatch(rf"{self.prefix}-[a-z0-9]{{10}}", text) is not None


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """A kind that ``sdnctl watch`` shows: what of the API's answer, in which columns, and which fields are ids.

    Beside its ``row``, each has its id and name, and what was counted of it in each of ``directions`` (those of
    ``@counts``): outRate and outDropped of direction "out".
    """

    kind: Kind
    row: Callable[[Json], Json]
    columns: Mapping[str, str]
    named: tuple[str, ...] = ()
    directions: tuple[str, ...] = ("out", "in")


def key(name: str) -> Callable[[Json], Any]:
    """The reading of an answer's value under a key; None where it has none."""
    return lambda shown: shown.get(name)


def columns_of(kind: Kind) -> Sequence[Column]:
    """All columns of a kind's table: id and name go first."""
    return (Column("id", key(kind.id_key), False), Column("name", key(kind.name_key), False), *kind.columns)


def given(**parameters: Any) -> Json:
    """The parameters of a call that were given: the API's defaults hold for the others."""
    return {key: value for key, value in parameters.items() if value not in (None, [], ())}
