"""The table of docs/reliability.md: what was done to a region, and what came of it."""

from pathlib import Path
from typing import NamedTuple

from topologies.traffic import PingResult

PAGE = Path(__file__).parent.parent.parent / "docs" / "reliability.md"
BEGIN, END = "<!-- written by tests/region/test_faults.py -->", "<!-- end -->"
HEAD = (
    "fault",
    "calls acknowledged",
    "of these lost",
    "longest silence of the API",
    "pings lost within the region",
    "pings lost to the Internet",
    "every host in step after",
    "tables equal",
    "result",
)


class Row(NamedTuple):
    """One fault: the key of its test, what was done, and what was measured."""

    key: str
    fault: str
    acknowledged: int
    lost: int
    silence: float
    inside: PingResult
    outside: PingResult
    late: float
    equal: bool
    holds: bool

    def line(self) -> str:
        """The row as Markdown."""
        cells = (
            self.fault,
            str(self.acknowledged),
            str(self.lost),
            f"{self.silence:.1f} s",
            f"{self.inside.lost} of {self.inside.sent}",
            f"{self.outside.lost} of {self.outside.sent}",
            f"{self.late:.1f} s",
            "yes" if self.equal else "no",
            "holds" if self.holds else "FAILS",
        )
        return f"| {' | '.join(cells)} |"


def write(rows: list[Row]) -> None:
    """Replace the table in the page."""
    head = [f"| {' | '.join(HEAD)} |", f"|{' --- |' * len(HEAD)}"]
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    table = "\n".join([*head, *(row.line() for row in rows)])
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")


def shown() -> dict[str, str]:
    """The faults on the page: the words and the result of each."""
    inside = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in inside.strip().splitlines()[2:]]
    return {cells[0]: cells[-1] for cells in lines}
