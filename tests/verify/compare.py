"""The ends of a walk beside the fates that the reference tells: every packet has the one that it should have."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from sdnctl.model.host import UPLINK
from sdnctl.of import fields as f
from sdnctl.of.fields import OxmField
from sdnctl.trace.ofproto import flow_text
from sdnctl.verify.header import CHOICES, HOPS, INPUT, ONE, ZERO, Bits, Header, constant, known, read
from sdnctl.verify.header import whole as whole_field
from sdnctl.verify.places import End, Ends
from sdnctl.verify.sets import EVERYTHING, NOTHING, Sets
from sdnctl.verify.story import packet as sample
from sdnctl.verify.walk import Walk
from tests.reference import Fate, World
from tests.verify.symbolic import Asked, Number, Word, Yes, bits_of, frame, is_


@dataclass(frozen=True)
class Difference:
    """A packet of which the switch makes something else than the reference says."""

    sender: str
    packet: dict[int, int]
    meant: str
    found: str

    def __str__(self) -> str:
        return f"{self.sender} sends {flow_text(sample(self.packet))}: {self.meant}, but: {self.found}"


class Told(NamedTuple):
    """Packets of one fate, or of any of several, and for each the interfaces that remember their connections.

    ``if_full`` are the reasons for which they are dropped where there is no room to translate them.
    """

    options: tuple[Fate, ...]
    remembered: tuple[tuple[str, ...], ...]
    if_full: frozenset[str]
    packets: int


Fates = list[Told]


def fates(world: World, sender: str, sets: Sets, among: int) -> Fates:
    """The fates of some packets from a sender, those that are the same together; no packet has two.

    The reference knows no fragments and no sizes: each is to fare as a whole packet that fits.
    """
    asked = Asked(sets)
    packet = frame(asked)
    found: dict[object, tuple[tuple[Fate, ...], tuple[tuple[str, ...], ...], frozenset[str], list[int]]] = {}
    for fate, packets in asked.explore(among, lambda: world.fate(sender, packet)):
        remembered = tuple(tuple(sorted({*world.remembered, *option.remembered})) for option in fate.options)
        if_full = frozenset(world.if_full)
        same = remembered, if_full, *((str(option), *_looks(option.frame)) for option in fate.options)
        found.setdefault(same, (fate.options, remembered, if_full, []))[-1].append(packets)
    return [Told(*rest, sets.union(several)) for *rest, several in found.values()]


def _looks(frame: Any) -> Iterator[object]:
    """The parts of a frame that a switch may change."""
    for one in fields(frame) if frame is not None else ():
        part = getattr(frame, one.name)
        if not isinstance(part, Word | Yes):
            yield (part.bits, part.less) if isinstance(part, Number) else part


def differences(sender: str, told: Fates, walk: Walk, ends: list[End]) -> Iterator[Difference]:
    """Packets that have another end than they should have, or none at all: one of each kind."""
    sets, fits = walk.sets, walk.fits
    explained = [beside(end, told, sets) for end in ends]
    for options, _, _, packets in told:
        missing = packets
        for fate in options:
            goods = [(at, agreeing(fate, end, packets, walk)) for at, end in enumerate(ends)]
            for at, good in goods:
                explained[at] = sets.join(explained[at], good)
                missing = sets.without(missing, sets.shadow(sets.meet(good, fits), CHOICES))
            if len(options) > 1 and not any(good for _, good in goods):
                yield Difference(sender, sets.one_of(packets), str(fate), "never")
            if fate.to == UPLINK and sender != UPLINK:
                uncut = sets.without(packets, sets.shadow(sets.union([too_large(end, sets) for end in ends]), CHOICES))
                missing = sets.join(missing, uncut)
        if missing != NOTHING:
            meant = " or ".join(map(str, options))
            yield Difference(sender, sets.one_of(missing), meant, instead(missing, ends, sets))
    for end, good in zip(ends, explained, strict=True):
        stray = sets.without(end.packets, good)
        if stray != NOTHING:
            yield Difference(sender, sets.one_of(stray), "not that", shown(end))


def forgotten(
    sender: str, told: Fates, walk: Walk, ends: list[End], committed: Mapping[str, int]
) -> Iterator[Difference]:
    """First packets whose connections an interface should remember and does not, or the other way round."""
    sets = walk.sets
    owners = {owner for one in told for owners in one.remembered for owner in owners} | set(committed)
    for owner in sorted(owners):
        meant = sets.union([remembering(one, owner, walk, ends) for one in told])
        found = committed.get(owner, NOTHING)
        for these, is_meant in ((sets.without(meant, found), True), (sets.without(found, meant), False)):
            if these != NOTHING:
                words = f"{owner} remembers it", f"{owner} does not remember it"
                yield Difference(sender, sets.one_of(these), *(words if is_meant else words[::-1]))


def remembering(one: Told, owner: str, walk: Walk, ends: list[End]) -> int:
    """Packets whose connection an interface should remember; of several fates by the end that they have."""
    fates = [fate for fate, owners in zip(one.options, one.remembered, strict=True) if owner in owners]
    if len(fates) == len(one.options):
        return one.packets
    sets = walk.sets
    having = [agreeing(fate, end, one.packets, walk) for fate in fates for end in ends]
    return sets.union([sets.shadow(packets, CHOICES) for packets in having if packets != NOTHING])


def beside(end: End, told: Fates, sets: Sets) -> int:
    """The packets of an end that may have it beside what the reference says.

    What connection tracking does not translate is dropped: a fragment, or what a NAT gateway or a load balancer has no
    room for, and would translate otherwise.
    A packet that is too large for a tunnel or the uplink is cut, or its sender is told.
    """
    if (end.what, end.who) == (Ends.DROPPED, "not-translated"):
        pieces = sets.without(end.packets, is_(sets, frag=0))
        return sets.meet(pieces, is_(sets, ip_proto=(f.IP_PROTO_TCP, f.IP_PROTO_UDP)))
    if end.what is Ends.DROPPED:
        return sets.union([sets.meet(end.packets, one.packets) for one in told if end.who in one.if_full])
    return too_large(end, sets)


def too_large(end: End, sets: Sets) -> int:
    """The packets of an end that are cut, or whose sender is told how much fits."""
    cut = end.what is Ends.PROGRAM or (end.what is Ends.ASKS and end.who.startswith("ask_too_big"))
    return end.packets if cut else NOTHING


def agreeing(fate: Fate, end: End, packets: int, walk: Walk) -> int:
    """Those of some packets that have this end, if it is the fate; to the public network goes what fits, and ARP."""
    if aim(fate) != (end.what, end.who):
        return NOTHING
    sets = walk.sets
    both = sets.meet(packets, end.packets)
    if fate.to == UPLINK:
        both = sets.meet(both, sets.join(walk.fits_the_widest, is_(sets, eth_type=f.ETH_TYPE_ARP)))
    return sets.without(both, looks_unlike(fate.frame, end.header, both, sets)) if fate.to and both else both


def aim(fate: Fate) -> tuple[Ends, str]:
    """The end that a fate is."""
    if fate.to:
        return Ends.TO, fate.to
    return (Ends.ASKS, f"ask_{fate.asks}") if fate.asks else (Ends.DROPPED, fate.dropped)


def instead(packets: int, ends: list[End], sets: Sets) -> str:
    """The ends that some packets have."""
    return ", ".join(shown(end) for end in ends if sets.meet(end.packets, packets) != NOTHING) or "nothing"


def shown(end: End) -> str:
    """An end as a ``Fate`` is written, and what was changed."""
    words = {Ends.TO: "to ", Ends.ASKS: "asks ", Ends.DROPPED: "dropped: "}.get(end.what, f"{end.what.value} ")
    changes = {str(field): known(bits) for field, bits in end.header.items() if bits != INPUT.get(field)}
    return f"{words}{end.who} {changes if end.what is Ends.TO else ''}".strip()


def looks_unlike(frame: Any, header: Header, packets: int, sets: Sets) -> int:
    """Those of some packets that do not look as the reference says."""
    arp, ip = is_(sets, eth_type=f.ETH_TYPE_ARP), is_(sets, eth_type=f.ETH_TYPE_IP)
    kind = INPUT[f.TCP_SRC]
    if isinstance(frame.kind, str):  # made by the reference: an echo that was turned round
        kind = (*constant(0, f.ICMP_TYPE.width), *kind[f.ICMP_TYPE.width :])
    meant: list[tuple[OxmField, object, int]] = [
        (f.ETH_SRC, frame.eth_src, EVERYTHING),
        (f.ETH_DST, frame.eth_dst, EVERYTHING),
        (f.IP_SRC, frame.src, EVERYTHING),
        (f.IP_DST, frame.dst, EVERYTHING),
        (f.IP_PROTO, frame.op, arp),
        (f.ARP_SHA, frame.sha, arp),
        (f.ARP_THA, frame.tha, arp),
        (f.IP_TTL, frame.ttl, ip),
        (f.VLAN_VID, 0, EVERYTHING),
        (f.ETH_TYPE, INPUT[f.ETH_TYPE], EVERYTHING),
        (f.TCP_SRC, kind, EVERYTHING),
        (f.TCP_DST, INPUT[f.TCP_DST], EVERYTHING),
    ]
    found = [NOTHING]
    for field, number, among in meant:
        bits, less = bits_of(number, field.width)
        has = whole_field(header, field)
        if field is f.IP_TTL and has == bits == INPUT[field] and less != known(read(header, HOPS)):
            found.append(sets.meet(packets, among))
        elif has != bits and (concerned := sets.meet(packets, among)) != NOTHING:
            found.append(apart(has, bits, concerned, sets))
    return sets.union(found)


def apart(one: Bits, other: Bits, packets: int, sets: Sets) -> int:
    """Those of some packets for which two lists of bits are not the same.

    Two fields that are both free are taken for different: no packet of a walk has one for the other by chance only.
    """
    found = [NOTHING]
    for a, b in zip(one, other, strict=True):
        if a == b:
            continue
        a, b = (settled(bit, packets, sets) for bit in (a, b))
        if a == b < 0:
            continue
        if (a < 0) == (b < 0):
            return packets
        bit, value = (b, a) if a < 0 else (a, b)
        found.append(sets.cube({bit: int(value != ONE)}))
    return sets.meet(packets, sets.union(found))


def settled(bit: int, packets: int, sets: Sets) -> int:
    """A bit, or what it is in all of some packets."""
    if bit < 0:
        return bit
    for value, constant_bit in ((1, ZERO), (0, ONE)):
        if sets.meet(packets, sets.cube({bit: value})) == NOTHING:
            return constant_bit
    return bit
