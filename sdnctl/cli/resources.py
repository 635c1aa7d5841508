"""The commands that every kind of resource has: list, get and delete; and what they print.

``create`` and what else can be done to one kind is declared beside it, in ``networks`` and ``addresses``.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, Any

import typer

from sdnctl.base.problem import Problem, Usage
from sdnctl.cli import show
from sdnctl.cli.command import Command, tenants
from sdnctl.cli.invocation import Invocation, quiet
from sdnctl.cli.kinds import VPC, Kind, columns_of, rule_text
from sdnctl.cli.names import Names, find, find_id, listed

Json = dict[str, Any]
Names_ = Callable[[typer.Context, str], Iterable[tuple[str, str]]]


def completion(*kinds: Kind) -> Names_:
    """Names (and ids of what has none) of some kinds, for the shell; silent when no region can be asked."""

    def complete(context: typer.Context, incomplete: str) -> Iterator[tuple[str, str]]:
        try:
            tenant = quiet(context.params).tenant
            for kind in kinds:
                for shown in listed(tenant, kind):
                    known = shown[kind.name_key] or shown[kind.id_key]
                    if known.startswith(incomplete):
                        yield known, shown[kind.id_key]
        except Problem:
            return

    return complete


def one(kind: Kind) -> Any:
    """An argument that names one resource."""
    help = f"Name or id of the {kind.noun}" + (" (also VPC/NAME)." if kind.in_vpc else ".")
    return typer.Argument(
        metavar=kind.command.upper().replace("-", "_"), help=help, autocompletion=completion(kind), show_default=False
    )


def option(kind: Kind, flag: str, help: str) -> Any:
    """An option that names one resource."""
    metavar = kind.command.upper().replace("-", "_")
    return typer.Option(flag, metavar=metavar, help=help, autocompletion=completion(kind), show_default=False)


def table(call: Invocation, kind: Kind, rows: Sequence[Json]) -> None:
    """Resources as a table, ids of others by their names."""
    names, columns = Names(call.tenant), columns_of(kind)
    cells = [{column.heading: names.cell(column, shown) for column in columns} for shown in rows]
    headings = {column.heading: column.heading for column in columns}
    show.table(cells, headings, f"no {kind.noun}s yet: sdnctl {kind.command} create --help", False, kind.plural)


def made(call: Invocation, kind: Kind, ids: list[str], result: Json) -> None:
    """What a command made or changed: the API's result, or a table of the resources as they are now."""
    rows = call.settle(kind, ids) if call.wait or not call.json else []
    if call.json:
        show.document(result)
    else:
        table(call, kind, rows)


def conditions_of(given: Sequence[str]) -> list[tuple[str, list[str]]]:
    """``--filter NAME=VALUE[,VALUE]`` as the API wants it; raises Usage."""
    pairs = [text.partition("=") for text in given]
    for (name, equals, _), text in zip(pairs, given, strict=True):
        if not name or not equals:
            raise Usage(f"--filter must be NAME=VALUE, not {text!r}")
    return [(name, value.split(",")) for name, _, value in pairs]


def common(kind: Kind) -> Iterator[Command]:
    """The commands that all kinds have."""
    Which = Annotated[str, one(kind)]
    Filters = Annotated[
        list[str], typer.Option("--filter", metavar="NAME=VALUE", help="Only what the API's filter lets pass.")
    ]
    InVpc = Annotated[str | None, option(VPC, "--vpc", "Only those of this VPC.")]

    def list_(call: Invocation, *, filter: Filters = [], vpc: InVpc = None) -> None:  # noqa: B006
        filters = conditions_of(filter)
        if vpc is not None:
            filters.append(("vpcId", [find_id(call.tenant, VPC, vpc)]))
        rows = list(listed(call.tenant, kind, filters))
        if call.json:
            show.document({kind.plural: rows, "totalCount": len(rows)})
        else:
            table(call, kind, rows)

    def list_all(call: Invocation, *, filter: Filters = []) -> None:  # noqa: B006
        list_(call, filter=filter)

    def get(call: Invocation, which: Which) -> None:
        shown = find(call.tenant, kind, which)
        if call.json:
            show.document({kind.singular: shown})
        else:
            show.record(flat(call, kind, shown), False)

    listing = list_ if kind.in_vpc else list_all
    listing.__doc__, get.__doc__ = f"Show the {kind.noun}s.", f"Show one {kind.noun} whole."
    yield tenants(kind.command, "list")(listing)
    yield tenants(kind.command, "get")(get)
    yield _delete(kind)


def _delete(kind: Kind) -> Command:
    Which = Annotated[str, one(kind)]

    def delete(call: Invocation, which: Which) -> None:
        remove(call, kind, which)

    delete.__doc__ = f"Delete one {kind.noun}; refused while something still uses it."
    return tenants(kind.command, "delete", waits=True)(delete)


def remove(call: Invocation, kind: Kind, which: str, query: Sequence[tuple[str, str]] = ()) -> None:
    """Delete one resource and say so."""
    id = find_id(call.tenant, kind, which)
    result = call.tenant.call(kind.service, "DELETE", kind.item(id), query=query)
    call.gone(kind, id)
    if call.json:
        show.document(result)
    else:
        show.line(f"deleted {kind.noun} {which}" + (f" ({id})" if id != which else ""))


def flat(call: Invocation, kind: Kind, shown: Json) -> Json:
    """A resource as lines: what is nested becomes short text, what is empty stays out, ids of others get a name."""
    names = Names(call.tenant)
    whole = {}
    for key, value in shown.items():
        if value not in (None, "", [], {}):
            text = _short(value)
            own = key in (kind.id_key, kind.name_key)
            whole[key] = text if own else names.translated(text, lambda id, name: f"{id} ({name})")
    return whole


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "addressPrefix" in value and "nextHopType" in value:
        return f"{value['ruleId']}: {rule_text(value)}"
    return ", ".join(f"{key} {_short(item)}" for key, item in value.items() if item not in (None, "", [], {}))
