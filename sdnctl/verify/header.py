"""A packet under way whose bits are not known: each bit is 0, 1 or a bit of the packet as it was sent.

So every change that a flow makes is exact: a value set is constant, a value moved is the other field's bits.  The
fields that a switch keeps in one place are one here too (ports of TCP and UDP, ICMP type and code, the addresses of ARP
and IPv4; ``struct flow`` of Open vSwitch).
"""

from collections.abc import Mapping
from functools import lru_cache

from sdnctl.of import fields as f
from sdnctl.of.fields import FIELDS, OxmField, RegisterField

ZERO, ONE = -1, -2
"""Bits that are known; every other number is a bit of the packet as it was sent."""
Bits = tuple[int, ...]
"""The bits of a field, the lowest first."""
Header = Mapping[OxmField, Bits]
"""The fields that are not as they were sent; registers and the like start as 0."""

_PLACE: dict[OxmField, tuple[OxmField, int]] = {
    f.UDP_SRC: (f.TCP_SRC, 0),
    f.UDP_DST: (f.TCP_DST, 0),
    f.ICMP_TYPE: (f.TCP_SRC, 0),
    f.ICMP_CODE: (f.TCP_DST, 0),
    f.ICMPV6_TYPE: (f.TCP_SRC, 0),
    f.ICMPV6_CODE: (f.TCP_DST, 0),
    f.ARP_OP: (f.IP_PROTO, 0),
    f.ARP_SPA: (f.IP_SRC, 0),
    f.ARP_TPA: (f.IP_DST, 0),
    **{field: (f.REG[2 * at + 1], 0) for at, field in enumerate(f.XREG)},
}
HOPS = OxmField("hops", f.NXM, 0, 8)
"""Not on the wire: how many hops were taken off the hop limit that was sent."""
_KIND = (f.ETH_SRC, f.ETH_TYPE, f.IP_PROTO, f.IP_FRAG, f.VLAN_VID, f.TCP_SRC, f.TCP_DST, f.TCP_FLAGS)
_INNER = (f.ARP_SHA, f.ARP_THA, f.IPV6_SRC, f.IPV6_DST, f.ND_TARGET, f.ND_SLL, f.ND_TLL)
SENT: tuple[OxmField, ...] = (*_KIND, f.IP_TTL, f.ETH_DST, f.IP_DST, f.IP_SRC, *_INNER)
"""The fields that a sender chooses; those of which flows tell few values come first, which keeps sets small."""
CHOICES = 256
"""The bits before these are not the packet's: they stand for what the network chooses, a hash or a size."""


def _numbered() -> dict[OxmField, Bits]:
    found, last = {}, CHOICES
    for field in SENT:
        found[field] = tuple(range(last + field.width - 1, last - 1, -1))
        last += field.width
    return found


FRAME = frozenset({*SENT, HOPS})
"""The fields that a packet keeps when it leaves a switch."""
INPUT = _numbered()
"""The bits of each field as it was sent; the highest bit of a field has the lowest number."""


@lru_cache(1 << 14)
def constant(value: int, width: int) -> Bits:
    """The bits of a number."""
    return tuple(ONE if value >> at & 1 else ZERO for at in range(width))


def place(field: OxmField) -> tuple[OxmField, int]:
    """The field that holds the bits of one, and from which bit on."""
    return _PLACE.get(field, (field, 0))


def whole(header: Header, home: OxmField) -> Bits:
    """All bits of a field that has a place of its own."""
    found = header.get(home)
    if found is not None:
        return found
    return INPUT.get(home) or constant(0, home.width)


def read(header: Header, field: OxmField, start: int = 0, count: int | None = None) -> Bits:
    """Some bits of a field, by default all from ``start`` on."""
    count = field.width - start if count is None else count
    home, shift = place(field)
    bits = whole(header, home)
    if field in f.XREG:
        bits = bits + whole(header, f.REG[2 * f.XREG.index(field)])
    bits = bits[shift : shift + field.width]
    bits += constant(0, field.width - len(bits))
    return bits[start : start + count]


def written(header: Header, field: OxmField, bits: Bits, start: int = 0) -> dict[OxmField, Bits]:
    """The header with some bits of a field replaced, from ``start`` on."""
    changed = dict(header)
    if field in f.XREG:
        pair = [f.REG[2 * f.XREG.index(field) + 1], f.REG[2 * f.XREG.index(field)]]
        both = list(whole(header, pair[0]) + whole(header, pair[1]))
        both[start : start + len(bits)] = bits
        changed[pair[0]], changed[pair[1]] = tuple(both[:32]), tuple(both[32:])
        return changed
    home, shift = place(field)
    old = whole(header, home)
    at = shift + start
    changed[home] = (old[:at] + bits + old[at + len(bits) :])[: home.width]
    if changed[home] == INPUT.get(home, constant(0, home.width)):
        del changed[home]
    return changed


def known(bits: Bits) -> int | None:
    """The number that bits are, None when one of them is not known."""
    number = 0
    for at, bit in enumerate(bits):
        if bit == ONE:
            number |= 1 << at
        elif bit != ZERO:
            return None
    return number


def number_in(header: Header, field: RegisterField) -> int | None:
    """A register with the bits of one field as they are and 0 elsewhere; None when one of them is not known."""
    number = known(whole(header, field.home)[field.shift : field.shift + field.width])
    return number << field.shift if number is not None else None


@lru_cache(1 << 16)
def literals(bits: Bits, value: int, mask: int) -> Mapping[int, int] | None:
    """The bits as sent that make ``bits`` this value under a mask; None when nothing does."""
    found: dict[int, int] = {}
    at = 0
    while mask:
        if mask & 1:
            wanted, bit = value >> at & 1, bits[at]
            if bit < 0:
                if (bit == ONE) != wanted:
                    return None
            elif found.setdefault(bit, wanted) != wanted:
                return None
        mask >>= 1
        at += 1
    return found


def number(bits: Bits, packet: Mapping[int, int]) -> int:
    """The number that bits are in a packet that was sent with these."""
    return sum(1 << at for at, bit in enumerate(bits) if bit == ONE or (bit >= 0 and packet.get(bit, 0)))


_ORDER = {field: at for at, field in enumerate((*FIELDS, HOPS))}


def key(header: Header) -> tuple[tuple[int, Bits], ...]:
    """The header as something that equal ones share."""
    return tuple(sorted((_ORDER[field], bits) for field, bits in header.items()))
