"""NAT gateways on the command line and in an intent file."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from apps.eip.cli import Target, order
from apps.routing.cli import Hop
from sdnctl.base.problem import Usage
from sdnctl.cli.command import one, option, tenants
from sdnctl.cli.intent import reading
from sdnctl.cli.intent.edit import Edit, Phase, Task
from sdnctl.cli.intent.live import Live
from sdnctl.cli.intent.schema import (
    Item,
    Key,
    Section,
    by_name,
    description,
    labelled,
    never,
    plain,
    post_inside,
    tags,
)
from sdnctl.cli.intent.tasks import Run
from sdnctl.cli.invocation import Invocation
from sdnctl.cli.kind import Column, Kind, given, key
from sdnctl.cli.resources import Description, NewName, made

Json = dict[str, Any]
SIZES = ("small", "medium", "large")
GATEWAY = "nat-gateway"
NAT_GATEWAY = Kind(
    GATEWAY, "NAT gateway", "Gateways by which machines begin connections to the internet.",
    resource="NatGateway", path="natGateways/", plural="natGateways", singular="natGateway", prefix="natgw",
    name_filter="natGatewayNames", inside="vpc",
    columns=(
        Column("vpc", key("vpcId")),
        Column("subnet", key("subnetId")),
        Column("address", key("privateIpAddress")),
        Column("size", key("natGatewaySpec")),
        Column("elastic IPs", lambda shown: [eip_text(eip) for eip in shown["elasticIps"]], False),
        Column("state", lambda shown: shown["state"]["status"]),
    ),
)  # fmt: skip
HOP = Hop(GATEWAY, "natgw")
TARGET = Target(
    GATEWAY,
    lambda shown: dict(shown["networkInterface"]),
    lambda port: str(port["instanceId"]) if port["instanceType"] == "natgw" else "",
)
Which = Annotated[str, one(GATEWAY)]
Eips = Annotated[list[str], typer.Argument(metavar="EIP...", help="Elastic IPs.", show_default=False)]


def eip_text(eip: Json) -> str:
    """An elastic IP of a gateway in a word or two."""
    return str(eip["elasticIpAddress"]) + ("" if eip["status"] == "online" else " (offline)")


@tenants(GATEWAY, "create", waits=True)
def create(
    call: Invocation,
    name: NewName,
    subnet: Annotated[str, option("subnet", "--subnet", "Its subnet: another one than its users'.")],
    size: Annotated[str, typer.Option(metavar="SIZE", help="small, medium or large: 1, 3 or 10 million.")] = "small",
    eip: Annotated[list[str], typer.Option(metavar="EIP", help="One that you have. May be repeated.")] = [],  # noqa: B006
    buy: Annotated[int, typer.Option(metavar="N", help="Get so many elastic IPs along with it.")] = 0,
    bandwidth: Annotated[int, typer.Option(metavar="MBPS", help="Of those.")] = 100,
    description: Description = None,
) -> None:
    """Make a NAT gateway; a route leads to it: sdnctl route-table add-rule TABLE 0.0.0.0/0 --via nat-gateway:NAME."""
    if size not in SIZES:
        raise Usage(f"a NAT gateway is {', '.join(SIZES)}, not {size}")
    found = call.find("subnet", subnet)
    body = given(natGatewayName=name, vpcId=found["vpcId"], subnetId=found["subnetId"], natGatewaySpec=size)
    more = given(description=description, elasticIpIds=[call.id("eip", one) for one in eip] or None)
    bought = order(bandwidth, elasticIpCount=buy) if buy else {}
    result = call.tenant.post("vpc", NAT_GATEWAY.path, {**body, **more, **bought})
    made(call, NAT_GATEWAY, [result["natGatewayId"]], result)


@tenants(GATEWAY, "start", waits=True)
def start(call: Invocation, gateway: Which) -> None:
    """Let a NAT gateway work again, as it was."""
    _act(call, call.id(GATEWAY, gateway), "startNatGateway")


@tenants(GATEWAY, "stop", waits=True)
def stop(call: Invocation, gateway: Which) -> None:
    """Let a NAT gateway drop all that comes to it."""
    _act(call, call.id(GATEWAY, gateway), "stopNatGateway")


@tenants(GATEWAY, "resize", waits=True)
def resize(
    call: Invocation,
    gateway: Which,
    size: Annotated[str, typer.Argument(metavar="|".join(SIZES), help="The new size.", show_default=False)],
) -> None:
    """Give a NAT gateway that is stopped another size."""
    id = call.id(GATEWAY, gateway)
    result = call.tenant.call("vpc", "PATCH", NAT_GATEWAY.item(id), {"natGatewaySpec": size})
    made(call, NAT_GATEWAY, [id], result)


@tenants(GATEWAY, "bind", waits=True)
def bind(call: Invocation, gateway: Which, eips: Eips) -> None:
    """Give a NAT gateway more elastic IPs; connections that run keep theirs."""
    _act(call, call.id(GATEWAY, gateway), "associateElasticIps", elasticIpIds=_ids(call, eips))


@tenants(GATEWAY, "unbind", waits=True)
def unbind(
    call: Invocation,
    gateway: Which,
    eips: Eips,
    delete: Annotated[bool, typer.Option("--delete", help="Give them back, too.")] = False,
) -> None:
    """Take elastic IPs from a NAT gateway: their connections end at once."""
    id = call.id(GATEWAY, gateway)
    _act(call, id, "disassociateElasticIps", elasticIpIds=_ids(call, eips), deleteElasticIp=delete)


@tenants(GATEWAY, "set-status", waits=True)
def set_status(
    call: Invocation,
    gateway: Which,
    status: Annotated[str, typer.Argument(metavar="online|offline", show_default=False)],
    eips: Eips,
) -> None:
    """Let elastic IPs get no new connections (offline), while those that run go on, or get them again (online)."""
    _act(call, call.id(GATEWAY, gateway), "setElasticIpStatus", elasticIpIds=_ids(call, eips), status=status)


def _ids(call: Invocation, eips: list[str]) -> list[str]:
    return [call.id("eip", eip) for eip in eips]


def _act(call: Invocation, id: str, action: str, **body: Any) -> None:
    made(call, NAT_GATEWAY, [id], call.tenant.post("vpc", NAT_GATEWAY.item(id, action), body))


def _running(live: Live, shown: Json) -> str:
    return "running" if shown["state"]["status"] == "RUNNING" else "stopped"


def _tasks(edit: Edit, live: Live) -> Iterator[Task]:
    """A gateway stands still while it gets another size."""
    state = edit.item.values.get("state") or (edit.found.values["state"] if edit.found else "running")
    was = edit.found.values["state"] if edit.found else "running"
    sized = edit.found is not None and "size" in edit.keys

    def work(run: Run) -> None:
        id = run.own(edit.item)
        if was == "running" and (sized or state == "stopped"):
            run.act(GATEWAY, id, "stopNatGateway")
        if sized:
            run.patch(GATEWAY, id, {"natGatewaySpec": edit.item.values["size"]})
        if state == "running" and (sized or was == "stopped"):
            run.act(GATEWAY, id, "startNatGateway")

    if sized or state != was:
        yield Task(Phase.MODIFY, edit, work)


def _leave(edit: Edit, item: Item) -> Iterator[Task]:
    """Stop a gateway before it is deleted."""
    if item.values["state"] == "running":
        yield Task(Phase.CLEAR, edit, lambda run: run.act(GATEWAY, item.id, "stopNatGateway"))


def _make(run: Run, item: Item, body: Json) -> str:
    return post_inside(run, item, {**body, "natGatewaySpec": item.values.get("size", "small")})


NAT_GATEWAYS = Section(
    NAT_GATEWAY,
    "nat-gateways",
    keys=(
        Key(
            "subnet", reading.text, labelled("subnetId"), "subnetId", never, required=True, mentions=by_name("subnet"),
        ),
        Key("size", reading.choice(*SIZES), plain("natGatewaySpec"), default="small", own=True),
        Key("state", reading.choice("running", "stopped"), _running, default="running", own=True),
    ),
    about=(description(), tags()),
    make=_make,
    tasks=_tasks,
    leave=_leave,
    sparse=True,
)  # fmt: skip
