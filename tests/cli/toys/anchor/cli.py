"""Anchors on the command line: a kind in no other, whose key names a brick of a wall by its whole path."""

from typing import Any

from sdnctl.cli.command import Group, command
from sdnctl.cli.intent import reading
from sdnctl.cli.intent.live import Live
from sdnctl.cli.intent.schema import Key, Section, by_name, never
from sdnctl.cli.kind import Column, Kind, key

ANCHOR = Kind(
    "anchor", "anchor", "What holds bricks.",
    resource="Anchor", path="anchors/", plural="anchors", singular="anchor", prefix="anchor",
    name_filter="anchorNames", columns=(Column("holds", key("brickId")),),
)  # fmt: skip
HARBOUR = Group("harbour", "A group of commands of its own.")


@command("harbour", "greet")
def greet(name: str) -> None:
    """Greet somebody."""
    print(f"ahoy {name}")


def _holds(live: Live, shown: dict[str, Any]) -> Any:
    return "/".join(live.path(shown["brickId"]))


ANCHORS = Section(
    ANCHOR,
    "anchors",
    keys=(Key("holds", reading.text, _holds, "brickId", never, required=True, mentions=by_name("brick")),),
)
