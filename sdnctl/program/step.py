"""A step is one flow that a packet met in the switch, with the packet as it came and as it went on.

Features put it into words (``feature.says``); ``trace.ofproto`` reads steps from what the switch says of itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sdnctl.base.addresses import Ip4, Mac
from sdnctl.of.fields import Field, OxmField, value_in

Packet = Mapping[OxmField, int]
"""Headers and registers by field; what is not there is 0."""


@dataclass(frozen=True, slots=True)
class Step:
    """One flow that the packet met: ``table`` by number, ``cookie`` 0 where no flow matched.

    ``record`` is the resource that the flow is for, ``priority`` the flow's; both are known once somebody has looked
    the cookie up (see ``story``).
    """

    table: int
    cookie: int
    before: Packet
    after: Packet
    outputs: tuple[int, ...] = ()
    record: Any = None
    priority: int = 0

    def value(self, wanted: Field) -> int:
        """A field of the packet as it came to this table."""
        return value_in(self.before, wanted)

    def ip(self, wanted: Field) -> Ip4:
        """The same as an IPv4 address."""
        return Ip4(self.value(wanted))

    def mac(self, wanted: Field) -> Mac:
        """The same as a MAC address."""
        return Mac(self.value(wanted))
