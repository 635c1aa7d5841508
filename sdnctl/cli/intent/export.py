"""What a tenant has, written as an intent file: applying it to the same region changes nothing."""

from typing import Any

import yaml

from sdnctl.cli.intent.live import Live
from sdnctl.cli.intent.reading import Rule
from sdnctl.cli.intent.schema import ROOTS, Item, Part
from sdnctl.cli.kinds import DEFAULT_PRIORITY

Tree = dict[str, Any]


def tree(live: Live) -> Tree:
    """Everything, as nested mappings by section and name."""
    roots: Tree = {part.section: {} for part in ROOTS}
    for item in live.items.values():
        at = roots
        if len(item.path) == 2:
            at = roots[ROOTS[0].section].setdefault(item.path[0], {})
        at.setdefault(item.part.section, {}).setdefault(item.path[-1], {}).update(_values(item.part, item))
    return roots


def text(live: Live, about: str) -> str:
    """The file; ``about`` is its first line."""
    body = yaml.safe_dump(tree(live), sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    return f"# {about}\n{body}"


def _values(part: Part, item: Item) -> Tree:
    """The values that are worth writing: all but those that a new resource has anyway."""
    found: Tree = {}
    for name, key in part.keys.items():
        value = item.values[name]
        if value is not None and (key.default is None or value != key.default):
            found[name] = _plain(name, value)
    return found


def _plain(name: str, value: Any) -> Any:
    if name == "tags":
        return dict(value)
    if isinstance(value, tuple):
        return [_rule(one) if isinstance(one, Rule) else one for one in value]
    return value


def _rule(rule: Rule) -> Tree:
    written: Tree = {"to": rule.to, "via": rule.via}
    return written if rule.priority == DEFAULT_PRIORITY else {**written, "priority": rule.priority}
