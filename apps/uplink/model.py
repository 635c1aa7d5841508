"""The public addresses that the operator gave to the region, and the routers that lead out of them."""

from sdnctl.base.addresses import Cidr, Ip4, Mac
from sdnctl.model.resource import field, label, number, ref, resource


@resource(prefix="pool", reach="region", indexes=(("gateway",),))
class Pool:
    """Public addresses that the operator gave: a block on the uplink and the router that leads out of it."""

    id: str
    cidr: Cidr = field()
    gateway: Ip4 = field()
    key: int = number("pool key", 1, 2**16 - 1)
    created: float = label(default=0.0)


@resource(report=True, reach="host")
class GatewayNeighbour:
    """A MAC address that a host learned by ARP: that of a pool's gateway on its uplink; the id is ``host/pool``."""

    id: str
    host: str = ref("Host", on_delete="cascade")
    pool: str = ref("Pool", on_delete="cascade")
    mac: Mac = field()


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
