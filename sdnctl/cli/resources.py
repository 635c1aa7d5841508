"""The commands that every kind of resource has: list, get and delete; and what they print.

``create`` and what else can be done to one kind is declared beside it, in its feature's ``cli.py``.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from sdnctl.base.problem import Usage
from sdnctl.cli import show
from sdnctl.cli.catalogue import catalogue
from sdnctl.cli.command import Command, Run, one, option, tenants
from sdnctl.cli.invocation import Invocation
from sdnctl.cli.kind import Kind, columns_of
from sdnctl.cli.names import NameBook, described, find, find_id, listed

Json = dict[str, Any]
NewName = Annotated[str, typer.Argument(metavar="NAME", help="Its name.", show_default=False)]
MayName = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Its name.", show_default=False)]
OneField = Annotated[
    str | None,
    typer.Option("--field", metavar="NAME", help="Print one field alone, such as macAddress."),
]
Description = Annotated[str | None, typer.Option(metavar="TEXT", help="What it is for.")]


def table(call: Invocation, kind: Kind, rows: Sequence[Json]) -> None:
    """Resources as a table, ids of others by their names."""
    names, columns = NameBook(call.tenant), columns_of(kind)
    cells = [{column.heading: names.cell(column, shown) for column in columns} for shown in rows]
    headings = {column.heading: column.heading for column in columns}
    show.table(cells, headings, f"no {kind.noun}s yet: sdnctl {kind.command} create --help", False, kind.plural)


def made(call: Invocation, kind: Kind, ids: list[str], result: Json) -> None:
    """Print what a command made or changed: the API's result, or a table of the resources as they are now."""
    call.settle((kind, id) for id in ids)
    if call.json:
        show.document(result)
    else:
        table(call, kind, [described(call.tenant, kind, id) for id in ids])


def conditions_of(given: Sequence[str]) -> list[tuple[str, list[str]]]:
    """``--filter NAME=VALUE[,VALUE]`` as the API wants it; raises Usage."""
    pairs = [text.partition("=") for text in given]
    for (name, equals, _), text in zip(pairs, given, strict=True):
        if not name or not equals:
            raise Usage(f"--filter must be NAME=VALUE, not {text!r}")
    return [(name, value.split(",")) for name, _, value in pairs]


def common(kind: Kind) -> Iterator[Command]:
    """The commands that all kinds have."""
    Which = Annotated[str, one(kind.command)]

    def get(call: Invocation, which: Which, *, field: OneField = None) -> None:
        shown = find(call.tenant, kind, which)
        if field is not None:
            print(_named(kind, shown, field))
        elif call.json:
            show.document({kind.singular: shown})
        else:
            warnings = list(kind.warns(shown))
            show.record({**flat(call, kind, shown), **({"warnings": warnings} if warnings else {})}, False)

    def delete(call: Invocation, which: Which) -> None:
        remove(call, kind, which)

    get.__doc__ = f"Show one {kind.noun} whole."
    delete.__doc__ = f"Delete one {kind.noun}; refused while something still uses it."
    yield tenants(kind.command, "list")(_listing(kind))
    yield tenants(kind.command, "get")(get)
    yield tenants(kind.command, "delete", waits=True)(delete)


def _named(kind: Kind, shown: Json, field: str) -> Any:
    """One field of a resource; raises Usage when it has no such field."""
    if field not in shown:
        raise Usage(f"no field {field!r} in this {kind.noun}: it has {', '.join(shown)}")
    value = shown[field]
    return value if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)


def _listing(kind: Kind) -> Run:
    Filters = Annotated[
        list[str], typer.Option("--filter", metavar="NAME=VALUE", help="Only what the API's filter lets pass.")
    ]

    def list_all(call: Invocation, *, filter: Filters = []) -> None:  # noqa: B006
        list_(call, conditions_of(filter))

    def list_(call: Invocation, filters: list[tuple[str, list[str]]]) -> None:
        rows = list(listed(call.tenant, kind, filters))
        if call.json:
            show.document({kind.plural: rows, "totalCount": len(rows)})
        else:
            table(call, kind, rows)

    if not kind.inside:
        list_all.__doc__ = f"Show the {kind.noun}s."
        return list_all
    around = catalogue().kinds[kind.inside]
    Inside = Annotated[str | None, option(around.command, f"--{around.command}", f"Only those of this {around.word}.")]

    def list_some(call: Invocation, *, filter: Filters = [], inside: Inside = None) -> None:  # noqa: B006
        filters = conditions_of(filter)
        if inside is not None:
            filters.append((around.id_key, [find_id(call.tenant, around, inside)]))
        list_(call, filters)

    list_some.__doc__ = f"Show the {kind.noun}s."
    return list_some


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
    names = NameBook(call.tenant)
    whole = {}
    for key, value in shown.items():
        if value not in (None, "", [], {}):
            text = [kind.lines[key](one) for one in value] if key in kind.lines else _short(value)
            own = key in (kind.id_key, kind.name_key)
            whole[key] = text if own else names.translated(text, lambda id, name: f"{id} ({name})")
    return whole


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(item) for item in value]
    if not isinstance(value, dict):
        return value
    return ", ".join(f"{key} {_short(item)}" for key, item in value.items() if item not in (None, "", [], {}))
