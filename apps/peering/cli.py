"""VPC peerings on the command line and in an intent file."""

from typing import Annotated, Any

import typer

from apps.routing.cli import Hop
from apps.vpc.cli import VPC
from sdnctl.cli.command import option, tenants
from sdnctl.cli.intent import reading
from sdnctl.cli.intent.live import Live
from sdnctl.cli.intent.schema import Key, Mentions, Rename, Section, by_name, description, never, post, tags
from sdnctl.cli.invocation import Invocation
from sdnctl.cli.kind import Column, Kind, given, key
from sdnctl.cli.names import Unknown
from sdnctl.cli.resources import Description, NewName, made

Json = dict[str, Any]

PEERING = Kind(
    "peering", "VPC peering", "Connections between two VPCs, of which each side makes its own.",
    resource="VpcPeering", path="vpcPeerings/", plural="vpcPeerings", singular="vpcPeering", prefix="vpcpr",
    name_filter="vpcPeeringNames",
    columns=(
        Column("vpc", lambda shown: shown["vpcInfo"]["vpcId"]),
        Column("with", lambda shown: shown["remoteVpcInfo"]["vpcId"]),
        Column("their addresses", lambda shown: shown["remoteVpcInfo"]["addressPrefix"], False),
        Column("state", key("vpcPeeringState"), False),
        Column("routes", key("routesPresent"), False),
    ),
)  # fmt: skip
HOP = Hop("peering", "vpc_peering")


@tenants("peering", "create", waits=True)
def create(
    call: Invocation,
    name: NewName,
    vpc: Annotated[str, option("vpc", "--vpc", "Name or id of your VPC.")],
    remote: Annotated[str, typer.Option("--with", metavar="VPC", help="The other VPC; of another account, its id.")],
    description: Description = None,
) -> None:
    """Make your side of a peering; it connects once the other VPC has one too."""
    body = given(vpcPeeringName=name, vpcId=call.id("vpc", vpc), remoteVpcId=_remote(call, remote))
    result = call.tenant.post("vpc", PEERING.path, {**body, **given(description=description)})
    made(call, PEERING, [result["vpcPeering"]["vpcPeeringId"]], result)


def _remote(call: Invocation, text: str) -> str:
    """The id of a VPC by its name, or the id itself, which may be of another account's VPC; raises Unknown."""
    try:
        return call.id("vpc", text)
    except Unknown:
        if not VPC.is_id(text):
            raise
        return text


def _vpc(of: str) -> Any:
    def label(live: Live, shown: Json) -> Any:
        return live.label(shown[of]["vpcId"])

    return label


def _renamed(value: Any, rename: Rename) -> Any:
    """A VPC by its name, or another account's by its id, which has no other form."""
    return value if VPC.is_id(value) else rename(VPC.command, value)


_ANYBODYS = Mentions(lambda: (VPC.command,), _renamed)
PEERINGS = Section(
    PEERING,
    "peerings",
    keys=(
        Key("vpc", reading.text, _vpc("vpcInfo"), "vpcId", never, required=True, mentions=by_name("vpc")),
        Key("with", reading.text, _vpc("remoteVpcInfo"), "remoteVpcId", never, required=True, mentions=_ANYBODYS),
    ),
    about=(description(), tags()),
    make=post,
    sparse=True,
)  # fmt: skip
