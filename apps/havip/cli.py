"""HaVips on the command line and in an intent file."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from apps.eip.cli import Target
from apps.routing.cli import Hop
from sdnctl.base.problem import Usage
from sdnctl.cli import show
from sdnctl.cli.catalogue import catalogue
from sdnctl.cli.command import LOOK, one, one_of, option, tenants
from sdnctl.cli.intent import reading
from sdnctl.cli.intent.edit import Edit, Phase, Task
from sdnctl.cli.intent.live import Live
from sdnctl.cli.intent.reading import Mistake, Node, line_of
from sdnctl.cli.intent.schema import (
    Item,
    Key,
    Mentions,
    Rename,
    Section,
    by_name,
    description,
    labelled,
    never,
    plain,
    tags,
)
from sdnctl.cli.intent.tasks import Run
from sdnctl.cli.invocation import Invocation
from sdnctl.cli.kind import Column, Kind, given, key
from sdnctl.cli.names import Ambiguous, Unknown, candidates, tagged
from sdnctl.cli.resources import Description, NewName, made

Json = dict[str, Any]
TYPES = {"instance": "instance", "eni": "elastic_network_interface"}
"""The types of resources that may be members, by the command of their kinds."""
KINDS = {type: kind for kind, type in TYPES.items()}


def _master(shown: Json) -> str:
    found = shown["masterResource"]
    return str(found["resourceId"]) if found else "nobody"


HAVIP = Kind(
    "havip", "HaVip", "Addresses that go from one machine to another: whoever claims one by ARP has it.",
    resource="HaVip", path="haVips/", plural="haVips", singular="haVip", prefix="havip", name_filter="haVipNames",
    inside="vpc",
    columns=(
        Column("vpc", key("vpcId")),
        Column("subnet", key("subnetId")),
        Column("address", key("ipAddress")),
        Column("master", _master),
        Column("members", lambda shown: [one["resourceId"] for one in shown["associatedResources"]]),
    ),
    lines={"associatedResources": lambda one: f"{KINDS[one['resourceType']]}:{one['resourceId']}"},
)  # fmt: skip
HOP = Hop("havip", "havip")
TARGET = Target(
    "havip",
    lambda shown: {
        "networkInterfaceId": shown["networkInterfaceId"],
        "primaryIp": {
            "privateIpAddress": shown["ipAddress"],
            "elasticIpId": (shown["elasticIp"] or {}).get("elasticIpId", ""),
        },
    },
    lambda port: str(port["instanceId"]) if port["instanceType"] == "havip" else "",
)
EVENTS = {
    "time": "time", "haVipId": "havip", "from": "from", "to": "to", "cause": "cause", "detectedMs": "detected ms",
    "blackoutMs": "blackout ms",
}  # fmt: skip
HaVip = Annotated[str, one("havip")]
Member = Annotated[str, one_of(lambda: TYPES, "INSTANCE|ENI", "Name or id; instance:NAME or eni:NAME says which.")]


@tenants("havip", "create", waits=True)
def create(
    call: Invocation,
    name: NewName,
    subnet: Annotated[str, option("subnet", "--subnet", "Name or id of its subnet.")],
    address: Annotated[str | None, typer.Option(metavar="IP", help="Default: a free one.")] = None,
    description: Description = None,
) -> None:
    """Make a HaVip; it is nobody's before a member claims it."""
    body = given(subnetId=call.id("subnet", subnet), haVipName=name, ipAddress=address, description=description)
    result = call.tenant.post("vpc", HAVIP.path, body)
    made(call, HAVIP, [result["haVipId"]], result)


@tenants("havip", "associate", waits=True)
def associate(call: Invocation, havip: HaVip, member: Member) -> None:
    """Let an instance, by its primary interface, or an interface claim a HaVip."""
    _act(call, havip, "associateHaVipResources", resources=[_resource(call, member)])


@tenants("havip", "disassociate", waits=True)
def disassociate(call: Invocation, havip: HaVip, member: Member) -> None:
    """Take a member from a HaVip; where it is the master there is none until another one claims it."""
    _act(call, havip, "disassociateHaVipResources", resources=[_resource(call, member)])


@tenants("havip", "move", waits=True)
def move(call: Invocation, havip: HaVip, to: Member) -> None:
    """Make a member the master: the elastic IP and the routes to the HaVip go along."""
    _act(call, havip, "setHaVipMaster", masterResource=_resource(call, to))


@tenants("havip", "check", waits=True)
def check(
    call: Invocation,
    havip: HaVip,
    how: Annotated[str, typer.Argument(metavar="icmp|tcp:PORT|off", help="A ping, a TCP connection, or no check.")],
    interval: Annotated[int, typer.Option(metavar="SECONDS", min=1, max=300, help="From one check to the next.")] = 5,
) -> None:
    """Have the members asked whether they are well: a master that is not gives way to the first one that is."""
    protocol, _, port = how.partition(":")
    body: Json = {"closeHealthCheck": True}
    if how != "off":
        if protocol not in ("icmp", "tcp") or (protocol == "tcp") != port.isdecimal():
            raise Usage(f"must be icmp, tcp:PORT or off, not {how!r}")
        asked = {"intervalSeconds": interval, "checkTimeoutSeconds": min(interval, 3)}
        body = {"healthCheck": given(protocol=protocol.capitalize(), port=int(port) if port else None, **asked)}
    id = call.id("havip", havip)
    made(call, HAVIP, [id], call.tenant.call("vpc", "PATCH", HAVIP.item(id), body))


@tenants("", "events", panel=LOOK)
def events(
    call: Invocation, havip: Annotated[str | None, option("havip", "--havip", "Name or id: only its moves.")] = None
) -> None:
    """Show the last moves of HaVips: from where, to where, why, and how long it took."""
    query = [("pageSize", "100"), *([("haVipId", call.id("havip", havip))] if havip else [])]
    found = call.tenant.get("vpc", "haVipEvents/", query)["haVipEvents"]
    show.table(found, EVENTS, "no moves yet", call.json, "haVipEvents")


def _act(call: Invocation, havip: str, action: str, **body: Any) -> None:
    id = call.id("havip", havip)
    made(call, HAVIP, [id], call.tenant.post("vpc", HAVIP.item(id, action), body))


def _resource(call: Invocation, text: str) -> Json:
    """The name of a member, as the API wants it; raises Unknown or Ambiguous."""
    kinds = [catalogue().kinds[kind] for kind in TYPES]
    said, name = tagged(text, kinds)
    found = [
        {"resourceType": TYPES[kind.command], "resourceId": shown[kind.id_key]}
        for kind in ([said] if said else kinds)
        for shown in candidates(call.tenant, kind, name)
    ]
    if not found:
        raise Unknown(
            f"no instance or network interface goes by {name!r}: see 'sdnctl instance list', 'sdnctl eni list'"
        )
    if len(found) > 1:
        raise Ambiguous(f"{name!r} may mean any of {', '.join(one['resourceId'] for one in found)}: name it by its id")
    return found[0]


def _member(node: Node) -> str:
    """A member in a file: ``instance:NAME`` or ``eni:NAME``."""
    value = reading.text(node)
    tag, _, name = value.partition(":")
    if tag not in TYPES or not name:
        raise Mistake(line_of(node), f"must be instance:NAME or eni:NAME, not {value!r}")
    return value


def _members(live: Live, shown: Json) -> Any:
    return tuple(
        f"{KINDS[one['resourceType']]}:{live.label(one['resourceId'])}" for one in shown["associatedResources"]
    )


def _renamed(members: tuple[str, ...], rename: Rename) -> tuple[str, ...]:
    parts = (text.partition(":") for text in members)
    return tuple(f"{tag}:{rename(tag, name)}" for tag, _, name in parts)


def _wire(run: Run, item: Item, members: list[str]) -> list[Json]:
    parts = (text.partition(":") for text in members)
    return [{"resourceType": TYPES[tag], "resourceId": run.named(item, tag, name)} for tag, _, name in parts]


def _associate(run: Run, edit: Edit) -> None:
    """Give a HaVip these members: the new ones come before the others go."""
    id, shown = run.own(edit.item), run.shown(edit.item)
    had = [
        {"resourceType": one["resourceType"], "resourceId": one["resourceId"]} for one in shown["associatedResources"]
    ]
    wanted = _wire(run, edit.item, list(edit.item.values["members"]))
    if new := [one for one in wanted if one not in had]:
        run.act("havip", id, "associateHaVipResources", resources=new)
    if gone := [one for one in had if one not in wanted]:
        run.act("havip", id, "disassociateHaVipResources", resources=gone)


def _tasks(edit: Edit, live: Live) -> Iterator[Task]:
    if "members" in edit.keys:
        yield Task(Phase.JOIN, edit, lambda run: _associate(run, edit))


def _leave(edit: Edit, item: Item) -> Iterator[Task]:
    """Take the members from a HaVip that is to go."""
    if had := item.shown["associatedResources"]:
        yield Task(
            Phase.JOIN,
            edit,
            lambda run: run.act("havip", item.id, "disassociateHaVipResources", resources=had),
            leaves=True,
        )


HAVIPS = Section(
    HAVIP,
    "havips",
    keys=(
        Key("subnet", reading.text, labelled("subnetId"), "subnetId", never, required=True, mentions=by_name("subnet")),
        Key("address", reading.address, plain("ipAddress"), "ipAddress", never),
        Key(
            "members",
            reading.several(_member),
            _members,
            default=(),
            own=True,
            mentions=Mentions(lambda: TYPES, _renamed),
        ),
    ),
    about=(description(), tags()),
    tasks=_tasks,
    leave=_leave,
)
