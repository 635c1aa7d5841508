"""Lists come in pages, can be narrowed by filters and tags, and say how many there are in total.

Filters are ANDed, the values of one filter are ORed; one without values asks for nothing and is no filter. Operator
`eq` compares whole values, `like` looks for a part. A filter that a resource does not know is refused, so that a typing
mistake does not list everything.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import AfterValidator, Field

from sdnctl.api.access import Reader
from sdnctl.api.cost import COMPARED, SHOW
from sdnctl.api.extend import narrowed
from sdnctl.api.schema import Json, Model, Request, Whole
from sdnctl.api.wire import invalid

R = TypeVar("R")
Values = Callable[[Reader, Any], Iterable[str]]
Index = tuple[str, ...]
_CREATED, _AGE = attrgetter("created"), attrgetter("created", "id")
MAX_FILTERS, MAX_VALUES, MAX_VALUE = 20, 200, 256
ShortText = Annotated[str, Field(max_length=MAX_VALUE)]


class Filter(Model):
    """One condition of a list."""

    name: ShortText
    operator: Literal["eq", "like"] = "eq"
    values: Annotated[tuple[ShortText, ...], Field(max_length=MAX_VALUES)] = ()


class TagFilter(Model):
    """A tag that must be there, with one of the values if any are given."""

    key: ShortText
    values: Annotated[tuple[ShortText, ...], Field(max_length=MAX_VALUES)] = ()


def _asking(filters: tuple[Filter, ...]) -> tuple[Filter, ...]:
    return tuple(wanted for wanted in filters if wanted.values)


class Filtered(Request):
    """A list that can be narrowed."""

    filters: Annotated[tuple[Filter, ...], Field(max_length=MAX_FILTERS), AfterValidator(_asking)] = ()
    tags: Annotated[tuple[TagFilter, ...], Field(max_length=MAX_FILTERS)] = ()


class Listing(Filtered):
    """A list that comes in pages; beyond the end is the last page."""

    pageNumber: Annotated[Whole, Field(ge=1)] = 1
    pageSize: Annotated[Whole, Field(ge=10, le=100)] = 20


class Key(NamedTuple):
    """The values that a filter of some name looks at; `fuzzy` filters look for a part without being told to.

    `under` is the model's index under which the same values are found without looking at every record.
    """

    values: Values
    fuzzy: bool = False
    under: Index = ()


Keys = Mapping[str, Key]


def attribute(name: str, fuzzy: bool = False) -> Key:
    """A filter on a field of the record, compared as text."""
    return Key(lambda view, record: (str(getattr(record, name)),), fuzzy)


def word(name: str) -> Key:
    """A filter on a field whose words mean the same in any case: as it is spelled, in small letters or in capitals."""
    return Key(lambda view, record: {(text := str(getattr(record, name))), text.lower(), text.upper()})


def reference(name: str) -> Key:
    """A filter on a field that holds an id: the record's own, or one by which the model keeps an index."""
    return Key(lambda view, record: (getattr(record, name),), under=(name,))


def constant(*values: str) -> Key:
    """A filter on what is the same for every resource here."""
    return Key(lambda view, record: values)


def answer(
    request: Listing, view: Reader, cls: type[R], keys: Keys, plural: str, show: Callable[[Reader, R], Json]
) -> Json:
    """The page of the caller's records that was asked for, oldest first, as `{plural: [...], "totalCount": n}`."""
    known = {**keys, **{name: Key(values) for name, values in narrowed(cls).items()}}
    chosen = choose(request, view, _candidates(request, view, cls, known), known)
    return paged(request, view, oldest_first(chosen), plural, show)


def paged(request: Listing, view: Reader, chosen: Sequence[R], plural: str, show: Callable[[Reader, R], Json]) -> Json:
    """One page of what was chosen and put in order; only what is on the page is shown."""
    return {plural: shown_all(view, page(request, chosen), show), "totalCount": len(chosen)}


def shown_all(view: Reader, chosen: Sequence[R], show: Callable[[Reader, R], Json]) -> list[Json]:
    """All that was chosen as answers show it, paid for."""
    view.spend(SHOW * len(chosen), f"{len(chosen)} records shown")
    return [show(view, record) for record in chosen]


def oldest_first(records: list[R]) -> list[R]:
    """Sorted in place by age, then id; an order that paging can rely on.

    Numbers alone sort three times as fast as pairs; what is in order of age already is quickly put in order of both.
    """
    records.sort(key=_CREATED)
    if len(set(map(_CREATED, records))) < len(records):
        records.sort(key=_AGE)
    return records


def _candidates(request: Filtered, view: Reader, cls: type[R], keys: Keys) -> list[R]:
    """The caller's records, or fewer of them when a filter names ids: no more are looked at than must be."""
    for wanted in request.filters:
        key = keys.get(wanted.name)
        if key is None or not key.under or wanted.operator == "like" or "" in wanted.values:
            continue
        values = dict.fromkeys(wanted.values)
        if key.under == ("id",):
            return [record for value in values if (record := view.get(cls, value)) is not None]
        return [record for value in values for record in view.of(cls, key.under, value)]
    return view.mine(cls)


def choose(request: Filtered, view: Reader, records: Iterable[R], keys: Keys) -> list[R]:
    """The records that pass every filter and tag; all comparisons are paid for before the first."""
    chosen = list(records)
    asked = [len(one.values) for one in request.filters] + [len(one.values) for one in request.tags]
    text = f"{len(asked)} filters and tags with {sum(asked)} values over {len(chosen)} records"
    view.spend(len(chosen) * (len(asked) + sum(asked) // COMPARED), text)
    for wanted in request.filters:
        test = _test(view, wanted, keys)
        chosen = [record for record in chosen if test(record)]
    for tag in request.tags:
        chosen = [record for record in chosen if _tagged(record, tag)]
    return chosen


def page(request: Listing, records: Sequence[R]) -> Sequence[R]:
    """One page of a sequence."""
    last = max(1, -(-len(records) // request.pageSize))
    start = (min(request.pageNumber, last) - 1) * request.pageSize
    return records[start : start + request.pageSize]


def _test(view: Reader, wanted: Filter, keys: Keys) -> Callable[[Any], bool]:
    key = keys.get(wanted.name)
    if key is None:
        raise invalid("filters", f"{wanted.name[:64]!r} is not one of {', '.join(sorted(keys))}")
    if key.fuzzy or wanted.operator == "like":
        parts = [value.strip("%*") for value in wanted.values]
        return lambda record: any(part in value for value in key.values(view, record) for part in parts)
    exact = set(wanted.values)
    return lambda record: not exact.isdisjoint(key.values(view, record))


def _tagged(record: object, tag: TagFilter) -> bool:
    tags: Mapping[str, str] = getattr(record, "tags", {})
    return tag.key in tags and (not tag.values or tags[tag.key] in tag.values)
