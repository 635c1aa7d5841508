"""A value in an intent file, read and checked where it stands, so that a mistake is told with its line."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from sdnctl.base.addresses import Cidr, Ip4, Mac

NULL = "tag:yaml.org,2002:null"
TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
ANY, NOTHING = "any", "none"
Node = Any
"""A piece of the file as YAML composed it (``yaml.Node``); not imported here, since every feature imports this."""
Reader = Callable[[Node], Any]


class Mistake(Exception):
    """A mistake at a line of the file (0: nowhere in particular)."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def line_of(node: Node) -> int:
    """The line on which a value stands, counted from 1."""
    return int(node.start_mark.line) + 1


def text(node: Node) -> str:
    """Any single value, as it is written: 123 and on are names like any other."""
    if node.id != "scalar" or node.tag == NULL:
        raise Mistake(line_of(node), "a single value is expected here")
    return str(node.value)


def parsed(parse: Callable[[str], Any]) -> Reader:
    """A reader of what ``parse`` understands, in its usual spelling."""

    def read(node: Node) -> str:
        try:
            return str(parse(text(node)))
        except ValueError as error:
            raise Mistake(line_of(node), str(error)) from None

    return read


cidr, address, mac = parsed(Cidr.parse), parsed(Ip4.parse), parsed(Mac.parse)


def cidr_or_any(node: Node) -> str:
    """A block, or ``any`` for no limit."""
    return ANY if text(node) == ANY else str(cidr(node))


def whole(low: int, high: int) -> Reader:
    """A reader of whole numbers in a range."""

    def read(node: Node) -> int:
        value = text(node)
        if not (value.isascii() and value.isdigit() and len(value) < 12 and low <= int(value) <= high):
            raise Mistake(line_of(node), f"must be a whole number from {low} to {high}, not {value!r}")
        return int(value)

    return read


def flag(node: Node) -> bool:
    """A truth value: true or false."""
    value = text(node).lower()
    if value not in TRUTH:
        raise Mistake(line_of(node), f"must be true or false, not {text(node)!r}")
    return TRUTH[value]


def choice(*allowed: str) -> Reader:
    """A reader of one of several words."""

    def read(node: Node) -> str:
        if text(node) not in allowed:
            raise Mistake(line_of(node), f"must be {' or '.join(allowed)}, not {text(node)!r}")
        return text(node)

    return read


def several(read_one: Reader) -> Reader:
    """A reader of lists without repetitions; no value at all is an empty list."""

    def read(node: Node) -> tuple[Any, ...]:
        if node.tag == NULL:
            return ()
        if node.id != "sequence":
            raise Mistake(line_of(node), "a list is expected here")
        found: list[Any] = []
        for child in node.value:
            value = read_one(child)
            if value in found:
                raise Mistake(line_of(child), f"{value} stands here twice")
            found.append(value)
        return tuple(found)

    return read


def fields(node: Node, readers: Mapping[str, Reader], required: Iterable[str], what: str) -> dict[str, Any]:
    """A mapping with these fields, each read by its reader; ``what`` is what it describes, in a message."""
    given: dict[str, Any] = {}
    for key, child in entries(node):
        name = text(key)
        if name not in readers:
            raise Mistake(line_of(key), unknown(name, readers, what))
        given[name] = readers[name](child)
    if any(name not in given for name in required):
        raise Mistake(line_of(node), f"{what} needs {' and '.join(map(repr, required))}")
    return given


def pairs(node: Node) -> tuple[tuple[str, str], ...]:
    """Tags: keys and values."""
    return tuple(sorted((text(key), text(child)) for key, child in entries(node)))


def entries(node: Node) -> Iterator[tuple[Node, Node]]:
    """The keys and values of a mapping, each key once; no value at all is an empty mapping."""
    if node.tag == NULL:
        return
    if node.id != "mapping":
        raise Mistake(line_of(node), "a mapping (KEY: VALUE) is expected here")
    seen: dict[str, int] = {}
    for key, child in node.value:
        name = text(key)
        if name in seen:
            raise Mistake(line_of(key), f"{name!r} stands here twice, first in line {seen[name]}")
        seen[name] = line_of(key)
        yield key, child


def unknown(name: str, known: Any, where: str) -> str:
    """The message about a key that nobody knows, with the one that was probably meant."""
    close = difflib.get_close_matches(name, list(known), 1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
    return f"unknown key {name!r} in {where}: {hint}"
