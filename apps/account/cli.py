"""``sdnctl account``: tenants and their access keys, for the operator."""

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
