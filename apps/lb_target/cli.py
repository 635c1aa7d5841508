"""Target groups of load balancers on the command line."""

from typing import Annotated, Any

import typer

from apps.load_balancer.cli import InLb
from sdnctl.cli import show
from sdnctl.cli.command import one, option, tenants
from sdnctl.cli.invocation import Invocation
from sdnctl.cli.kind import Column, Kind, key
from sdnctl.cli.resources import NewName, made

GROUP = Kind(
    "target-group", "target group", "Machines among which load balancers share connections.",
    resource="TargetGroup", path="targetGroups/", plural="targetGroups", singular="targetGroup", prefix="tg",
    name_filter="targetGroupNames", service="lb", inside="lb",
    columns=(Column("load balancer", key("loadBalancerId")), Column("type", key("type"))),
)  # fmt: skip
Group = Annotated[str, one("target-group")]
Machine = Annotated[str, option("instance", "--instance", "Name or id of the instance.")]


@tenants("target-group", "create", waits=True)
def create(call: Invocation, name: NewName, lb: InLb) -> None:
    """Make a target group of a load balancer, for instances."""
    body = {"loadBalancerId": call.id("lb", lb), "targetGroupName": name, "type": "instance"}
    result = call.tenant.post("lb", GROUP.path, body)
    made(call, GROUP, [result["targetGroupId"]], result)


@tenants("target-group", "targets")
def targets(call: Invocation, group: Group) -> None:
    """Show the targets of a group."""
    found = _targets(call, call.id("target-group", group))
    if call.json:
        show.document({"targets": found, "totalCount": len(found)})
    for target in () if call.json else found:
        place = f"{target['instanceId'] or target['type']} {target['ipAddress']}"
        show.line(f"{target['targetId']}: {place} port {target['port'] or 'of the backend'} weight {target['weight']}")


@tenants("target-group", "add", waits=True)
def add(
    call: Invocation,
    group: Group,
    instance: Machine,
    weight: Annotated[int, typer.Option(metavar="N", help="Its share: 0 (no new connections) to 100.")] = 10,
    port: Annotated[int, typer.Option(metavar="PORT", help="Default: the backend's.")] = 0,
) -> None:
    """Register an instance in a target group: it gets its share of new connections."""
    id = call.id("target-group", group)
    spec = {"instanceId": call.id("instance", instance), "weight": weight, "port": port}
    result = call.tenant.post("lb", GROUP.item(id, "registerTargets"), {"targetSpecs": [spec]})
    made(call, GROUP, [id], result)


@tenants("target-group", "remove", waits=True)
def remove(call: Invocation, group: Group, instance: Machine) -> None:
    """Take an instance out of a target group: its connections end, all others go on."""
    id, machine = call.id("target-group", group), call.id("instance", instance)
    ids = [target["targetId"] for target in _targets(call, id) if target["instanceId"] == machine]
    result = call.tenant.post("lb", GROUP.item(id, "deregisterTargets"), {"targetIds": ids})
    made(call, GROUP, [id], result)


def _targets(call: Invocation, group: str) -> list[dict[str, Any]]:
    return list(call.tenant.pages("lb", GROUP.item(group, "describeTargets"), "targets", []))
