"""``sdnctl up|demo|status|explain``: the region of this machine, and what its hosts have in force."""

# What only one command needs is imported by it: the others answer in half the time.

from dataclasses import asdict
from typing import Annotated

import typer

from sdnctl.base.paths import DEFAULT_LISTEN, DEFAULT_REGION, data_directory, default_ovs_db, switch_of
from sdnctl.cli import hosts, services, show
from sdnctl.cli.command import Data, Json, command, operated

OvsDb = Annotated[
    str | None,
    typer.Option(
        "--ovs-db", metavar="unix:PATH", help="Database of Open vSwitch; default: the system's, or OVS_RUNDIR's."
    ),
]


@command("", "up")
def up(
    data: Data = None,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where the API answers; port 0 picks one.")
    ] = DEFAULT_LISTEN,
    ovs_db: OvsDb = None,
    region: Annotated[str, typer.Option(metavar="NAME", help="Region id in every API path.")] = DEFAULT_REGION,
    json: Annotated[bool, typer.Option("--json", help="The first line is JSON anyway.")] = False,
) -> None:
    """Run a region here: store, API, services and one controller for the Open vSwitch of this machine.

    The first line on stdout says where it serves and the default account's keys.  SIGTERM ends it; traffic goes on.
    """
    from sdnctl.region.up import Settings
    from sdnctl.region.up import up as serve

    settings = Settings(data_directory(data), listen, ovs_db or default_ovs_db(), region)
    serve(settings, lambda line: print(line, flush=True))


@command("", "demo")
def demo(json: Json = False) -> None:
    """Build a small cloud on this machine, check it with real packets and the real SDK, and take it away again."""
    from topologies.demo import run

    raise typer.Exit(run(as_json=json))


@command("", "status")
def status(data: Data = None, json: Json = False) -> None:
    """Show whether every host has what was asked for: sequence applied, flows, errors."""
    found = operated(data).get("/status")
    if json:
        show.document(found)
        return
    show.record({key: value for key, value in found.items() if not isinstance(value, list | dict)}, False)
    hosts.print_table(found["hosts"], False)
    services.print_table(found["services"], False)
    drops = [{"reason": reason, "packets": packets} for reason, packets in found.get("drops", {}).items()]
    if drops:
        show.table(drops, {"packets": "dropped", "reason": "because"}, "", False, "drops")


@command("", "explain")
def explain(
    what: Annotated[
        str, typer.Argument(metavar="COOKIE|FLOW", help="A cookie (0x5d…), or a line of ovs-ofctl dump-flows.")
    ],
    on: Annotated[
        str | None, typer.Option("--host", metavar="NAME", help="The host; default: every host is searched.")
    ] = None,
    ovs_db: OvsDb = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Say which feature made a flow, for which resource, and on which host."""
    from sdnctl.trace.explain import find

    directory = data_directory(data)
    found = find(f"unix:{directory / 'store.sock'}", ovs_db or switch_of(directory), what, on)
    columns = {"host": "host", "feature": "feature", "resource": "resource", "flow": "flow"}
    show.table([asdict(origin) for origin in found], columns, "", json, "origins")
