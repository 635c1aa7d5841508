"""``sdnctl drops``: why packets of one network interface are dropped, live."""

import contextlib
import re
import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.text import Text

from apps.eip.cli import interface, targets
from sdnctl.base.problem import Usage
from sdnctl.cli import show
from sdnctl.cli.command import LOOK, one_of, tenants
from sdnctl.cli.exchange import NotRunning, Refused
from sdnctl.cli.invocation import Invocation

Json = dict[str, Any]
PATH = "dropWatches/"
COLUMNS = {
    "direction": "way", "packets": "packets", "reason": "reason", "meaning": "because",
    "remedy": "what to do",
}  # fmt: skip
UNITS = {"": 1, "s": 1, "m": 60}
MOST_S = 600
Port = Annotated[str, one_of(targets, "INSTANCE|ENI", "Name or id; instance:NAME or eni:NAME says which of the two.")]
Length = Annotated[str, typer.Option("--for", metavar="TIME", help="How long, as 60s or 2m; at most 10m.")]
Interval = Annotated[float, typer.Option(metavar="SECONDS", min=0.2, help="How often to look.")]


def seconds(text: str) -> int:
    """A length of time such as ``60s``, ``2m`` or ``90``, in seconds; raises Usage."""
    found = re.fullmatch(r"(\d{1,4})([sm]?)", text, re.ASCII)
    length = int(found[1]) * UNITS[found[2]] if found is not None else 0
    if not 1 <= length <= MOST_S:
        raise Usage(f"--for must be 1s to 10m, such as 60s, not {text!r}")
    return length


@tenants("", "drops", panel=LOOK)
def drops(call: Invocation, port: Port, length: Length = "60s", interval: Interval = 1.0) -> None:
    """Show, live, how many packets of a network interface are dropped, each way, and why.  Ctrl-C ends it sooner.

    Counts begin when the command does.  With --json: one document for each look.
    """
    lasts = seconds(length)
    id = str(interface(call, port)["networkInterfaceId"])
    watch = str(call.tenant.post("vpc", PATH, {"networkInterfaceId": id, "seconds": lasts})["dropWatchId"])
    try:
        with contextlib.suppress(KeyboardInterrupt):
            _follow(call, watch, lasts, interval)
    finally:
        with contextlib.suppress(NotRunning, Refused):
            call.tenant.call("vpc", "DELETE", PATH + watch)


def _follow(call: Invocation, watch: str, lasts: int, interval: float) -> None:
    console, looks = show.console(), _looks(call, watch, lasts, interval)
    if call.json:
        for seen in looks:
            show.document({"dropWatch": seen})
    elif console.is_terminal:
        from rich.live import Live

        with Live(console=console, auto_refresh=False) as live:
            for seen in looks:
                live.update(_page(seen), refresh=True)
    else:
        *_, last = looks
        console.print(_page(last))


def _looks(call: Invocation, watch: str, lasts: int, interval: float) -> Iterator[Json]:
    """The counts, again and again until the time is over; a region that starts again is waited for."""
    end, before = time.monotonic() + lasts, dict[str, int]()
    seen: Json = {}
    while True:
        left = end - time.monotonic()
        try:
            seen = dict(call.tenant.get("vpc", PATH + watch)["dropWatch"])
        except NotRunning as problem:
            if not seen:
                raise
            seen = {**seen, "problem": str(problem)}
        except Refused as refusal:  # its time is over there already
            if not seen or refusal.status_code != 404:
                raise
            return
        yield {**seen, "left": max(round(left), 0), "moved": _moved(seen, before)}
        if left <= 0:
            return
        time.sleep(min(interval, left))


def _moved(seen: Json, before: dict[str, int]) -> list[str]:
    """The lines whose packets have become more since the last look, as "WAY REASON"."""
    now = {f"{line['direction']} {line['reason']}": int(line["packets"]) for line in seen["drops"]}
    moved = [name for name, packets in now.items() if packets > before.get(name, 0)]
    before.update(now)
    return moved


def _page(seen: Json) -> Group:
    """One look as a table; what goes on is bright."""
    state = f"{seen['networkInterfaceId']}: {seen['left']} s left" if seen["left"] else str(seen["networkInterfaceId"])
    parts: list[Any] = [Text(state, "bold")]
    if "problem" in seen:
        parts.append(Text(seen["problem"], "red"))
    if seen["drops"]:
        rows = [
            {**line, "now": "moved" if f"{line['direction']} {line['reason']}" in seen["moved"] else "still"}
            for line in seen["drops"]
        ]
        parts.append(show.grid(rows, COLUMNS, ("now", {"moved": "yellow"})))
    elif seen["counting"]:
        parts.append(Text("nothing is dropped"))
    else:
        parts.append(Text("no switch counts yet: is the interface, or one of its VPC, plugged into a host?"))
    return Group(*parts)
