"""Load balancers and their listeners on the command line."""

from typing import Annotated, Any

import typer

from apps.eip.cli import Target
from sdnctl.cli.command import one, option, tenants
from sdnctl.cli.invocation import Invocation
from sdnctl.cli.kind import Column, Kind, given, key
from sdnctl.cli.resources import Description, NewName, made

LB = Kind(
    "lb", "load balancer", "Addresses that share connections among machines.",
    resource="LoadBalancer", path="loadBalancers/", plural="loadBalancers", singular="loadBalancer", prefix="lb",
    name_filter="loadBalancerNames", service="lb", inside="vpc",
    columns=(
        Column("vpc", key("vpcId")),
        Column("subnet", key("subnetId")),
        Column("type", key("type")),
        Column("address", lambda shown: shown["privateIp"]["privateIpAddress"]),
        Column("elastic IP", lambda shown: shown["privateIp"].get("elasticIpAddress", "")),
        Column("state", lambda shown: shown["state"]["code"]),
    ),
)  # fmt: skip
TARGET = Target(
    "lb",
    lambda shown: dict(shown["networkInterface"]),
    lambda port: str(port["instanceId"]) if port["instanceType"] == "lb" else "",
)
LISTENER = Kind(
    "listener", "listener", "Ports of load balancers.",
    resource="Listener", path="listeners/", plural="listeners", singular="listener", prefix="listener",
    name_filter="listenerNames", service="lb", inside="lb",
    columns=(
        Column("load balancer", key("loadBalancerId")),
        Column("protocol", key("protocol")),
        Column("port", key("port")),
        Column("backend", key("backendId")),
        Column("status", key("status")),
    ),
)  # fmt: skip
InLb = Annotated[str, option("lb", "--lb", "Name or id of its load balancer.")]
Protocol = Annotated[str, typer.Option(metavar="tcp|udp", help="tcp or udp.")]


@tenants("lb", "create", waits=True)
def create(
    call: Invocation,
    name: NewName,
    subnet: Annotated[str, option("subnet", "--subnet", "Name or id of its subnet.")],
    type: Annotated[str, typer.Option(metavar="TYPE", help="nlb or dnlb.")] = "nlb",
    address: Annotated[str | None, typer.Option(metavar="IP", help="Default: a free one.")] = None,
    description: Description = None,
) -> None:
    """Make a load balancer; then make a target group, a backend and a listener."""
    body: dict[str, Any] = given(loadBalancerName=name, subnetId=call.id("subnet", subnet), type=type)
    result = call.tenant.post("lb", LB.path, {**body, **given(privateIpAddress=address, description=description)})
    made(call, LB, [result["loadBalancerId"]], result)


@tenants("lb", "start", waits=True)
def start(call: Invocation, balancer: Annotated[str, one("lb")]) -> None:
    """Let a load balancer work again."""
    _change(call, LB, call.id("lb", balancer), action="Start")


@tenants("lb", "stop", waits=True)
def stop(call: Invocation, balancer: Annotated[str, one("lb")]) -> None:
    """Let a load balancer answer nothing."""
    _change(call, LB, call.id("lb", balancer), action="Stop")


@tenants("listener", "create", waits=True)
def listen(
    call: Invocation,
    name: NewName,
    lb: InLb,
    port: Annotated[int, typer.Option(metavar="PORT", help="The load balancer's port.")],
    backend: Annotated[str, typer.Option(metavar="BACKEND", help="Name or id of a backend of the load balancer.")],
    protocol: Protocol = "tcp",
) -> None:
    """Make a listener at a port of a load balancer."""
    id = call.id("lb", lb)
    body = {"loadBalancerId": id, "listenerName": name, "protocol": protocol.capitalize(), "port": port}
    result = call.tenant.post("lb", LISTENER.path, {**body, "backendId": call.id("lb-backend", backend, id)})
    made(call, LISTENER, [result["listenerId"]], result)


@tenants("listener", "on", waits=True)
def on(call: Invocation, listener: Annotated[str, one("listener")]) -> None:
    """Switch a listener on."""
    _change(call, LISTENER, call.id("listener", listener), status="On")


@tenants("listener", "off", waits=True)
def off(call: Invocation, listener: Annotated[str, one("listener")]) -> None:
    """Switch a listener off: it answers nothing."""
    _change(call, LISTENER, call.id("listener", listener), status="Off")


def _change(call: Invocation, kind: Kind, id: str, **fields: str) -> None:
    result = call.tenant.call("lb", "PATCH", kind.item(id), fields)
    made(call, kind, [id], result)
