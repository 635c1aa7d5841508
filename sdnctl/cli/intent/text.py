"""An intent file, read: every mistake in it is told, with its line, before anything else happens."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path as File

import yaml

from sdnctl.base.problem import Usage
from sdnctl.cli.intent import reading
from sdnctl.cli.intent.order import schema
from sdnctl.cli.intent.reading import Mistake, line_of
from sdnctl.cli.intent.schema import Item, Part, Path


class Faulty(Usage):
    """The file cannot be applied as it is."""


@dataclass(slots=True)
class Intent:
    """The items that a file wants, and the sections that it has."""

    source: str
    items: list[Item] = field(default_factory=list)
    sections: frozenset[str] = frozenset()


def load(name: str) -> Intent:
    """Read a file (``-``: standard input); raises Faulty with every mistake in it."""
    try:
        source = sys.stdin.read() if name == "-" else File(name).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Faulty(f"cannot read {name}: {getattr(error, 'strerror', None) or error}") from None
    return parse(source, "standard input" if name == "-" else name)


def parse(source: str, name: str) -> Intent:
    """The intent that a text states; raises Faulty with every mistake in it."""
    try:
        root = yaml.compose(source, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        raise Faulty(f"{where}: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise Faulty(f"{name}: {error}") from None
    except RecursionError:
        raise Faulty(f"{name}: it is nested too deeply") from None
    intent, reader = Intent(name), _Reader()
    if root is not None:
        intent.sections = reader.sections(root, schema().roots, (), "an intent file")
    intent.items = reader.items
    refuse(name, reader.mistakes)
    return intent


def refuse(name: str, mistakes: Sequence[Mistake]) -> None:
    """Raise Faulty when there are any; in the order of the file."""
    if mistakes:
        ordered = sorted(mistakes, key=lambda mistake: mistake.line)
        raise Faulty("\n".join(f"{name}{f':{m.line}' if m.line else ''}: {m}" for m in ordered))


class _Reader:
    """Walks the file by the schema and goes on after a mistake."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.mistakes: list[Mistake] = []

    def sections(self, node: yaml.Node, parts: Sequence[Part], path: Path, where: str) -> frozenset[str]:
        """Read the sections of a mapping that has nothing else."""
        known, found = {part.name: part for part in parts}, set()
        for key, child in self._entries(node):
            name = reading.text(key)
            if name in known:
                found.add(name)
                self._section(child, known[name], path)
            else:
                self.mistakes.append(Mistake(line_of(key), reading.unknown(name, known, where)))
        return frozenset(found)

    def _section(self, node: yaml.Node, part: Part, path: Path) -> None:
        for key, child in self._entries(node):
            name = reading.text(key)
            if "/" in name or not name:
                self.mistakes.append(Mistake(line_of(key), f"{name!r} cannot be a name"))
            else:
                self._item(key, child, Item(part, (*path, name), lines={"": line_of(key)}))

    def _item(self, at: yaml.Node, node: yaml.Node, item: Item) -> None:
        self.items.append(item)
        parts, sections = {part.name: part for part in item.part.parts}, set()
        for key, child in self._entries(node):
            name = reading.text(key)
            if name in parts:
                sections.add(name)
                self._section(child, parts[name], item.path)
            elif name in item.part.keys:
                self._value(item, name, child)
            else:
                where = f"{item.kind.noun} {item.name}"
                self.mistakes.append(Mistake(line_of(key), reading.unknown(name, [*item.part.keys, *parts], where)))
        item.sections = frozenset(sections)

    def _value(self, item: Item, name: str, node: yaml.Node) -> None:
        """Read the value of a key; one without a value is as good as left out, unless it is a list."""
        try:
            if node.tag != reading.NULL:
                item.values[name] = item.part.keys[name].read(node)
                item.lines[name] = line_of(node)
        except Mistake as mistake:
            item.lines[name] = line_of(node)
            self.mistakes.append(Mistake(mistake.line, f"{name} of {item.kind.noun} {item.name}: {mistake}"))

    def _entries(self, node: yaml.Node) -> list[tuple[yaml.Node, yaml.Node]]:
        found: list[tuple[yaml.Node, yaml.Node]] = []
        try:
            found.extend(reading.entries(node))
        except Mistake as mistake:
            self.mistakes.append(mistake)
        return found
