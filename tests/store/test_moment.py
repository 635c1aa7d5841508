"""A moment is the state as it was, whatever changes meanwhile, and whoever reads it waits for nobody."""

import random
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdnctl.model.tally import Tally
from sdnctl.store import Change, State
from sdnctl.store.moment import moment
from tests.toys import Toy, toy

INDEXES: tuple[tuple[str, ...], ...] = (("group",), ("colours",), ("group", "size"), ("friend",))
GROUPS, COLOURS = ("g", "h"), ("red", "blue", "green")
SIZES = Tally(Toy, under=lambda toy: toy.group, each=lambda toy: toy.size)


def random_toy(seed: random.Random, number: int) -> Toy:
    """A toy with values that others have too."""
    colours = tuple(sorted(seed.sample(COLOURS, seed.randrange(3))))
    return toy(number, group=seed.choice(GROUPS), size=seed.randrange(3), colours=colours)


def random_change(seed: random.Random, state: State) -> Change:
    """One toy comes, changes or goes."""
    made = random_toy(seed, seed.randrange(1, 12))
    return Change(Toy, made.id, state.get(Toy, made.id), made if seed.random() < 0.7 else None)


def told(of: Any) -> dict[str, Any]:
    """All that can be read of toys: records, and the members of every index value."""
    records: Mapping[str, Toy] = of.all(Toy)
    values = [(("group",), g) for g in GROUPS] + [(("colours",), c) for c in COLOURS]
    values += [(("group", "size"), (g, size)) for g in GROUPS for size in range(3)]
    ids = [f"toy-{number}" for number in range(1, 12)]
    return {
        "all": dict(records),
        "get": {id: of.get(Toy, id) for id in ids},
        "many": of.many(Toy, ids),
        "by": {value: set(of.by(Toy, *value)) for value in values},
        "totals": {group: of.total(SIZES, group) for group in GROUPS},
        "sequence": of.sequence,
    }


@settings(max_examples=60, deadline=None)
@given(seed=st.randoms(use_true_random=False), asked=st.booleans())
def test_moments_stay_as_they_were(seed: random.Random, asked: bool) -> None:
    state, lock = State(), threading.RLock()
    state.apply([random_change(seed, state) for _ in range(10)])
    if asked:
        told(state)  # else a moment is the first to ask for the indexes
    with moment(state, lock) as first:
        expected = told(first) if asked else {"all": dict(state.all(Toy))}
        state.apply([random_change(seed, state) for _ in range(10)])
        with moment(state, lock) as second:
            later = told(second)
            assert later == told(state)
            state.apply([random_change(seed, state) for _ in range(10)])
            assert told(second) == later
        state.apply([random_change(seed, state) for _ in range(10)])
        assert {key: told(first)[key] for key in expected} == expected
        copy = State()
        copy.apply([Change(Toy, id, None, record) for id, record in expected["all"].items()])
        assert told(first) == told(copy)


def test_a_moment_that_is_over_is_left_nothing() -> None:
    state, lock = State(), threading.RLock()
    with moment(state, lock) as one:
        state.apply([Change(Toy, "toy-1", None, toy(1))])
        assert one.get(Toy, "toy-1") is None
    state.apply([Change(Toy, "toy-1", toy(1), None)])
    assert not state._preservers and one._kept == {Toy: {"toy-1": None}}


def test_readers_see_one_moment_while_the_state_changes() -> None:
    """All toys have one size at any time; a reader that saw two had seen two moments."""
    state, lock, over, wrong = State(), threading.RLock(), threading.Event(), list[Any]()
    state.apply([Change(Toy, f"toy-{n}", None, toy(n, group="g", size=0)) for n in range(1, 40)])

    def read() -> None:
        while not over.is_set():
            with moment(state, lock) as seen:
                ids = seen.by(Toy, ("group",), "g")
                sizes = {record.size for record in seen.many(Toy, ids)} | {seen.all(Toy)[id].size for id in ids}
                (size,) = sizes if len(sizes) == 1 else (None,)
                if len(ids) != 39 or seen.by(Toy, ("group", "size"), ("g", size)) != ids:
                    wrong.append((len(ids), sizes))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for size in range(1, 300):
        with lock:
            state.apply([Change(Toy, f"toy-{n}", None, toy(n, group="g", size=size)) for n in range(1, 40)])
    over.set()
    for reader in readers:
        reader.join()
    assert wrong == []


def test_an_index_that_no_model_declares() -> None:
    state, lock = State(), threading.RLock()
    with moment(state, lock) as one, pytest.raises(KeyError):
        one.by(Toy, ("name",), "x")
