"""The counted table of docs/multi-queue.md, written by the test that counts."""

import re
from datetime import UTC, datetime
from pathlib import Path

from apps.multi_queue.model import Spread

PAGE = Path(__file__).parents[2] / "docs" / "multi-queue.md"
BEGIN, END = "<!-- written by tests/guest/test_spread.py -->", "<!-- end -->"
HEADING = ("state of the guest", "queues", "interrupts of the NIC by vCPU", "verdict", "packets by vCPU", "verdict")


class Table:
    """Rows in the order in which they were measured."""

    def __init__(self, made_with: str) -> None:
        self._made_with = made_with
        self._rows: list[tuple[str, ...]] = []

    def add(self, what: str, interrupts: Spread, packets: Spread, received: int, queues: int) -> None:
        """One measurement."""
        row = (what, str(queues), shares(interrupts), interrupts.verdict, shares(packets), packets.verdict)
        self._rows.append(row)
        print(" | ".join(row), f"| received {received}")

    def write(self) -> None:
        """Put the table into the page, in place of the one there."""
        lines = [f"{self._made_with}; {datetime.now(UTC):%Y-%m-%d}.", ""]
        lines += [f"| {' | '.join(row)} |" for row in (HEADING, ("---",) * len(HEADING), *self._rows)]
        text = "\n".join((BEGIN, *lines, END))
        page = PAGE.read_text()
        PAGE.write_text(re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: text, page, flags=re.DOTALL))


def shares(counted: Spread) -> str:
    """ "412 / 398 / 405 / 391" """
    return " / ".join(str(count) for _, count in sorted(counted.counts.items()))
