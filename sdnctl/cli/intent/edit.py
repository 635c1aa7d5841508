"""An edit: the tasks by which one resource becomes as a file wants it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum, auto
from typing import TYPE_CHECKING

from sdnctl.cli.intent.schema import Item, Schema

if TYPE_CHECKING:
    from sdnctl.cli.intent.tasks import Run

CREATE, CHANGE, DELETE = "create", "change", "delete"
SIGNS = {CREATE: "+", CHANGE: "~", DELETE: "-"}


@dataclass(slots=True)
class Edit:
    """One resource that is to be made, changed or deleted."""

    action: str
    item: Item  # as it is wanted; for a deletion, as it is
    found: Item | None = None  # as it is
    details: list[str] = field(default_factory=list)
    keys: tuple[str, ...] = ()  # those that differ


class Phase(IntEnum):
    """The phase of a change in which a task has its turn.

    Within a phase, tasks go in the order in which resources are made; JOIN by what is joined to what, LEAVE before JOIN
    for each kind; DELETE backwards.
    """

    MAKE = auto()
    MODIFY = auto()
    """Change what a resource is by itself."""
    JOIN = auto()
    """Attach, bind, route: what leads from one resource to another."""
    SETTLE = auto()
    """Change the state that it shall end in."""
    CLEAR = auto()
    """Take out of what will be deleted what would hold others back."""
    DELETE = auto()


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do for an edit; in phase JOIN it is the turn of ``kind`` (a command), and leaving comes first."""

    phase: Phase
    edit: Edit
    run: Callable[["Run"], object]
    kind: str = ""
    leaves: bool = False

    def turn(self, schema: Schema) -> tuple[int, int, bool]:
        """The place of a task among all tasks."""
        order = schema.joining if self.phase is Phase.JOIN else schema.making
        place = order.get(self.kind, order[self.edit.item.command])
        return self.phase, -place if self.phase is Phase.DELETE else place, not self.leaves
