"""``sdnctl pool``: public addresses that elastic IPs are taken from, for the operator."""

from typing import Annotated

import typer

from sdnctl.cli import show
from sdnctl.cli.command import Data, Group, Json, command, operated

POOL = Group("pool", "Public addresses that elastic IPs are taken from.")
Where = Annotated[
    str | None, typer.Option(metavar="MAC", help="The next hop's MAC address; default: ARP tells, and may change it.")
]
Private = Annotated[
    list[str],
    typer.Option(
        metavar="CIDR",
        help="A laboratory's: private addresses that are reached by the next hop. May be repeated.",
    ),
]


@command("pool", "add")
def add(
    cidr: Annotated[str, typer.Option(help="The public addresses, such as 203.0.113.0/24.")],
    gateway: Annotated[str, typer.Option(help="The next hop on the public network.")],
    gateway_mac: Where = None,
    private_internet: Private = [],  # noqa: B006
    data: Data = None,
    json: Json = False,
) -> None:
    """Add public addresses that tenants may take as elastic IPs."""
    body = {"cidr": cidr, "gateway": gateway, "gatewayMac": gateway_mac, "privateInternet": private_internet or None}
    given = {key: value for key, value in body.items() if value is not None}
    show.record(operated(data).post("/pools", given), json)


@command("pool", "modify")
def modify(
    pool: Annotated[str, typer.Argument(help="The pool's id.")],
    gateway_mac: Where = None,
    learn_gateway: Annotated[bool, typer.Option("--learn-gateway", help="Have ARP tell the MAC address.")] = False,
    private_internet: Private = [],  # noqa: B006
    no_private_internet: Annotated[
        bool, typer.Option("--no-private-internet", help="No private addresses are reached any more.")
    ] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Say where the next hop is, or have it learned; say what is reached by it in a laboratory."""
    if no_private_internet and private_internet:
        raise typer.BadParameter("either --private-internet or --no-private-internet")
    blocks = private_internet if private_internet or no_private_internet else None
    body = {"gatewayMac": gateway_mac, "learn": learn_gateway or None, "privateInternet": blocks}
    given = {key: value for key, value in body.items() if value is not None}
    show.record(operated(data).patch(f"/pools/{pool}", given), json)


@command("pool", "list")
def list_(data: Data = None, json: Json = False) -> None:
    """Show the pools of public addresses, and where the next hop is: as given, or as each host has learned."""
    found = operated(data).get("/pools")["pools"]
    if not json:
        found = [{**one, "gatewaySeen": [f"{at['mac']} by {at['host']}" for at in one["gatewaySeen"]]} for one in found]
    headings = {"gatewayMac": "gateway at", "gatewaySeen": "seen at", "privateInternet": "private internet"}
    columns = {name: headings.get(name, name) for name in ("pool", "cidr", "gateway", *headings, "total", "used")}
    show.table(found, columns, "no pools yet: sdnctl pool add --cidr CIDR --gateway ADDRESS", json, "pools")
