"""The packets that there can be: what a sender may put on a wire, as a switch takes it in."""

from collections.abc import Collection

from sdnctl.of import fields as f
from sdnctl.of.fields import OxmField
from sdnctl.verify.header import INPUT, literals
from sdnctl.verify.sets import Sets

LATER = f.FRAGMENT_ANY | f.FRAGMENT_LATER
"""``ip_frag`` of a fragment that is not the first of its datagram."""


def having(sets: Sets, field: OxmField, values: Collection[int]) -> int:
    """The packets that were sent with one of these values in a field."""
    cubes = (literals(INPUT[field], value, field.limit) for value in values)
    return sets.union([sets.cube(cube) for cube in cubes if cube is not None])


def possible(sets: Sets) -> int:
    """All packets: with a VLAN tag or without, never half of one; whole, or fragments.

    Ports and flags are in a first fragment only; a switch takes them for 0 in others.
    """
    tagged = sets.cube({INPUT[f.VLAN_VID][12]: 1})
    tag = sets.join(having(sets, f.VLAN_VID, (0,)), tagged)
    first, later = having(sets, f.IP_FRAG, (0, f.FRAGMENT_ANY)), having(sets, f.IP_FRAG, (LATER,))
    for part in (f.TCP_SRC, f.TCP_DST, f.TCP_FLAGS):
        later = sets.meet(later, having(sets, part, (0,)))
    return sets.meet(tag, sets.join(first, later))
