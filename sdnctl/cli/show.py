"""What a command prints: a table for people, or with ``--json`` one JSON document for programs, on stdout alone."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

Row = Mapping[str, Any]


def document(value: Any) -> None:
    """One JSON document on one line."""
    print(json.dumps(value, separators=(",", ":"), ensure_ascii=False))


def record(value: Row, as_json: bool) -> None:
    """One thing: its fields below each other."""
    if as_json:
        document(value)
        return
    grid = Table.grid(padding=(0, 2))
    for key, item in value.items():
        grid.add_row(f"[bold]{key}[/bold]", _text(item))
    _console().print(grid)


def table(rows: Sequence[Row], columns: Mapping[str, str], empty: str, as_json: bool, key: str) -> None:
    """Many things: ``columns`` maps a field to its heading; ``empty`` says what to do when there are none yet."""
    if as_json:
        document({key: list(rows)})
        return
    if not rows:
        _console().print(escape(empty))
        return
    made = Table(box=None, pad_edge=False, header_style="bold")
    for heading in columns.values():
        made.add_column(heading, overflow="fold")
    for row in rows:
        made.add_row(*(_text(row.get(field)) for field in columns))
    _console().print(made)


def error(message: str) -> None:
    """What went wrong, on stderr."""
    Console(stderr=True, soft_wrap=True).print(f"[red]error:[/red] {escape(message)}", highlight=False)


def _console() -> Console:
    """Wide when nobody looks: a script that reads a table must not find it folded."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=200)


def _text(value: Any) -> str:
    if value is None or value == "" or value == []:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return escape("\n".join(str(item) for item in value))
    return escape(str(value))
