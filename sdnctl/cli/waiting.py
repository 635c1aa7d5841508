"""``sdnctl wait``: return once every host has in force what was asked for, for scripts that go on from there."""

import time
from typing import Annotated, Any

import typer

from sdnctl.cli import show
from sdnctl.cli.client import WAIT_S, Client
from sdnctl.cli.command import Data, Json, command, operated
from sdnctl.cli.exchange import NotRunning
from sdnctl.cli.hosts import EMPTY, age

START_LOOK_S = 0.2
COLUMNS = {"host": "host", "state": "state", "applied": "applied", "age": "seen"}


@command("", "wait")
def wait(
    sequence: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="The transaction to wait for; default: the latest one.")
    ] = None,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="How long to wait.")] = WAIT_S,
    start: Annotated[bool, typer.Option("--start", help="Wait for 'sdnctl up' to serve, too.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Wait until every host has a transaction in force, and show which have it and which are behind.

    Exit code 0 when all hosts that are alive have it, 1 when one has not in time, or when no host is there.
    """
    end = time.monotonic() + timeout
    client = _served(data, end) if start else operated(data)
    found = client.until_applied(sequence, max(0.0, end - time.monotonic()))
    if json:
        show.document(found)
    else:
        _show(found)
    if not found["applied"]:
        raise typer.Exit(1)


def _served(data: str | None, end: float) -> Client:
    """The region that serves at ``data``, once it takes changes; raises NotRunning when it does not by ``end``."""
    while True:
        try:
            client = operated(data)
            if not client.trouble() or time.monotonic() > end:
                return client
        except NotRunning:
            if time.monotonic() > end:
                raise
        time.sleep(START_LOOK_S)


def _show(found: dict[str, Any]) -> None:
    state = "in force" if found["applied"] else "not in force everywhere"
    show.line(f"sequence {found['sequence']}: {state}")
    now = time.time()
    rows = [{"host": host, "state": "confirmed"} for host in found["confirmed"]]
    for host in found["behind"]:
        rows.append({**host, "state": "behind" if host["alive"] else "dead", "age": age(host["seen"], now)})
    show.table(rows, COLUMNS, EMPTY, False, "hosts")
