"""A VPC is a tenant's private network, and a subnet one address block of it that spans every host."""

from sdnctl.base.addresses import Cidr, Ip4, Mac
from sdnctl.model.resource import field, label, number, ref, resource
from sdnctl.program.meters import POOL as METERS
from sdnctl.program.meters import POOL_HIGH, POOL_LOW

ANYTHING = Cidr(Ip4(0), 0)
ROUTER_OFFSET, DHCP_OFFSET, FIRST_OFFSET = 1, 2, 3
RESERVED = 4  # network, router, DHCP server, broadcast
ROUTER_MAC = Mac(0x0E0000000001)
"""Every router of every VPC on every host: an instance may move and finds the same neighbour."""
ROUTER_ITSELF_MAC = Mac(0x0E0000000002)
"""The source of what a router says itself and has to travel; what passes through it comes from ``ROUTER_MAC``."""


@resource(prefix="vpc", reach="vpc", indexes=(("id",),))
class Vpc:
    """A private L3 space; ``cidr`` is ``ANYTHING`` when the tenant set no prefix.  ``key`` is its VNI (24 bits).

    ``meter`` limits what its account asks of a host's controller: the least of the account's VPCs counts.
    """

    id: str
    account: str = ref("Account")
    cidr: Cidr = field(default=ANYTHING)
    key: int = number("VPC key", 1, 2**24 - 1)
    meter: int = number(METERS, POOL_LOW, POOL_HIGH)
    name: str = label(default="")
    description: str = label(default="")
    tags: dict[str, str] = label(default={})
    created: float = label(default=0.0)


@resource(prefix="subnet", reach="vpc")
class Subnet:
    """A block of its VPC; the first address is the router, the second the DHCP server, both in the switch."""

    id: str
    account: str = ref("Account")
    vpc: str = ref("Vpc")
    route_table: str = ref("RouteTable")
    cidr: Cidr = field()
    key: int = number("subnet key", 1, 2**24 - 1)
    dns: tuple[Ip4, ...] = field(default=())
    domains: tuple[str, ...] = field(default=())
    name: str = label(default="")
    description: str = label(default="")
    tags: dict[str, str] = label(default={})
    created: float = label(default=0.0)

    @property
    def router(self) -> Ip4:
        """The address of the subnet's router."""
        return Ip4(self.cidr.network + ROUTER_OFFSET)

    @property
    def dhcp_server(self) -> Ip4:
        """The address of the subnet's DHCP server."""
        return Ip4(self.cidr.network + DHCP_OFFSET)

    @property
    def first(self) -> Ip4:
        """The first address that an interface may have."""
        return Ip4(self.cidr.network + FIRST_OFFSET)

    @property
    def last(self) -> Ip4:
        """The last address that an interface may have."""
        return Ip4(self.cidr.broadcast - 1)
