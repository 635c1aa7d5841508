"""Figures as a table that reads the same in a terminal and in bench/README.md."""

from collections.abc import Sequence


def show(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table under its title."""
    print("\n" + lines(title, head, rows), flush=True, end="")


def lines(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table under its title."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([f"### {title}", "", _line(head, widths), rule, *(_line(row, widths) for row in rows), ""])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def quantile(samples: Sequence[float], part: float) -> float:
    """The value that ``part`` (0 to 1) of the samples do not exceed."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def milliseconds(samples: Sequence[float]) -> str:
    """p50 / p99 of samples in seconds."""
    return f"{quantile(samples, 0.5) * 1e3:.2f} / {quantile(samples, 0.99) * 1e3:.2f}"
