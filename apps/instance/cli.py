"""Instances on the command line and in an intent file, and the network interfaces that are attached to them."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from apps.eni.cli import (
    ENI,
    Address,
    Groups,
    InSubnet,
    Queues,
    Secondary,
    Unchecked,
    addresses,
    detach,
    interface,
    readdress,
)
from apps.eni.cli import keys as interface_keys
from sdnctl.base.problem import Problem
from sdnctl.cli.command import one, tenants
from sdnctl.cli.intent import reading
from sdnctl.cli.intent.edit import CREATE, Edit, Phase, Task
from sdnctl.cli.intent.live import Live
from sdnctl.cli.intent.schema import Item, Key, Section, Show, by_name, description, never, plain, tags
from sdnctl.cli.intent.tasks import Run
from sdnctl.cli.invocation import Invocation
from sdnctl.cli.kind import Column, Kind, given, key
from sdnctl.cli.resources import Description, NewName, made, remove

Json = dict[str, Any]
DEFAULT_TYPE, DEFAULT_IMAGE = "g.n2.medium", "img-none"
INTERFACE = ("source-check", "security-groups", "mac")  # the keys that its primary interface is changed by
NEW_INTERFACE = ("subnet", "address", "secondary", "source-check", "security-groups")


def _addresses(shown: Json) -> list[str]:
    attached = (shown["primaryNetworkInterface"], *shown.get("secondaryNetworkInterfaces", ()))
    return [address for one in attached for address in addresses(one["networkInterface"])]


INSTANCE = Kind(
    "instance", "instance", "Virtual machines, as far as the network knows them.",
    resource="Instance", path="instances", plural="instances", singular="instance", prefix="i", name_filter="name",
    service="vm", inside="vpc",
    columns=(
        Column("type", key("instanceType")),
        Column("status", key("status")),
        Column("subnet", key("subnetId")),
        Column("addresses", _addresses),
    ),
)  # fmt: skip


@tenants("instance", "create", waits=True)
def create(
    call: Invocation,
    name: NewName,
    subnet: InSubnet,
    type: Annotated[str, typer.Option(metavar="TYPE", help="Its size, such as g.n2.large.")] = DEFAULT_TYPE,
    address: Address = None,
    secondary: Secondary = [],  # noqa: B006
    no_source_check: Unchecked = False,
    security_group: Groups = [],  # noqa: B006
    queues: Queues = None,
    image: Annotated[str, typer.Option(metavar="ID", help="Kept, but of no meaning to the network.")] = DEFAULT_IMAGE,
    eip_bandwidth: Annotated[int | None, typer.Option(metavar="MBPS", help="Give it an elastic IP too.")] = None,
    description: Description = None,
) -> None:
    """Make an instance with its primary network interface."""
    first = interface(call, subnet, address, secondary, not no_source_check, security_group, queues)
    spec = {"name": name, "instanceType": type, "imageId": image, **given(description=description)}
    spec["primaryNetworkInterface"] = {"networkInterface": first}
    if eip_bandwidth is not None:
        spec["elasticIp"] = {"bandwidthMbps": eip_bandwidth, "provider": "bgp"}
    result = call.tenant.post("vm", INSTANCE.path, {"instanceSpec": spec, "maxCount": 1})
    made(call, INSTANCE, result["instanceIds"], result)


@tenants("instance", "delete", waits=True)
def delete(
    call: Invocation,
    which: Annotated[str, one("instance")],
    with_eips: Annotated[bool, typer.Option("--with-eips", help="Delete its elastic IPs too; else they stay.")] = False,
) -> None:
    """Delete an instance and its primary network interface; others are only detached."""
    query = [("deletePrimaryNetworkInterfaceAllElasticIp", "True")] if with_eips else []
    remove(call, INSTANCE, which, query)


@tenants("eni", "attach", waits=True)
def attach(
    call: Invocation,
    eni: Annotated[str, one("eni")],
    instance: Annotated[str, one("instance")],
    auto_delete: Annotated[bool, typer.Option("--auto-delete", help="Delete it with the instance.")] = False,
) -> None:
    """Attach a network interface to an instance of the same VPC."""
    port, owner = call.id("eni", eni), call.id("instance", instance)
    body = {"networkInterfaceId": port, "autoDelete": auto_delete}
    result = call.tenant.post("vm", INSTANCE.item(owner, "attachNetworkInterface"), body)
    made(call, ENI, [port], result)


@tenants("eni", "detach", waits=True)
def detach_eni(call: Invocation, eni: Annotated[str, one("eni")]) -> None:
    """Take a network interface from its instance; it keeps its addresses and elastic IPs."""
    shown = call.find("eni", eni)
    if not shown["instanceId"]:
        raise Problem(f"{eni} is attached to nothing")
    port = shown["networkInterfaceId"]
    path = INSTANCE.item(shown["instanceId"], "detachNetworkInterface")
    result = call.tenant.post("vm", path, {"networkInterfaceId": port})
    made(call, ENI, [port], result)


def _primary_id(shown: Json) -> str:
    """The id of an instance's primary network interface."""
    return str(shown["primaryNetworkInterface"]["networkInterface"]["networkInterfaceId"])


def _of_primary(show: Show) -> Show:
    """The reading of a value of the primary network interface, as the vpc service shows it."""
    return lambda live, shown: show(live, live.shown(_primary_id(shown)) or {})


def _attached(live: Live, shown: Json) -> Any:
    ids = [one["networkInterface"]["networkInterfaceId"] for one in shown.get("secondaryNetworkInterfaces", ())]
    return tuple(live.label(id) for id in ids)


def _make(run: Run, item: Item, body: Json) -> str:
    first = run.wire(item, NEW_INTERFACE)
    spec: Json = {"name": item.path[-1], "instanceType": DEFAULT_TYPE, "imageId": DEFAULT_IMAGE}
    spec |= run.wire(item, ("type", "image", "description", "tags"))
    spec |= {"primaryNetworkInterface": {"networkInterface": first}}
    return run.post(INSTANCE, {"instanceSpec": spec, "maxCount": 1})


def _tasks(edit: Edit, live: Live) -> Iterator[Task]:
    """Calls on the primary interface, and attachments."""

    def port(run: Run) -> str:
        return _primary_id(run.shown(edit.item))

    names = [name for name in edit.keys if name in INTERFACE and (edit.action != CREATE or name == "mac")]
    if names:
        yield Task(Phase.MODIFY, edit, lambda run: run.patch("eni", port(run), run.wire(edit.item, names)))
    yield from readdress(edit, port)
    if "interfaces" in edit.keys:
        yield from _attachments(edit, live)


def _attachments(edit: Edit, live: Live) -> Iterator[Task]:
    item, wanted = edit.item, edit.item.values["interfaces"]
    had = edit.found.values["interfaces"] if edit.found else ()
    for name in wanted:
        if name not in had:
            found = live.items.get(("eni", (*item.path[:-1], name)))
            if found is not None and found.shown["instanceId"]:
                yield _detachment(edit, found)
            yield Task(Phase.JOIN, edit, lambda run, name=name: _attach(run, item, name))  # type: ignore[misc]
    for name in had:
        found = live.items.get(("eni", (*item.path[:-1], name)))
        if name not in wanted and found is not None:
            yield _detachment(edit, found)


def _detachment(edit: Edit, port: Item) -> Task:
    return Task(Phase.JOIN, edit, lambda run: detach(run, port.id, port.shown), leaves=True)


def _attach(run: Run, item: Item, name: str) -> None:
    port = run.named(item, "eni", name)
    run.act("instance", run.own(item), "attachNetworkInterface", networkInterfaceId=port)


INSTANCES = Section(
    INSTANCE,
    "instances",
    keys=(
        Key("type", reading.text, plain("instanceType"), "instanceType", own=True),
        Key("image", reading.text, plain("imageId"), "imageId", never),
        *interface_keys(_of_primary, own=True),
        Key("interfaces", reading.several(reading.text), _attached, own=True, mentions=by_name("eni")),
    ),
    about=(description(never), tags()),
    make=_make,
    tasks=_tasks,
)
