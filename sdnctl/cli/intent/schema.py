"""The keys of an intent file, declared by each feature: how each is read, what the API calls it, and how it changes.

The same declaration checks a file, reads the region, tells the difference, carries it out and writes an export.  A
``Section`` is a kind of resource in the file; it stands inside the section of the kind that its kind is inside of.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sdnctl.cli.catalogue import catalogue
from sdnctl.cli.intent import reading
from sdnctl.cli.intent.reading import Reader
from sdnctl.cli.kind import Kind

if TYPE_CHECKING:
    from sdnctl.cli.intent.edit import Edit, Task
    from sdnctl.cli.intent.live import Live
    from sdnctl.cli.intent.tasks import Run

Json = dict[str, Any]
Path = tuple[str, ...]
Show = Callable[["Live", Json], Any]
Rename = Callable[[str, str], str]
"""From the command of a kind and a name (or SCOPE/NAME) of such a thing: the same in another form."""


def always(value: Any) -> bool:
    """True: anything goes."""
    return True


def never(value: Any) -> bool:
    """False: nothing goes."""
    return False


def plainly(value: Any) -> Any:
    """A value as a call or a file has it: tuples are lists."""
    return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True, slots=True, eq=False)
class Mentions:
    """The resources that a key's value names: their kinds, and a function that gives each name another form."""

    kinds: Callable[[], Iterable[str]]
    renamed: Callable[[Any, Rename], Any]


def by_name(kind: str) -> Mentions:
    """A value that is the name of one resource, or a tuple of names; where that kind has a scope, in the same scope."""

    def renamed(value: Any, rename: Rename) -> Any:
        return tuple(rename(kind, one) for one in value) if isinstance(value, tuple) else rename(kind, value)

    return Mentions(lambda: (kind,), renamed)


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """One key of a section.

    ``wire`` is the parameter of the API's calls, "" when none has it; ``mentions`` says which resources its value
    names, whose ids go over the wire.  ``may_become`` tells which values an existing resource may be given.  ``own``:
    its change is a task of the section's; ``late``: the call that makes a resource does not take it.  An export leaves
    out the ``default``.
    """

    name: str
    read: Reader
    show: Show
    wire: str = ""
    may_become: Callable[[Any], bool] = always
    default: Any = None
    required: bool = False
    ordered: bool = False
    own: bool = False
    late: bool = False
    mentions: Mentions | None = None
    send: Callable[[Any], Any] = plainly
    write: Callable[[Any], Any] = plainly

    def same(self, wanted: Any, found: Any) -> bool:
        """True when two values mean the same."""
        if isinstance(wanted, tuple) and not self.ordered:
            return sorted(wanted) == sorted(found)
        return bool(wanted == found)


def post_inside(run: "Run", item: "Item", body: Json) -> str:
    """Make a resource by a call that takes its keys, and its scope if it has one; the id."""
    return run.post(item.kind, {**body, **run.scope(item)})


def post(run: "Run", item: "Item", body: Json) -> str:
    """Make a resource by a call that takes its keys; the id."""
    return run.post(item.kind, body)


def no_tasks(edit: "Edit", live: "Live") -> Iterable["Task"]:
    """Nothing to do beside what follows from the keys."""
    return ()


def no_leaving(edit: "Edit", item: "Item") -> Iterable["Task"]:
    """Nothing to do before a resource is deleted."""
    return ()


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """A kind of resource in the file: the name of its section, its keys, and what a change of it takes.

    ``about`` are the keys that stand last: description and tags.  ``make`` makes a resource of a call's body;
    ``tasks`` is what creating or changing one takes beside calls that carry its keys, ``leave`` what deleting one
    takes before.  ``listed`` tells whether a resource has a place of its own in a file, ``born`` whether it comes and
    goes with what it is inside of.  An export leaves a ``sparse`` section out while it is empty.
    """

    kind: Kind
    name: str
    keys: tuple[Key, ...]
    about: tuple[Key, ...] = ()
    make: Callable[["Run", "Item", Json], str] = post_inside
    tasks: Callable[["Edit", "Live"], Iterable["Task"]] = no_tasks
    leave: Callable[["Edit", "Item"], Iterable["Task"]] = no_leaving
    listed: Callable[[Json], bool] = always
    born: Callable[[Json], bool] = never
    sparse: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Addition:
    """Keys that a feature adds to the section of another's kind (its command), and what a change of them takes."""

    kind: str
    keys: tuple[Key, ...]
    tasks: Callable[["Edit", "Live"], Iterable["Task"]] = no_tasks
    leave: Callable[["Edit", "Item"], Iterable["Task"]] = no_leaving


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A section with everything that was added to it, and the sections inside it."""

    section: Section
    keys: dict[str, Key]
    additions: tuple[Addition, ...]
    parts: tuple["Part", ...]

    @property
    def declared(self) -> tuple["Section | Addition", ...]:
        """The section, and what was added to it."""
        return (self.section, *self.additions)

    @property
    def kind(self) -> Kind:
        """The kind of resource that it is of."""
        return self.section.kind

    @property
    def name(self) -> str:
        """The name of the section."""
        return self.section.name


@dataclass(slots=True)
class Item:
    """A resource: as a file wants it (what the file says, and where) or as it is (everything, with its id)."""

    part: Part
    path: Path
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)  # key -> line; "" is its own
    sections: frozenset[str] = frozenset()  # which sections it has, even empty ones
    id: str = ""
    shown: Json = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """The kind of resource that it is."""
        return self.part.kind

    @property
    def command(self) -> str:
        """The command of its kind: the first half of how it is known."""
        return self.part.kind.command

    @property
    def name(self) -> str:
        """The name of the item: SCOPE/NAME inside something."""
        return "/".join(self.path)

    @property
    def scope(self) -> tuple[str, Path]:
        """The scope of the item, which it is inside of: the command of that kind, and the path."""
        return self.part.kind.inside, self.path[:-1]

    def line(self, key: str = "") -> int:
        """The line on which the file says this key, else the one where the item starts."""
        return self.lines.get(key) or self.lines.get("", 0)


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """All that an intent file may say: its sections, in the order in which their resources are made.

    ``roots`` are those that stand in no other; ``making`` and ``joining`` are places in an order, by command.
    """

    parts: tuple[Part, ...]
    roots: tuple[Part, ...]
    making: dict[str, int]
    joining: dict[str, int]


def meant(item: Item, kind: str, text: str) -> Path:
    """The path of what a value of an item names: a plain name is one of the item's own scope."""
    if "/" in text or not catalogue().kinds[kind].inside:
        return tuple(text.split("/"))
    return (*(item.path[:-1] or item.path), text)


def plain(wire: str) -> Show:
    """The reading of a value that the API shows under the same key."""
    return lambda live, shown: shown[wire]


def listed(wire: str) -> Show:
    """A list that the API shows."""
    return lambda live, shown: tuple(shown[wire])


def labelled(wire: str) -> Show:
    """The name of what the API shows the id of."""
    return lambda live, shown: live.label(shown[wire])


def _tags(live: "Live", shown: Json) -> Any:
    return tuple(sorted((tag["key"], tag["value"]) for tag in shown["tags"]))


def _send_tags(value: Any) -> Any:
    return [{"key": key, "value": text} for key, text in value]


def description(may_become: Callable[[Any], bool] = always) -> Key:
    """The key ``description``."""
    return Key("description", reading.text, plain("description"), "description", may_become, default="")


def tags() -> Key:
    """The key ``tags``; the API sets them when a resource is made and never again."""
    return Key("tags", reading.pairs, _tags, "userTags", never, default=(), send=_send_tags, write=dict)
