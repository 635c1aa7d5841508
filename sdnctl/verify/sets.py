"""Sets of packets: which values the bits of a packet may have, as reduced ordered binary decision diagrams.

A set is a number; equal sets have equal numbers, so they compare at once.  Bits are numbered from 0; those with low
numbers are decided first.  (R. E. Bryant, Graph-based algorithms for Boolean function manipulation, 1986.)
"""

from collections.abc import Callable, Mapping

NOTHING = 0
EVERYTHING = 1
_NO_BIT = 1 << 30
_WIDE = 32
"""The bits of a set's number: two sets in one number are found faster than a pair of them."""
_Operation = Callable[[int, int], int]


class Full(Exception):
    """There are more sets than was allowed for."""


class Sets:
    """The sets that were made so far, and what is known of them."""

    __slots__ = ("_bit", "_high", "_low", "_node", "join", "meet", "without")

    meet: _Operation
    """The packets that are in both sets."""
    join: _Operation
    """The packets that are in either set."""
    without: _Operation
    """The packets of the first set that are not in the second."""

    def __init__(self, most: int = 1 << 30) -> None:
        """Of at most so many nodes: whatever makes one more raises ``Full``."""
        self._bit = [_NO_BIT, _NO_BIT]
        self._low = [0, 1]
        self._high = [0, 1]
        self._node = _nodes(self._bit, self._low, self._high, most)
        lists = self._bit, self._low, self._high, self._node
        self.meet, self.join = _meets(*lists), _joins(*lists)
        self.without = _withouts(*lists)

    def __len__(self) -> int:
        """The number of nodes."""
        return len(self._bit)

    def cube(self, bits: Mapping[int, int]) -> int:
        """The packets whose bits have these values, whatever the others are."""
        found = EVERYTHING
        for bit in sorted(bits, reverse=True):
            found = self._node(bit, 0, found) if bits[bit] else self._node(bit, found, 0)
        return found

    def union(self, several: list[int]) -> int:
        """The packets that are in any of the sets."""
        while len(several) > 1:
            pairs = [self.join(*several[at : at + 2]) for at in range(0, len(several) - 1, 2)]
            several = pairs + several[len(several) & ~1 :]
        return several[0] if several else NOTHING

    def shadow(self, one: int, first: int) -> int:
        """The packets that are in the set for some values of the bits below ``first``."""
        if self._bit[one] >= first:
            return one
        return self.join(self.shadow(self._low[one], first), self.shadow(self._high[one], first))

    def renamed(self, one: int, bits: Mapping[int, int]) -> int:
        """The packets of a set with bits in the places of others; each place is taken once."""
        known = {NOTHING: NOTHING, EVERYTHING: EVERYTHING}

        def moved(node: int) -> int:
            if node not in known:
                bit = bits.get(self._bit[node], self._bit[node])
                low, high = moved(self._low[node]), moved(self._high[node])
                parts = self.meet(self.cube({bit: 0}), low), self.meet(self.cube({bit: 1}), high)
                known[node] = self.join(*parts)
            return known[node]

        return moved(one)

    def one_of(self, one: int) -> dict[int, int]:
        """The bits of a packet in the set: those that matter, as few of them set as is easy; KeyError for nothing."""
        if one == NOTHING:
            raise KeyError("an empty set has no packet")
        bits = {}
        while one != EVERYTHING:
            low = self._low[one]
            bits[self._bit[one]] = int(low == NOTHING)
            one = low if low != NOTHING else self._high[one]
        return bits

    def has(self, one: int, bits: Mapping[int, int]) -> bool:
        """True when the packet with these bits, the others 0, is in the set."""
        while one > EVERYTHING:
            one = self._high[one] if bits.get(self._bit[one], 0) else self._low[one]
        return one == EVERYTHING


# The operations are functions with their memory: as methods they would take twice the time.

_Node = Callable[[int, int, int], int]
"""Makes a node, or finds the one that there is: its bit, and the sets where that is 0 and 1."""


def _nodes(bits: list[int], lows: list[int], highs: list[int], most: int) -> _Node:
    known: dict[int, int] = {}

    def node(bit: int, low: int, high: int) -> int:
        if low == high:
            return low
        key = (bit << _WIDE | low) << _WIDE | high
        found = known.get(key)
        if found is None:
            if len(bits) >= most:
                raise Full(f"more than {most} nodes of sets")
            found = known[key] = len(bits)
            bits.append(bit)
            lows.append(low)
            highs.append(high)
        return found

    return node


def _meets(bits: list[int], lows: list[int], highs: list[int], node: _Node) -> _Operation:
    done: dict[int, int] = {}

    def meet(one: int, other: int) -> int:
        if one > other:
            one, other = other, one
        if one == other or not one:
            return one
        if one == EVERYTHING:
            return other
        key = one << _WIDE | other
        found = done.get(key)
        if found is None:
            first, second = bits[one], bits[other]
            if first == second:
                low, high = meet(lows[one], lows[other]), meet(highs[one], highs[other])
            elif first < second:
                low, high = meet(lows[one], other), meet(highs[one], other)
            else:
                first, low, high = second, meet(one, lows[other]), meet(one, highs[other])
            found = done[key] = low if low == high else node(first, low, high)
        return found

    return meet


def _joins(bits: list[int], lows: list[int], highs: list[int], node: _Node) -> _Operation:
    done: dict[int, int] = {}

    def join(one: int, other: int) -> int:
        if one > other:
            one, other = other, one
        if not one:
            return other
        if one == other:
            return one
        if one == EVERYTHING:
            return EVERYTHING
        key = one << _WIDE | other
        found = done.get(key)
        if found is None:
            first, second = bits[one], bits[other]
            if first == second:
                low, high = join(lows[one], lows[other]), join(highs[one], highs[other])
            elif first < second:
                low, high = join(lows[one], other), join(highs[one], other)
            else:
                first, low, high = second, join(one, lows[other]), join(one, highs[other])
            found = done[key] = low if low == high else node(first, low, high)
        return found

    return join


def _withouts(bits: list[int], lows: list[int], highs: list[int], node: _Node) -> _Operation:
    done: dict[int, int] = {}

    def without(one: int, other: int) -> int:
        if not other:
            return one
        if one == other or not one or other == EVERYTHING:
            return NOTHING
        key = one << _WIDE | other
        found = done.get(key)
        if found is None:
            first, second = bits[one], bits[other]
            if first == second:
                low, high = without(lows[one], lows[other]), without(highs[one], highs[other])
            elif first < second:
                low, high = without(lows[one], other), without(highs[one], other)
            else:
                first, low, high = second, without(one, lows[other]), without(one, highs[other])
            found = done[key] = low if low == high else node(first, low, high)
        return found

    return without
