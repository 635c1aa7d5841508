"""The calls that carry a difference out, in an order in which each finds what it needs.

What is new is made before anything is taken away, and what is taken away goes last, so that traffic moves from the one
to the other.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from sdnctl.base.problem import Problem
from sdnctl.cli.catalogue import catalogue
from sdnctl.cli.intent.edit import CREATE, DELETE, Edit, Phase, Task
from sdnctl.cli.intent.live import Known, Live
from sdnctl.cli.intent.schema import Item, Path, meant
from sdnctl.cli.kind import Kind
from sdnctl.cli.names import described
from sdnctl.cli.signed import Tenant

Json = dict[str, Any]


class Unmade(Problem):
    """The failure of a task for which something has not been made."""


class Ids(dict[Known, str]):
    """The ids of what is there, by how it is known; raises Unmade for what is not."""

    def __missing__(self, key: Known) -> str:
        raise Unmade(f"there is no {catalogue().kinds[key[0]].noun} {'/'.join(key[1])}")


class Run:
    """The carrying out of one difference: the tenant, and the ids of what was there and of what has been made."""

    def __init__(self, tenant: Tenant, live: Live) -> None:
        self.tenant = tenant
        self.live = live
        self.ids = Ids({key: item.id for key, item in live.items.items()})

    def id(self, kind: str, path: Path) -> str:
        """The id of what goes by a path; ``kind`` is the command of its kind."""
        return self.ids[kind, path]

    def own(self, item: Item) -> str:
        """The id of an item."""
        return self.ids[item.command, item.path]

    def named(self, item: Item, kind: str, text: str) -> str:
        """The id of what a value of an item names."""
        return self.ids[kind, meant(item, kind, text)]

    def scope(self, item: Item) -> Json:
        """The scope of an item, as a parameter of the call that makes it; nothing when it is inside of nothing."""
        if not item.kind.inside:
            return {}
        return {catalogue().kinds[item.kind.inside].id_key: self.ids[item.scope]}

    def wire(self, item: Item, names: Iterable[str]) -> Json:
        """The values of some keys, as parameters of a call."""
        found = {}
        for key in (item.part.keys[name] for name in names if name in item.values and item.part.keys[name].wire):
            value = item.values[key.name]
            if key.mentions is not None:
                value = key.mentions.renamed(value, lambda kind, text: self.named(item, kind, text))
            found[key.wire] = key.send(value)
        return found

    def shown(self, item: Item) -> Json:
        """An item as the API shows it now."""
        return described(self.tenant, item.kind, self.own(item))

    def post(self, kind: Kind, body: Json) -> str:
        """Make one of a kind; its id."""
        answer = self.tenant.post(kind.service, kind.path, body)
        result = answer.get(kind.singular, answer)
        return str(result[kind.id_key] if kind.id_key in result else result[f"{kind.id_key}s"][0])

    def patch(self, kind: str, id: str, body: Json) -> None:
        """Change a resource."""
        of = catalogue().kinds[kind]
        self.tenant.call(of.service, "PATCH", of.item(id), body)

    def act(self, kind: str, id: str, action: str, **body: Any) -> None:
        """Have something done to a resource."""
        of = catalogue().kinds[kind]
        self.tenant.post(of.service, of.item(id, action), body)


def tasks(edits: Iterable[Edit], live: Live) -> list[Task]:
    """Every task of every edit, in the order in which they are carried out."""
    found = [task for edit in edits for task in _tasks(edit, live)]
    return sorted(found, key=lambda task: task.turn(live.schema))


def _tasks(edit: Edit, live: Live) -> Iterator[Task]:
    item = edit.item
    if edit.action == DELETE:
        yield from _deletion(edit, live)
        return
    if edit.action == CREATE:
        yield Task(Phase.MAKE, edit, lambda run: _make(run, item))
    if modified := _modified(edit):
        yield Task(Phase.MODIFY, edit, lambda run: run.patch(item.command, run.own(item), run.wire(item, modified)))
    for declared in item.part.declared:
        yield from declared.tasks(edit, live)


def _make(run: Run, item: Item) -> None:
    taken = [name for name in item.values if not item.part.keys[name].late]
    body = {item.kind.name_key: item.path[-1], **run.wire(item, taken)}
    run.ids[item.command, item.path] = item.part.section.make(run, item, body)


def _modified(edit: Edit) -> list[str]:
    """The keys that a modifying call has to deal with."""
    keys = [edit.item.part.keys[name] for name in edit.keys]
    return [key.name for key in keys if key.wire and not key.own and (key.late or edit.action != CREATE)]


def _deletion(edit: Edit, live: Live) -> Iterator[Task]:
    item = edit.item
    born = (one for one in live.items.values() if one.scope == (item.command, item.path))
    for gone in (item, *(one for one in born if one.part.section.born(one.shown))):
        for declared in gone.part.declared:
            yield from declared.leave(edit, gone)
    yield Task(Phase.DELETE, edit, lambda run: run.tenant.call(item.kind.service, "DELETE", item.kind.item(item.id)))
