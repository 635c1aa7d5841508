"""The public addresses that the operator gave to the region, and the routers that lead out of them."""

from sdnctl.base.addresses import Cidr, Ip4, Mac
from sdnctl.model.checks import named
from sdnctl.model.resource import field, label, number, ref, resource


@resource(prefix="pool", reach="region", indexes=(("gateway",),))
class Pool:
    """Public addresses that the operator gave: a block on the uplink and the router that leads out of it.

    ``gateway_mac`` is the router's MAC address where the operator has said it, 0 where ARP is to tell.
    ``private_internet`` are blocks of addresses that the internet does not have (RFC 6890), but the network behind this
    pool's router has: a laboratory's.
    """

    id: str
    cidr: Cidr = field()
    gateway: Ip4 = field()
    key: int = number("pool key", 1, 2**16 - 1)
    gateway_mac: Mac = field(default=Mac(0))
    private_internet: tuple[Cidr, ...] = field(default=())
    created: float = label(default=0.0)


@resource(report=True, reach="host")
class GatewayNeighbour:
    """A MAC address that a host learned by ARP: that of a pool's gateway on its uplink; the id is ``host/pool``."""

    id: str
    host: str = ref("Host", on_delete="cascade")
    pool: str = ref("Pool", on_delete="cascade")
    mac: Mac = field()

    def check(self) -> None:
        """ValueError when it is of another host or pool than its id says."""
        named(self.id, f"{self.host}/{self.pool}")


@resource(local=True)
class GatewayWatch:
    """The questions of a host about a pool's gateway, by the pool's id; times are in looks, one a second.

    An answer counts while ``asked`` is above 0; what nobody asked for leads to a question only while ``hushed`` is 0.
    ``rival`` has answered from another MAC address, and is believed if the gateway that is known stays ``silent`` as
    many looks more; not while ``rest`` is above 0: what is said then is asked about afterwards (``again``).  For
    ``told`` looks it is told that the gateway ``was`` elsewhere before, or that ``other`` answers for it too.
    """

    id: str
    host: str = field()
    asked: int = field(default=0)
    hushed: int = field(default=0)
    rival: Mac = field(default=Mac(0))
    silent: int = field(default=0)
    rest: int = field(default=0)
    again: bool = field(default=False)
    was: Mac = field(default=Mac(0))
    other: Mac = field(default=Mac(0))
    told: int = field(default=0)


@resource(prefix="eippool")
class ElasticIpPool:
    """A block out of the operator's ``pool``; no elastic IP of somebody else gets an address from it."""

    id: str
    account: str = ref("Account")
    pool: str = ref("Pool")
    cidr: Cidr = field()
    provider: str = label(default="bgp")
    name: str = label(default="")
    description: str = label(default="")
    tags: dict[str, str] = label(default={})
    created: float = label(default=0.0)
