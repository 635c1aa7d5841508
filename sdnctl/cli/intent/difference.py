"""The changes by which the region would come to have what a file wants: nothing is carried out here."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sdnctl.cli.catalogue import catalogue
from sdnctl.cli.intent.edit import CHANGE, CREATE, DELETE, Edit
from sdnctl.cli.intent.live import Known, Live
from sdnctl.cli.intent.reading import NOTHING, Mistake
from sdnctl.cli.intent.schema import Item, Rename, meant
from sdnctl.cli.intent.text import Intent, refuse


@dataclass(slots=True)
class Difference:
    """All changes, in the order of the file, and how many things stay only because nobody said to delete them."""

    changes: list[Edit]
    kept: int


def difference(intent: Intent, live: Live, prune: bool) -> Difference:
    """Compare; raises Faulty when the file names what is not there, or wants what cannot be changed."""
    mistakes: list[Mistake] = []
    wanted: dict[Known, Item] = {}
    for item in sorted(intent.items, key=lambda item: len(item.path)):  # what is around goes before what is in it
        _attempt(mistakes, _settle, item, live, wanted)
    extra = [Edit(DELETE, item, item, _marks(item)) for item in _extra(intent, wanted, live)]
    doomed = {(change.item.command, change.item.path) for change in extra} if prune else set()
    mistakes += _dangling(wanted, live, doomed)
    changes = [change for item in wanted.values() for change in _changes(item, live, mistakes)]
    refuse(intent.source, mistakes)
    changes.sort(key=lambda change: change.item.line())
    return Difference(changes + (extra if prune else []), 0 if prune else len(extra))


def _marks(item: Item) -> list[str]:
    """The values by which people know a thing, beside its name."""
    return [f"{name} {told(item.values[name])}" for name in ("cidr", "address") if name in item.values]


def _dangling(wanted: dict[Known, Item], live: Live, doomed: set[Known]) -> Iterator[Mistake]:
    """The items that will be there and refer to what will not."""
    for key in {**live.items, **wanted}:
        want, found = wanted.get(key), live.items.get(key)
        item = want or found
        if item is None or key in doomed or item.scope in doomed:
            continue
        said = want.values if want else {}
        for name, used in _references(item, {**(found.values if found else {}), **said}):
            what, line = f"{catalogue().kinds[used[0]].noun} {'/'.join(used[1])}", want.line(name) if want else 0
            if used in doomed:
                message = f"{item.kind.noun} {item.name} uses {what}, which --prune would delete"
                yield Mistake(line, f"{message}: name that in the file, or change {name!r}")
            elif name in said and used not in wanted and used not in live.items:
                yield Mistake(line, f"there is no {what}, neither here nor in the file")


def _attempt(mistakes: list[Mistake], work: Callable[..., None], *arguments: Any) -> None:
    try:
        work(*arguments)
    except Mistake as mistake:
        mistakes.append(mistake)


def _settle(item: Item, live: Live, wanted: dict[Known, Item]) -> None:
    """Give an item and what it refers to the names by which they are known here."""
    item.path = live.canonical(item.kind, item.path, item.line())
    same = wanted.setdefault((item.command, item.path), item)
    if same is not item:
        raise Mistake(item.line(), f"{item.kind.noun} {item.name} stands here twice, first in line {same.line()}")
    for name in item.values:
        line = item.line(name)

        def known(kind: str, text: str, line: int = line) -> str:
            path = live.canonical(catalogue().kinds[kind], meant(item, kind, text), line)
            return "/".join(path) if "/" in text else path[-1]

        item.values[name] = _renamed(item, name, item.values[name], known)


def _renamed(item: Item, name: str, value: Any, rename: Rename) -> Any:
    """A value in which every name of a resource has another form."""
    mentions = item.part.keys[name].mentions
    return value if mentions is None or value is None else mentions.renamed(value, rename)


def _references(item: Item, values: dict[str, Any]) -> list[tuple[str, Known]]:
    """Everything that values of an item refer to, and the key under which they do."""
    found: list[tuple[str, Known]] = []
    for name, value in values.items():

        def note(kind: str, text: str, name: str = name) -> str:
            found.append((name, (kind, meant(item, kind, text))))
            return text

        _renamed(item, name, value, note)
    return found


def _changes(item: Item, live: Live, mistakes: list[Mistake]) -> list[Edit]:
    """The edits to be done to one item; a mistake for each thing that cannot be done."""
    found = live.items.get((item.command, item.path))
    keys, label = item.part.keys, f"{item.kind.noun} {item.name}"
    if found is None:
        missing = [key.name for key in keys.values() if key.required and key.name not in item.values]
        mistakes += [Mistake(item.line(), f"{label} is new and needs {name!r}") for name in missing]
        details = [f"{name} {told(value)}" for name, value in item.values.items() if value not in ((), "")]
        return [Edit(CREATE, item, None, details, tuple(item.values))]
    differing = [name for name, value in item.values.items() if not keys[name].same(value, found.values[name])]
    for name in differing:
        if not keys[name].may_become(item.values[name]):
            change = f"from {told(found.values[name])} to {told(item.values[name])}"
            mistakes.append(Mistake(item.line(name), f"{name} of {label} cannot change {change}: make a new one"))
    if not differing:
        return []
    details = [line for name in differing for line in _told_change(name, found.values[name], item.values[name])]
    return [Edit(CHANGE, item, found, details, tuple(differing))]


def _extra(intent: Intent, wanted: dict[Known, Item], live: Live) -> Iterator[Item]:
    """Yield the items that are there and have no place in the file, in sections that the file has."""

    def claimed(item: Item) -> bool:
        if not item.kind.inside:
            return item.part.name in intent.sections
        around = wanted.get(item.scope)
        return item.part.name in around.sections if around else claimed(live.items[item.scope])

    for key, item in live.items.items():
        if key not in wanted and not item.part.section.born(item.shown) and claimed(item):
            yield item


def told(value: Any) -> str:
    """A value as a table shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ", ".join("=".join(one) if type(one) is tuple else told(one) for one in value) or NOTHING
    return str(value) if value not in (None, "") else NOTHING


def _told_change(name: str, old: Any, new: Any) -> list[str]:
    if isinstance(new, tuple):
        gone = [f"{name}: - {told((one,))}" for one in old if one not in new]
        come = [f"{name}: + {told((one,))}" for one in new if one not in old]
        return gone + come or [f"{name} {told(old)} → {told(new)}"]
    return [f"{name} {told(old)} → {told(new)}"]
