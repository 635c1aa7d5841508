"""VPCs and their subnets on the command line and in an intent file."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from sdnctl.cli.command import option, tenants
from sdnctl.cli.intent import reading
from sdnctl.cli.intent.edit import Edit, Phase, Task
from sdnctl.cli.intent.live import Live
from sdnctl.cli.intent.reading import ANY
from sdnctl.cli.intent.schema import Item, Key, Section, by_name, description, labelled, listed, never, plain, tags
from sdnctl.cli.intent.tasks import Run
from sdnctl.cli.invocation import Invocation
from sdnctl.cli.kind import Column, Kind, given, key
from sdnctl.cli.resources import Description, NewName, made

Json = dict[str, Any]

VPC = Kind(
    "vpc", "vpc", "Private networks.",
    resource="Vpc", path="vpcs/", plural="vpcs", singular="vpc", prefix="vpc", name_filter="vpcNames",
    columns=(
        Column("cidr", key("addressPrefix")),
        Column("subnets", lambda shown: len(shown["subnets"])),
        Column("route tables", lambda shown: len(shown["routeTableIds"])),
        Column("created", key("createdTime")),
    ),
)  # fmt: skip
SUBNET = Kind(
    "subnet", "subnet", "Address blocks of a VPC.",
    resource="Subnet", path="subnets/", plural="subnets", singular="subnet", prefix="subnet",
    name_filter="subnetNames", inside="vpc",
    columns=(
        Column("vpc", key("vpcId")),
        Column("cidr", key("addressPrefix")),
        Column("free", key("availableIpCount")),
        Column("route table", key("routeTableId")),
    ),
)  # fmt: skip

InVpc = Annotated[str, option("vpc", "--vpc", "Name or id of its VPC.")]


@tenants("vpc", "create", waits=True)
def create_vpc(
    call: Invocation,
    name: NewName,
    cidr: Annotated[str | None, typer.Option(metavar="CIDR", help="Its addresses; default: any private one.")] = None,
    description: Description = None,
) -> None:
    """Make a VPC, and its default route table with it."""
    body = given(vpcName=name, addressPrefix=cidr, description=description)
    result = call.tenant.post("vpc", VPC.path, body)
    made(call, VPC, [result["vpcId"]], result)


@tenants("subnet", "create", waits=True)
def create_subnet(
    call: Invocation,
    name: NewName,
    vpc: InVpc,
    cidr: Annotated[str, typer.Option(metavar="CIDR", help="Its addresses, within the VPC's.")],
    route_table: Annotated[
        str | None, option("route-table", "--route-table", "Default: the VPC's default one.")
    ] = None,
    dns: Annotated[list[str], typer.Option(metavar="IP", help="A name server; may be repeated.")] = [],  # noqa: B006
    description: Description = None,
) -> None:
    """Make a subnet in a VPC."""
    owner = call.id("vpc", vpc)
    table = None if route_table is None else call.id("route-table", route_table, owner)
    body = given(vpcId=owner, subnetName=name, addressPrefix=cidr, routeTableId=table, description=description)
    result = call.tenant.post("vpc", SUBNET.path, {**body, **given(domainNameServers=dns)})
    made(call, SUBNET, [result["subnetId"]], result)


def _cidr(live: Live, shown: Json) -> Any:
    return shown["addressPrefix"] or ANY


def _make(run: Run, item: Item, body: Json) -> str:
    """A VPC for any private address has no prefix, which the call says by leaving it out."""
    return run.post(VPC, {name: value for name, value in body.items() if (name, value) != ("addressPrefix", "")})


def _follow(edit: Edit, live: Live) -> Iterator[Task]:
    """A subnet that exists is given another route table by a call on that table."""
    item = edit.item

    def associate(run: Run) -> None:
        table = run.named(item, "route-table", item.values["route-table"])
        run.act("route-table", table, "associateRouteTable", subnetIds=[run.own(item)])

    if edit.found is not None and "route-table" in edit.keys:
        yield Task(Phase.JOIN, edit, associate)


_names = reading.several(reading.text)
VPCS = Section(
    VPC,
    "vpcs",
    keys=(
        Key(
            "cidr", reading.cidr_or_any, _cidr, "addressPrefix", lambda value: bool(value == ANY),
            send=lambda value: "" if value == ANY else value,
        ),
    ),
    about=(description(), tags()),
    make=_make,
)  # fmt: skip
SUBNETS = Section(
    SUBNET,
    "subnets",
    keys=(
        Key("cidr", reading.cidr, plain("addressPrefix"), "addressPrefix", never, required=True),
        Key(
            "route-table", reading.text, labelled("routeTableId"), "routeTableId", own=True,
            mentions=by_name("route-table"),
        ),
        Key(
            "dns", reading.several(reading.address), listed("domainNameServers"), "domainNameServers", default=(),
            ordered=True,
        ),
        Key("domains", _names, listed("domainNames"), "domainNames", default=(), ordered=True),
    ),
    about=(description(), tags()),
    tasks=_follow,
)  # fmt: skip
