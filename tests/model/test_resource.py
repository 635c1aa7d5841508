"""The description of a resource, read from its one declaration, and the indexes that follow from it."""

import dataclasses

import pytest

from sdnctl.base.addresses import Ip4, Mac
from sdnctl.model.resource import field, label, meta, named, referrers, resource, resources
from sdnctl.program.feature import discover
from sdnctl.store import Change, State
from tests.toys import Toy, ToyGroup, ToyPart, ToySeen, came, toy, went


def test_records_are_frozen_slotted_and_named() -> None:
    """Nobody changes a record in place, and every field is given by name."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        toy(1).size = 2  # type: ignore[misc]
    assert not hasattr(toy(1), "__dict__")
    with pytest.raises(TypeError):
        Toy("toy-1", "g")  # type: ignore[call-arg,misc]


def test_kinds_of_fields() -> None:
    """Each field knows what it is."""
    kinds = {name: item.kind for name, item in meta(Toy).fields.items()}
    assert kinds == {
        "id": "id",
        "group": "ref",
        "friend": "ref",
        "friends": "ref",
        "size": "plain",
        "colours": "plain",
        "key": "number",
        "name": "label",
    }
    key, friend = meta(Toy).fields["key"], meta(Toy).fields["friend"]
    assert (key.pool, key.low, key.high) == ("toy key", 1, 4)
    assert (friend.target, friend.on_delete, friend.optional) == ("Toy", "clear", True)
    assert not meta(Toy).fields["group"].optional


def test_references_and_numbers_are_indexed_by_themselves() -> None:
    """So that a reference check and an allocation never loop over all records."""
    assert {("group",), ("friend",), ("friends",), ("key",)} <= set(meta(Toy).indexes)


def test_registry() -> None:
    """Classes by name, and who may hold whose id."""
    discover()
    assert named("Toy") is Toy and list(resources()) == sorted(resources())
    assert {"Vpc", "Subnet", "NetworkInterface", "ElasticIp", "Host", "Region"} <= resources().keys()
    assert {(found.name, item.name) for found, item in referrers("Toy")} == {
        *[("Toy", "friend"), ("Toy", "friends"), ("ToyPart", "toy")]
    }


def test_every_reference_has_a_target() -> None:
    """A misspelt one would fail only when first written."""
    discover()
    for cls in resources().values():
        for item in meta(cls).refs:
            assert named(item.target) in resources().values(), f"{cls.__name__}.{item.name}"


def test_every_number_reaches_a_pool_from_one() -> None:
    """Zero means "none" on the wire."""
    discover()
    for cls in resources().values():
        for item in meta(cls).fields.values():
            assert item.kind != "number" or 0 < item.low < item.high


def test_labels_are_not_felt() -> None:
    """Identity is everything else."""
    identity = meta(Toy).identity
    assert identity(toy(1)) == identity(toy(1, name="bear")) != identity(toy(1, size=1))


def test_an_index_must_name_fields_and_at_most_one_of_many_values() -> None:
    """Declaring fails, not the first use."""
    with pytest.raises(TypeError, match="names no field 'weight'"):

        @resource(local=True, indexes=(("weight",),))
        class ToyWrong:
            id: str

    with pytest.raises(TypeError, match="two fields of many values"):

        @resource(local=True, indexes=(("a", "b"),))
        class ToyWrongToo:
            id: str
            a: tuple[str, ...] = field(default=())
            b: tuple[str, ...] = field(default=())


def test_a_name_is_taken_once() -> None:
    """By a class of another module it cannot be declared again."""
    with pytest.raises(TypeError, match=r"Toy is declared in tests.toys and tests.model.test_resource"):

        @resource(local=True)
        class Toy:
            id: str


def test_an_empty_label_is_nobody_elses() -> None:
    """Tags of two records are two dictionaries."""

    @resource(local=True)
    class ToyTagged:
        """Has tags."""

        id: str
        mac: Mac = field(default=Mac(0))
        tags: dict[str, str] = label(default={})

    one, two = ToyTagged(id="1"), ToyTagged(id="2")
    assert one.tags == {} and one.tags is not two.tags


COLOURS = ("group", "colours")


def test_many_values_are_many_entries() -> None:
    """One for each element, and none for none; a repeated element counts once."""
    state = State()
    state.apply(came(toy(1, colours=("red", "blue")), toy(2, colours=("red",)), toy(3), toy(4, colours=("x", "x"))))
    assert state.by(Toy, COLOURS, ("g", "red")) == {"toy-1", "toy-2"}
    assert state.by(Toy, COLOURS, ("g", "blue")) == {"toy-1"}
    assert state.by(Toy, ("colours",), "red") == {"toy-1", "toy-2"}
    assert state.by(Toy, ("colours",), "x") == {"toy-4"}
    assert state.by(Toy, COLOURS, ("g", "green")) == set()


@pytest.mark.parametrize("asked_first", [True, False])
def test_indexes_follow_every_change(asked_first: bool) -> None:
    """Made before or after the records came, an index says the same."""
    state = State()
    if asked_first:
        state.by(Toy, ("group",), "g")
        state.by(Toy, COLOURS, ("g", "red"))
    state.apply(came(*(toy(n, colours=("red",)) for n in (1, 2, 3))))
    state.apply([Change(Toy, "toy-1", None, toy(1, group="h", colours=("red", "blue")))])
    state.apply(went(toy(2)))
    state.apply(went(toy(9)))
    assert state.by(Toy, ("group",), "g") == {"toy-3"} and state.by(Toy, ("group",), "h") == {"toy-1"}
    assert state.by(Toy, COLOURS, ("g", "red")) == {"toy-3"} and state.by(Toy, COLOURS, ("h", "blue")) == {"toy-1"}
    state.apply([Change(Toy, "toy-4", None, toy(4, colours=("x", "x"))), Change(Toy, "toy-4", None, None)])
    assert state.by(Toy, ("colours",), "x") == set()


def test_a_single_member_is_held_inline() -> None:
    """No set for it; a set for two, and none at all for nobody."""
    state = State()
    state.apply(came(toy(1)))
    table = state.index(Toy, ("group",))
    assert table == {"g": "toy-1"}
    state.apply(came(toy(2)))
    assert table == {"g": {"toy-1", "toy-2"}}
    state.apply(went(toy(1)))
    assert state.by(Toy, ("group",), "g") == {"toy-2"}
    state.apply(went(toy(2)))
    assert table == {}


def test_an_undeclared_index_is_an_error() -> None:
    """Rather than a slow answer."""
    with pytest.raises(KeyError):
        State().by(Toy, ("size",), 1)


def test_records_by_class() -> None:
    """One id may be of several classes."""
    state = State()
    state.apply(came(ToyGroup(id="x"), ToyPart(id="x", toy="toy-1"), ToySeen(id="x", host="h")))
    assert state.get(ToyGroup, "x") == ToyGroup(id="x") and state.get(Toy, "x") is None
    assert dict(state.all(ToyPart)) == {"x": ToyPart(id="x", toy="toy-1")} and state.all(Toy) == {}
    assert state.sequence == 0


def test_addresses_are_numbers_that_read_well() -> None:
    """Addresses of a record show themselves in their usual form."""
    assert (str(Ip4(0x0A000001)), str(Mac(0xFA163E000001))) == ("10.0.0.1", "fa:16:3e:00:00:01")
