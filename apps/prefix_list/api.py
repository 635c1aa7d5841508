"""Tenants make prefix lists and change their entries; the rules that name a list follow at once.

The public API has the models of these operations and not the operations: they are in its style, beside it.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from apps.prefix_list.facts import holders
from apps.prefix_list.model import PrefixEntry, PrefixList
from apps.prefix_list.writes import altered
from sdnctl.api import quota
from sdnctl.api.access import Reader, Writer
from sdnctl.api.listing import Listing, answer, attribute, choose, paged, reference, word
from sdnctl.api.operations import operation
from sdnctl.api.schema import Id, Ids, Json, Model, Name, Request, Tags, Text, Whole, iso, show_tags, tag_dict
from sdnctl.base.addresses import Cidr
from sdnctl.base.errors import IntentError
from sdnctl.model.resource import meta, named

PATH, ITEM = "/regions/{regionId}/prefixLists/", "/regions/{regionId}/prefixLists/{prefixListId}"
MOST_ENTRIES = 200
IPV4, IPV6 = "IPv4", "IPv6"
LONGEST_BLOCK = 64
quota.declare("prefixList", 10, lambda view, _: view.count(PrefixList, ("account",), view.caller.account))


def _block(value: Any) -> Cidr:
    """A block, or a single address, which is a block of one."""
    if not isinstance(value, str) or len(value) > LONGEST_BLOCK:
        raise ValueError("must be a CIDR block such as 203.0.113.0/24")
    if ":" in value:
        raise ValueError("is not an IPv4 block: prefix lists hold IPv4 blocks only")
    return Cidr.parse(value if "/" in value else f"{value}/32")


Prefix = Annotated[
    Cidr, PlainValidator(_block), WithJsonSchema({"type": "string", "examples": ["203.0.113.0/24", "203.0.113.7"]})
]
Most = Annotated[Whole, Field(ge=1, le=MOST_ENTRIES)]


class NewEntry(Model):
    """An entry to be added to a list."""

    addressPrefix: Prefix
    description: Text = ""


class ChangedEntry(Model):
    """An entry to be changed; what is not given stays."""

    prefixListEntryId: Id
    addressPrefix: Prefix | None = None
    description: Text | None = None


NewEntries = Annotated[tuple[NewEntry, ...], Field(max_length=MOST_ENTRIES)]
SomeEntries = Annotated[tuple[NewEntry, ...], Field(min_length=1, max_length=MOST_ENTRIES)]


class OneList(Request):
    """A prefix list."""

    prefixListId: Id


class CreateList(Request):
    """A prefix list to be made, of `maxNum` entries at most; a rule that names it counts as so many rules."""

    prefixListName: Name
    maxNum: Most
    ipVersion: str = IPV4
    description: Text = ""
    prefixListEntrys: NewEntries = ()
    userTags: Tags = ()

    @model_validator(mode="before")
    @classmethod
    def _spec(cls, data: Any) -> Any:
        """The parameters may stand in `prefixListSpec`, the name of their model."""
        spec = data.get("prefixListSpec") if isinstance(data, dict) else None
        return {**spec, **data} if isinstance(spec, dict) else data


class ModifyList(OneList):
    """The fields of a list that may change."""

    prefixListName: Name | None = None
    description: Text | None = None
    maxNum: Most | None = None


class Entries(Listing):
    """The entries of a list, or what names it, page by page."""

    prefixListId: Id


class AddEntries(OneList):
    """Entries to be added, all or none."""

    prefixListEntrys: SomeEntries


class ModifyEntries(OneList):
    """Entries to be changed, all or none."""

    prefixListEntrys: Annotated[tuple[ChangedEntry, ...], Field(min_length=1, max_length=MOST_ENTRIES)]


class RemoveEntries(OneList):
    """Entries to be removed, all or none."""

    prefixListEntryIds: Annotated[Ids, Field(min_length=1, max_length=MOST_ENTRIES)]


KEYS = {
    "prefixListIds": reference("id"),
    "prefixListNames": attribute("name"),
    "ipVersion": word("ip_version"),
}
ENTRY_KEYS = {
    "prefixListEntryIds": attribute("id"),
    "addressPrefix": attribute("block"),
    "description": attribute("description"),
}


@operation("vpc", "describePrefixLists", "GET", PATH, Listing)
def describe_prefix_lists(request: Listing, view: Reader) -> Json:
    """The caller's prefix lists."""
    return answer(request, view, PrefixList, KEYS, "prefixLists", show)


@operation("vpc", "createPrefixList", "POST", PATH, CreateList)
def create_prefix_list(request: CreateList, txn: Writer) -> Json:
    """Make a prefix list."""
    quota.admit(txn, "prefixList", 1)
    if request.ipVersion != IPV4:
        text = "must be IPv4: lists of IPv6 blocks are not served" if request.ipVersion == IPV6 else "must be IPv4"
        raise IntentError("ipVersion", text)
    found = PrefixList(
        id=txn.new_id(PrefixList),
        account=txn.caller.account,
        most=request.maxNum,
        name=request.prefixListName,
        description=request.description,
        tags=tag_dict(request.userTags),
        created=txn.now,
    )
    txn.create(found)
    _add(txn, found, request.prefixListEntrys)
    return {"prefixListId": found.id}


@operation("vpc", "describePrefixList", "GET", ITEM, OneList)
def describe_prefix_list(request: OneList, view: Reader) -> Json:
    """One prefix list with its entries."""
    return {"prefixList": show(view, _own(view, request))}


@operation("vpc", "modifyPrefixList", "PATCH", ITEM, ModifyList)
def modify_prefix_list(request: ModifyList, txn: Writer) -> Json:
    """Rename a prefix list, describe it, or change how many entries it may have, which is what its rules count as."""
    found = _own(txn, request)
    changed = replace(
        found,
        name=found.name if request.prefixListName is None else request.prefixListName,
        description=found.description if request.description is None else request.description,
        most=found.most if request.maxNum is None else request.maxNum,
    )
    txn.change(found, changed)
    _check_room(txn, changed, "maxNum")
    if changed.most > found.most:
        for names, ids in holders(found.id, txn.txn).items():
            for holder in ids:
                quota.keep(txn, names.quota, holder, "maxNum")
    return {}


@operation("vpc", "deletePrefixList", "DELETE", ITEM, OneList)
def delete_prefix_list(request: OneList, txn: Writer) -> Json:
    """Delete a prefix list that no rule names, and its entries with it."""
    txn.remove(_own(txn, request), "prefixListId")
    return {}


@operation("vpc", "describePrefixListEntrys", "GET", f"{ITEM}/prefixListEntrys", Entries)
def describe_prefix_list_entrys(request: Entries, view: Reader) -> Json:
    """The entries of a prefix list, by their blocks."""
    found = view.own(PrefixList, request.prefixListId, "prefixListId")
    chosen = choose(request, view, _entries(view, found), ENTRY_KEYS)
    return paged(request, view, chosen, "prefixListEntrys", lambda _, entry: show_entry(entry))


@operation("vpc", "addPrefixListEntrys", "POST", f"{ITEM}:addPrefixListEntrys", AddEntries)
def add_prefix_list_entrys(request: AddEntries, txn: Writer) -> Json:
    """Add entries to a prefix list; answers with them and their ids."""
    made = _add(txn, _own(txn, request), request.prefixListEntrys)
    return {"prefixListEntrys": [show_entry(entry) for entry in made]}


@operation("vpc", "modifyPrefixListEntrys", "POST", f"{ITEM}:modifyPrefixListEntrys", ModifyEntries)
def modify_prefix_list_entrys(request: ModifyEntries, txn: Writer) -> Json:
    """Change the blocks of entries of a prefix list, or their descriptions."""
    found = _own(txn, request)
    for spec in request.prefixListEntrys:
        entry = _entry(txn, found, spec.prefixListEntryId, "prefixListEntryId")
        changed = replace(
            entry,
            block=entry.block if spec.addressPrefix is None else spec.addressPrefix,
            description=entry.description if spec.description is None else spec.description,
        )
        txn.put(changed)
    _check_distinct(_entries(txn, found))
    altered(txn.txn, found.id)
    return {}


@operation("vpc", "removePrefixListEntrys", "POST", f"{ITEM}:removePrefixListEntrys", RemoveEntries)
def remove_prefix_list_entrys(request: RemoveEntries, txn: Writer) -> Json:
    """Remove entries from a prefix list."""
    found = _own(txn, request)
    for id in request.prefixListEntryIds:
        txn.delete(PrefixEntry, _entry(txn, found, id, "prefixListEntryIds").id)
    altered(txn.txn, found.id)
    return {}


@operation("vpc", "describePrefixListBindResources", "GET", f"{ITEM}/prefixListBindResources", Entries)
def describe_prefix_list_bind_resources(request: Entries, view: Reader) -> Json:
    """The groups and ACLs with rules that name a prefix list."""
    found = view.own(PrefixList, request.prefixListId, "prefixListId")
    bound = [
        _bound(view, found, names.shown, named(meta(names.of).fields[names.holder].target), id)
        for names, ids in sorted(holders(found.id, view.region).items(), key=lambda item: item[0].shown)
        for id in ids
    ]
    if request.filters or request.tags:
        raise IntentError("filters", "what names a prefix list has no filters")
    return paged(request, view, bound, "prefixListBindResources", lambda _, one: one)


def _own(view: Reader, request: OneList) -> PrefixList:
    return view.own(PrefixList, request.prefixListId, "prefixListId")


def _entries(view: Reader, found: PrefixList) -> list[PrefixEntry]:
    """The entries of a list, by their blocks."""
    return sorted(view.of(PrefixEntry, ("prefix_list",), found.id), key=lambda entry: entry.block)


def _entry(txn: Writer, found: PrefixList, id: str, field: str) -> PrefixEntry:
    """An entry of this list."""
    entry = txn.own(PrefixEntry, id, field)
    if entry.prefix_list != found.id:
        raise IntentError.missing(field, f"entry {id!r} of {found.id}")
    return entry


def _add(txn: Writer, found: PrefixList, specs: Iterable[NewEntry]) -> list[PrefixEntry]:
    made = [
        PrefixEntry(
            id=txn.new_id(PrefixEntry),
            account=found.account,
            prefix_list=found.id,
            block=spec.addressPrefix,
            description=spec.description,
            created=txn.now,
        )
        for spec in specs
    ]
    for entry in made:
        txn.put(entry)
    _check_distinct(_entries(txn, found))
    _check_room(txn, found, "prefixListEntrys")
    altered(txn.txn, found.id)
    return made


def _check_distinct(entries: Iterable[PrefixEntry]) -> None:
    """Raise IntentError 409 when two entries of a list are the same block."""
    seen: dict[Cidr, str] = {}
    for entry in entries:
        if entry.block in seen:
            text = f"{entry.block} stands in the list already, or twice in the call"
            raise IntentError("prefixListEntrys", text, 409, "ALREADY_EXISTS")
        seen[entry.block] = entry.id


def _check_room(txn: Writer, found: PrefixList, field: str) -> None:
    have = txn.count(PrefixEntry, ("prefix_list",), found.id)
    if have > found.most:
        text = f"{found.id} may have {found.most} entries (its maxNum), {have} would be in it"
        raise IntentError.precondition(field, text)


def _bound(view: Reader, found: PrefixList, kind: str, cls: type, id: str) -> Json:
    """One thing with rules that name a list, as the API shows it."""
    holder: Any = view.region.get(cls, id)
    shown = {"prefixListId": found.id, "resourceType": kind, "resourceId": id, "resourceName": holder.name}
    return {**shown, "createdTime": iso(holder.created)}


def show(view: Reader, found: PrefixList) -> Json:
    """A prefix list as the API shows it; entries by their blocks."""
    bound = {names.shown: len(ids) for names, ids in holders(found.id, view.region).items()}
    return {
        "prefixListId": found.id,
        "prefixListName": found.name,
        "description": found.description,
        "ipVersion": found.ip_version,
        "maxNum": found.most,
        "prefixListEntrys": [show_entry(entry) for entry in _entries(view, found)],
        "prefixListBindResources": {
            f"{kind}Count": bound.get(kind, 0) for kind in ("securityGroup", "acl", "routeTable")
        },
        "createdTime": iso(found.created),
        "tags": show_tags(found.tags),
    }


def show_entry(entry: PrefixEntry) -> Json:
    """An entry as the API shows it."""
    return {
        "prefixListId": entry.prefix_list,
        "prefixListEntryId": entry.id,
        "addressPrefix": str(entry.block),
        "description": entry.description,
        "createdTime": iso(entry.created),
    }
