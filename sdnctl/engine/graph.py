"""The dependency graph: who read what, which tells the engine the units that a change concerns.

A node is anything that reads: a unit, a derived value, a placement.  A key is what can be read: a record, the members
of an index value, whether it has any, a derived value.  Both directions are kept; a key with one reader holds it
inline, because nearly all keys have one.
"""

from collections.abc import Hashable, Iterable, Iterator, Set
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from sdnctl.base.errors import FeatureError
from sdnctl.engine.border import guarded, name_of
from sdnctl.engine.outputs import NOTHING
from sdnctl.model.resource import Index
from sdnctl.program.feature import Derived, Feature, Placed
from sdnctl.store.state import State

R = TypeVar("R")
V = TypeVar("V")
Key = tuple[Any, ...]
ANY = "any"
UNSET: Any = object()


class Node:
    """A reader of keys."""

    __slots__ = ("reads",)

    def __init__(self) -> None:
        self.reads: tuple[Key, ...] = ()


class Unit(Node):
    """One feature run for one resource, and what it wants now."""

    __slots__ = ("feature", "held", "id")

    def __init__(self, feature: Feature, id: str) -> None:
        super().__init__()
        self.feature = feature
        self.id = id
        self.held = NOTHING

    def __str__(self) -> str:
        return f"{self.feature.name} {self.id}"


@dataclass(frozen=True, slots=True)
class Failed:
    """The failure to compute a derived value, in its place: what everybody who reads it is told."""

    message: str
    feature: str
    resource: str
    line: str

    def error(self) -> FeatureError:
        """The error, to be raised once."""
        return FeatureError(self.message, self.feature, self.resource, self.line)


class DerivedNode(Node):
    """A memoised derived value."""

    __slots__ = ("argument", "of", "stale", "value")

    def __init__(self, of: Derived[Any], argument: Hashable) -> None:
        super().__init__()
        self.of = of
        self.argument = argument
        self.stale = True
        self.value: Any = UNSET

    @property
    def key(self) -> Key:
        """The key that its readers read."""
        return (self.of, self.argument)


class Placement(Node):
    """The resources of a class under one index value, ``placed`` when they concern this host; all features share it."""

    __slots__ = ("cls", "placed", "value", "within")

    def __init__(self, cls: type, within: Placed, value: Hashable) -> None:
        super().__init__()
        self.cls = cls
        self.within = within
        self.value = value
        self.placed = False

    def __str__(self) -> str:
        return f"{name_of(self.within.test)} {self.value}"


class Readers(set[Node]):
    """Several readers of one ``key``, which they all hold as this one object: thousands of ports read their VPC."""

    __slots__ = ("key",)

    def __init__(self, key: Key, readers: Iterable[Node]) -> None:
        super().__init__(readers)
        self.key = key


class Graph:
    """The reads of all nodes, in both directions."""

    __slots__ = ("_readers", "unread")

    def __init__(self) -> None:
        self._readers: dict[Key, Node | Readers] = {}
        self.unread: list[Key] = []

    def record(self, node: Node, reads: Set[Key]) -> None:
        """Note what a node has read this time."""
        before = node.reads
        if before:
            if len(before) == len(reads) and reads >= set(before):
                return
            for key in before:
                if key not in reads:
                    self._forget(key, node)
        node.reads = tuple([self._read(key, node) for key in reads])

    def _read(self, key: Key, node: Node) -> Key:
        """Note one reader of a key; the key, as all its readers are to hold it."""
        known = self._readers.get(key)
        if known is None:
            self._readers[key] = node
        elif isinstance(known, Readers):
            known.add(node)
            return known.key
        elif known is not node:
            self._readers[key] = Readers(key, (known, node))
        return key

    def _forget(self, key: Key, node: Node) -> None:
        known = self._readers.get(key)
        if isinstance(known, Readers):
            known.discard(node)
            if known:
                return
        elif known is not node:
            return
        del self._readers[key]
        self.unread.append(key)

    def readers(self, key: Key) -> Iterator[Node]:
        """Everybody who read a key; a copy, so that readers may change meanwhile."""
        known = self._readers.get(key)
        if isinstance(known, Readers):
            yield from tuple(known)
        elif known is not None:
            yield known

    def is_read(self, key: Key) -> bool:
        """True while anybody reads a key."""
        return key in self._readers


class Memo:
    """The derived values, computed when first read and again when stale."""

    def __init__(self, state: State, graph: Graph, here: str) -> None:
        self._state = state
        self._graph = graph
        self._here = here
        self._nodes: dict[Key, DerivedNode] = {}
        self._moved: list[Node] = []

    def view(self) -> "RecordingView":
        """A fresh view that remembers what is read through it."""
        return RecordingView(self._state, self)

    def value(self, of: Derived[V], argument: Hashable) -> V:
        """The derived value, fresh; raises FeatureError when its function fails."""
        node = self._nodes.get((of, argument))
        if node is None:
            node = self._nodes[of, argument] = DerivedNode(of, argument)
        if node.stale:
            self._refresh(node)
        if type(node.value) is Failed:
            raise node.value.error()
        return cast(V, node.value)

    def _refresh(self, node: DerivedNode) -> None:
        view, of, argument = self.view(), node.of, node.argument
        value: Any
        try:
            value = guarded(of, argument, lambda: of(argument, self._here, view))
        except FeatureError as fault:
            value = Failed(str(fault), fault.feature, fault.resource, fault.line)
        self._graph.record(node, view.reads)
        node.stale = False
        if value != node.value:
            first, node.value = node.value is UNSET, value
            if not first:
                self._moved += self._graph.readers(node.key)

    def settle(self, dirty: Iterable[Node]) -> set[Node]:
        """Bring stale derived values up to date; the other nodes that a change reaches, directly or through them."""
        reached: set[Node] = set()
        wave = list(dirty)
        while wave:
            stale = [node for node in wave if isinstance(node, DerivedNode)]
            reached.update(node for node in wave if not isinstance(node, DerivedNode))
            for node in stale:
                node.stale = True
            for node in stale:
                if node.stale:
                    self._refresh(node)
            wave, self._moved = self._moved, []
        return reached

    def sweep(self) -> None:
        """Forget the derived values that nobody reads any more."""
        while self._graph.unread:
            key = self._graph.unread.pop()
            if not self._graph.is_read(key) and (node := self._nodes.pop(key, None)) is not None:
                self._graph.record(node, frozenset())


class RecordingView:
    """The View that units read through (see ``feature.View``)."""

    __slots__ = ("_memo", "_state", "reads")

    def __init__(self, state: State, memo: Memo) -> None:
        self._state = state
        self._memo = memo
        self.reads: set[Key] = set()

    def get(self, cls: type[R], id: str) -> R | None:
        """See View.get."""
        self.reads.add((cls, id))
        return self._state.get(cls, id)

    def by(self, cls: type, index: Index, value: Hashable) -> Set[str]:
        """See View.by."""
        self.reads.add((cls, index, value))
        return self._state.by(cls, index, value)

    def all(self, cls: type) -> Set[str]:
        """See View.all."""
        self.reads.add((cls,))
        return self._state.all(cls).keys()

    def any(self, cls: type, index: Index, value: Hashable) -> bool:
        """See View.any."""
        self.reads.add((cls, index, value, ANY))
        return bool(self._state.by(cls, index, value))

    def derived(self, of: Derived[V], value: Hashable) -> V:
        """See View.derived."""
        self.reads.add((of, value))
        return self._memo.value(of, value)
