"""Owners of slots: even shares, and whoever comes or goes moves its own slots only."""

from collections import Counter
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdnctl.program.slots import owners

SLOTS = 256
MEMBERS = st.sets(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=12), max_size=9)


@given(MEMBERS, st.text(min_size=1, max_size=12))
def test_only_the_slots_of_who_comes_or_goes_move(members: set[str], other: str) -> None:
    members.discard(other)
    with_it = owners([*members, other], SLOTS)
    if members:
        without = owners(sorted(members), SLOTS)
        assert [owner for owner in with_it if owner != other] == [
            owner for owner, then in zip(without, with_it, strict=True) if then != other
        ]
    else:
        assert set(with_it) == {other}


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=12))
def test_order_and_repetition_change_nothing(members: list[str]) -> None:
    assert owners(members, SLOTS) == owners(sorted(set(members)), SLOTS)


@pytest.mark.parametrize(("count", "usual", "worst"), [(2, 0.04, 0.15), (3, 0.08, 0.25), (5, 0.15, 0.4)])
def test_shares_are_even(count: int, usual: float, worst: float) -> None:
    """Over a hundred sets of next hops: how far the greatest share is from a fair one, usually and at worst."""
    fair, off = SLOTS / count, []
    for number in range(100):
        shares = Counter(owners([f"port-{number}-{one}" for one in range(count)], SLOTS))
        off.append(max(abs(share - fair) for share in shares.values()) / fair)
        assert len(shares) == count
    assert median(off) <= usual and max(off) <= worst, (median(off), max(off))
