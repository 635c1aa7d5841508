"""``sdnctl wait``: return once every host has in force what was asked for, for scripts that go on from there."""

import time
from typing import Annotated, Any

import typer

from sdnctl.base.paths import data_directory
from sdnctl.cli import show
from sdnctl.cli.client import Client
from sdnctl.cli.hosts import EMPTY, Data, Json, age

WAIT_S = 60.0
PIECE_S = 20.0  # of one call, below what a call may take
COLUMNS = {"host": "host", "state": "state", "applied": "applied", "age": "seen"}


def wait(
    sequence: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="The transaction to wait for; default: the latest one.")
    ] = None,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="How long to wait.")] = WAIT_S,
    data: Data = None,
    json: Json = False,
) -> None:
    """Wait until every host has a transaction in force, and show which have it and which are behind.

    Exit code 0 when all hosts that are alive have it, 1 when one has not in time, or when no host is there.
    """
    found = until_applied(Client.at(data_directory(data)), sequence, timeout)
    if json:
        show.document(found)
    else:
        _show(found)
    if not found["applied"]:
        raise typer.Exit(1)


def until_applied(region: Client, sequence: int | None, seconds: float) -> dict[str, Any]:
    """How far the hosts are once all that are alive have ``sequence`` (None: the latest), or after ``seconds``."""
    end = time.monotonic() + seconds
    while True:
        left = max(0.0, end - time.monotonic())
        asked = "" if sequence is None else f"&sequence={sequence}"
        found = region.get(f"/wait?timeout={min(left, PIECE_S):.3f}{asked}")
        if found["applied"] or left <= PIECE_S:
            return found
        sequence = found["sequence"]


def _show(found: dict[str, Any]) -> None:
    state = "in force" if found["applied"] else "not in force everywhere"
    show.line(f"sequence {found['sequence']}: {state}")
    now = time.time()
    rows = [{"host": host, "state": "confirmed"} for host in found["confirmed"]]
    for host in found["behind"]:
        rows.append({**host, "state": "behind" if host["alive"] else "dead", "age": age(host["seen"], now)})
    show.table(rows, COLUMNS, EMPTY, False, "hosts")
