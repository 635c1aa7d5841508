"""Backends of load balancers on the command line."""

from typing import Annotated

import typer

from apps.load_balancer.cli import InLb, Protocol
from sdnctl.cli.command import tenants
from sdnctl.cli.invocation import Invocation
from sdnctl.cli.kind import Column, Kind, given, key
from sdnctl.cli.resources import NewName, made

BACKEND = Kind(
    "lb-backend", "backend", "Ways in which load balancers share connections among target groups.",
    resource="Backend", path="backends/", plural="backends", singular="backend", prefix="backend",
    name_filter="backendNames", service="lb", inside="lb",
    columns=(
        Column("load balancer", key("loadBalancerId")),
        Column("protocol", key("protocol")),
        Column("port", key("port")),
        Column("algorithm", key("algorithm")),
        Column("target groups", key("targetGroupIds")),
    ),
)  # fmt: skip


@tenants("lb-backend", "create", waits=True)
def create(
    call: Invocation,
    name: NewName,
    lb: InLb,
    port: Annotated[int, typer.Option(metavar="PORT", help="The targets' port.")],
    group: Annotated[str, typer.Option(metavar="GROUP", help="Name or id of a target group of the load balancer.")],
    protocol: Protocol = "tcp",
    algorithm: Annotated[
        str | None, typer.Option(metavar="NAME", help="RoundRobin, IpHash, or QuintupleHash of a dnlb.")
    ] = None,
) -> None:
    """Make a backend; its targets are not checked, and all are used."""
    id = call.id("lb", lb)
    body = given(loadBalancerId=id, backendName=name, protocol=protocol.capitalize(), port=port, algorithm=algorithm)
    result = call.tenant.post("lb", BACKEND.path, {**body, "targetGroupIds": [call.id("target-group", group, id)]})
    made(call, BACKEND, [result["backendId"]], result)
