"""``sdnctl watch``: what goes through the tenant's resources now, what is dropped, and how far each host has got.

Hosts come from the operator API, resources of the kinds that features have watched from the tenant's, rates and drops
from the figures that the controller of this machine serves for Prometheus; what cannot be asked is left out.
"""

import contextlib
import json
import re
import time
import urllib.error
import urllib.request
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, Group
from rich.text import Text

from sdnctl.cli import hosts, show
from sdnctl.cli.catalogue import catalogue
from sdnctl.cli.command import LOOK, tenants
from sdnctl.cli.exchange import NotRunning
from sdnctl.cli.invocation import Invocation
from sdnctl.cli.kind import Watched
from sdnctl.cli.names import NameBook, listed

Json = dict[str, Any]
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
Interval = Annotated[float, typer.Option(metavar="SECONDS", min=0.2, help="How often to look.")]
Once = Annotated[bool, typer.Option("--once", help="Look once; totals, but no rates yet.")]
METRICS = "metrics.json"  # in the data directory: {"controller": "HOST:PORT"}
BITS, LOST = "bits", "dropped_packets"
DROPS = "sdnctl_drops_total"
WINDOW_S, IDLE_S = 16.0, 11.0  # the controller reads the switch every 5 s: a rate is that of about three readings
METRICS_TIMEOUT_S = 3.0
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.ASCII | re.MULTILINE)
_METERED = re.compile(rf"sdnctl_\w+?(?<!_dropped)_({LOST}|{BITS})_total", re.ASCII)
_LABEL = re.compile(r'(\w+)="([^"]*)"', re.ASCII)


class Rates:
    """Bits per second out of totals that move only now and then."""

    def __init__(self) -> None:
        self._moved: dict[tuple[str, str], deque[tuple[float, float]]] = defaultdict(deque)

    def rate(self, id: str, direction: str, total: float, now: float) -> float | None:
        """The rate over the last few readings; None until there have been two."""
        moved = self._moved[id, direction]
        if moved and total < moved[-1][1]:
            moved.clear()  # counted anew
        first = not moved
        if first or total > moved[-1][1]:
            moved.append((now, total))
        while len(moved) > 1 and moved[0][0] < now - WINDOW_S and moved[1][0] < moved[-1][0]:
            moved.popleft()
        if now - moved[-1][0] > IDLE_S:
            return 0.0
        if len(moved) < 2:
            return None
        (since, before), (until, after) = moved[0], moved[-1]
        return (after - before) / (until - since)


def samples(text: str) -> Samples:
    """Figures in Prometheus' text format, by name and labels."""
    found: Samples = {}
    for name, labels, value in _SAMPLE.findall(text):
        with contextlib.suppress(ValueError):
            found[name, tuple(sorted(_LABEL.findall(labels)))] = float(value)
    return found


def figures(file: Path) -> Samples | None:
    """The metrics of this machine's controller; None when it cannot be asked."""
    try:
        address = json.loads(file.read_text())["controller"]
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{address}/metrics", timeout=METRICS_TIMEOUT_S) as answer:
            return samples(answer.read().decode())
    except (OSError, ValueError, KeyError, TypeError):
        return None


class Watcher:
    """Looks at a region again and again."""

    def __init__(self, call: Invocation, metrics: Path) -> None:
        self._call = call
        self._metrics = metrics
        self._rates = Rates()

    def look(self) -> Json:
        """Everything at this moment; raises NotRunning when the region does not answer."""
        operator, tenant = self._call.operator, self._call.tenant
        status = operator.get("/status") if operator is not None else {}
        names, found = NameBook(tenant), figures(self._metrics) if operator is not None else None
        meters = metered(found or {})
        watched = {one.kind.plural: self._rows(one, names, meters) for one in catalogue().of(Watched)}
        return {
            "region": status.get("region", tenant.region),
            "sequence": status.get("sequence"),
            "hosts": status.get("hosts", []),
            **watched,
            "drops": {dict(labels)["reason"]: int(n) for (name, labels), n in (found or {}).items() if name == DROPS},
            "metrics": found is not None,
        }

    def _rows(self, watched: Watched, names: NameBook, meters: dict[tuple[str, str, str], float]) -> list[Json]:
        """The tenant's resources of a kind, as they are watched."""
        kind, rows = watched.kind, []
        for shown in listed(self._call.tenant, kind):
            row = {kind.id_key: shown[kind.id_key], "name": shown[kind.name_key], **watched.row(shown)}
            row |= {key: names.translated(row[key], lambda id, name: name) for key in watched.named}
            rows.append(row | self._carried(meters, row[kind.id_key], watched.directions))
        return rows

    def _carried(self, meters: dict[tuple[str, str, str], float], id: str, directions: Iterable[str]) -> Json:
        """The bits that a resource carried, the packets it lost, and its rates in bit/s; null where not known."""
        carried: Json = {}
        for direction in directions:
            bits, lost = meters.get((BITS, id, direction)), meters.get((LOST, id, direction))
            rate = None if bits is None else self._rates.rate(id, direction, bits, time.monotonic())
            carried[f"{direction}Bits"] = None if bits is None else int(bits)
            carried[f"{direction}Dropped"] = None if lost is None else int(lost)
            carried[f"{direction}Bps"] = None if rate is None else round(rate)
        return carried


def metered(found: Samples) -> dict[tuple[str, str, str], float]:
    """The figures of meters that have a direction: (what, whose, direction) -> total."""
    meters = {}
    for (name, labels), total in found.items():
        what, said = _METERED.fullmatch(name), dict(labels)
        direction = said.pop("direction", "")
        if what is not None and direction:
            meters.update({(what[1], id, direction): total for id in said.values()})
    return meters


@tenants("", "watch", panel=LOOK)
def watch(call: Invocation, interval: Interval = 1.0, once: Once = False) -> None:
    """Show, live, what your resources carry and lose, and how far each host has got.  Ctrl-C ends it.

    With --json: one document for each look.
    """
    watcher = Watcher(call, call.directory / METRICS)
    console = show.console()
    with contextlib.suppress(KeyboardInterrupt):
        if once:
            _print(console, watcher.look(), call.json)
        elif call.json or not console.is_terminal:
            for seen in _looks(watcher, interval):
                _print(console, seen, call.json)
        else:
            from rich.live import Live

            with Live(console=console, auto_refresh=False) as live:
                for seen in _looks(watcher, interval):
                    live.update(_page(seen), refresh=True)


def _looks(watcher: Watcher, interval: float) -> Iterator[Json]:
    """One look after the other; a region that is being restarted is waited for."""
    last: Json = watcher.look()
    while True:
        yield last
        time.sleep(interval)
        try:
            last = watcher.look()
        except NotRunning as problem:
            last = {**last, "problem": str(problem)}


def _print(console: Console, seen: Json, as_json: bool) -> None:
    if as_json:
        show.document(seen)
    else:
        console.print(_page(seen))


def _page(seen: Json) -> Group:
    """One look as tables."""
    sequence = "" if seen["sequence"] is None else f", sequence {seen['sequence']}"
    parts: list[Any] = [Text(f"region {seen['region']}{sequence}", "bold")]
    if "problem" in seen:
        parts.append(Text(seen["problem"], "red"))
    if seen["hosts"]:
        parts += ["", show.grid(hosts.rows(seen["hosts"]), hosts.COLUMNS)]
    for one in catalogue().of(Watched):
        kind = one.kind
        rows = [row | {f"{way}Rate": _rate(row[f"{way}Bps"]) for way in one.directions} for row in seen[kind.plural]]
        empty = Text(f"no {kind.noun}s yet: sdnctl {kind.command} create --help")
        parts += ["", show.grid(rows, one.columns) if rows else empty]
    if not seen["metrics"]:
        parts.append(Text("no rates: the controller's figures are not served here", "dim"))
    if seen["drops"]:
        rows = [{"why": name, "packets": count} for name, count in sorted(seen["drops"].items()) if count]
        parts += ["", show.grid(rows, {"why": "dropped because", "packets": "packets"})] if rows else []
    return Group(*parts)


def _rate(bps: float | None) -> str:
    """A rate as people read it, in decimal units of bit/s."""
    if bps is None:
        return ""
    for unit, size in (("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3)):
        if bps >= size:
            return f"{bps / size:.1f} {unit}"
    return f"{bps:.0f} bit/s"
