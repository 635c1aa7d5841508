"""The tables of both sides, with the ratios as they are."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from bench.ours import DAEMONS
from bench.table import lines

Entry = dict[str, Any]
KINDS = {
    "add port": "add port (ordered, then plugged in)",
    "delete port": "delete port",
    "add EIP": "add EIP",
    "move EIP": "move EIP",
    "change EIP bandwidth": "change EIP bandwidth",
    "add static route": "add static route",
    "(switch alone: add a port)": "(switch alone: add a port)",
    "(switch alone: delete a port)": "(switch alone: delete a port)",
}
"""OVN's name of a change, and ours."""
ONLY_OURS = ("add port (plugged in before; by the store)", "delete port (still plugged in)", "delete EIP")
OVN_DAEMONS = ("ovn-northd", "ovn-controller", "ovs-vswitchd", "ovsdb-nb", "ovsdb-sb", "ovsdb-conf")
QUICK = ("add EIP", "move EIP", "change EIP bandwidth", "add static route")
"""The changes that only the product takes time for: no switch has to make a port for them."""
COMMIT_MS, CALL_MS, FASTER, EACH_FASTER, LOCAL_FLOWS = 2.0, 4.0, 10.0, 3.0, 12


def median(samples: Iterable[float | None]) -> float | None:
    """The middle one of those that there are."""
    ordered = sorted(x for x in samples if x is not None)
    return ordered[len(ordered) // 2] if ordered else None


def report(known: dict[str, Entry]) -> str:
    """All of it as Markdown."""
    parts = [head(known), *(table(known) for table in (programming, restarts, memory))]
    parts += [changes(name, entry) for name, entry in known.items()]
    return "\n".join([*parts, goals(known)])


def head(known: dict[str, Entry]) -> str:
    """The conditions of each size: when and with what it was measured."""
    rows = []
    for name, entry in known.items():
        versions = entry["ovn"]["versions"]
        loads = " ".join(f"{load:.1f}" for load in entry["loads"])
        rows.append([_title(name), entry["when"], loads, versions["ovn-northd"], versions["ovs-vswitchd"]])
    titles = ("ports", "when", "load: before sdnctl, after, before OVN, after", "OVN", "switch")
    machines = "\n".join(dict.fromkeys(entry["machine"].partition(", ")[2] for entry in known.values()))
    return f"{machines}\n\n" + lines("Runs", titles, rows)


def _title(name: str) -> str:
    size, _, bound = name.partition("/")
    return f"{size}, {'all' if size == bound else bound} here"


def programming(known: dict[str, Entry]) -> str:
    """From nothing to all flows."""
    rows = []
    for name, entry in known.items():
        (theirs, mine), (floor, own) = (_both(entry, "bulk"), _both(entry, "replay"))
        stable = theirs["t_flows_stable"], mine["t_flows_stable"]
        times = [_s(theirs["t_nb"]), _s(stable[0]), "", "", "", _s(_of(floor, "seconds"))]
        rows.append([_title(name), "OVN", str(theirs["flows"]), *times, _cpu(theirs["cpu"]), ""])
        start = entry["ours"]["start"]
        seconds = mine["t_intent"], stable[1], mine["t_from_commit"], start["t_flows_stable"], start["cpu"]
        times = [*map(_s, seconds), _s(_of(own, "seconds"))]
        rows.append(["", "sdnctl", str(mine["flows"]), *times, _cpu(mine["cpu"]), _ratio(*stable)])
    titles = ["ports", "", "flows", "intent accepted s", "all flows s", "of that after the commit s"]
    titles += ["controller start, loaded store s", "its CPU s", "same flows by ovs-ofctl s", "CPU s", "times faster"]
    return lines("Full programming, from the first byte of intent", titles, rows)


def changes(name: str, entry: Entry) -> str:
    """Single changes of one size."""
    rows = []
    theirs, mine = entry["ovn"].get("inc", {}), entry["ours"]["inc"]
    for kind, own in [*KINDS.items(), *((None, kind) for kind in ONLY_OURS)]:
        ovn, our = theirs.get(kind, {}), mine.get(own, {})
        flow = median(ovn.get("flow", [])), median(our.get("flow", []))
        figures = [_ms(flow[0]), _ms(median(ovn.get("hv", []))), _ms(flow[1]), _ms(median(our.get("from_commit", [])))]
        figures += [_worst(our.get("from_commit", [])), _ms(median(our.get("hv", []))), _ratio(*flow)]
        counts = [f"{median(side.get('events', [])) or 0:.0f}" for side in (ovn, our)]
        rows.append([own, *figures, " / ".join(counts), " / ".join(_spent(side) for side in (ovn, our))])
    titles = ["change, ms p50", "OVN: call to flow", "OVN: call to hv", "sdnctl: call to last flow"]
    titles += ["commit to last flow", "worst", "call to confirmed", "times faster"]
    return lines(f"Single changes, {_title(name)}", (*titles, "flow changes OVN / sdnctl", "CPU s OVN / sdnctl"), rows)


def _spent(side: dict[str, list[Any]]) -> str:
    """CPU seconds of all programs for one change, on the average."""
    used = [sum(one.values()) for one in side.get("cpu", [])]
    return f"{sum(used) / len(used):.3f}" if used else "-"


def restarts(known: dict[str, Entry]) -> str:
    """Controllers killed and started again."""
    rows = []
    for name, entry in known.items():
        for one in entry["ovn"].get("restart", []):
            monitor = "all" if one["mon_all"] else "conditional"
            rows.append([_title(name), f"OVN, SB monitor {monitor}", *_restart(one), str(one["of_msgs"]), "-"])
        for one in entry["ours"]["restart"]:
            sent = f"{one['mods']} ({one['events']} flow changes)"
            rows.append([_title(name), "sdnctl", *_restart(one), str(one["of_msgs"]), sent])
    titles = ("ports", "", "back after s", "fewest rules", "CPU s", "pings lost/sent", "longest hole ms")
    return lines("Controller killed (kill -9) and started", (*titles, "OpenFlow messages", "of them mods"), rows)


def _restart(one: dict[str, Any]) -> list[str]:
    spent = one["cpu"]["ovn-controller"] if isinstance(one["cpu"], dict) else one["cpu"]
    hole = f"{(one['hole_s'] or 0) * 1e3:.0f}"
    return [_s(one["t_hv"]), f"{one['rules_min']} of {one['base']}", _s(spent), f"{one['lost']}/{one['sent']}", hole]


def memory(known: dict[str, Entry]) -> str:
    """Resident memory at the end."""
    rows = []
    for name, entry in known.items():
        theirs, mine = entry["ovn"]["rss_end"], entry["ours"]["rss_end"]
        for side, rss, programs in (("OVN", theirs, OVN_DAEMONS), ("sdnctl", mine, DAEMONS)):
            each = ", ".join(f"{program} {rss[program][0] / 1024:.0f}" for program in programs)
            rows.append([_title(name), side, each, f"{_sum(rss):.0f}", f"{_sum(rss) / _sum(theirs):.2f}"])
    return lines("Resident memory after all changes, MiB", ("ports", "", "each", "sum", "sdnctl / OVN"), rows)


def _sum(rss: dict[str, Sequence[int]]) -> float:
    return sum(now for now, _ in rss.values()) / 1024


def goals(known: dict[str, Entry]) -> str:
    """The goals, and whether they were reached."""
    rows = []
    for name, entry in known.items():
        inc = {kind: one for kind, one in entry["ours"]["inc"].items() if not kind.startswith("(")}
        theirs = entry["ovn"].get("inc", {})
        pairs = [(median(theirs.get(kind, {}).get("flow", [])), median(inc[kind]["flow"])) for kind in QUICK]
        least = min((ovn / own for ovn, own in pairs if ovn and own), default=0.0)
        bulks, restarts = _both(entry, "bulk"), entry["ours"]["restart"]
        ratio = bulks[0]["t_flows_stable"] / bulks[1]["t_flows_stable"] if bulks[0]["t_flows_stable"] else 0.0
        each = bulks[1]["flows"] / bulks[1]["bound"]
        half = _sum(entry["ours"]["rss_end"]) / _sum(entry["ovn"]["rss_end"])
        sent, lost = sum(one["mods"] for one in restarts), sum(one["lost"] for one in restarts)
        figures = [
            _held([median(one["from_commit"]) for one in inc.values()], COMMIT_MS),
            _held([own for _, own in pairs], CALL_MS),
            _verdict(f"{least:.1f}", least >= EACH_FASTER),
            _verdict(f"{ratio:.1f}", ratio >= FASTER),
            _verdict(f"{sent} and {lost}", sent == lost == 0),
            _verdict(f"{half:.2f}", half <= 0.5),
            _verdict(f"{each:.1f}", each <= LOCAL_FLOWS),
        ]
        rows.append([_title(name), *figures])
    titles = (
        "ports",
        f"commit to flow p50 <= {COMMIT_MS:g} ms, worst kind, without the switch's own plugging",
        f"call to flow p50 <= {CALL_MS:g} ms, worst of {', '.join(QUICK)}",
        f"each of these >= {EACH_FASTER:g} times faster than this OVN",
        f"programming >= {FASTER:g} times faster",
        "restart: mods and pings lost, both 0",
        "memory <= half",
        f"flows per local port <= {LOCAL_FLOWS}",
    )
    return lines("Goals", titles, rows)


def _held(samples: list[float | None], most: float) -> str:
    worst = max((x for x in samples if x is not None), default=0.0) * 1e3
    return _verdict(f"{worst:.2f} ms", worst <= most)


def _verdict(text: str, good: bool) -> str:
    return text if good else f"{text}: **no**"


def _both(entry: Entry, part: str) -> tuple[Any, Any]:
    return entry["ovn"].get(part), entry["ours"].get(part)


def _of(found: dict[str, Any] | None, key: str) -> Any:
    return found[key] if found else None


def _cpu(spent: dict[str, float]) -> str:
    return ", ".join(f"{name} {seconds:.1f}" for name, seconds in spent.items() if seconds >= 0.05) or "0"


def _shown(scale: float, digits: int) -> Callable[[float | None], str]:
    return lambda value: "-" if value is None else f"{value * scale:.{digits}f}"


_s, _ms = _shown(1, 2), _shown(1e3, 1)


def _worst(samples: Sequence[float | None]) -> str:
    return _ms(max((x for x in samples if x is not None), default=None))


def _ratio(theirs: float | None, mine: float | None) -> str:
    return f"{theirs / mine:.1f}" if theirs is not None and mine else "-"
