"""An upgrade tells what becomes of stored rows that an older program wrote, for one class of records or several.

Additions convert by themselves.  Everything else would lose data: the feature whose records changed declares in its
``upgrades.py`` how its old rows become new ones, and the version of the schema since which they are so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Rows = dict[str, list[dict[str, Any]]]
"""Rows by table, as in RFC 7047 section 5.1, with ``_uuid``; a row that an upgrade makes is given its own by its id."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """The change of the rows with version ``to`` of the schema.

    ``drops`` are the tables and columns (``Table.column``) that a store converted while it serves may lose, since what
    they held is reported or numbered anew.  ``serves`` are those at which it looks in such a store, once that has the
    new schema: there it only makes rows and changes columns, and what it has done already it leaves as it is.
    """

    to: str
    work: Callable[[Rows], Rows]
    drops: tuple[str, ...] = ()
    serves: tuple[str, ...] = ()


def upgrade(
    to: str, *, drops: tuple[str, ...] = (), serves: tuple[str, ...] = ()
) -> Callable[[Callable[[Rows], Rows]], Upgrade]:
    """Declare a function from old rows to new ones; it changes none of those that it is given."""
    return lambda work: Upgrade(to, work, drops, serves)
