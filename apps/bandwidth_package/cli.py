"""Bandwidth packages on the command line and in an intent file."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from apps.eip.cli import DEFAULT_CHARGE
from sdnctl.cli.command import one, tenants
from sdnctl.cli.intent import reading
from sdnctl.cli.intent.edit import Edit, Phase, Task
from sdnctl.cli.intent.live import Live
from sdnctl.cli.intent.reading import NOTHING, Node
from sdnctl.cli.intent.schema import Addition, Item, Key, Mentions, Rename, Section, description, never, plain, tags
from sdnctl.cli.intent.tasks import Run
from sdnctl.cli.invocation import Invocation
from sdnctl.cli.kind import Column, Kind, given, key
from sdnctl.cli.resources import Description, NewName, made
from sdnctl.cli.signed import Tenant

Json = dict[str, Any]
UNLIMITED = -1


def _member(shown: Json) -> str:
    limit = {UNLIMITED: "no limit", 0: "blocked"}.get(shown["bandwidthMbps"], f"{shown['bandwidthMbps']} Mbit/s")
    return f"{shown['publicIpId']} {limit}, now {shown['outShareMbps']:g} out {shown['inShareMbps']:g} in"


PACKAGE = Kind(
    "package", "bandwidth package", "Bandwidth that several elastic IPs share.",
    resource="BandwidthPackage", path="bandwidthPackages/", plural="bandwidthPackages", singular="bandwidthPackage",
    prefix="bwp", name_filter="name",
    columns=(
        Column("Mbps", key("bandwidthMbps")),
        Column("IPs", key("ipCount")),
        Column("shared by", key("sharing"), False),
        Column("state", key("adminStatus"), False),
    ),
    lines={"publicIps": _member},
)  # fmt: skip
Mbps = Annotated[int, typer.Option(metavar="MBPS", help="For all of its elastic IPs together.")]
Limit = Annotated[int, typer.Argument(metavar="MBPS", help="0 lets nothing pass, -1 is no limit.", show_default=False)]


@tenants("package", "create", waits=True)
def create(
    call: Invocation,
    name: NewName,
    bandwidth: Mbps,
    description: Description = None,
    charge: Annotated[
        str, typer.Option(metavar="MODE", help="postpaid_by_duration, postpaid_by_usage or prepaid_by_duration.")
    ] = DEFAULT_CHARGE,
) -> None:
    """Get bandwidth to be shared."""
    body = {"name": name, "bandwidthMbps": bandwidth, "chargeSpec": {"chargeMode": charge}}
    result = call.tenant.post("vpc", PACKAGE.path, {**body, **given(description=description)})
    made(call, PACKAGE, [result["bandwidthPackageId"]], result)


@tenants("package", "set-bandwidth", waits=True)
def set_bandwidth(
    call: Invocation,
    package: Annotated[str, one("package")],
    mbps: Annotated[int, typer.Argument(metavar="MBPS", help="For all together.", show_default=False)],
) -> None:
    """Change a package's bandwidth; in force when its state is UP."""
    id = call.id("package", package)
    result = call.tenant.call("vpc", "PATCH", PACKAGE.item(id), {"bandwidthMbps": mbps})
    made(call, PACKAGE, [id], result)


@tenants("package", "add", waits=True)
def add(
    call: Invocation,
    package: Annotated[str, one("package")],
    eip: Annotated[str, one("eip")],
    limit: Annotated[int, typer.Option(metavar="MBPS", help="0 lets nothing pass, -1 is no limit.")] = UNLIMITED,
) -> None:
    """Put an elastic IP into a package: its own bandwidth is suspended."""
    id = call.id("package", package)
    result = _act(call.tenant, id, "addBandwidthPackageIP", publicIpId=call.id("eip", eip), bandwidthMbps=limit)
    made(call, PACKAGE, [id], result)


@tenants("package", "limit", waits=True)
def limit(
    call: Invocation, package: Annotated[str, one("package")], eip: Annotated[str, one("eip")], mbps: Limit
) -> None:
    """Change the limit that an elastic IP has within its package."""
    id = call.id("package", package)
    spec = {"publicIpId": call.id("eip", eip), "bandwidthMbps": mbps}
    made(call, PACKAGE, [id], _act(call.tenant, id, "modifyBandwidthPackageIpBandwidth", **spec))


@tenants("package", "remove", waits=True)
def remove(call: Invocation, package: Annotated[str, one("package")], eip: Annotated[str, one("eip")]) -> None:
    """Take an elastic IP out of a package: its own bandwidth is in force again."""
    id = call.id("package", package)
    result = _act(call.tenant, id, "removeBandwidthPackageIP", publicIpId=call.id("eip", eip))
    made(call, PACKAGE, [id], result)


def _act(tenant: Tenant, package: str, action: str, **spec: Any) -> Json:
    return tenant.post("vpc", PACKAGE.item(package, action), {"bandwidthPackageIPSpecs": [spec]})


def _charge(live: Live, shown: Json) -> Any:
    return shown["charge"]["chargeMode"]


def _make(run: Run, item: Item, body: Json) -> str:
    charge = item.values.get("charge", DEFAULT_CHARGE)
    body["name"] = body.pop(PACKAGE.name_key)
    return run.post(PACKAGE, {**body, "chargeSpec": {"chargeMode": charge}})


PACKAGES = Section(
    PACKAGE,
    "bandwidth-packages",
    keys=(
        Key("bandwidth", reading.whole(1, 5000), plain("bandwidthMbps"), "bandwidthMbps", required=True),
        Key("charge", reading.text, _charge, "", never, default=DEFAULT_CHARGE),
    ),
    about=(description(), tags()),
    make=_make,
    sparse=True,
)


def _package(live: Live, shown: Json) -> Any:
    return live.label(shown["bandwidthPackageId"]) if shown["bandwidthPackageId"] else NOTHING


def _limit(live: Live, shown: Json) -> Any:
    package = live.shown(shown["bandwidthPackageId"]) if shown["bandwidthPackageId"] else None
    ones = package["publicIps"] if package else ()
    return next((one["bandwidthMbps"] for one in ones if one["publicIpId"] == shown["elasticIpId"]), UNLIMITED)


def _read_limit(node: Node) -> int:
    """A limit within a package in Mbit/s: ``none``, or 0 for nothing at all."""
    return UNLIMITED if reading.text(node) == NOTHING else int(reading.whole(0, 5000)(node))


def _write_limit(value: Any) -> Any:
    return NOTHING if value == UNLIMITED else value


def _renamed(value: str, rename: Rename) -> str:
    return value if value == NOTHING else rename(PACKAGE.command, value)


def _tasks(edit: Edit, live: Live) -> Iterator[Task]:
    """An elastic IP leaves the package that it is in, joins another one, or has another limit within."""
    if not {"package", "package-limit"} & set(edit.keys):
        return
    item, found = edit.item, edit.found
    had = found.shown["bandwidthPackageId"] if found is not None else ""
    limit = item.values.get("package-limit", UNLIMITED)
    wanted = str(item.values.get("package", NOTHING))

    def settle(run: Run) -> None:
        eip, to = run.own(item), run.named(item, PACKAGE.command, wanted) if wanted != NOTHING else ""
        if had and had != to:
            _act(run.tenant, had, "removeBandwidthPackageIP", publicIpId=eip)
        if to:
            action = "modifyBandwidthPackageIpBandwidth" if had == to else "addBandwidthPackageIP"
            _act(run.tenant, to, action, publicIpId=eip, bandwidthMbps=limit)

    if had or wanted != NOTHING:
        yield Task(Phase.JOIN, edit, settle)


def _leave(edit: Edit, item: Item) -> Iterator[Task]:
    if item.shown["bandwidthPackageId"]:
        package = item.shown["bandwidthPackageId"]
        yield Task(
            Phase.CLEAR, edit, lambda run: _act(run.tenant, package, "removeBandwidthPackageIP", publicIpId=item.id)
        )


OF_ELASTIC_IPS = Addition(
    "eip",
    keys=(
        Key(
            "package", reading.text, _package, default=NOTHING, own=True,
            mentions=Mentions(lambda: (PACKAGE.command,), _renamed),
        ),
        Key("package-limit", _read_limit, _limit, default=UNLIMITED, own=True, write=_write_limit),
    ),
    tasks=_tasks,
    leave=_leave,
)  # fmt: skip
