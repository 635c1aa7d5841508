"""``sdnctl pool``: public addresses that elastic IPs are taken from, for the operator."""

from typing import Annotated

import typer

from sdnctl.cli import show
from sdnctl.cli.command import Data, Group, Json, command, operated

POOL = Group("pool", "Public addresses that elastic IPs are taken from.")


@command("pool", "add")
def add(
    cidr: Annotated[str, typer.Option(help="The public addresses, such as 203.0.113.0/24.")],
    gateway: Annotated[str, typer.Option(help="The next hop on the public network.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Add public addresses that tenants may take as elastic IPs."""
    show.record(operated(data).post("/pools", {"cidr": cidr, "gateway": gateway}), json)


@command("pool", "list")
def list_(data: Data = None, json: Json = False) -> None:
    """Show the pools of public addresses."""
    found = operated(data).get("/pools")["pools"]
    columns = {name: name for name in ("pool", "cidr", "gateway", "total", "used")}
    show.table(found, columns, "no pools yet: sdnctl pool add --cidr CIDR --gateway ADDRESS", json, "pools")
