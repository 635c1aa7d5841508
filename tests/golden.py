"""Golden flow tables: the whole pipeline of a small network, as text with names, beside the tests.

``pytest --update-golden`` writes them anew; read the difference before you commit it.
"""

from pathlib import Path

import pytest

from apps.pipeline import PIPELINE
from sdnctl.engine.engine import Engine
from sdnctl.of.text import actions_text, text
from sdnctl.program.names import Names

FOLDER = Path(__file__).parent / "golden"
NAMES = Names(PIPELINE)


def table_text(engine: Engine) -> str:
    """Every flow, group and meter, ordered by table, priority and match; with the unit it comes from."""
    flows = sorted(engine.desired.flows.values(), key=lambda flow: (flow.table, -flow.priority, flow.key))
    lines = [f"{text(flow, NAMES)}    # {', '.join(engine.owners(flow.cookie))}" for flow in flows]
    for group in sorted(engine.desired.groups.values(), key=lambda group: group.id):
        buckets = ", ".join(actions_text(bucket[16:], NAMES) for bucket in group.buckets)
        lines.append(f"group={NAMES.group(group.id)} {group.kind} {buckets}")
    for meter in sorted(engine.desired.meters.values(), key=lambda meter: meter.id):
        unit = "packets/s" if meter.packets else "kbit/s"
        lines.append(f"meter={meter.id} rate={meter.rate_kbps} {unit} burst={meter.burst_kbits}")
    return "\n".join(lines) + "\n"


def assert_golden(engine: Engine, name: str, config: pytest.Config) -> None:
    """The engine's tables equal ``tests/golden/NAME.txt``."""
    path = FOLDER / f"{name}.txt"
    found = table_text(engine)
    if config.getoption("--update-golden"):
        FOLDER.mkdir(exist_ok=True)
        path.write_text(found)
    assert found == path.read_text()
