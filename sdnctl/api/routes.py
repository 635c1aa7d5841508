"""The way from method and path to an operation: one endpoint serves several services, told apart by the credential.
credential.

Paths are normalised here and only here: version, slashes folded, trailing slash dropped, escapes decoded after
splitting. `:verb` at the end belongs to the last segment. A parameter matches any text, a literal goes before a
parameter.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple
from urllib.parse import unquote

from sdnctl.api.operations import Operation
from sdnctl.api.wire import UNDECODED

ANY = "{}"
MAX_SEGMENTS = 12
Segments = tuple[str, ...]
_VERSIONED = re.compile(r"/v\d{1,2}/", re.ASCII)
_PARAMETER = re.compile(r"\{(\w+)\}")
_VERB = re.compile(r"[a-z]+[A-Z][A-Za-z]*", re.ASCII)


class Found(NamedTuple):
    """An operation and the values of its path parameters."""

    operation: Operation
    parameters: dict[str, str]


class Node:
    """One step of the routing tree: what may follow, and what ends here."""

    __slots__ = ("children", "operation")

    def __init__(self) -> None:
        self.children: dict[str, Node] = {}
        self.operation: Operation | None = None


class Routes:
    """A frozen tree of operations, one root for each service and method."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._roots: dict[tuple[str, str], Node] = {}
        for operation in operations:
            node = self._roots.setdefault((operation.service, operation.method), Node())
            for segment in split(operation.path):
                node = node.children.setdefault(_PARAMETER.sub(ANY, segment), Node())
            if node.operation is not None:
                raise TypeError(f"{operation.name} and {node.operation.name} have the same route")
            node.operation = operation

    def match(self, service: str, method: str, path: str) -> Found | None:
        """The operation that a raw path means, or None."""
        root = self._roots.get((service, method))
        segments = split(path)
        if root is None or len(segments) > MAX_SEGMENTS:
            return None
        for tried in (segments, (*segments, "")):  # an empty last parameter is told as such, not as a wrong path
            operation = _walk(root, tried)
            if operation is not None:
                return Found(operation, _values(operation, tried))
        return None


def _walk(node: Node, segments: Segments) -> Operation | None:
    if not segments:
        return node.operation
    for option in _options(segments[0], last=len(segments) == 1):
        child = node.children.get(option)
        operation = _walk(child, segments[1:]) if child is not None else None
        if operation is not None:
            return operation
    return None


def split(path: str) -> Segments:
    """A raw path as decoded segments; empty ones are dropped, so slashes fold and a trailing one does not count."""
    return tuple(unquote(segment, errors=UNDECODED) for segment in path.split("/") if segment)


def versioned(path: str) -> bool:
    """True when a path is of the public API's style at all."""
    return bool(_VERSIONED.match(path))


def _options(segment: str, last: bool) -> Iterator[str]:
    yield segment
    _, colon, verb = segment.rpartition(":")
    if last and colon:
        yield f"{ANY}:{verb}"
        if _VERB.fullmatch(verb):
            return  # an action that is not served is no id
    yield ANY


def _values(operation: Operation, segments: Segments) -> dict[str, str]:
    return {name: segments[place].removesuffix(suffix) for place, name, suffix in _parameters(operation.path)}


@cache
def _parameters(path: str) -> tuple[tuple[int, str, str], ...]:
    """The parameters of an operation's path: in which segment, by what name, and what stands behind it there."""
    named = ((place, pattern, _PARAMETER.match(pattern)) for place, pattern in enumerate(split(path)))
    return tuple((place, found[1], pattern[found.end() :]) for place, pattern, found in named if found)
