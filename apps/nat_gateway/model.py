"""A NAT gateway lets the machines of a VPC begin connections to the internet by elastic IPs that they share."""

from sdnctl.base.addresses import Cidr, Ip4
from sdnctl.model.resource import field, label, number, ref, resource
from sdnctl.program.meters import POOL as METERS
from sdnctl.program.meters import POOL_HIGH, POOL_LOW
from sdnctl.program.zones import POOL as ZONES
from sdnctl.program.zones import POOL_HIGH as ZONES_HIGH
from sdnctl.program.zones import POOL_LOW as ZONES_LOW

KIND = "natgw"
CONNECTIONS = {"small": 1_000_000, "medium": 3_000_000, "large": 10_000_000}
"""The connections that a gateway of each size may have at once."""


@resource(prefix="natgw", reach="vpc")
class NatGateway:
    """A gateway of the VPC at the address of its managed interface ``port``; its elastic IPs are bound to that address.

    Its connections are known in ``zone``, at most ``connections`` of them.  ``piece_meter`` limits the fragments that
    leave by it.  While it is not ``running`` it lets nothing pass.  The elastic IPs that are ``offline`` get no new
    connections.
    """

    id: str
    account: str = ref("Account")
    vpc: str = ref("Vpc")
    subnet: str = ref("Subnet")
    port: str = ref("NetworkInterface")
    connections: int = field(default=CONNECTIONS["small"])
    running: bool = field(default=True)
    offline: tuple[str, ...] = field(default=())
    zone: int = number(ZONES, ZONES_LOW, ZONES_HIGH)
    piece_meter: int = number(METERS, POOL_LOW, POOL_HIGH)
    size: str = label(default="small")
    charge_mode: str = label(default="postpaid_by_duration")
    charge_start: float = label(default=0.0)
    charge_expiry: float = label(default=0.0)
    name: str = label(default="")
    azs: tuple[str, ...] = label(default=())
    description: str = label(default="")
    tags: dict[str, str] = label(default={})
    created: float = label(default=0.0)


@resource(prefix="snat", reach="vpc")
class SnatRule:
    """Connections from ``cidr`` leave by ``eips`` (ids) of the gateway, by any of its elastic IPs where there are none.

    With ``affinity`` the source address alone says by which.  The rule ``system`` is made with the gateway: everything.
    """

    id: str
    account: str = ref("Account")
    vpc: str = ref("Vpc")
    gateway: str = ref("NatGateway", on_delete="cascade")
    cidr: Cidr = field()
    eips: tuple[str, ...] = field(default=())
    enabled: bool = field(default=True)
    affinity: bool = field(default=False)
    system: bool = label(default=False)
    description: str = label(default="")
    created: float = label(default=0.0)
    updated: float = label(default=0.0)


@resource(prefix="dnat", reach="vpc")
class DnatRule:
    """Connections from outside to ports ``first`` to ``last`` of the elastic IP ``eip`` go to ``address``.

    ``protocol`` is tcp, udp or all, which has no ports.  ``inside`` is the port there that stands for ``first``.
    """

    id: str
    account: str = ref("Account")
    vpc: str = ref("Vpc")
    gateway: str = ref("NatGateway", on_delete="cascade")
    eip: str = ref("ElasticIp")
    protocol: str = field()
    address: Ip4 = field()
    first: int = field(default=0)
    last: int = field(default=0)
    inside: int = field(default=0)
    key: int = number("dnat rule key", 1, 2**24 - 1)
    description: str = label(default="")
    created: float = label(default=0.0)
    updated: float = label(default=0.0)
