"""The commands that every kind of resource has: list, get and delete; and what they print.

``create`` and what else can be done to one kind is declared beside it, in ``networks`` and ``addresses``.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, Any

import typer

from sdnctl.base.problem import Problem, Usage
from sdnctl.cli import show
from sdnctl.cli.kinds import INSTANCE, KINDS, VPC, Kind, columns_of, rule_text
from sdnctl.cli.names import Names, find, find_id, listed
from sdnctl.cli.session import Session, quiet, tenants

Json = dict[str, Any]
Names_ = Callable[[typer.Context, str], Iterable[tuple[str, str]]]
GROUPS: dict[str, typer.Typer] = {
    kind.command: typer.Typer(no_args_is_help=True, help=help)
    for kind, help in zip(
        KINDS.values(),
        (
            "Private networks.",
            "Address blocks of a VPC.",
            "Network interfaces.",
            "Elastic IPs: public addresses.",
            "Where a subnet's packets go.",
            "Virtual machines, as far as the network knows them.",
        ),
        strict=True,
    )
}


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


def table(session: Session, kind: Kind, rows: Sequence[Json]) -> None:
    """Resources as a table, ids of others by their names."""
    names, columns = Names(session.tenant), columns_of(kind)
    cells = [{column.heading: names.cell(column, shown) for column in columns} for shown in rows]
    headings = {column.heading: column.heading for column in columns}
    show.table(cells, headings, f"no {kind.noun}s yet: sdnctl {kind.command} create --help", False, kind.plural)


def made(session: Session, kind: Kind, ids: list[str], result: Json) -> None:
    """What a command made or changed: the API's result, or a table of the resources as they are now."""
    rows = session.settle(kind, ids) if session.wait or not session.json else []
    if session.json:
        show.document(result)
    else:
        table(session, kind, rows)


def conditions_of(given: Sequence[str]) -> list[tuple[str, list[str]]]:
    """``--filter NAME=VALUE[,VALUE]`` as the API wants it; raises Usage."""
    pairs = [text.partition("=") for text in given]
    for (name, equals, _), text in zip(pairs, given, strict=True):
        if not name or not equals:
            raise Usage(f"--filter must be NAME=VALUE, not {text!r}")
    return [(name, value.split(",")) for name, _, value in pairs]


def _declare(kind: Kind, group: typer.Typer) -> None:
    """Give a kind the commands that all kinds have."""
    Which = Annotated[str, one(kind)]
    Filters = Annotated[
        list[str], typer.Option("--filter", metavar="NAME=VALUE", help="Only what the API's filter lets pass.")
    ]
    InVpc = Annotated[str | None, option(VPC, "--vpc", "Only those of this VPC.")]

    def list_(session: Session, *, filter: Filters = [], vpc: InVpc = None) -> None:  # noqa: B006
        filters = conditions_of(filter)
        if vpc is not None:
            filters.append(("vpcId", [find_id(session.tenant, VPC, vpc)]))
        rows = list(listed(session.tenant, kind, filters))
        if session.json:
            show.document({kind.plural: rows, "totalCount": len(rows)})
        else:
            table(session, kind, rows)

    def list_all(session: Session, *, filter: Filters = []) -> None:  # noqa: B006
        list_(session, filter=filter)

    def get(session: Session, which: Which) -> None:
        shown = find(session.tenant, kind, which)
        if session.json:
            show.document({kind.singular: shown})
        else:
            show.record(flat(session, kind, shown), False)

    listing = list_ if kind.in_vpc else list_all
    listing.__doc__, get.__doc__ = f"Show the {kind.noun}s.", f"Show one {kind.noun} whole."
    tenants(group, "list")(listing)
    tenants(group, "get")(get)
    if kind is not INSTANCE:
        _declare_delete(kind, group)


def _declare_delete(kind: Kind, group: typer.Typer) -> None:
    Which = Annotated[str, one(kind)]

    def delete(session: Session, which: Which) -> None:
        remove(session, kind, which)

    delete.__doc__ = f"Delete one {kind.noun}; refused while something still uses it."
    tenants(group, "delete", waits=True)(delete)


def remove(session: Session, kind: Kind, which: str, query: Sequence[tuple[str, str]] = ()) -> None:
    """Delete one resource and say so."""
    id = find_id(session.tenant, kind, which)
    result = session.tenant.call(kind.service, "DELETE", kind.item(id), query=query)
    session.gone(kind, id)
    if session.json:
        show.document(result)
    else:
        show.line(f"deleted {kind.noun} {which}" + (f" ({id})" if id != which else ""))


def flat(session: Session, kind: Kind, shown: Json) -> Json:
    """A resource as lines: what is nested becomes short text, what is empty stays out, ids of others get a name."""
    names = Names(session.tenant)
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


for _kind in KINDS.values():
    _declare(_kind, GROUPS[_kind.command])
