"""``sdnctl account``: tenants and their access keys, for the operator."""

from typing import Annotated
from urllib.parse import quote

import typer

from sdnctl.cli import show
from sdnctl.cli.command import Data, Group, Json, command, operated

ACCOUNT = Group("account", "Tenants and their access keys.")


@command("account", "create")
def create(name: str, data: Data = None, json: Json = False) -> None:
    """Make an account with one access key; the secret is shown only now."""
    made = operated(data).post("/accounts", {"name": name})
    show.record({key: made[key] for key in ("account", "accessKey", "secretKey")}, json)


@command("account", "list")
def list_(data: Data = None, json: Json = False) -> None:
    """Show the accounts, without secrets."""
    found = operated(data).get("/accounts")["accounts"]
    columns = {"account": "account", "name": "name", "accessKeys": "access keys"}
    show.table(found, columns, "no accounts yet: sdnctl account create NAME", json, "accounts")


@command("account", "quotas")
def quotas(
    name: str,
    limits: Annotated[list[str] | None, typer.Argument(metavar="[QUOTA=N]...", help="Limits to set.")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Show an account's quotas, after setting those that are given, such as flow=100000 or requestRate=400."""
    given = dict(map(_limit, limits or ()))
    path = f"/accounts/{quote(name, safe='')}"
    if given:
        operated(data).patch(f"{path}/quotas", {"quotas": given})
    found = operated(data).get(path)["quotas"]
    rows = [{"quota": quota, "limit": limit} for quota, limit in found.items()]
    show.table(rows, {"quota": "quota", "limit": "limit"}, "no quotas", json, "quotas")


def _limit(text: str) -> tuple[str, int]:
    quota, _, limit = text.partition("=")
    if not quota or not limit.isdecimal():
        raise typer.BadParameter(f"{text!r} is not QUOTA=N, such as flow=100000", param_hint="[QUOTA=N]...")
    return quota, int(limit)
