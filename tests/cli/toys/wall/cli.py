"""Walls and bricks on the command line: kinds, a verb, sections one in the other."""

from collections.abc import Iterator
from typing import Annotated, Any

from sdnctl.cli.command import one, tenants
from sdnctl.cli.intent import reading
from sdnctl.cli.intent.edit import Edit, Phase, Task
from sdnctl.cli.intent.live import Live
from sdnctl.cli.intent.schema import Addition, Key, Section, plain
from sdnctl.cli.invocation import Invocation
from sdnctl.cli.kind import Column, Kind, Watched, key
from sdnctl.cli.resources import made

WALL = Kind(
    "wall", "wall", "Walls of a VPC.",
    resource="Wall", path="walls/", plural="walls", singular="wall", prefix="wall", name_filter="wallNames",
    inside="vpc", columns=(Column("colour", key("colour")), Column("vpc", key("vpcId"))),
)  # fmt: skip
BRICK = Kind(
    "brick", "brick", "Bricks of a wall.",
    resource="Brick", path="bricks/", plural="bricks", singular="brick", prefix="brick", name_filter="brickNames",
    inside="wall", columns=(Column("size", key("size")),),
)  # fmt: skip


@tenants("wall", "paint", waits=True)
def paint(call: Invocation, wall: Annotated[str, one("wall")], colour: str) -> None:
    """Paint a wall."""
    id = call.id("wall", wall)
    made(call, WALL, [id], call.tenant.post("vpc", WALL.item(id, "paint"), {"colour": colour}))


def _repaint(edit: Edit, live: Live) -> Iterator[Task]:
    if edit.found is not None and "colour" in edit.keys:
        colour = edit.item.values["colour"]
        yield Task(Phase.SETTLE, edit, lambda run: run.act("wall", run.own(edit.item), "paint", colour=colour))


WALLS = Section(WALL, "walls", keys=(Key("colour", reading.text, plain("colour"), "colour", own=True),), tasks=_repaint)
BRICKS = Section(BRICK, "bricks", keys=(Key("size", reading.whole(1, 9), plain("size"), "size", required=True),))


def _fenced(live: Live, shown: dict[str, Any]) -> Any:
    return None


FENCE = Addition("vpc", keys=(Key("fence", reading.text, _fenced, "fence"),))
WATCHED = Watched(WALL, lambda shown: {"colour": shown["colour"]}, columns={"name": "name", "colour": "colour"})
