"""A range of ports as matches: a switch compares bits under a mask, so a range is several values with masks."""

from functools import lru_cache

PORTS = 1 << 16


@lru_cache(1024)
def masks(first: int, last: int) -> tuple[tuple[int, int], ...]:
    """The fewest (value, mask) pairs of 16 bits that cover ``first`` to ``last``: at most 30; ValueError for no range.

    1 to 65535 takes 16 of them: whoever means every port does better to match none.
    """
    if not 0 <= first <= last < PORTS:
        raise ValueError(f"no range of ports: {first} to {last}")
    found = []
    while first <= last:
        size = first & -first or PORTS
        while size > last - first + 1:
            size >>= 1
        found.append((first, PORTS - size))
        first += size
    return tuple(found)
