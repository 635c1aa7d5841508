"""``sdnctl up|demo|lab|status|explain``: the region of this machine, and what its hosts have in force."""

# What only one command needs is imported by it: the others answer in half the time.

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sdnctl.base.paths import DEFAULT_LISTEN, DEFAULT_REGION, data_directory, default_ovs_db, region_id, switch_of
from sdnctl.base.problem import Usage
from sdnctl.cli import hosts, reports, services, show
from sdnctl.cli.command import START, Data, Json, command, operated
from sdnctl.cli.region import TakeOver, TlsCert, TlsKey, tls

OvsDb = Annotated[
    str | None,
    typer.Option(
        "--ovs-db", metavar="unix:PATH", help="Database of Open vSwitch; default: the system's, or OVS_RUNDIR's."
    ),
]


@command("", "up", panel=START)
def up(
    data: Data = None,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where the API answers; port 0 picks one.")
    ] = DEFAULT_LISTEN,
    ovs_db: OvsDb = None,
    region: Annotated[str, typer.Option(metavar="NAME", help="Region id in every API path.")] = DEFAULT_REGION,
    take_over: TakeOver = False,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    json: Annotated[bool, typer.Option("--json", help="The first line is JSON anyway.")] = False,
) -> None:
    """Run a region here: store, API, services and one controller for the Open vSwitch of this machine.

    The first line on stdout says where it serves and the default account's keys.  SIGTERM ends it; traffic goes on.
    A renewed certificate is taken up by itself.
    """
    from sdnctl.region.up import Settings
    from sdnctl.region.up import up as serve

    more = tls(tls_cert, tls_key)
    settings = Settings(data_directory(data), listen, ovs_db or default_ovs_db(), region_id(region), take_over, more)
    serve(settings, lambda line: print(line, flush=True))


@command("", "demo", panel=START)
def demo(json: Json = False) -> None:
    """Build a small cloud on this machine, check it with real packets and the real SDK, and take it away again."""
    from topologies.demo import run

    raise typer.Exit(run(as_json=json))


@command("", "lab", panel=START)
def lab(
    name: Annotated[str, typer.Argument(metavar="[NETWORK]", help="One of those that are listed without it.")] = "",
    file: Annotated[
        Path | None, typer.Option("-f", "--file", metavar="FILE", help="An intent file instead, as for 'apply'.")
    ] = None,
    script: Annotated[
        Path | None, typer.Option("--run", metavar="SCRIPT", help="Run the lines of a file instead of asking for them.")
    ] = None,
    json: Json = False,
) -> None:
    """Build a network with machines on this machine, and open a prompt: web ping db, web iperf db, trace web db.

    The machines are Mininet hosts beside a private Open vSwitch.  Leaving the prompt takes all of it away.
    """
    from topologies.laboratory import NETWORKS, listing, run

    if not name and file is None:
        show.table(listing(), {"name": "network", "what": "what it is"}, "", json, "networks")
        return
    if name and file is not None:
        raise Usage("give the name of a network or a file, not both")
    if name and name not in NETWORKS:
        hint = f"; a file is given as -f {name}" if Path(name).is_file() else ""
        raise Usage(f"no network {name!r}: there are {', '.join(NETWORKS)}{hint}")
    for given in (file, script):
        if given is not None and not given.is_file():
            raise Usage(f"no file {str(given)!r}")
    raise typer.Exit(run(name, file, script))


@command("", "status")
def status(data: Data = None, json: Json = False) -> None:
    """Show whether every host has what was asked for: sequence applied, flows, errors."""
    region = operated(data)
    found = {**region.get("/status"), "store": region.trouble() or "ok"}
    if json:
        show.document(found)
        return
    show.record({key: value for key, value in found.items() if not isinstance(value, list | dict)}, False)
    hosts.print_table(found["hosts"], False)
    services.print_table(found["services"], False)
    if found["unreadable"]:
        show.line("reports that cannot be read, and are put aside (sdnctl report delete TABLE ROW):")
        reports.print_table(found["unreadable"], False)
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
