"""``sdnctl doctor``: is this machine fit for sdnctl, and does what runs on it work?  Nothing is changed."""

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdnctl.base.paths import DEFAULT_LISTEN, data_directory, switch_of
from sdnctl.base.problem import Problem
from sdnctl.cli import arguments, show
from sdnctl.cli.client import ENDPOINT, Client
from sdnctl.cli.command import START, Data, Json, command

if TYPE_CHECKING:
    from sdnctl.region.doctor.finding import Finding

COLUMNS = {"state": "", "check": "what", "says": "found", "todo": "what to do"}
COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}
SOCKET = "store.sock"


@command("", "doctor", panel=START)
def doctor(
    data: Data = None,
    ovs_db: Annotated[
        str | None, typer.Option("--ovs-db", metavar="unix:PATH", help="Database of Open vSwitch; default: as 'up'.")
    ] = None,
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where the API shall answer.")] = DEFAULT_LISTEN,
    store: Annotated[
        str,
        typer.Option("--store", metavar="REMOTE,...", help="Members of the store; default: that of --data."),
    ] = "",
    pki: Annotated[Path | None, typer.Option("--pki", metavar="DIR", help="Certificates of this machine.")] = None,
    json: Json = False,
) -> None:
    """Check this machine, before sdnctl is installed on it and after, and say what to do; changes nothing.

    Exit code 0 when nothing failed (warnings are none), 1 when something did.
    """
    from sdnctl.region.doctor.finding import FAIL

    directory = data_directory(data)
    arguments.endpoint("--listen", listen, any_port=True)
    switch = arguments.database(ovs_db or switch_of(directory))
    found = list(_findings(directory, switch, listen, store, pki))
    failed = sum(one.state == FAIL for one in found)
    if json:
        show.document({"ok": not failed, "checks": [asdict(one) for one in found]})
    else:
        show.table([asdict(one) for one in found], COLUMNS, "", False, "checks", ("state", COLOURS))
        show.line(f"{failed} of {len(found)} failed" if failed else "nothing failed", "red" if failed else "green")
    if failed:
        raise typer.Exit(1)


def _findings(data: Path, ovs_db: str, listen: str, store: str, pki: Path | None) -> Iterator["Finding"]:
    from sdnctl.region.doctor import machine, parts, switch

    yield from machine.examine(data, listen)
    yield from switch.examine(ovs_db)
    if pki is not None:
        yield from parts.certificates(pki)
    own = data / SOCKET
    if store or os.path.exists(own):
        yield from parts.members(store or f"unix:{own}", pki)
    if os.path.exists(data / ENDPOINT):
        yield from _region(data)


def _region(data: Path) -> Iterator["Finding"]:
    """The region of a data directory, as it sees itself."""
    from sdnctl.region.doctor.finding import fail, ok

    try:
        found = Client.at(data).get("/status")
    except Problem as problem:
        says, _, todo = str(problem).partition(": ")
        yield fail("region", says, todo or "sdnctl up")
        return
    yield ok("region", f"{found['region']} answers, {len(found['hosts'])} hosts")
    for host in found["hosts"]:
        for error in host["errors"]:
            yield fail(f"host {host['host']}", error, "'sdnctl status' shows all of it")
        if not host["errors"]:
            yield ok(f"host {host['host']}", f"{host['ports']} ports, {host['flows']} flows, lag {host['lag']}")
