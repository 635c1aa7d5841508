"""Export of a tenant's resources as an intent file: applying it to the same region changes nothing."""

from typing import Any

import yaml

from sdnctl.cli.intent.live import Live
from sdnctl.cli.intent.schema import Item

Tree = dict[str, Any]


def tree(live: Live) -> Tree:
    """Everything, as nested mappings by section and name."""
    top: Tree = {part.name: {} for part in live.schema.roots if not part.section.sparse}
    for item in live.items.values():
        _place(top, item, live).update(_values(item))
    return top


def _place(top: Tree, item: Item, live: Live) -> Tree:
    """The mapping of one resource within the whole."""
    around = _place(top, live.items[item.scope], live) if item.kind.inside else top
    mapping: Tree = around.setdefault(item.part.name, {}).setdefault(item.path[-1], {})
    return mapping


def text(live: Live, about: str) -> str:
    """The file; ``about`` is its first line."""
    body = yaml.safe_dump(tree(live), sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    return f"# {about}\n{body}"


def _values(item: Item) -> Tree:
    """The values that are worth writing: all but those that a new resource has anyway."""
    found: Tree = {}
    for name, key in item.part.keys.items():
        value = item.values[name]
        if value is not None and (key.default is None or value != key.default):
            found[name] = key.write(value)
    return found
