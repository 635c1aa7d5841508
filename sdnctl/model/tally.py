"""Sums over the records of a class that have a value in common, kept up to date like an index.

    MATCHES = Tally(Rule, under=lambda rule: rule.group, each=lambda rule: rule.matches)
    state.total(MATCHES, "group-1")

Whoever asks again and again what many records need together looks at none of them.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

Sums = dict[Hashable, int]


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """A declared sum: of ``each`` over the records of a class, by their value ``under``.

    Both are functions of a record alone.
    """

    of: type
    under: Callable[[Any], Hashable]
    each: Callable[[Any], int]

    def summed(self, records: Iterable[Any]) -> Sums:
        """The sums over some records."""
        sums: Sums = {}
        for record in records:
            self.shift(sums, None, record)
        return sums

    def shift(self, sums: Sums, before: Any, after: Any) -> None:
        """Put a record in place of another one in the sums; None for none."""
        for record, sign in ((before, -1), (after, 1)):
            if record is not None:
                value = self.under(record)
                sums[value] = sums.get(value, 0) + sign * self.each(record)
