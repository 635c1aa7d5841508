"""Golden flow tables: a host's whole pipeline as text with names, in a file that people read."""

import time
from pathlib import Path
from typing import Protocol

from sdnctl.engine.engine import Engine
from sdnctl.of.group import Group
from sdnctl.of.text import actions_text, text
from sdnctl.program.names import Names

PATIENCE_S = 10.0
"""The longest time that a running host may take to come to the flows that are wanted."""
MANY = 8
"""So many buckets of a group are written one by one."""


class Tables(Protocol):
    """A running host: asked again, it tells what its switch has by then."""

    def tables(self) -> str:
        """Every flow, one a line."""


Source = Engine | Tables


def table_text(engine: Engine) -> str:
    """Every flow, group and meter that an engine wants, in a stable order; with the unit each flow comes from."""
    names = Names(engine.program.pipeline)
    flows = sorted(engine.desired.flows.values(), key=lambda flow: (flow.table, -flow.priority, flow.key))
    lines = [f"{text(flow, names)}    # {', '.join(engine.owners(flow.cookie))}" for flow in flows]
    for group in sorted(engine.desired.groups.values(), key=lambda group: group.id):
        lines.append(f"group={names.group(group.id)} {group.kind} {_buckets(group, names)}")
    for meter in sorted(engine.desired.meters.values(), key=lambda meter: meter.id):
        unit = "packets/s" if meter.packets else "kbit/s"
        lines.append(f"meter={meter.id} rate={meter.rate_kbps} {unit} burst={meter.burst_kbits}")
    return "\n".join(lines) + "\n"


def _buckets(group: Group, names: Names) -> str:
    """The buckets of a group; of many the first and the last, and how many there are."""
    said = [actions_text(bucket[16:], names) for bucket in group.buckets]
    return ", ".join(said) if len(said) <= MANY else f"{said[0]} … {said[-1]} ({len(said)} buckets)"


def compare(source: Source, path: Path, update: bool) -> None:
    """Compare tables with a golden file, after writing it if ``update``; AssertionError shows the difference."""
    found = table_text(source) if isinstance(source, Engine) else _settled(source, path, update)
    if update:
        path.parent.mkdir(exist_ok=True)
        path.write_text(found)
    assert path.exists(), f"{path} is missing: run pytest with --update-golden, and read it"
    assert found == path.read_text(), f"not as in {path}: if it is meant so, run pytest with --update-golden"


def _settled(source: Tables, path: Path, update: bool) -> str:
    """The tables of a running host once they equal the golden text, or once they no longer change."""
    wanted = path.read_text() if path.exists() and not update else None
    deadline = time.monotonic() + PATIENCE_S
    found = source.tables()
    while found != wanted and time.monotonic() < deadline:
        time.sleep(0.5)
        found = source.tables()
    return found
