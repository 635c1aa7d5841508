"""A range of ports as values with masks: all of it, nothing else, and no more of them than it takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdnctl.of.ranges import masks

PORT = st.integers(0, 65535)


@given(PORT, PORT, PORT)
def test_a_port_is_matched_by_one_mask_if_it_is_in_the_range_and_by_none_else(a: int, b: int, port: int) -> None:
    first, last = sorted((a, b))
    assert sum(port & mask == value for value, mask in masks(first, last)) == (first <= port <= last)


@pytest.mark.parametrize(
    ("first", "last", "count"),
    [(80, 80, 1), (0, 65535, 1), (1, 65535, 16), (5000, 5999, 9), (1, 65534, 30), (0, 1023, 1)],
)
def test_as_few_as_it_takes(first: int, last: int, count: int) -> None:
    assert len(masks(first, last)) == count


@pytest.mark.parametrize(("first", "last"), [(-1, 3), (9, 8), (1, 65536)])
def test_no_range(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="no range of ports"):
        masks(first, last)
