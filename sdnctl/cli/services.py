"""``sdnctl services``: run the services of a machine, see how all of them do, start one anew."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from sdnctl.base.paths import data_directory
from sdnctl.base.problem import Usage
from sdnctl.cli import arguments, show
from sdnctl.cli.command import Data, Group, Json, command, operated

SERVICES = Group("services", "What runs beside the flows, on hosts and once in the region.")
COLUMNS = {
    "service": "service",
    "host": "host",
    "state": "state",
    "since": "since",
    "restarts": "restarts",
    "says": "says",
    "error": "last error",
}
COLOURS = {"running": "green", "failed": "red", "silent": "red", "standby": "dim", "waiting": "dim"}
EMPTY = "no services yet: they are told of a moment after 'sdnctl up' or 'sdnctl services' has started"


@command("services", "")
def run(
    context: typer.Context,
    store: Annotated[str, typer.Option("--store", metavar="REMOTE,...", help="Members of the region's store.")] = "",
    per: Annotated[
        str, typer.Option(metavar="KIND,...", help="Whose services: host, gateway, region.")
    ] = "host,gateway",
    ovs_db: Annotated[str | None, typer.Option("--ovs-db", metavar="unix:PATH", help="Its Open vSwitch.")] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="The machine's name; default: its own.")] = None,
    data: Data = None,
    pki: Annotated[Path | None, typer.Option("--pki", metavar="DIR", help="ca.pem, cert.pem, key.pem; no TLS.")] = None,
    metrics: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Serve figures for Prometheus.")] = None,
    metrics_file: Annotated[Path | None, typer.Option(metavar="FILE", help="JSON file that says where.")] = None,
) -> None:
    """Run the services of this machine: with --per region those that the region has once.

    Traffic goes on whether they run or not.
    """
    if context.invoked_subcommand is not None:
        return
    if not store:
        raise Usage("say --store to run services here, or a command: list, restart")
    from sdnctl.program.service import Per

    arguments.members(store, pki)
    arguments.words("--per", per, get_args(Per))
    if ovs_db is not None:
        arguments.database(ovs_db)
    if metrics is not None:
        arguments.endpoint("--metrics", metrics, any_port=True)
    options: dict[str, Any] = {"--ovs-db": ovs_db, "--name": name, "--pki": pki, "--metrics": metrics}
    options |= {"--metrics-file": metrics_file}
    more = [word for option, value in options.items() if value is not None for word in (option, str(value))]
    where = ["--store", store, "--per", per, "--data", str(data_directory(data))]
    os.execv(sys.executable, [sys.executable, "-m", "sdnctl.services", *where, *more])


@command("services", "list")
def list_(data: Data = None, json: Json = False) -> None:
    """Show how every service does, and why it failed last."""
    print_table(operated(data).get("/services")["services"], json)


@command("services", "restart")
def restart(
    name: Annotated[str, typer.Argument(metavar="SERVICE", help="Its name, as 'sdnctl services list' has it.")],
    host: Annotated[str, typer.Option(metavar="HOST", help="Only there; default: wherever it runs.")] = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Start a service anew; the processes that it looks after go on."""
    show.record(operated(data).post("/services/restart", {"service": name, "host": host}), json)


def print_table(services: list[dict[str, Any]], json: bool) -> None:
    """Services as a table, or as they came."""
    show.table(services, COLUMNS, EMPTY, json, "services", ("state", COLOURS))
