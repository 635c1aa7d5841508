"""A tenant may keep a block of public addresses for itself, to give them out one by one."""

from sdnctl.base.addresses import Cidr
from sdnctl.model.resource import field, label, ref, resource


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
