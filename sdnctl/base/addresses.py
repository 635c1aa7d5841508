"""An address is a number with a way to be written: IPv4 addresses, MAC addresses and CIDR blocks.

In memory they are integers in host order, because that is what a flow is packed from; text exists only at the
edges (API, intent files, store, logs).  netaddr reads it there, at its strictest (docs/decisions/014-netaddr.md).
"""

import re
from collections.abc import Iterable
from typing import NamedTuple, Self

from netaddr import INET_PTON, AddrFormatError, IPAddress, IPNetwork, IPSet

_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")
_BLOCK = re.compile(r"[^/]*/(?:[0-2]?\d|3[0-2])", re.ASCII)


class Ip4(int):
    """An IPv4 address as an unsigned 32-bit integer; ``str()`` is the dotted quad (RFC 791)."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a dotted quad without leading zeros; raises ValueError."""
        try:
            return cls(int(IPAddress(text, 4, INET_PTON)))
        except (AddrFormatError, ValueError):
            raise ValueError(f"{text!r} is not an IPv4 address") from None

    def __str__(self) -> str:
        return f"{self >> 24}.{self >> 16 & 255}.{self >> 8 & 255}.{self & 255}"

    def __repr__(self) -> str:
        return f"Ip4({str(self)!r})"


class Mac(int):
    """An Ethernet address as an unsigned 48-bit integer; ``str()`` is the lower-case colon form (IEEE 802)."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``fa:16:3e:00:00:01``; raises ValueError."""
        if _MAC.fullmatch(text) is None:
            raise ValueError(f"{text!r} is not a MAC address")
        return cls(int(text.replace(":", ""), 16))

    def __str__(self) -> str:
        digits = f"{int(self):012x}"
        return ":".join(digits[i : i + 2] for i in range(0, 12, 2))

    def __repr__(self) -> str:
        return f"Mac({str(self)!r})"


class Cidr(NamedTuple):
    """A block of IPv4 addresses: its first address and prefix length (RFC 4632)."""

    network: Ip4
    length: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``10.0.0.0/16``; bits set beyond the prefix raise ValueError."""
        if _BLOCK.fullmatch(text) is None:  # netaddr takes a netmask too, or none
            raise ValueError(f"{text!r} is not a CIDR block")
        address, _, length = text.partition("/")
        found = IPNetwork((Ip4.parse(address), int(length)), version=4)
        if found.ip != found.network:
            raise ValueError(f"{text!r} has bits set beyond its prefix; did you mean {found.cidr}")
        return cls(Ip4(found.first), found.prefixlen)

    @property
    def mask(self) -> int:
        """The netmask as a 32-bit integer."""
        return (0xFFFFFFFF << (32 - self.length)) & 0xFFFFFFFF

    @property
    def size(self) -> int:
        """The number of addresses in the block, network and broadcast included."""
        return 1 << (32 - self.length)

    @property
    def broadcast(self) -> Ip4:
        """The last address of the block."""
        return Ip4(self.network + self.size - 1)

    def contains(self, address: int) -> bool:
        """True when an address lies in the block."""
        return address & self.mask == self.network

    def within(self, other: "Cidr") -> bool:
        """True when the whole block lies in another."""
        return self.length >= other.length and other.contains(self.network)

    def overlaps(self, other: "Cidr") -> bool:
        """True when the two blocks share an address."""
        return self.contains(other.network) or other.contains(self.network)

    def __str__(self) -> str:
        return f"{self.network}/{self.length}"


def without(blocks: Iterable[Cidr], others: Iterable[Cidr]) -> tuple[Cidr, ...]:
    """The addresses of some blocks that are in none of the others, as the fewest blocks, in order."""
    left = IPSet(map(str, blocks)) - IPSet(map(str, others))
    return tuple(Cidr(Ip4(block.first), block.prefixlen) for block in left.iter_cidrs())


NEVER_FORWARDED = tuple(map(Cidr.parse, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")))
"""This network, loopback, link-local, multicast and what is reserved: no router forwards there (RFC 6890; RFC 1812)."""
MAX_PORT = 65535


class HostPort(NamedTuple):
    """A place where TCP is listened to: the name or address of a host ("": all of this one's), and a port.

    Written ``HOST:PORT``, an IPv6 address in brackets (RFC 3986, 3.2.2), which ``host`` is without.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``HOST:PORT``; ValueError when the port is none of 0 to 65535."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isdecimal() or int(port) > MAX_PORT:
            raise ValueError(f"{text!r} is not HOST:PORT")
        return cls(host.strip("[]"), int(port))

    @property
    def bracketed(self) -> str:
        """The host as it stands before a colon."""
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        return f"{self.bracketed}:{self.port}"
