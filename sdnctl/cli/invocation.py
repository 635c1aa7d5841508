"""The options that every command of a tenant has in common (which region, whose resources), and what they become.

Keys come from the options, else from the environment, else (for the default account) from
the region's data directory.
"""

import contextlib
import json
import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from sdnctl.base.paths import DEFAULT_REGION, data_directory, region_id
from sdnctl.base.problem import Problem, Usage
from sdnctl.cli.catalogue import catalogue
from sdnctl.cli.client import WAIT_S, Client
from sdnctl.cli.exchange import NotRunning, Refused, Trust
from sdnctl.cli.kind import Kind
from sdnctl.cli.names import beside, described, find, find_id
from sdnctl.cli.signed import Tenant

PANEL = "Which region, whose resources"
DEFAULT = "default"
ACCOUNT = "account.json"
POLL_S = 0.1
ACCESS_KEY = re.compile(r"[!-+\-.0-~]{1,128}")
ENDPOINT = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?", re.ASCII)

Data = Annotated[
    str | None,
    typer.Option("--data", metavar="DIR", help="Data directory of the region (SDNCTL_DATA).", rich_help_panel=PANEL),
]
Account = Annotated[
    str | None,
    typer.Option("--account", metavar="NAME", help="The account; 'default' needs no keys.", rich_help_panel=PANEL),
]
AccessKey = Annotated[
    str | None,
    typer.Option(
        "--access-key", metavar="KEY", envvar="SDNCTL_ACCESS_KEY", help="Public half of the keys.",
        rich_help_panel=PANEL, show_envvar=True,
    ),
]  # fmt: skip
SecretKey = Annotated[
    str | None,
    typer.Option(
        "--secret-key", metavar="KEY", envvar="SDNCTL_SECRET_KEY", help="Secret half of the keys.",
        rich_help_panel=PANEL, show_envvar=True,
    ),
]  # fmt: skip
Endpoint = Annotated[
    str | None,
    typer.Option(
        "--endpoint", metavar="HOST:PORT", envvar="SDNCTL_ENDPOINT", help="Where the API answers, when not on --data.",
        rich_help_panel=PANEL, show_envvar=True,
    ),
]  # fmt: skip
Region = Annotated[
    str | None,
    typer.Option(
        "--region", metavar="NAME", envvar="SDNCTL_REGION", help="The region's id, with --endpoint.",
        rich_help_panel=PANEL, show_envvar=True,
    ),
]  # fmt: skip
Ca = Annotated[
    str | None,
    typer.Option(
        "--ca", metavar="FILE", envvar="SDNCTL_CA", help="CA of an https endpoint; default: the system's.",
        rich_help_panel=PANEL, show_envvar=True,
    ),
]  # fmt: skip
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs: the API's own result.")]
Wait = Annotated[bool, typer.Option("--wait", help="Return when the switches have it: state UP, or gone.")]
Timeout = Annotated[float, typer.Option(metavar="SECONDS", min=0.1, help="How long --wait waits.")]

WHERE: dict[str, tuple[Any, Any]] = {
    "data": (Data, None),
    "account": (Account, None),
    "access_key": (AccessKey, None),
    "secret_key": (SecretKey, None),
    "endpoint": (Endpoint, None),
    "region": (Region, None),
    "ca": (Ca, None),
}
SHAPE: dict[str, tuple[Any, Any]] = {"json": (Json, False)}
PATIENCE: dict[str, tuple[Any, Any]] = {"wait": (Wait, False), "timeout": (Timeout, WAIT_S)}


@dataclass(frozen=True, slots=True)
class Invocation:
    """The context of a tenant's command; ``operator`` is there when the region's data directory is."""

    tenant: Tenant
    operator: Client | None
    directory: Path
    json: bool = False
    wait: bool = False
    timeout: float = WAIT_S

    def find(self, kind: str, text: str) -> dict[str, Any]:
        """The one resource of a kind that goes by this text; raises Unknown or Ambiguous."""
        return find(self.tenant, catalogue().kinds[kind], text)

    def id(self, kind: str, text: str, scope: str = "") -> str:
        """The id of the one resource of a kind that goes by this text; a plain name is one of the scope (an id)."""
        of = catalogue().kinds[kind]
        return find_id(self.tenant, of, beside(of, text, scope), text)

    def settle(self, made: Iterable[tuple[Kind, str]]) -> None:
        """With ``--wait``, return when the switches have what was made or changed (kinds and ids)."""
        if self.wait:
            self._applied()
            for kind, id in made:
                self._up(kind, id)

    def gone(self, kind: Kind, id: str) -> None:
        """With ``--wait``, return when the API and the switches know it no more."""
        if not self.wait:
            return
        self._applied()
        self.until(lambda: self._is_gone(kind, id), lambda: f"{id} is still there")

    def _is_gone(self, kind: Kind, id: str) -> bool:
        try:
            described(self.tenant, kind, id)
        except Refused as refused:
            if not refused.gone:
                raise
            return True
        return False

    def _up(self, kind: Kind, id: str) -> None:
        """Return once the resource is no more PROCESSING; one that says nothing of the sort is ready at once."""
        shown: dict[str, Any] = {}

        def up() -> bool:
            shown.update(described(self.tenant, kind, id))
            return bool(shown.get("state", shown.get("adminStatus")) != "PROCESSING")

        self.until(up, lambda: f"{id} is still PROCESSING")

    def _applied(self) -> None:
        """Wait until every host's switch has confirmed what the region knows now; only its operator can tell."""
        if self.operator is None:
            return
        found = self.operator.until_applied(None, self.timeout)
        if not found["applied"]:
            late = [f"host {host['host']} is behind" for host in found["behind"]]
            raise self._late("; ".join(late) or "no host has reported yet")

    def until(self, ready: Callable[[], bool], why: Callable[[], str]) -> None:
        """Ask again and again; Problem when ``--timeout`` is over."""
        end = time.monotonic() + self.timeout
        while not ready():
            if time.monotonic() > end:
                raise self._late(why())
            time.sleep(POLL_S)

    def _late(self, why: str) -> Problem:
        return Problem(
            f"{why} after {self.timeout:g} s: it was accepted and will be applied; "
            "'sdnctl status' says which host is behind and why"
        )


def invocation(
    data: str | None = None,
    account: str | None = None,
    access_key: str | None = None,
    secret_key: str | None = None,
    endpoint: str | None = None,
    region: str | None = None,
    ca: str | None = None,
    **shape: Any,
) -> Invocation:
    """The invocation that these options ask for; raises Usage when something is missing."""
    directory = data_directory(data)
    if bool(access_key) != bool(secret_key):
        raise Usage("an access key needs its secret key: give both --access-key and --secret-key")
    if endpoint is None:
        operator: Client | None = Client.at(directory)
        place = (operator.endpoint, region_id(region or operator.region)) if operator else ("", "")
    else:
        operator, place = None, (_address(endpoint), region_id(region or DEFAULT_REGION))
    if access_key and not ACCESS_KEY.fullmatch(access_key):
        raise Usage(f"{access_key[:80]!r} is no access key: 'sdnctl account list' shows them")
    if access_key and secret_key:
        _check_owner(operator, account, access_key)
        keys = (access_key, secret_key)
    else:
        keys = _kept(directory, account)
    trust = Trust(ca=ca or "") if ca or operator is None else operator.trust
    return Invocation(Tenant(*place, *keys, trust=trust), operator, directory, **shape)


def _address(endpoint: str) -> str:
    """HOST:PORT, or a URL in front of it without a path."""
    scheme, slashes, where = endpoint.rstrip("/").rpartition("://")
    if not ENDPOINT.fullmatch(where) or (slashes and scheme not in ("http", "https")):
        raise Usage(f"--endpoint must be HOST:PORT or http(s)://HOST:PORT, not {endpoint[:80]!r}")
    return f"{scheme}{slashes}{where}"


def _kept(directory: Path, account: str | None) -> tuple[str, str]:
    """The default account's keys, which the region keeps in its data directory."""
    kept: dict[str, str] = {}
    with contextlib.suppress(FileNotFoundError, PermissionError, ValueError):
        kept = json.loads((directory / ACCOUNT).read_text())
    if account not in (None, DEFAULT, kept.get("account")):
        raise Usage(
            f"the keys of account {account!r} are not known: give them with --access-key and --secret-key or "
            "SDNCTL_ACCESS_KEY and SDNCTL_SECRET_KEY ('sdnctl account create' showed them)"
        )
    if "secretKey" not in kept:
        raise NotRunning(
            f"no keys of the default account in {directory}: start a region with 'sdnctl up --data {directory}', name "
            "another with --data or SDNCTL_DATA, or give --access-key and --secret-key"
        )
    return kept["accessKey"], kept["secretKey"]


def _check_owner(operator: Client | None, account: str | None, access_key: str) -> None:
    """Refuse keys that are another account's than the one named, where that can be known."""
    if account is None or operator is None:
        return
    known = operator.get("/accounts")["accounts"]
    found = [one for one in known if account in (one["account"], one["name"])]
    if not found:
        raise Problem(f"no account goes by {account!r}: 'sdnctl account list' shows what there is")
    if not any(access_key in one["accessKeys"] for one in found):
        raise Problem(f"{access_key} is not an access key of account {account!r}: 'sdnctl account list' shows them")


def quiet(given: dict[str, Any]) -> Invocation:
    """The invocation of a command line that is not finished yet, for completion; raises Problem like ``invocation``."""
    named = {key: given.get(key) or os.environ.get(f"SDNCTL_{key.upper()}") for key in WHERE if key != "account"}
    return invocation(**named, account=given.get("account"))
