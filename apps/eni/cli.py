"""Network interfaces on the command line and in an intent file."""

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any

import typer

from sdnctl.cli.command import option, tenants
from sdnctl.cli.intent import reading
from sdnctl.cli.intent.edit import Edit, Phase, Task
from sdnctl.cli.intent.live import Live
from sdnctl.cli.intent.schema import Key, Section, Show, by_name, description, labelled, never, post, tags
from sdnctl.cli.intent.tasks import Run
from sdnctl.cli.invocation import Invocation
from sdnctl.cli.kind import Column, Kind, given, key
from sdnctl.cli.resources import Description, MayName, made

Json = dict[str, Any]
GENERATED_MAC = "fa:16:3e"

InSubnet = Annotated[str, option("subnet", "--subnet", "Name or id of its subnet (also VPC/NAME).")]
Address = Annotated[str | None, typer.Option(metavar="IP", help="Primary private address; default: a free one.")]
Secondary = Annotated[list[str], typer.Option(metavar="IP", help="One more private address; may be repeated.")]
Unchecked = Annotated[bool, typer.Option("--no-source-check", help="Let it send from any address, as a router must.")]
Groups = Annotated[
    list[str],
    option("sg", "--security-group", "A security group's name or id; may be repeated. Default: the VPC's default one."),
]
Queues = Annotated[int | None, typer.Option(metavar="N", help="Queue pairs; default: what the instance type has.")]


def addresses(shown: Json) -> list[str]:
    """The private addresses of a network interface, each with its public one."""
    return [_address(one) for one in (shown["primaryIp"], *shown.get("secondaryIps", ()))]


def _address(one: Json) -> str:
    public = one.get("elasticIpAddress")
    return f"{one['privateIpAddress']} ({public})" if public else str(one["privateIpAddress"])


ENI = Kind(
    "eni", "network interface", "Network interfaces of instances, in the cloud; this machine's cards: nic.",
    resource="NetworkInterface", path="networkInterfaces/", plural="networkInterfaces", singular="networkInterface",
    prefix="port", name_filter="networkInterfaceNames", inside="vpc",
    columns=(
        Column("subnet", key("subnetId")),
        Column("addresses", addresses),
        Column("mac", key("macAddress")),
        Column("instance", key("instanceId")),
        Column("role", key("role")),
    ),
)  # fmt: skip


@tenants("eni", "create", waits=True)
def create(
    call: Invocation,
    subnet: InSubnet,
    name: MayName = None,
    address: Address = None,
    secondary: Secondary = [],  # noqa: B006
    no_source_check: Unchecked = False,
    security_group: Groups = [],  # noqa: B006
    queues: Queues = None,
    description: Description = None,
) -> None:
    """Make a network interface; 'sdnctl eni attach' gives it to an instance."""
    body = interface(call, subnet, address, secondary, not no_source_check, security_group, queues)
    body |= given(networkInterfaceName=name, description=description)
    result = call.tenant.post("vpc", ENI.path, body)
    made(call, ENI, [result["networkInterfaceId"]], result)


def interface(
    call: Invocation,
    subnet: str,
    address: str | None,
    secondary: list[str],
    checked: bool,
    groups: list[str],
    queues: int | None,
) -> Json:
    """A network interface to be made, as the API wants it."""
    place = call.find("subnet", subnet)
    body = given(
        subnetId=place["subnetId"],
        primaryIpAddress=address,
        secondaryIpAddresses=secondary,
        securityGroups=[call.id("sg", group, place["vpcId"]) for group in groups],
        queueNum=queues,
    )
    return {**body, "sanityCheck": int(checked)}


def _addresses(live: Live, shown: Json) -> Any:
    return tuple(one["privateIpAddress"] for one in shown["secondaryIps"])


def _own_mac(live: Live, shown: Json) -> Any:
    return None if shown["macAddress"].startswith(GENERATED_MAC) else shown["macAddress"]


def _primary(live: Live, shown: Json) -> Any:
    return shown["primaryIp"]["privateIpAddress"]


def _groups(live: Live, shown: Json) -> Any:
    """The groups that were asked for: the default one of the VPC stands first, and is not one of them."""
    return tuple(live.label(id) for id in shown["networkSecurityGroupIds"][1:])


def _checked(live: Live, shown: Json) -> Any:
    return bool(shown["sanityCheck"])


def keys(show: Callable[[Show], Show], own: bool) -> tuple[Key, ...]:
    """The keys of a network interface, for itself or for what has one; ``own`` if all changes are tasks of that."""
    several = reading.several
    return (
        Key("subnet", reading.text, show(labelled("subnetId")), "subnetId", never, required=True,
            mentions=by_name("subnet")),
        Key("address", reading.address, show(_primary), "primaryIpAddress", never),
        Key("secondary", several(reading.address), show(_addresses), "secondaryIpAddresses", default=(), own=True),
        Key("source-check", reading.flag, show(_checked), "sanityCheck", default=True, own=own, send=int),
        Key("security-groups", several(reading.text), show(_groups), "securityGroups", default=(), own=own,
            mentions=by_name("sg")),
        Key("mac", reading.mac, show(_own_mac), "macAddress", own=own, late=True),
    )  # fmt: skip


def readdress(edit: Edit, port: Callable[[Run], str]) -> Iterator[Task]:
    """A changed list of secondary addresses: those that are gone are given back, then the others are taken."""
    if edit.found is None or "secondary" not in edit.keys:
        return
    wanted, had = edit.item.values["secondary"], edit.found.values["secondary"]

    def run_(run: Run) -> None:
        id = port(run)
        if gone := [one for one in had if one not in wanted]:
            run.act("eni", id, "unassignSecondaryIps", secondaryIps=gone)
        if come := [one for one in wanted if one not in had]:
            run.act("eni", id, "assignSecondaryIps", secondaryIps=come)

    yield Task(Phase.MODIFY, edit, run_)


def _tasks(edit: Edit, live: Live) -> Iterable[Task]:
    return readdress(edit, lambda run: run.own(edit.item))


def detach(run: Run, port: str, shown: Json) -> None:
    """Detach, once: both the instance that loses it and the one that gains it may want that."""
    if instance := shown["instanceId"]:
        run.act("instance", instance, "detachNetworkInterface", networkInterfaceId=port)
        shown["instanceId"] = ""


def _leave(edit: Edit, item: Any) -> Iterator[Task]:
    yield Task(Phase.JOIN, edit, lambda run: detach(run, item.id, item.shown), "instance", leaves=True)


INTERFACES = Section(
    ENI,
    "interfaces",
    keys=keys(lambda show: show, own=False),
    about=(description(), tags()),
    make=post,
    tasks=_tasks,
    leave=_leave,
    listed=lambda shown: bool(shown["role"] == "Secondary"),  # others stand with their instance or owner
)
