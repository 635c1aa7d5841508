"""Beacons on the command line and in an intent file."""

from typing import Annotated, Any

import typer

from apps.eip.cli import Target
from apps.routing.cli import Hop
from sdnctl.cli.command import one, option, tenants
from sdnctl.cli.intent import reading
from sdnctl.cli.intent.schema import Key, Section, by_name, labelled, never, plain
from sdnctl.cli.invocation import Invocation
from sdnctl.cli.kind import Column, Kind, Watched, given, key
from sdnctl.cli.resources import NewName, made

BEACON = Kind(
    "beacon", "beacon", "Addresses that echo UDP.",
    resource="Beacon", path="beacons/", plural="beacons", singular="beacon", prefix="beacon", name_filter="beaconNames",
    inside="vpc",
    columns=(
        Column("vpc", key("vpcId")),
        Column("subnet", key("subnetId")),
        Column("address", key("address")),
        Column("rate", key("rate")),
    ),
)  # fmt: skip
WATCHED = Watched(
    BEACON,
    lambda shown: {"address": shown["address"]},
    columns={"name": "name", "address": "address", "seenRate": "on its way", "inRate": "in", "inDropped": "dropped in"},
    directions=("seen", "in"),
)
HOP = Hop("beacon", "beacon")
TARGET = Target(
    "beacon",
    lambda shown: dict(shown["networkInterface"]),
    lambda port: str(port["instanceId"]) if port["instanceType"] == "beacon" else "",
)


@tenants("beacon", "create", waits=True)
def create(
    call: Invocation,
    name: NewName,
    subnet: Annotated[str, option("subnet", "--subnet", "Name or id of its subnet.")],
    rate: Annotated[int, typer.Option(metavar="PPS", help="Packets a second that it answers.")] = 100,
    address: Annotated[str | None, typer.Option(metavar="IP", help="Default: a free one.")] = None,
) -> None:
    """Light a beacon in a subnet."""
    body: dict[str, Any] = given(subnetId=call.id("subnet", subnet), beaconName=name, rate=rate, address=address)
    result = call.tenant.post("vpc", BEACON.path, body)
    made(call, BEACON, [result["beaconId"]], result)


@tenants("beacon", "link", waits=True)
def link(
    call: Invocation,
    beacon: Annotated[str, one("beacon")],
    to: Annotated[str, option("vpc", "--to", "Name or id of the other VPC.")],
) -> None:
    """Let the hosts of a beacon's VPC know another VPC."""
    id = call.id("beacon", beacon)
    result = call.tenant.post("vpc", BEACON.item(id, "link"), {"vpcId": call.id("vpc", to)})
    made(call, BEACON, [id], result)


BEACONS = Section(
    BEACON,
    "beacons",
    keys=(
        Key(
            "subnet", reading.text, labelled("subnetId"), "subnetId", never, required=True, mentions=by_name("subnet"),
        ),
        Key("rate", reading.whole(1, 10_000), plain("rate"), "rate", never, default=100),
        Key("address", reading.address, plain("address"), "address", never),
    ),
)  # fmt: skip
