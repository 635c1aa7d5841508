"""Starting, stopping and resizing instances: commands, and keys of an instance in an intent file."""

from collections.abc import Iterator
from typing import Annotated

from apps.instance.cli import INSTANCE
from sdnctl.cli.command import one, tenants
from sdnctl.cli.intent import reading
from sdnctl.cli.intent.edit import Edit, Phase, Task
from sdnctl.cli.intent.live import Live
from sdnctl.cli.intent.schema import Addition, Key, plain
from sdnctl.cli.invocation import Invocation
from sdnctl.cli.resources import made


@tenants("instance", "start", waits=True)
def start(call: Invocation, instance: Annotated[str, one("instance")]) -> None:
    """Start a stopped instance."""
    _power(call, instance, "startInstance")


@tenants("instance", "stop", waits=True)
def stop(call: Invocation, instance: Annotated[str, one("instance")]) -> None:
    """Stop a running instance."""
    _power(call, instance, "stopInstance")


def _power(call: Invocation, instance: str, action: str) -> None:
    id = call.id("instance", instance)
    result = call.tenant.post("vm", INSTANCE.item(id, action), {})
    made(call, INSTANCE, [id], result)


def _tasks(edit: Edit, live: Live) -> Iterator[Task]:
    item = edit.item
    wanted = item.values.get("state")
    if "state" in edit.keys and (edit.found is not None or wanted == "stopped"):
        action = "stopInstance" if wanted == "stopped" else "startInstance"
        yield Task(Phase.SETTLE, edit, lambda run: run.act("instance", run.own(item), action))
    if edit.found is not None and "type" in edit.keys:
        size = item.values["type"]
        yield Task(
            Phase.SETTLE, edit, lambda run: run.act("instance", run.own(item), "resizeInstance", instanceType=size)
        )


STATE = Addition(
    "instance",
    keys=(Key("state", reading.choice("running", "stopped"), plain("status"), own=True),),
    tasks=_tasks,
)
