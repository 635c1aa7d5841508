"""``sdnctl host``: which machines run Open vSwitch, how far each has got, and how one that is gone is forgotten."""

import datetime
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from sdnctl.cli import show
from sdnctl.cli.command import Data, Group, Json, command, operated

Host = Mapping[str, Any]
COLUMNS = {
    "host": "host",
    "applied": "applied",
    "lag": "lag",
    "ports": "ports",
    "flows": "flows",
    "encapIp": "tunnel ip",
    "ways": "peers",
    "gateway": "gateway",
    "uplink": "uplink",
    "age": "seen",
    "errors": "errors",
}
EMPTY = "no hosts yet: a controller reports its host when it has read the switch"

HOST = Group("host", "Machines that run Open vSwitch.")


@command("host", "list")
def listed(data: Data = None, json: Json = False) -> None:
    """Show the hosts: how far each has got, its tunnels to the others, and when it told of itself."""
    print_table(operated(data).get("/hosts")["hosts"], json)


@command("host", "remove")
def remove(
    name: str,
    force: Annotated[bool, typer.Option("--force", help="Even if it is alive; it reports itself anew then.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Forget a host that is gone for good, with its ports and all that it reported.

    One that told of itself in the last 30 s is alive and stays.  A host that comes back reports itself anew.
    """
    query = "?force=true" if force else ""
    removed = operated(data).delete(f"/hosts/{quote(name, safe='')}{query}")
    if json:
        show.document(removed)
    else:
        show.record({"host": removed["host"], **{f"removed {k}": n for k, n in removed["removed"].items()}}, False)


def print_table(hosts: list[Host], json: bool) -> None:
    """The hosts as a table and what is wrong with them, or as they came."""
    show.table(hosts if json else rows(hosts), COLUMNS, EMPTY, json, "hosts")
    for host in hosts if not json else ():
        for error in host["errors"]:
            show.line(f"! {host['host']}: {error}", "red")


def rows(hosts: Iterable[Host]) -> list[Host]:
    """The hosts as people read them."""
    now = time.time()
    return [
        {
            **host,
            "ways": ways(host["peers"]),
            "gateway": host["gateway"] or "",
            "age": age(host["seen"], now),
            "errors": len(host["errors"]) or "",
        }
        for host in hosts
    ]


def ways(peers: Mapping[str, str]) -> str:
    """The tunnels to other hosts: how many work, and by name those that do not."""
    if not peers:
        return ""
    counted, down = Counter(peers.values()), sorted(name for name, state in peers.items() if state != "up")
    return f"{counted['up']} up" + (f", {len(down)} down: {' '.join(down)}" if down else "")


def age(seen: str | None, now: float) -> str:
    """The time since something was (an ISO time of the API), in words; ``now`` is in epoch seconds."""
    if seen is None:
        return "never"
    seconds = max(0, int(now - datetime.datetime.fromisoformat(seen).timestamp()))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
