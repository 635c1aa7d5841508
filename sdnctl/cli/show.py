"""The output of a command: a table for people, or with ``--json`` one JSON document for programs, on stdout alone."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sdnctl.base.problem import Problem

Row = Mapping[str, Any]


def document(value: Any) -> None:
    """One JSON document on one line."""
    print(json.dumps(value, separators=(",", ":"), ensure_ascii=False))


def record(value: Row, as_json: bool) -> None:
    """One thing: its fields below each other."""
    if as_json:
        document(value)
        return
    made = Table.grid(padding=(0, 2))
    for key, item in value.items():
        made.add_row(f"[bold]{key}[/bold]", _text(item))
    console().print(made)


def table(
    rows: Sequence[Row],
    columns: Mapping[str, str],
    empty: str,
    as_json: bool,
    key: str,
    paint: tuple[str, Mapping[str, str]] = ("", {}),
) -> None:
    """Many things: ``columns`` maps a field to its heading; ``empty`` says what to do when there are none yet.

    ``paint`` names a field and the colour of a row for each of its values.
    """
    if as_json:
        document({key: list(rows)})
        return
    if not rows:
        console().print(escape(empty))
        return
    console().print(grid(rows, columns, paint))


def grid(rows: Sequence[Row], columns: Mapping[str, str], paint: tuple[str, Mapping[str, str]] = ("", {})) -> Table:
    """Many things as a table, to be printed."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for heading in columns.values():
        made.add_column(heading, overflow="fold")
    for row in rows:
        made.add_row(*(_text(row.get(field)) for field in columns), style=paint[1].get(row.get(paint[0], "")))
    return made


def line(text: str, style: str | None = None) -> None:
    """One line for people."""
    console().print(escape(printable(text)), soft_wrap=True, style=style)


def error(fault: Exception, as_json: bool) -> None:
    """Print an error on stderr; for programs with its status: the region's own, or that of the ``Problem``."""
    message = _said(fault)
    if as_json:
        status = getattr(fault, "status", Problem.status)
        print(json.dumps({"error": {"status": status, "message": message}}, ensure_ascii=False), file=sys.stderr)
        return
    Console(stderr=True, soft_wrap=True).print(f"[red]error:[/red] {escape(printable(message))}", highlight=False)


def _said(fault: Exception) -> str:
    """A fault in words; of a file or a socket, which one."""
    if isinstance(fault, OSError):
        return f"{fault.filename}: {fault.strerror}" if fault.filename else str(fault.strerror or fault)
    return str(fault)


def console() -> Console:
    """A console that is wide when nobody looks: a script that reads a table must not find it folded."""
    made = Console(highlight=False)
    return made if made.is_terminal else Console(highlight=False, width=200)


def _text(value: Any) -> str:
    if value is None or value == "" or value == []:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return escape(printable("\n".join(str(item) for item in value)))
    return escape(printable(str(value)))


def printable(text: str) -> str:
    """A text that commands nothing: what a terminal would obey (ECMA-48), or not show, stands there as its escape."""
    return "".join(one if one.isprintable() or one in "\n\t" else ascii(one)[1:-1] for one in text)
