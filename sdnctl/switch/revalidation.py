"""Confirmations that wait until the data path obeys: of changes in tables whose promise is that packets stop.

When a switch has committed a bundle, its data path still has flows from before, until it has revalidated them: for
microseconds a flow, or half a second when nothing hurries it (docs/decisions/024-conntrack-on-a-host.md).  One waiting
serves all changes that came before it; confirmations keep their order, also of changes that need not wait.
"""

from collections import deque
from collections.abc import Set

from sdnctl.switch.commands import Confirmed, Revalidate
from sdnctl.switch.plan import Plan


class Revalidation:
    """The confirmations of one session that are held back; ``tables`` are those that the data path is to obey."""

    def __init__(self, tables: Set[int]) -> None:
        self._tables = tables
        self._held: deque[tuple[int, Confirmed]] = deque()
        self._last = 0
        self._asked = False
        self._begun = False

    def __bool__(self) -> bool:
        return bool(self._held)

    def confirm(self, confirmed: Confirmed, plan: Plan) -> list[Confirmed | Revalidate]:
        """The confirmation of a plan that has arrived, or the question on which it waits; neither while one is put.

        The first of a session waits too: nobody knows when the switch got what it has.
        """
        waits = bool(self._tables) and (not self._begun or self._concerned(plan))
        self._begun = True
        if not waits and not self._held:
            return [confirmed]
        # A waiting that is under way may have begun before this change.
        needs = self._last + 1 if waits else self._held[-1][0]
        self._held.append((needs, confirmed))
        return self._ask()

    def answered(self, number: int) -> list[Confirmed | Revalidate]:
        """The data path obeys all that was committed when this question was put."""
        if not self._asked or number != self._last:
            return []
        self._asked = False
        out: list[Confirmed | Revalidate] = []
        while self._held and self._held[0][0] <= number:
            out.append(self._held.popleft()[1])
        return out + self._ask()

    def clear(self) -> None:
        """The connection is gone, and with it what it would have confirmed."""
        self._held.clear()
        self._asked = self._begun = False

    def _ask(self) -> list[Confirmed | Revalidate]:
        if self._asked or not self._held:
            return []
        self._asked = True
        self._last += 1
        return [Revalidate(self._last)]

    def _concerned(self, plan: Plan) -> bool:
        keys = (*(flow.key for flow in plan.adds), *(key for _, key in plan.deletes))
        return any(key[0] in self._tables for key in keys)
