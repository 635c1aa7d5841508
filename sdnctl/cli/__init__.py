"""The command ``sdnctl``: run a region, make accounts and public addresses, and ask why a flow is there.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage or nothing running.  ``--json`` prints one document for programs.
"""
# What only one command needs is imported by it: the others answer in half the time.

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from sdnctl.base import log
from sdnctl.base.errors import StoreError
from sdnctl.base.paths import DEFAULT_LISTEN, DEFAULT_REGION, data_directory, default_ovs_db, switch_of
from sdnctl.base.problem import Problem
from sdnctl.cli import hosts, region, show, tenant
from sdnctl.cli.client import Client
from sdnctl.cli.nic import nic
from sdnctl.cli.trace import trace
from sdnctl.cli.waiting import wait

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
account = typer.Typer(no_args_is_help=True, help="Tenants and their access keys.")
pool = typer.Typer(no_args_is_help=True, help="Public addresses that elastic IPs are taken from.")
app.add_typer(account, name="account")
app.add_typer(pool, name="pool")
app.add_typer(hosts.app, name="host")
app.add_typer(nic, name="nic")
tenant.add_to(app)
region.add_to(app)
app.command()(trace)
app.command()(wait)

Data = Annotated[str | None, typer.Option("--data", metavar="DIR", help="Data directory of the region (SDNCTL_DATA).")]
OvsDb = Annotated[
    str | None,
    typer.Option(
        "--ovs-db", metavar="unix:PATH", help="Database of Open vSwitch; default: the system's, or OVS_RUNDIR's."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@app.command()
def up(
    data: Data = None,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where the API answers; port 0 picks one.")
    ] = DEFAULT_LISTEN,
    ovs_db: OvsDb = None,
    region: Annotated[str, typer.Option(metavar="NAME", help="Region id in every API path.")] = DEFAULT_REGION,
    json: Annotated[bool, typer.Option("--json", help="The first line is JSON anyway.")] = False,
) -> None:
    """Run a region here: store, API and one controller for the Open vSwitch of this machine.

    The first line on stdout says where it serves and the default account's keys.  SIGTERM ends it; traffic goes on.
    """
    from sdnctl.region.up import Settings
    from sdnctl.region.up import up as serve

    settings = Settings(data_directory(data), listen, ovs_db or default_ovs_db(), region)
    serve(settings, lambda line: print(line, flush=True))


@app.command()
def demo(json: Json = False) -> None:
    """Build a small cloud on this machine, check it with real packets and the real SDK, and take it away again."""
    from topologies.demo import run

    raise typer.Exit(run(as_json=json))


@account.command("create")
def account_create(name: str, data: Data = None, json: Json = False) -> None:
    """Make an account with one access key; the secret is shown only now."""
    made = _region(data).post("/accounts", {"name": name})
    show.record({key: made[key] for key in ("account", "accessKey", "secretKey")}, json)


@account.command("list")
def account_list(data: Data = None, json: Json = False) -> None:
    """Show the accounts, without secrets."""
    found = _region(data).get("/accounts")["accounts"]
    columns = {"account": "account", "name": "name", "accessKeys": "access keys"}
    show.table(found, columns, "no accounts yet: sdnctl account create NAME", json, "accounts")


@pool.command("add")
def pool_add(
    cidr: Annotated[str, typer.Option(help="The public addresses, such as 203.0.113.0/24.")],
    gateway: Annotated[str, typer.Option(help="The next hop on the public network.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Add public addresses that tenants may take as elastic IPs."""
    show.record(_region(data).post("/pools", {"cidr": cidr, "gateway": gateway}), json)


@pool.command("list")
def pool_list(data: Data = None, json: Json = False) -> None:
    """Show the pools of public addresses."""
    found = _region(data).get("/pools")["pools"]
    columns = {name: name for name in ("pool", "cidr", "gateway", "total", "used")}
    show.table(found, columns, "no pools yet: sdnctl pool add --cidr CIDR --gateway ADDRESS", json, "pools")


@app.command()
def status(data: Data = None, json: Json = False) -> None:
    """Show whether every host has what was asked for: sequence applied, flows, errors."""
    found = _region(data).get("/status")
    if json:
        show.document(found)
        return
    show.record({key: value for key, value in found.items() if not isinstance(value, list | dict)}, False)
    hosts.print_table(found["hosts"], False)
    drops = [{"reason": reason, "packets": packets} for reason, packets in found.get("drops", {}).items()]
    if drops:
        show.table(drops, {"packets": "dropped", "reason": "because"}, "", False, "drops")


@app.command()
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


def _region(data: str | None) -> Client:
    return Client.at(data_directory(data))


def main() -> None:
    """Run the command line; every failure that is not a defect of ours ends in one line that says what to do."""
    log.to_stderr()
    try:
        app(prog_name="sdnctl")
    except Problem as problem:
        show.error(str(problem))
        sys.exit(problem.code)
    except StoreError as error:
        show.error(str(error))
        sys.exit(Problem.code)
