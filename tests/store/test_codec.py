"""Every value comes back from the store as it went in."""

import json
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdnctl.base.addresses import Cidr, Ip4, Mac
from sdnctl.model.resource import field, resource
from sdnctl.store.ovsdb.codec import Table, patched, table
from tests.store.model import StoreNet, StorePort

words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
ip4s = st.integers(0, 2**32 - 1).map(Ip4)
cidrs = st.tuples(ip4s, st.integers(0, 32)).map(lambda p: Cidr(Ip4(p[0] & Cidr(p[0], p[1]).mask), p[1]))
ports = st.builds(
    StorePort,
    id=words,
    account=words,
    net=words,
    mac=st.integers(0, 2**48 - 1).map(Mac),
    address=ip4s,
    addresses=st.lists(ip4s).map(tuple),
    blocks=st.lists(cidrs).map(tuple),
    groups=st.lists(words).map(tuple),
    weights=st.lists(st.integers(-(2**63), 2**63 - 1)).map(tuple),
    key=st.integers(0, 2**24),
    enabled=st.booleans(),
    share=st.floats(allow_nan=False, allow_infinity=False),
    name=words,
    tags=st.dictionaries(words, words, max_size=4),
)


def wire(row: object) -> dict[str, object]:
    """A row as it arrives after a journey as JSON."""
    arrived: dict[str, object] = json.loads(json.dumps(row))
    return arrived


@given(ports)
def test_a_record_survives_the_journey(record: StorePort) -> None:
    made = table(StorePort)
    back = made.record(wire(made.row(record)))
    assert back == record
    assert [type(value) for value in values(back)] == [type(value) for value in values(record)]


def values(record: StorePort) -> list[object]:
    """The fields of a port, the elements of its tuples too."""
    names = table(StorePort).columns
    found = [getattr(record, name) for name in names]
    return [*found, *(element for value in found if isinstance(value, tuple) for element in value)]


@given(ports, ports)
def test_only_what_differs_is_written(old: StorePort, new: StorePort) -> None:
    made = table(StorePort)
    row = made.row(new, old)
    assert set(row) == {name for name in made.columns if getattr(old, name) != getattr(new, name)}


@given(st.dictionaries(words, words), st.dictionaries(words, words))
def test_a_difference_of_maps_is_applied(old: dict[str, str], new: dict[str, str]) -> None:
    """As ovsdb-server makes it: pairs of which one side only knows the key, or that are changed."""
    gone = {key: value for key, value in old.items() if key not in new}
    made = {key: value for key, value in new.items() if old.get(key) != value}
    assert patched(old, {**gone, **made}) == new


def test_a_block_is_never_absent() -> None:
    @resource(local=True)  # no table of the store, whose schema other tests make of every class there is
    class StoreBlocks:
        id: str
        none: Cidr | tuple[()] = field(default=())

    with pytest.raises(TypeError, match=r"StoreBlocks\.none"):
        table(StoreBlocks)
    cidr = table(StoreNet).columns["cidr"]
    assert cidr.empty == Cidr(Ip4(0), 0) == cidr.decode("")


def test_words_from_a_list_are_strings() -> None:
    @resource()
    class StoreWord:
        id: str
        state: Literal["up", "down"] = field(default="down")

    made = table(StoreWord)
    assert made.row(StoreWord(id="x")) == {"id": "x", "state": "down"}
    assert made.record({"id": "x", "state": "up"}).state == "up"


@pytest.mark.parametrize("kind", [set[str], tuple[str, int], tuple[tuple[str, ...], ...], dict[str, int], bytes])
def test_what_no_column_holds_is_refused(kind: type) -> None:
    def declare() -> Table:
        @resource(local=True)  # as above
        class StoreOdd:
            id: str
            odd: kind = field()  # type: ignore[valid-type]

        return table(StoreOdd)

    with pytest.raises(TypeError, match=r"StoreOdd\.odd"):
        declare()
