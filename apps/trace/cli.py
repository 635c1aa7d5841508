"""``sdnctl trace``: what would become of a packet, told step by step; no packet is sent."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sdnctl.cli import show
from sdnctl.cli.command import Data, Json, command, operated

COLOURS = {"delivered": "green", "answered": "green", "asked": "yellow", "dropped": "red", "unknown": "magenta"}


@command("", "trace")
def trace(
    sender: Annotated[
        str,
        typer.Option(
            "--from", metavar="INTERFACE|INSTANCE|internet", help="Who sends: an id, a name, VPC/NAME, or 'internet'."
        ),
    ],
    to: Annotated[str, typer.Option(metavar="ADDRESS", help="The IPv4 address that it is for, an elastic IP too.")],
    proto: Annotated[str, typer.Option(metavar="icmp|tcp|udp|arp", help="What kind of packet.")] = "icmp",
    dport: Annotated[int | None, typer.Option(metavar="N", help="Destination port of TCP or UDP.")] = None,
    ttl: Annotated[int | None, typer.Option(metavar="N", help="Hop limit; default 64.")] = None,
    source: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Another source address than its own.")] = None,
    reply: Annotated[bool, typer.Option("--reply", help="Of the reply to it, if it gets there.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Say what would become of a packet: each step, and by which rule of which resource it is dropped.

    The switches on its way are asked, host by host; no packet is sent.
    """
    asked = {"from": sender, "to": to, "protocol": proto, "destinationPort": dport, "ttl": ttl, "sourceAddress": source}
    given = {key: value for key, value in asked.items() if value is not None} | ({"reply": True} if reply else {})
    told = operated(data).post("/flowTraces", given)
    if json:
        show.document(told)
    else:
        _tell(told)


def _tell(told: dict[str, Any]) -> None:
    """A trace for people."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=200)
    console.print(f"[bold]{escape(told['packet'])}[/bold], from {escape(told['from'])} on {escape(told['host'])}")
    grid = Table.grid(padding=(0, 2))
    hop = 1
    for number, step in enumerate(told["steps"], 1):
        if step["hop"] != hop:
            hop = step["hop"]
            grid.add_row("", "", f"[bold]on {escape(told['hosts'][hop - 1])}[/bold]")
        says = named(step["says"], told["names"])
        grid.add_row(f"{number:3}", f"[dim]{escape(step['table'])}[/dim]", escape(says))
    console.print(grid)
    console.print(f"[{COLOURS[told['outcome']]}]{escape(named(told['verdict'], told['names']))}[/]")


def named(text: str, names: Mapping[str, str]) -> str:
    """A sentence in which each id has its name behind it, if it has one."""
    if not names:
        return text
    ids = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))

    def both(found: re.Match[str]) -> str:
        id, name = found[1], names[found[1]]
        return {")": f"{id}, {name})", " (": f"{id} ({name}, "}.get(found[2], f"{id} ({name})")

    return re.sub(rf"\b({ids})\b(\)| \(|)", both, text)
