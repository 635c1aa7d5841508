"""Figures as a table that reads the same in a terminal and in bench/README.md."""

from collections.abc import Sequence


def show(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table under its title."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    print(f"\n### {title}\n")
    print(_line(head, widths))
    print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    for row in rows:
        print(_line(row, widths))
    print(flush=True, end="")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def quantile(samples: Sequence[float], part: float) -> float:
    """The value that ``part`` (0 to 1) of the samples do not exceed."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def milliseconds(samples: Sequence[float]) -> str:
    """p50 / p99 of samples in seconds."""
    return f"{quantile(samples, 0.5) * 1e3:.2f} / {quantile(samples, 0.99) * 1e3:.2f}"
