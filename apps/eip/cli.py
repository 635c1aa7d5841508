"""Elastic IPs on the command line and in an intent file."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from sdnctl.base.problem import Problem
from sdnctl.cli.catalogue import catalogue
from sdnctl.cli.command import one, one_of, tenants
from sdnctl.cli.intent import reading
from sdnctl.cli.intent.edit import Edit, Phase, Task
from sdnctl.cli.intent.live import Live
from sdnctl.cli.intent.reading import NOTHING, Mistake, Node, line_of
from sdnctl.cli.intent.schema import Item, Key, Mentions, Rename, Section, meant, never, plain, tags
from sdnctl.cli.intent.tasks import Run
from sdnctl.cli.invocation import Invocation
from sdnctl.cli.kind import Column, Kind, Watched, given, key
from sdnctl.cli.names import Ambiguous, Unknown, candidates, described, tagged
from sdnctl.cli.resources import MayName, made
from sdnctl.cli.signed import Tenant

Json = dict[str, Any]
DEFAULT_CHARGE = "postpaid_by_duration"


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A kind of resource (its command) that an elastic IP may be bound to.

    ``interface`` gives the network interface of one of them, as the API shows both; ``owner`` the id of the one whose
    an interface is, or "".  A feature declares one for each of its kinds that have a public address.
    """

    kind: str
    interface: Callable[[Json], Json]
    owner: Callable[[Json], str]


INSTANCE = Target(
    "instance",
    lambda shown: dict(shown["primaryNetworkInterface"]["networkInterface"]),
    lambda port: str(port["instanceId"]) if port["role"] == "Primary" else "",
)
ENI = Target("eni", dict, lambda port: str(port["networkInterfaceId"]) if port["role"] == "Secondary" else "")

EIP = Kind(
    "eip", "elastic IP", "Elastic IPs: public addresses.",
    resource="ElasticIp", path="elasticIps/", plural="elasticIps", singular="elasticIp", prefix="fip",
    name_filter="elasticIpNames", known_by={"elasticIpAddress": r"\d+\.\d+\.\d+\.\d+"},
    columns=(
        Column("address", key("elasticIpAddress")),
        Column("Mbps", key("bandwidthMbps")),
        Column("bound to", lambda shown: shown["instanceId"] or shown["networkInterfaceId"]),
        Column("private", key("privateIpAddress")),
        Column("state", key("state")),
    ),
)  # fmt: skip
WATCHED = Watched(
    EIP,
    lambda shown: {
        "address": shown["elasticIpAddress"],
        "boundTo": shown["instanceId"] or shown["networkInterfaceId"],
        "bandwidthMbps": shown["bandwidthMbps"],
        "state": shown["state"],
    },
    columns={
        "address": "address", "name": "name", "boundTo": "bound to", "bandwidthMbps": "Mbps", "outRate": "out",
        "inRate": "in", "outDropped": "dropped out", "inDropped": "dropped in", "state": "state",
    },
    named=("boundTo",),
)  # fmt: skip
Mbps = Annotated[int, typer.Option(metavar="MBPS", help="Outbound limit.")]


def targets() -> dict[str, Target]:
    """The targets that an elastic IP may be bound to, by the command of their kind."""
    return {target.kind: target for target in catalogue().of(Target)}


def interface(call: Invocation, text: str) -> Json:
    """The network interface that an elastic IP is bound to by naming it or what it is of.

    ``text`` is ``instance:NAME``, ``eni:NAME``, an id, or a name that only one of all targets has.
    """
    kinds = [catalogue().kinds[kind] for kind in targets()]
    said, name = tagged(text, kinds)
    ports: dict[str, Json] = {}
    for kind in [said] if said else kinds:
        for shown in candidates(call.tenant, kind, name):
            port = targets()[kind.command].interface(shown)
            ports.setdefault(port["networkInterfaceId"], port)
    if not ports:
        nouns = said.noun if said else " or ".join(kind.noun for kind in kinds)
        lists = " and ".join(f"'sdnctl {kind.command} list'" for kind in kinds)
        raise Unknown(f"no {nouns} goes by {name!r}: {lists} show what there is")
    if len(ports) > 1:
        raise Ambiguous(f"{name!r} may mean any of {', '.join(ports)}: name the network interface by its id")
    return next(iter(ports.values()))


def order(mbps: int, charge: str = DEFAULT_CHARGE, **extra: Any) -> Json:
    """Elastic IPs to be made, as the API wants it."""
    spec = {"bandwidthMbps": mbps, "provider": "bgp", "chargeSpec": {"chargeMode": charge}}
    return {"elasticIpSpec": spec, **given(**extra)}


@tenants("eip", "create", waits=True)
def create(
    call: Invocation,
    bandwidth: Mbps,
    name: MayName = None,
    count: Annotated[int, typer.Option(metavar="N", help="How many.")] = 1,
    address: Annotated[str | None, typer.Option(metavar="IP", help="Which address; default: a free one.")] = None,
    pool: Annotated[str | None, typer.Option(metavar="ID", help="From which pool; default: any.")] = None,
    charge: Annotated[
        str, typer.Option(metavar="MODE", help="postpaid_by_duration, postpaid_by_usage or prepaid_by_duration.")
    ] = DEFAULT_CHARGE,
) -> None:
    """Get public addresses."""
    body = order(bandwidth, charge, maxCount=count, elasticIpName=name, elasticIpAddress=address, elasticIpPoolId=pool)
    result = call.tenant.post("vpc", EIP.path, body)
    made(call, EIP, result["elasticIpIds"], result)


@tenants("eip", "bind", waits=True)
def bind(
    call: Invocation,
    eip: Annotated[str, one("eip")],
    target: Annotated[
        str,
        one_of(targets, "INSTANCE|ENI", "Name or id; instance:NAME or eni:NAME says which of the two."),
    ],
    private: Annotated[str | None, typer.Option(metavar="IP", help="For which address; default: the primary.")] = None,
    move: Annotated[bool, typer.Option("--move", help="Take it from where it is bound now.")] = False,
) -> None:
    """Bind an elastic IP to a private address of an instance or network interface."""
    shown, port = call.find("eip", eip), interface(call, target)
    here = (port["networkInterfaceId"], private or port["primaryIp"]["privateIpAddress"])
    now = (shown["networkInterfaceId"], shown["privateIpAddress"])
    if now[0] and now != here and not move:
        raise Problem(
            f"{eip} is bound to {shown['instanceId'] or shown['networkInterfaceId']}: add --move to take it from "
            f"there, or unbind it first with 'sdnctl eip unbind {eip}'"
        )
    result = {} if now == here else tie(call.tenant, shown["elasticIpId"], *here, move=move)
    made(call, EIP, [shown["elasticIpId"]], result)


@tenants("eip", "unbind", waits=True)
def unbind(call: Invocation, eip: Annotated[str, one("eip")]) -> None:
    """Take an elastic IP from whatever it is bound to; it keeps its address and bandwidth."""
    shown = call.find("eip", eip)
    if not shown["networkInterfaceId"]:
        raise Problem(f"{eip} is bound to nothing")
    result = release(call.tenant, shown)
    made(call, EIP, [shown["elasticIpId"]], result)


@tenants("eip", "set-bandwidth", waits=True)
def set_bandwidth(
    call: Invocation,
    eip: Annotated[str, one("eip")],
    mbps: Annotated[int, typer.Argument(metavar="MBPS", help="The new outbound limit.", show_default=False)],
) -> None:
    """Change an elastic IP's bandwidth; in force when its state is UP."""
    id = call.id("eip", eip)
    result = call.tenant.call("vpc", "PATCH", EIP.item(id), {"bandwidthMbps": mbps})
    made(call, EIP, [id], result)


def tie(tenant: Tenant, eip: str, port: str, private: str | None, *, move: bool) -> Json:
    """Bind an elastic IP to an address of a network interface, by ``move`` from where it is bound."""
    body = {"elasticIpId": eip, **given(privateIpAddress=private), "reassociate": move}
    return tenant.post("vpc", _port(port, "associateElasticIp"), body)


def release(tenant: Tenant, shown: Json) -> Json:
    """Take an elastic IP, as the API shows it, from where it is bound."""
    path = _port(shown["networkInterfaceId"], "disassociateElasticIp")
    return tenant.post("vpc", path, {"elasticIpId": shown["elasticIpId"]})


def _port(id: str, action: str) -> str:
    return catalogue().kinds["eni"].item(id, action)


def _target(node: Node) -> str:
    """The target of an elastic IP: ``none``, ``instance:VPC/NAME`` or ``eni:VPC/NAME``."""
    value = reading.text(node)
    tag, _, path = value.partition(":")
    if value != NOTHING and (tag not in targets() or path.count("/") != 1 or not all(path.split("/"))):
        forms = " or ".join(f"{kind}:VPC/NAME" for kind in targets())
        raise Mistake(line_of(node), f"must be {NOTHING}, {forms}, not {value!r}")
    return value


def _renamed(value: str, rename: Rename) -> str:
    tag, colon, path = value.partition(":")
    return f"{tag}:{rename(tag, path)}" if colon else value


def _holder(live: Live, shown: Json) -> str:
    """The target that an elastic IP is bound to, as a file says it."""
    port = live.shown(shown["networkInterfaceId"])
    owners = ((target.kind, target.owner(port)) for target in targets().values()) if port else ()
    return next((f"{kind}:{'/'.join(live.path(id))}" for kind, id in owners if id), NOTHING)


def _charge(live: Live, shown: Json) -> Any:
    return shown["charge"]["chargeMode"]


def _make(run: Run, item: Item, body: Json) -> str:
    charge, mbps = item.values.get("charge", DEFAULT_CHARGE), body.pop("bandwidthMbps")
    return run.post(EIP, {**body, **order(mbps, charge, maxCount=1)})


def _tasks(edit: Edit, live: Live) -> Iterator[Task]:
    """Move an elastic IP to where it is wanted, at once where nobody else's is there still."""
    if not {"bound-to", "private"} & set(edit.keys):
        return
    item, found = edit.item, edit.found
    target = item.values.get("bound-to") or (found.values["bound-to"] if found else NOTHING)
    bound = found is not None and found.values["bound-to"] != NOTHING
    moves = bound and target != NOTHING and _free(item, target, live)
    if found is not None and bound and not moves:
        yield Task(Phase.JOIN, edit, lambda run: release(run.tenant, found.shown), leaves=True)
    if target != NOTHING:
        yield Task(Phase.JOIN, edit, lambda run: _bind(run, item, target, moves), leaves=moves)


def _free(item: Item, target: str, live: Live) -> bool:
    """True when the address that an elastic IP is wanted for has none now; one that is yet to be made has none."""
    kind, _, path = target.partition(":")
    there = live.items.get((kind, meant(item, kind, path)))
    if there is None:
        return True
    port = targets()[kind].interface(there.shown)
    wanted = item.values.get("private") or port["primaryIp"]["privateIpAddress"]
    addresses = (port["primaryIp"], *port.get("secondaryIps", ()))
    return not any(one["elasticIpId"] for one in addresses if one["privateIpAddress"] == wanted)


def _bind(run: Run, item: Item, target: str, move: bool) -> None:
    kind, _, path = target.partition(":")
    shown = described(run.tenant, catalogue().kinds[kind], run.named(item, kind, path))
    port = targets()[kind].interface(shown)
    tie(run.tenant, run.own(item), port["networkInterfaceId"], item.values.get("private"), move=move)


def _leave(edit: Edit, item: Item) -> Iterator[Task]:
    if item.values["bound-to"] != NOTHING:
        yield Task(Phase.JOIN, edit, lambda run: release(run.tenant, item.shown), leaves=True)


EIPS = Section(
    EIP,
    "elastic-ips",
    keys=(
        Key("bandwidth", reading.whole(1, 5000), plain("bandwidthMbps"), "bandwidthMbps", required=True),
        Key("address", reading.address, plain("elasticIpAddress"), "elasticIpAddress", never),
        Key("charge", reading.text, _charge, "", never, default=DEFAULT_CHARGE),
        Key("bound-to", _target, _holder, own=True, mentions=Mentions(targets, _renamed)),
        Key("private", reading.address, lambda live, shown: shown["privateIpAddress"] or None, own=True),
    ),
    about=(tags(),),
    make=_make,
    tasks=_tasks,
    leave=_leave,
)
