"""Sums that are kept up to date are those of the records, in a state and through the writes of transactions."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from sdnctl.store import Change, State, Txn
from sdnctl.store.numbers import Hints
from tests.store.test_moment import GROUPS, SIZES, random_change, random_toy
from tests.toys import Toy, ToyGroup


def summed(of: State | Txn) -> dict[str, int]:
    """The sums, from the records themselves."""
    return {group: sum(toy.size for toy in of.all(Toy).values() if toy.group == group) for group in GROUPS}


def told(of: State | Txn) -> dict[str, int]:
    """The sums as they are kept."""
    return {group: of.total(SIZES, group) for group in GROUPS}


def write(seed: random.Random, txn: Txn) -> None:
    """One toy comes, changes or goes."""
    made = random_toy(seed, seed.randrange(1, 12))
    txn.put(made) if seed.random() < 0.7 else txn.delete(Toy, made.id)


@settings(max_examples=60, deadline=None)
@given(seed=st.randoms(use_true_random=False))
def test_sums_are_those_of_the_records(seed: random.Random) -> None:
    state = State()
    for _ in range(20):
        state.apply([random_change(seed, state)])
        if seed.random() < 0.7:  # it is asked for the first time sooner or later
            assert told(state) == summed(state)


@settings(max_examples=60, deadline=None)
@given(seed=st.randoms(use_true_random=False))
def test_a_transaction_sees_its_own_writes_in_the_sums(seed: random.Random) -> None:
    state = State()
    state.apply([Change(ToyGroup, group, None, ToyGroup(id=group)) for group in GROUPS])
    state.apply([random_change(seed, state) for _ in range(10)])
    kept = told(state)
    below = Txn(state, Hints(), 1.8e9)
    write(seed, below)
    above = Txn(below, Hints(), 1.8e9)
    for txn in (below, above):
        for _ in range(10):
            write(seed, txn)
            if seed.random() < 0.5:
                assert told(txn) == summed(txn)
        assert told(txn) == summed(txn)
    below.absorb(above)
    assert told(below) == summed(below)
    assert told(state) == summed(state) == kept
