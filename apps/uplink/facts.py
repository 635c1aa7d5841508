"""The addresses of a pool that can be given out."""

from apps.uplink.model import ElasticIpPool, Pool
from sdnctl.base.addresses import Cidr, Ip4
from sdnctl.store import Txn


def usable(cidr: Cidr) -> tuple[Ip4, Ip4]:
    """The first and last address of a block that can be given out: all of a /31 or /32, else without its ends."""
    margin = 1 if cidr.length <= 30 else 0
    return Ip4(cidr.network + margin), Ip4(cidr.broadcast - margin)


def reserved(txn: Txn, pool: Pool) -> list[ElasticIpPool]:
    """The blocks of an operator's pool that tenants keep for themselves."""
    found = (txn.get(ElasticIpPool, id) for id in txn.by(ElasticIpPool, ("pool",), pool.id))
    return [block for block in found if block is not None]
