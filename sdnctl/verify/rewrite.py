"""The changes that the actions of one flow make to packets under way."""

from functools import lru_cache

from sdnctl.of import fields as f
from sdnctl.of.fields import OxmField
from sdnctl.verify.conntrack import cleared, wrote
from sdnctl.verify.header import CHOICES, HOPS, Bits, Header, constant, read, written
from sdnctl.verify.rules import Action, Choose, Copy, Larger, Slice, Stack, Untag, Untrack, Write


class Choices:
    """The bits that stand for what the network chooses, each kind of choice always the same ones."""

    def __init__(self, large: bool) -> None:
        """``large``: packets may have any size; else all fit."""
        self.large = large
        self._bits: dict[tuple[object, ...], Bits] = {}
        self._next = 0

    def bits(self, count: int, *name: object) -> Bits:
        """The bits of one kind of choice."""
        found = self._bits.get(name)
        if found is None:
            found = self._bits[name] = tuple(range(self._next, self._next + count))
            self._next += count
            if self._next > CHOICES:
                raise ValueError(f"a packet meets more than {CHOICES} bits of choices")
        return found

    def sizes(self) -> list[int]:
        """The bits that say of a packet that it is larger than something, the smallest first."""
        found = sorted((name[1:], bits) for name, bits in self._bits.items() if name[0] == "size")
        return [bit for _, bits in found for bit in bits]


class Rewrite:
    """Packets under way while the actions of a flow change them one after another."""

    def __init__(self, header: Header, choices: Choices) -> None:
        self.header: dict[OxmField, Bits] = dict(header)
        self._choices = choices
        self._stack: list[Bits] = []

    def change(self, action: Action) -> bool:
        """Do what the action says, if it is one that changes packets only; true when it is."""
        if isinstance(action, Write):
            self.header = wrote(self.header, action)
        elif isinstance(action, Copy):
            self._put(action.target, read(self.header, *action.source))
        elif isinstance(action, Larger):
            fits = constant(0, 1)
            self._put(action.target, self._choices.bits(1, "size", action.size) if self._choices.large else fits)
        elif isinstance(action, Choose):
            self._put(action.target, self._choices.bits(action.target.width, "hash", *action.target))
        elif isinstance(action, Stack) and action.push:
            self._stack.append(read(self.header, *action.what))
        elif isinstance(action, Stack):
            self._put(action.what, self._stack.pop())
        elif isinstance(action, Untag):
            self.header = written(self.header, f.VLAN_VID, constant(0, f.VLAN_VID.width))
        elif isinstance(action, Untrack):
            self.header = cleared(self.header)
        else:
            return False
        return True

    def limit(self, hops: int) -> None:
        """Set the hop limit."""
        self.header = written(self.header, f.IP_TTL, constant(hops, f.IP_TTL.width))
        self.header.pop(HOPS, None)

    def _put(self, target: Slice, bits: Bits) -> None:
        if target.field is f.IP_TTL or target.field is HOPS:
            raise ValueError("a walk follows no other change of the hop limit than one less or a number")
        self.header = written(self.header, target.field, bits, target.start)


@lru_cache(256)
def spread(ways: tuple[tuple[Action, ...], ...]) -> tuple[tuple[Action, ...], ...]:
    """The buckets of a group; one way with a free number instead of many that only write another number each."""
    first = ways[0]
    places = [at for at in range(len(first)) if any(len(way) != len(first) or way[at] != first[at] for way in ways)]
    if len(places) != 1:
        return ways
    written_there = [way[places[0]] for way in ways if isinstance(way[places[0]], Write)]
    numbers = {one.value for one in written_there if isinstance(one, Write)}
    one = first[places[0]]
    if not isinstance(one, Write) or len(written_there) < len(ways) or numbers != set(range(1 << one.width)):
        return ways
    same = {(each.field, each.start, each.width, each.mask) for each in written_there if isinstance(each, Write)}
    if len(same) > 1:
        return ways
    free = Choose(Slice(one.field, one.start, one.width))
    return ((*first[: places[0]], free, *first[places[0] + 1 :]),)
