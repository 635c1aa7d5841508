"""The present resources of a tenant in the form of an intent file: by names, by ids where a name is not enough."""

import contextlib
import copy
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from sdnctl.cli.catalogue import catalogue
from sdnctl.cli.intent.reading import Mistake
from sdnctl.cli.intent.schema import Item, Part, Path, Schema
from sdnctl.cli.kind import Kind
from sdnctl.cli.names import listed
from sdnctl.cli.signed import Tenant

Json = dict[str, Any]
Known = tuple[str, Path]  # the command of its kind and the path: how a thing is known


class Live:
    """Everything that a tenant has of what a file may say, read once."""

    def __init__(self, tenant: Tenant, schema: Schema) -> None:
        self.schema = schema
        self._by_id: dict[str, Json] = {}
        self._kinds: dict[str, Kind] = {}
        self._labels: dict[str, str] = {}
        self._named: dict[tuple[str, str, str], list[str]] = defaultdict(list)  # (command, scope's id, name) -> ids
        for part in schema.parts:
            self._read(part.kind, list(listed(tenant, part.kind)))
        self.items: dict[Known, Item] = {}
        parts = {part.kind: part for part in schema.parts}
        for id, shown in self._by_id.items():
            part = parts[self._kinds[id]]
            if part.section.listed(shown):
                self._add(part, id, shown)

    def _read(self, kind: Kind, found: list[Json]) -> None:
        """Give each its label: the name if that is enough, else the id."""
        for shown in found:
            id = str(shown[kind.id_key])
            self._by_id[id], self._kinds[id] = shown, kind
            self._named[self._scope(kind, shown)].append(id)
        for shown in found:
            scope, id = self._scope(kind, shown), str(shown[kind.id_key])
            self._labels[id] = scope[2] if scope[2] and len(self._named[scope]) == 1 else id

    def _scope(self, kind: Kind, shown: Json) -> tuple[str, str, str]:
        return kind.command, self._around(kind, shown), shown[kind.name_key]

    def _around(self, kind: Kind, shown: Json) -> str:
        """The id of what a resource is inside of."""
        return str(shown[catalogue().kinds[kind.inside].id_key]) if kind.inside else ""

    def _add(self, part: Part, id: str, shown: Json) -> None:
        item = Item(part, self.path(id), id=id, shown=shown)
        item.values = {key.name: key.show(self, shown) for key in part.keys.values()}
        self.items[item.command, item.path] = item

    @contextlib.contextmanager
    def unchanged(self) -> Iterator[None]:
        """Have what tasks note of resources forgotten at the end."""
        kept = copy.deepcopy(self._by_id)
        try:
            yield
        finally:
            for id, shown in kept.items():
                self._by_id[id].clear()
                self._by_id[id].update(shown)

    def label(self, id: str) -> str:
        """The name of an id within its scope."""
        return self._labels.get(id, id)

    def path(self, id: str) -> Path:
        """The name of an id within the account, as a path."""
        around = self._around(self._kinds[id], self._by_id[id])
        return (*(self.path(around) if around else ()), self._labels[id])

    def shown(self, id: str) -> Json | None:
        """A resource as the API shows it; None when there is none with that id."""
        return self._by_id.get(id)

    def canonical(self, kind: Kind, path: Path, line: int) -> Path:
        """The path by which what a file names is known here; Mistake when a name is not enough."""
        around, name = "", path[-1]
        if kind.inside:
            path = (*self.canonical(catalogue().kinds[kind.inside], path[:-1], line), name)
            owner = self.items.get((kind.inside, path[:-1]))
            if owner is None:
                return path
            around = owner.id
        shown = self._by_id.get(name) if kind.is_id(name) else None
        if shown is not None and (not kind.inside or self._around(kind, shown) == around):
            return self.path(name)
        ids = self._named.get((kind.command, around, name), [])
        if len(ids) > 1:
            raise Mistake(line, f"{len(ids)} {kind.noun}s are called {name!r}: use one of the ids {', '.join(ids)}")
        return path
