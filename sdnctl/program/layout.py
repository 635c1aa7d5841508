"""The order of what is declared without numbers: tables after and before others, fields in the bits of the registers.

Both are pure and depend on names only, so that the order in which modules are imported changes nothing.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sdnctl.of.fields import REG, REGISTER_BITS, OxmField


@dataclass(frozen=True, slots=True)
class Span:
    """The bits that a field needs, from its first to its last stage."""

    width: int
    first: int
    last: int


def ordered(before: Mapping[str, Sequence[str]], after: Mapping[str, Sequence[str]]) -> list[str]:
    """The names so that each stands before and after those it is to; by name where that leaves a choice.

    ``after`` has every name as a key.  ValueError for a name that is none of them, or when names go round in a circle.
    """
    waits: dict[str, set[str]] = {name: set() for name in after}
    for name, sooner in after.items():
        waits[name].update(_known(name, sooner, waits))
    for name, later in before.items():
        for other in _known(name, later, waits):
            waits[other].add(name)
    ready = [name for name, others in waits.items() if not others]
    heapq.heapify(ready)
    found: list[str] = []
    while ready:
        name = heapq.heappop(ready)
        found.append(name)
        for other, others in waits.items():
            if name in others:
                others.remove(name)
                if not others:
                    heapq.heappush(ready, other)
    if len(found) < len(waits):
        raise ValueError(f"tables {', '.join(sorted(waits.keys() - set(found)))} are to stand after each other")
    return found


def _known(name: str, others: Sequence[str], names: Mapping[str, object]) -> Sequence[str]:
    for other in others:
        if other not in names:
            raise ValueError(f"table {name} is to stand beside {other}, which is no table of its stage")
    return others


def allocated(spans: Mapping[str, Span]) -> dict[str, tuple[OxmField, int]]:
    """A register and lowest bit for each field, so that no two share a bit in any stage.

    Wide fields come first, then by name; each gets the first place that is free.  ValueError when the registers are
    full.
    """
    taken: list[list[tuple[int, Span]]] = [[] for _ in REG]
    found: dict[str, tuple[OxmField, int]] = {}
    for name, span in sorted(spans.items(), key=lambda item: (-item[1].width, item[0])):
        for register, there in zip(REG, taken, strict=True):
            shift = _room(span, there)
            if shift is not None:
                there.append((shift, span))
                found[name] = register, shift
                break
        else:
            raise ValueError(f"field {name}: no register has {span.width} bits left")
    return found


def _room(span: Span, there: Sequence[tuple[int, Span]]) -> int | None:
    """The lowest bit from which a register has room for a field, None when it has none."""
    used = 0
    for shift, other in there:
        if other.first <= span.last and span.first <= other.last:
            used |= ((1 << other.width) - 1) << shift
    wanted = (1 << span.width) - 1
    return next((shift for shift in range(REGISTER_BITS - span.width + 1) if not used & wanted << shift), None)
