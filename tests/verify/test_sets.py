"""Sets of packets and headers under way, beside plain Python sets and numbers."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from sdnctl.of import fields as f
from sdnctl.verify.header import INPUT, constant, known, literals, number, read, written
from sdnctl.verify.sets import EVERYTHING, NOTHING, Sets

BITS = 5
ALL = [dict(enumerate(bits)) for bits in product((0, 1), repeat=BITS)]
CUBES = st.dictionaries(st.integers(0, BITS - 1), st.integers(0, 1))


def members(sets: Sets, found: int) -> set[tuple[int, ...]]:
    """The packets of a set, one by one."""
    return {tuple(bits.values()) for bits in ALL if sets.has(found, bits)}


@given(st.lists(CUBES), st.lists(CUBES))
def test_sets_are_what_python_says(first: list[dict[int, int]], second: list[dict[int, int]]) -> None:
    sets = Sets()
    one, other = (sets.union([sets.cube(cube) for cube in cubes]) for cubes in (first, second))
    a, b = members(sets, one), members(sets, other)
    assert a == {tuple(p.values()) for p in ALL if any(cube.items() <= p.items() for cube in first)}
    assert members(sets, sets.meet(one, other)) == a & b
    assert members(sets, sets.join(one, other)) == a | b
    assert members(sets, sets.without(one, other)) == a - b
    assert (one == other) == (a == b), "equal sets are the same number"
    assert not a or sets.has(one, sets.one_of(one))
    assert members(sets, sets.renamed(one, {0: 3, 3: 0})) == {(p[3], *p[1:3], p[0], *p[4:]) for p in a}
    tails = {packet[2:] for packet in a}
    assert members(sets, sets.shadow(one, 2)) == {head + tail for head in product((0, 1), repeat=2) for tail in tails}


def test_a_field_is_read_as_it_was_written() -> None:
    header = written({}, f.IP_DST, constant(0x0A000001, 32))
    assert known(read(header, f.ARP_TPA)) == 0x0A000001, "a switch keeps both in one place"
    assert written(header, f.IP_DST, INPUT[f.IP_DST]) == {}, "as it was sent"
    low = written({}, f.REG[2], constant(0xABC, 12), 4)
    assert known(read(low, f.REG[2])) == 0xABC0 and known(read(low, f.REG[2], 4, 12)) == 0xABC
    both = written({}, f.XREG[1], constant(0x123456789, 64))
    assert known(read(both, f.REG[2])) == 1 and known(read(both, f.REG[3])) == 0x23456789


def test_a_match_says_what_was_sent() -> None:
    moved = written({}, f.IP_SRC, read({}, f.IP_DST))
    cube = literals(read(moved, f.IP_SRC), 0x0A000000, 0xFF000000)
    assert cube is not None and len(cube) == 8
    assert number(INPUT[f.IP_DST], cube) == 0x0A000000
    assert literals(constant(5, 8), 4, 0xFF) is None
    assert Sets().cube({}) == EVERYTHING and NOTHING != EVERYTHING
