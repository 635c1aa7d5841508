"""Prefix lists on the command line and in an intent file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from sdnctl.base.problem import Usage
from sdnctl.cli.command import one, tenants
from sdnctl.cli.intent import reading
from sdnctl.cli.intent.edit import Edit, Phase, Task
from sdnctl.cli.intent.live import Live
from sdnctl.cli.intent.reading import Mistake, Node, line_of
from sdnctl.cli.intent.schema import Key, Section, description, plain, post, tags
from sdnctl.cli.intent.tasks import Run
from sdnctl.cli.invocation import Invocation
from sdnctl.cli.kind import Column, Kind, given, key
from sdnctl.cli.names import Unknown
from sdnctl.cli.resources import Description, NewName, made

Json = dict[str, Any]
MOST = 200
LIST, EVERYBODY, LAST_PORT = "prefix-list", "0.0.0.0/0", 65_535
"""The words for the remote side of a filter's rule, ``prefix-list:NAME`` or a block; the last port."""


def port_range(text: str) -> str:
    """The ports of a filter's rule as ``N`` or ``N-N``, "" for all; ValueError for anything else."""
    parts = text.split("-")
    if text and (len(parts) > 2 or not all(part.isascii() and part.isdigit() for part in parts)):
        raise ValueError(f"ports are N or N-N, not {text!r}")
    return parts[0] if len(parts) == 2 and parts[0] == parts[1] else text


def ports_read(node: Node) -> str:
    """The ports of a filter's rule in an intent file."""
    try:
        text = port_range(reading.text(node))
    except ValueError as error:
        raise Mistake(line_of(node), str(error)) from None
    return "" if text == f"1-{LAST_PORT}" else text


def ports_text(first: int, last: int) -> str:
    """The ports that the API shows, as ``N`` or ``N-N``, "" for all."""
    if (first, last) in ((0, 0), (1, LAST_PORT)):
        return ""
    return str(first) if first == last else f"{first}-{last}"


def entry_text(entry: Json) -> str:
    """An entry of a list in a line."""
    return str(entry["addressPrefix"]) + (f" ({entry['description']})" if entry["description"] else "")


def _bound(shown: Json) -> int:
    return sum(shown["prefixListBindResources"].values())


PREFIX_LIST = Kind(
    "prefix-list", "prefix list", "Named sets of address blocks, for rules to name.",
    resource="PrefixList", path="prefixLists/", plural="prefixLists", singular="prefixList", prefix="pl",
    name_filter="prefixListNames",
    columns=(
        Column("entries", lambda shown: [entry_text(entry) for entry in shown["prefixListEntrys"]], False),
        Column("at most", key("maxNum")),
        Column("named by", _bound),
        Column("description", key("description"), False),
    ),
    lines={"prefixListEntrys": lambda entry: f"{entry['prefixListEntryId']}: {entry_text(entry)}"},
)  # fmt: skip

List = Annotated[str, one("prefix-list")]
Blocks = Annotated[
    list[str], typer.Argument(metavar="CIDR...", help="Blocks, or single addresses.", show_default=False)
]


@tenants("prefix-list", "create", waits=True)
def create(
    call: Invocation,
    name: NewName,
    max_entries: Annotated[
        int, typer.Option(metavar="N", help=f"How many entries it may have (1 to {MOST}); a rule counts as so many.")
    ],
    entry: Annotated[list[str], typer.Option(metavar="CIDR", help="A block; may be repeated.")] = [],  # noqa: B006
    description: Description = None,
) -> None:
    """Make a prefix list."""
    body = given(prefixListName=name, maxNum=max_entries, description=description, prefixListEntrys=_specs(entry, None))
    result = call.tenant.post("vpc", PREFIX_LIST.path, body)
    made(call, PREFIX_LIST, [result["prefixListId"]], result)


@tenants("prefix-list", "modify", waits=True)
def modify(
    call: Invocation,
    which: List,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Another name.")] = None,
    max_entries: Annotated[int | None, typer.Option(metavar="N", help="How many entries it may have.")] = None,
    description: Description = None,
) -> None:
    """Rename a prefix list, describe it, or change how many entries it may have."""
    body = given(prefixListName=name, maxNum=max_entries, description=description)
    if not body:
        raise Usage("say what shall change: --name, --max-entries or --description")
    id = call.id("prefix-list", which)
    made(call, PREFIX_LIST, [id], call.tenant.call("vpc", "PATCH", PREFIX_LIST.item(id), body))


@tenants("prefix-list", "add", waits=True)
def add(call: Invocation, which: List, blocks: Blocks, description: Description = None) -> None:
    """Add entries; what names the list follows at once."""
    _act(call, call.id("prefix-list", which), "addPrefixListEntrys", prefixListEntrys=_specs(blocks, description))


@tenants("prefix-list", "remove", waits=True)
def remove(
    call: Invocation,
    which: List,
    entries: Annotated[
        list[str], typer.Argument(metavar="ENTRY|CIDR...", help="Ids of entries, or their blocks.", show_default=False)
    ],
) -> None:
    """Remove entries, by their ids or blocks."""
    found = call.find("prefix-list", which)
    ids = [_entry(found, which, text)["prefixListEntryId"] for text in entries]
    _act(call, found["prefixListId"], "removePrefixListEntrys", prefixListEntryIds=ids)


@tenants("prefix-list", "set", waits=True)
def change(
    call: Invocation,
    which: List,
    entry: Annotated[str, typer.Argument(metavar="ENTRY|CIDR", help="An entry's id or block.", show_default=False)],
    cidr: Annotated[str | None, typer.Option(metavar="CIDR", help="The block that it shall be.")] = None,
    description: Description = None,
) -> None:
    """Change an entry: its block, or what is said of it."""
    if cidr is None and description is None:
        raise Usage("say what shall change: --cidr or --description")
    found = call.find("prefix-list", which)
    id = _entry(found, which, entry)["prefixListEntryId"]
    spec = {"prefixListEntryId": id, **given(addressPrefix=cidr, description=description)}
    _act(call, found["prefixListId"], "modifyPrefixListEntrys", prefixListEntrys=[spec])


def _specs(blocks: Sequence[str], description: str | None) -> list[Json]:
    return [{"addressPrefix": block, **given(description=description)} for block in blocks]


def _entry(found: Json, which: str, text: str) -> Json:
    """The entry of a list that goes by an id, a block or a single address; raises Unknown."""
    for entry in found["prefixListEntrys"]:
        if text in (entry["prefixListEntryId"], entry["addressPrefix"], entry["addressPrefix"].removesuffix("/32")):
            return dict(entry)
    raise Unknown(f"{which} has no entry {text}: 'sdnctl prefix-list get {which}' shows its entries")


def _act(call: Invocation, id: str, action: str, **body: Any) -> None:
    made(call, PREFIX_LIST, [id], call.tenant.post("vpc", PREFIX_LIST.item(id, action), body))


@dataclass(frozen=True, order=True, slots=True)
class Entry:
    """An entry of a list: a block, and what is said of it."""

    cidr: str
    description: str = ""

    def __str__(self) -> str:
        return f"{self.cidr} ({self.description})" if self.description else self.cidr

    @property
    def spec(self) -> Json:
        """The entry as the API wants it."""
        return {"addressPrefix": self.cidr, "description": self.description}


def _read(node: Node) -> Entry:
    """One entry of a file: a block, or ``{cidr: BLOCK, description: TEXT}``."""
    if node.id == "scalar":
        return Entry(_block(node))
    return Entry(**reading.fields(node, {"cidr": _block, "description": reading.text}, ("cidr",), "an entry"))


def _block(node: Node) -> str:
    text = reading.text(node)
    return str(reading.cidr(node) if "/" in text else f"{reading.address(node)}/32")


def _write(entries: tuple[Entry, ...]) -> list[Any]:
    return [{"cidr": one.cidr, "description": one.description} if one.description else one.cidr for one in entries]


def _shown(live: Live, shown: Json) -> Any:
    return tuple(Entry(one["addressPrefix"], one["description"]) for one in shown["prefixListEntrys"])


def _fill(run: Run, edit: Edit) -> None:
    """Change the entries of a list, and how many it may have, so that it always has room.

    A block that stays keeps its entry, and what is new comes before anything goes, where there is room for both.
    """
    id, shown, wanted = run.own(edit.item), run.shown(edit.item), edit.item.values
    most, had = shown["maxNum"], {one["addressPrefix"]: one for one in shown["prefixListEntrys"]}
    if wanted.get("max-entries", most) > most:
        most = wanted["max-entries"]
        run.patch("prefix-list", id, {"maxNum": most})
    if "entries" in edit.keys:
        _renew(run, id, had, wanted["entries"], most)
    if wanted.get("max-entries", most) < most:
        run.patch("prefix-list", id, {"maxNum": wanted["max-entries"]})


def _renew(run: Run, id: str, had: dict[str, Json], entries: Sequence[Entry], most: int) -> None:
    """Give a list these entries instead of those that it had."""
    blocks = {entry.cidr for entry in entries}
    gone = [one["prefixListEntryId"] for block, one in had.items() if block not in blocks]
    new = [entry.spec for entry in entries if entry.cidr not in had]
    said = [
        {"prefixListEntryId": had[entry.cidr]["prefixListEntryId"], "description": entry.description}
        for entry in entries
        if entry.cidr in had and had[entry.cidr]["description"] != entry.description
    ]
    room = len(had) + len(new) <= most
    if gone and not room:
        run.act("prefix-list", id, "removePrefixListEntrys", prefixListEntryIds=gone)
    if new:
        run.act("prefix-list", id, "addPrefixListEntrys", prefixListEntrys=new)
    if gone and room:
        run.act("prefix-list", id, "removePrefixListEntrys", prefixListEntryIds=gone)
    if said:
        run.act("prefix-list", id, "modifyPrefixListEntrys", prefixListEntrys=said)


def _tasks(edit: Edit, live: Live) -> Iterator[Task]:
    if edit.found is not None and {"entries", "max-entries"} & set(edit.keys):
        yield Task(Phase.MODIFY, edit, lambda run: _fill(run, edit))


PREFIX_LISTS = Section(
    PREFIX_LIST,
    "prefix-lists",
    keys=(
        Key("max-entries", reading.whole(1, MOST), plain("maxNum"), "maxNum", required=True, own=True),
        Key(
            "entries", reading.several(_read), _shown, "prefixListEntrys", default=(), own=True,
            send=lambda entries: [entry.spec for entry in entries], write=_write,
        ),
    ),
    about=(description(), tags()),
    make=post,
    tasks=_tasks,
    sparse=True,
)  # fmt: skip
