"""The reference model asked about all packets at once.

It is run on a frame whose parts note each question that is asked of them and answer it for one packet; so each run
tells a fate, and for which packets it is the same.  Runs follow until all packets have had their answer.  Nothing of
the model is written twice, and nothing of it escapes: a part used in a way that cannot be noted raises TypeError.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn, TypeVar

from sdnctl.of import fields as f
from sdnctl.verify.header import INPUT, ONE, ZERO, Bits, constant, known, literals
from sdnctl.verify.sets import EVERYTHING, NOTHING, Sets
from tests.reference import Frame

T = TypeVar("T")
MOST_OPEN = 16
"""The bits of two fields that may be free while they are compared: each doubles the runs."""
ERRORS = (3, 11, 12)
ROUTERS = (5, 9)
"""ICMP types that only a router sends."""
NEIGHBOURLY = (4, 5, 9, 10)
"""ICMP types that are for neighbours only (source quench, redirect, router discovery)."""


class _Fork:
    """A point of the model's way: the packets that get there, and where its next question leads."""

    __slots__ = ("asked", "no", "packets", "yes")

    def __init__(self, packets: int) -> None:
        self.packets = packets
        self.asked: int | None = None
        self.yes: _Fork | None = None
        self.no: _Fork | None = None


class Asked:
    """One packet under examination, and where the answers about it have led so far."""

    def __init__(self, sets: Sets) -> None:
        self.sets = sets
        self._numbers: dict[tuple[Bits, int], int | None] = {}
        self._packet: dict[int, int] = {}
        self._here = _Fork(NOTHING)
        self._open: list[_Fork] = []

    def explore(self, packets: int, ask: Callable[[], T]) -> Iterator[tuple[T, int]]:
        """Each answer with the packets that have it; together they are all that were given, and none has two."""
        root = _Fork(packets)
        self._open = [root] if packets != NOTHING else []
        while self._open:
            self._packet = self.sets.one_of(self._open.pop().packets)
            self._here = root
            answer = ask()
            yield answer, self._here.packets

    def free(self, bit: int) -> bool:
        """True for a bit that may be 0 or 1 in the packets that have had the same answers."""
        if bit < 0:
            return False
        among = self._here.packets
        return self.sets.meet(among, self.sets.cube({bit: 1})) not in (NOTHING, among)

    def having(self, bits: Bits, number: int) -> int | None:
        """The packets in which bits are a number; None when that is told by no packet."""
        name = bits, number
        if name not in self._numbers:
            cube = literals(bits, number, (1 << len(bits)) - 1)
            self._numbers[name] = self.sets.cube(cube) if cube is not None else None
        return self._numbers[name]

    def within(self, found: int) -> bool:
        """True when the packet is in a set; AssertionError when the model does not ask what it asked of its like."""
        here = self._here
        if here.asked is None:
            here.asked = found
            inside = self.sets.meet(here.packets, found)
            outside = self.sets.without(here.packets, found) if inside != NOTHING else here.packets
            here.yes, here.no = (_Fork(part) if part != NOTHING else None for part in (inside, outside))
            if here.yes is not None and here.no is not None:
                self._open.append(here.no if self.sets.has(found, self._packet) else here.yes)
        assert here.asked == found
        both = here.yes is not None and here.no is not None
        answer = self.sets.has(found, self._packet) if both else here.yes is not None
        there = here.yes if answer else here.no
        assert there is not None
        self._here = there
        return answer


class Number:
    """A number in a frame: bits, of which some are as they were sent; ``less`` was taken off it."""

    __slots__ = ("_asked", "bits", "less")

    def __init__(self, asked: Asked, bits: Bits, less: int = 0) -> None:
        self._asked = asked
        self.bits = bits
        self.less = less

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Number):
            assert self.less == other.less == 0
            pairs = list(zip(self.bits, other.bits, strict=True))
            open = sum(self._asked.free(one) and self._asked.free(another) for one, another in pairs)
            assert open <= MOST_OPEN, f"two fields are alike in 2**{open} ways: ask whether each is the value meant"
            return all(self._same(one, another) for one, another in pairs)
        assert isinstance(other, int)
        wanted = other + self.less
        if wanted < 0 or wanted >> len(self.bits):
            return False
        found = self._asked.having(self.bits, wanted)
        return found is not None and self._asked.within(found)

    def _same(self, one: int, another: int) -> bool:
        """Two bits asked one after the other: a question whose answer is two numbers has too many answers."""
        values = [
            bit == ONE if bit < 0 else self._asked.within(self._asked.sets.cube({bit: 1})) for bit in (one, another)
        ]
        return values[0] == values[1]

    def __hash__(self) -> NoReturn:
        raise TypeError("a part of a frame is in no set: use a tuple, whose members are compared")

    def __index__(self) -> NoReturn:
        raise TypeError("a part of a frame is no number that is known")

    __int__ = __index__

    def __bool__(self) -> bool:
        return self != 0

    def __and__(self, mask: int) -> "Number":
        assert self.less == 0
        return Number(self._asked, tuple(bit if mask >> at & 1 else ZERO for at, bit in enumerate(self.bits)))

    __rand__ = __and__

    def __rshift__(self, places: int) -> "Number":
        assert self.less == 0
        return Number(self._asked, self.bits[places:])

    def __sub__(self, number: int) -> "Number":
        return Number(self._asked, self.bits, self.less + number)

    def __le__(self, other: int) -> bool:
        limit = other + self.less
        below = [{bit: 0 for bit in self.bits[at:] if bit >= 0} for at in range(len(self.bits))]
        if limit < 0:
            return False
        if limit >> len(self.bits):
            return True
        number = known(self.bits)
        if number is not None:
            return number <= limit
        assert all(bit >= 0 for bit in self.bits) and below
        parts = []
        for at in range(len(self.bits)):
            if limit >> at & 1:
                # Equal above this bit, less here, whatever is below.
                same = {bit: limit >> above & 1 for above, bit in enumerate(self.bits) if above > at}
                parts.append(self._asked.sets.cube({**same, self.bits[at]: 0}))
        exact = {bit: limit >> at & 1 for at, bit in enumerate(self.bits)}
        return self._asked.within(self._asked.sets.union([*parts, self._asked.sets.cube(exact)]))

    def __lt__(self, other: int) -> bool:
        return self <= other - 1

    def __gt__(self, other: int) -> bool:
        return not self <= other

    def __ge__(self, other: int) -> bool:
        return not self <= other - 1


class Word:
    """One of some words, each of which is true of some frames."""

    __slots__ = ("_sets", "asked")

    def __init__(self, asked: Asked, sets: Mapping[str, int]) -> None:
        self.asked = asked
        self._sets = sets

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, str)
        return self.asked.within(self._sets.get(other, NOTHING))

    def __hash__(self) -> NoReturn:
        raise TypeError("the word for a frame is in no set: use a tuple, whose members are compared")


class Yes:
    """Something that is true of some frames."""

    __slots__ = ("_asked", "_set")

    def __init__(self, asked: Asked, found: int) -> None:
        self._asked = asked
        self._set = found

    def __bool__(self) -> bool:
        return self._asked.within(self._set)


class AnyFrame(Frame):
    """A frame of which nothing is known."""

    kind: Any

    @property
    def protocol(self) -> Any:
        if isinstance(self.kind, str):  # made by the reference: an echo that was turned round
            return super().protocol
        asked: Asked = self.kind.asked
        ip = is_(asked.sets, eth_type=f.ETH_TYPE_IP)
        numbers = {"icmp": 1, "tcp": 6, "udp": 17}
        return Word(asked, {name: asked.sets.meet(ip, is_(asked.sets, ip_proto=n)) for name, n in numbers.items()})

    @property
    def port(self) -> Any:
        return Number(self.kind.asked, INPUT[f.TCP_DST])

    @property
    def source(self) -> Any:
        return Number(self.kind.asked, INPUT[f.TCP_SRC])

    @property
    def begins(self) -> Any:
        asked: Asked = self.kind.asked
        return Yes(asked, asked.sets.cube({INPUT[f.TCP_FLAGS][1]: 1}))

    @property
    def router(self) -> Any:
        asked: Asked = self.kind.asked
        return Yes(asked, from_routers(asked.sets))

    @property
    def piece(self) -> Any:
        asked: Asked = self.kind.asked
        return Yes(asked, is_(asked.sets, frag=(f.FRAGMENT_ANY, f.FRAGMENT_ANY | f.FRAGMENT_LATER)))

    @property
    def later(self) -> Any:
        asked: Asked = self.kind.asked
        return Yes(asked, is_(asked.sets, frag=f.FRAGMENT_ANY | f.FRAGMENT_LATER))


def from_routers(sets: Sets) -> int:
    """ICMP redirects and router advertisements."""
    return is_(sets, eth_type=f.ETH_TYPE_IP, ip_proto=f.IP_PROTO_ICMP, icmp=ROUTERS)


def is_(sets: Sets, **values: int | tuple[int, ...]) -> int:
    """The packets whose fields have one of these values."""
    found = EVERYTHING
    for name, wanted in values.items():
        field = {"eth_type": f.ETH_TYPE, "ip_proto": f.IP_PROTO, "frag": f.IP_FRAG, "vlan": f.VLAN_VID}.get(name)
        bits = INPUT[field] if field is not None else INPUT[f.TCP_SRC if name in ("src", "icmp") else f.TCP_DST]
        bits = bits[:8] if name == "icmp" else bits
        several = wanted if isinstance(wanted, tuple) else (wanted,)
        cubes = (literals(bits, one, (1 << len(bits)) - 1) for one in several)
        found = sets.meet(found, sets.union([sets.cube(cube) for cube in cubes if cube is not None]))
    return found


def kinds(sets: Sets) -> dict[str, int]:
    """The packets of each kind that the reference knows."""
    ip, ipv6 = (is_(sets, eth_type=kind) for kind in (f.ETH_TYPE_IP, f.ETH_TYPE_IPV6))

    def of(**values: int | tuple[int, ...]) -> int:
        return sets.meet(ip, is_(sets, **values))

    udp, icmp = of(ip_proto=17), of(ip_proto=1)
    dhcp, offer = (sets.meet(udp, is_(sets, **ports)) for ports in ({"src": 68, "dst": 67}, {"src": 67}))
    ping, error, nearby = (sets.meet(icmp, is_(sets, icmp=types)) for types in (8, ERRORS, NEIGHBOURLY))
    router6 = sets.meet(ipv6, sets.meet(is_(sets, ip_proto=58), is_(sets, icmp=134)))
    offer6 = sets.meet(ipv6, is_(sets, ip_proto=17, src=547))
    found = {
        "ping": ping,
        "error": error,
        "nearby": nearby,
        "reply": sets.without(icmp, sets.union([ping, error, nearby])),
        "udp": sets.without(udp, sets.join(dhcp, offer)),
        "dhcp": dhcp,
        "offer": offer,
        "tcp": sets.without(ip, sets.join(udp, icmp)),
        "arp": is_(sets, eth_type=f.ETH_TYPE_ARP),
        "router6": router6,
        "offer6": offer6,
        "ipv6": sets.without(ipv6, sets.join(router6, offer6)),
    }
    return {**found, "other": sets.without(EVERYTHING, sets.union([*found.values()]))}


def frame(asked: Asked) -> Any:
    """A frame of which nothing is known."""
    sets = asked.sets

    def part(field: f.OxmField) -> Number:
        return Number(asked, INPUT[field])

    tagged = sets.without(EVERYTHING, is_(sets, vlan=(0, f.VLAN_PRESENT)))
    parts: dict[str, Any] = {
        "kind": Word(asked, kinds(sets)),
        "eth_src": part(f.ETH_SRC),
        "eth_dst": part(f.ETH_DST),
        "src": part(f.IP_SRC),
        "dst": part(f.IP_DST),
        "ttl": part(f.IP_TTL),
        "op": part(f.IP_PROTO),
        "sha": part(f.ARP_SHA),
        "tha": part(f.ARP_THA),
        "tagged": Yes(asked, tagged),
    }
    return AnyFrame(**parts)


def bits_of(number: object, width: int) -> tuple[Bits, int]:
    """The bits of a part of a frame, and what was taken off them."""
    if isinstance(number, Number):
        return number.bits, number.less
    if isinstance(number, tuple):
        return number, 0
    assert isinstance(number, int)
    return constant(number, width), 0
