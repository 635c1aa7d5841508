"""``sdnctl report``: rows that hosts reported and nobody can read; they are put aside, and may be deleted."""

from collections.abc import Mapping, Sequence
from typing import Any

from sdnctl.cli import show
from sdnctl.cli.command import Data, Group, Json, command, operated

REPORT = Group("report", "Reports of hosts that cannot be read.")
COLUMNS = {"host": "host", "table": "table", "record": "record", "error": "cannot be read", "row": "row"}
EMPTY = "every report of the hosts can be read"


@command("report", "list")
def listed(data: Data = None, json: Json = False) -> None:
    """Show the rows that hosts reported and nobody can read."""
    print_table(operated(data).get("/status")["unreadable"], json)


@command("report", "delete")
def delete(table: str, row: str, data: Data = None, json: Json = False) -> None:
    """Delete such a row: its table and row are those that 'sdnctl status' shows.

    The host reports anew what is true, within 10 s; if the row comes back, look at that host.
    """
    show.record(operated(data).delete(f"/reports/{table}/{row}"), json)


def print_table(reports: Sequence[Mapping[str, Any]], json: bool) -> None:
    """Such rows as a table, or as they came."""
    show.table(reports, COLUMNS, EMPTY, json, "unreadable")
