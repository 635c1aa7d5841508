"""What would have to change so that the region has what a file wants: nothing is carried out here."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sdnctl.cli.intent.live import Live
from sdnctl.cli.intent.reading import NOTHING, Mistake, Rule
from sdnctl.cli.intent.schema import EIPS, VPCS, Item, Path
from sdnctl.cli.intent.text import Intent, refuse
from sdnctl.cli.kinds import ENI, INSTANCE, KINDS, ROUTE_TABLE, SUBNET, Kind

Known = tuple[str, Path]  # the command of its kind and the path: how a thing is known
CREATE, CHANGE, DELETE = "create", "change", "delete"
SIGNS = {CREATE: "+", CHANGE: "~", DELETE: "-"}
IN_VPC: dict[str, Kind] = {"subnet": SUBNET, "route-table": ROUTE_TABLE, "interfaces": ENI}


@dataclass(slots=True)
class Change:
    """One resource that is to be made, changed or deleted."""

    action: str
    item: Item  # as it is wanted; for a deletion, as it is
    found: Item | None = None  # as it is
    details: list[str] = field(default_factory=list)
    keys: tuple[str, ...] = ()  # those that differ


@dataclass(slots=True)
class Difference:
    """All changes, in the order of the file, and how many things stay only because nobody said to delete them."""

    changes: list[Change]
    kept: int


def difference(intent: Intent, live: Live, prune: bool) -> Difference:
    """Compare; raises Faulty when the file names what is not there, or wants what cannot be changed."""
    mistakes: list[Mistake] = []
    wanted: dict[Known, Item] = {}
    for item in sorted(intent.items, key=lambda item: len(item.path)):  # a VPC goes before what is in it
        _attempt(mistakes, _settle, item, live, wanted)
    extra = [Change(DELETE, item, item, _marks(item)) for item in _extra(intent, wanted, live)]
    doomed = {(change.item.command, change.item.path) for change in extra} if prune else set()
    mistakes += _dangling(wanted, live, doomed)
    changes = [change for item in wanted.values() for change in _changes(item, live, mistakes)]
    refuse(intent.source, mistakes)
    changes.sort(key=lambda change: change.item.line())
    return Difference(changes + (extra if prune else []), 0 if prune else len(extra))


def _marks(item: Item) -> list[str]:
    """What people know a thing by, beside its name."""
    return [f"{name} {told(item.values[name])}" for name in ("cidr", "address") if name in item.values]


def _dangling(wanted: dict[Known, Item], live: Live, doomed: set[Known]) -> Iterator[Mistake]:
    """Whatever will be there and refers to what will not."""
    for key in {**live.items, **wanted}:
        want, found = wanted.get(key), live.items.get(key)
        item = want or found
        if item is None or key in doomed or (VPCS.kind.command, key[1][:1]) in doomed:
            continue
        said = want.values if want else {}
        for name, used in _references(item.path, {**(found.values if found else {}), **said}):
            what, line = f"{KINDS[used[0]].noun} {'/'.join(used[1])}", want.line(name) if want else 0
            if used in doomed:
                message = f"{item.part.kind.noun} {item.name} uses {what}, which --prune would delete"
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
    item.path = _path(live, item.part.kind, item.path, item.line())
    same = wanted.setdefault((item.command, item.path), item)
    if same is not item:
        raise Mistake(item.line(), f"{item.part.kind.noun} {item.name} stands here twice, first in line {same.line()}")
    for name, value in item.values.items():
        item.values[name] = _known(live, item, name, value)


def _path(live: Live, kind: Kind, path: Path, line: int) -> Path:
    if kind.in_vpc:
        path = (*live.canonical(VPCS.kind, path[:1], line), path[-1])
    return live.canonical(kind, path, line)


def _known(live: Live, item: Item, name: str, value: Any) -> Any:
    """A value in which every name is the one by which the thing is known here."""
    line = item.line(name)

    def beside(kind: Kind, text: str) -> str:
        return _path(live, kind, (item.path[0], text), line)[-1]

    def hop(via: str) -> str:
        tag, colon, text = via.partition(":")
        return f"{tag}:{beside(KINDS[tag], text)}" if colon and tag in (INSTANCE.command, ENI.command) else via

    if name in IN_VPC and item.part is not EIPS:
        known = [beside(IN_VPC[name], text) for text in ([value] if isinstance(value, str) else value)]
        return known[0] if isinstance(value, str) else tuple(known)
    if name == "rules":
        return tuple(Rule(rule.to, hop(rule.via), rule.priority) for rule in value)
    if name == "bound-to" and value != NOTHING:
        tag, _, text = value.partition(":")
        return f"{tag}:{'/'.join(_path(live, KINDS[tag], tuple(text.split('/')), line))}"
    return value


def _references(path: Path, values: dict[str, Any]) -> Iterator[tuple[str, Known]]:
    """Everything that values refer to, and the key under which they do."""
    for name, value in values.items():
        if name in IN_VPC:
            for text in [value] if isinstance(value, str) else value:
                yield name, (IN_VPC[name].command, (path[0], text))
        elif name == "rules":
            for tag, _, text in (rule.via.partition(":") for rule in value):
                if tag in (INSTANCE.command, ENI.command):
                    yield name, (tag, (path[0], text))
        elif name == "bound-to" and value != NOTHING:
            tag, _, text = value.partition(":")
            yield name, (tag, tuple(text.split("/")))


def _changes(item: Item, live: Live, mistakes: list[Mistake]) -> list[Change]:
    """What has to be done to one item; a mistake for each thing that cannot."""
    found = live.items.get((item.command, item.path))
    keys, label = item.part.keys, f"{item.part.kind.noun} {item.name}"
    if found is None:
        missing = [key.name for key in keys.values() if key.required and key.name not in item.values]
        mistakes += [Mistake(item.line(), f"{label} is new and needs {name!r}") for name in missing]
        details = [f"{name} {told(value)}" for name, value in item.values.items() if value not in ((), "")]
        return [Change(CREATE, item, None, details, tuple(item.values))]
    differing = [name for name, value in item.values.items() if not keys[name].same(value, found.values[name])]
    for name in differing:
        if not keys[name].may_become(item.values[name]):
            change = f"from {told(found.values[name])} to {told(item.values[name])}"
            mistakes.append(Mistake(item.line(name), f"{name} of {label} cannot change {change}: make a new one"))
    if not differing:
        return []
    details = [line for name in differing for line in _told_change(name, found.values[name], item.values[name])]
    return [Change(CHANGE, item, found, details, tuple(differing))]


def _extra(intent: Intent, wanted: dict[Known, Item], live: Live) -> Iterator[Item]:
    """What is there and has no place in the file, in sections that the file has."""
    for key, item in live.items.items():
        if key in wanted or _comes_with_its_vpc(item):
            continue
        vpc = None if len(item.path) == 1 else wanted.get((VPCS.kind.command, item.path[:1]))
        if len(item.path) == 1:
            claimed = item.part.section in intent.sections
        elif vpc is None:
            claimed = VPCS.section in intent.sections
        else:
            claimed = item.part.section in vpc.sections
        if claimed:
            yield item


def _comes_with_its_vpc(item: Item) -> bool:
    return bool(item.shown.get("routeTableType") == "default")


def told(value: Any) -> str:
    """A value as a table shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Rule):
        return f"{value.to} via {value.via}" + (f" priority {value.priority}" if value.priority != 100 else "")
    if isinstance(value, tuple):
        return ", ".join("=".join(one) if type(one) is tuple else told(one) for one in value) or NOTHING
    return str(value) if value not in (None, "") else NOTHING


def _told_change(name: str, old: Any, new: Any) -> list[str]:
    if isinstance(new, tuple):
        gone = [f"{name}: - {told((one,))}" for one in old if one not in new]
        come = [f"{name}: + {told((one,))}" for one in new if one not in old]
        return gone + come or [f"{name} {told(old)} → {told(new)}"]
    return [f"{name} {told(old)} → {told(new)}"]
