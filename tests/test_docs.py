"""The generated page says what the code says: a change of the pipeline without ``make docs`` fails here."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sdnctl.docs import page
from sdnctl.of.fields import IP_DST
from sdnctl.program.feature import assemble, feature, packet_in
from sdnctl.program.pipeline import Pipeline

REPO = Path(__file__).parent.parent


def test_the_pipeline_page_is_not_stale() -> None:
    made = subprocess.run([sys.executable, "-m", "sdnctl.docs"], cwd=REPO, capture_output=True, text=True, check=True)
    assert (REPO / "docs" / "pipeline.md").read_text() == made.stdout, "run 'make docs' and commit docs/pipeline.md"


def test_everything_declared_is_on_the_page() -> None:
    pipeline = Pipeline()
    first, second = pipeline.stage("enter"), pipeline.stage("leave")
    lost = pipeline.reason("lost", "nobody has this address")
    out = second.table("out", "where the packet leaves", matches=[IP_DST], miss=lost)
    first.table("admit", "whose packet it is", miss="onward")
    first.table("beside", "what only some packets meet", after="admit", aside=True)
    ask = pipeline.question("ask", "it wants to know")
    pipeline.limit("askers", "all askers", rate=50, burst=32)
    pipeline.barrier("wall", "nothing is looked at before", to=out)
    pipeline.field("vpc", since=first, until=second)
    pipeline.field("kind", bits=4, since=first, until=second)

    @feature(each=str)
    def exit(each: str, here: str, view: object) -> Iterator[Any]:
        """The way out.

        Not on the page.
        """
        yield from ()

    @packet_in(ask)
    def answer(packet: object, here: str, view: object) -> Iterator[Any]:
        """Answers it."""
        yield from ()

    text = page(assemble([exit, answer], pipeline))
    assert "| 16 | `out` | where the packet leaves | `eth_type`, `ip_dst`, `ip_proto` | drop: lost | – |" in text
    assert "| 0 | `admit` | whose packet it is | – | onward | `out` |" in text
    assert "| 1 | `beside` (aside) | what only some packets meet | – | – | `out` |" in text
    assert "| 1 | `askers` | all askers | 50 | 32 |" in text
    assert "| 1 | `wall` | nothing is looked at before | `out` |" in text
    assert "| 1 | `ask` | it wants to know | `answer` | Answers it. |" in text
    assert "| `vpc` | `reg0` | enter | leave |" in text
    assert "| `kind` | `reg1[0..3]` | enter | leave |" in text
    assert "| 1 | `lost` | nobody has this address |" in text
    assert "The way out. |" in text
    assert "Not on the page" not in text
    assert "Answers it." in text
