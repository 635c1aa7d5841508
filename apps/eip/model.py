"""An elastic IP is a public address that a tenant owns and binds to one private address, at any time, anywhere."""

from collections.abc import Iterator
from dataclasses import replace

from apps.eni.model import NetworkInterface
from apps.gateway.model import intend
from apps.ippool.model import ElasticIpPool
from sdnctl.base.addresses import Cidr, Ip4, Mac
from sdnctl.base.errors import IntentError
from sdnctl.model.resource import field, label, number, ref, resource
from sdnctl.store import Txn

INBOUND_FLOOR_MBPS = 10


@resource(prefix="pool", reach="region", indexes=(("gateway",),))
class Pool:
    """Public addresses that the operator gave: a block on the uplink and the router that leads out of it."""

    id: str
    cidr: Cidr = field()
    gateway: Ip4 = field()
    key: int = number("pool key", 1, 2**16 - 1)
    created: float = label(default=0.0)


@resource(prefix="fip", reach="vpc", indexes=(("address",), ("port", "private")))
class ElasticIp:
    """A public address bound one to one to ``private`` of ``port``, or to nothing (``""``, 0).

    ``vpc`` repeats that of ``port``, for the hosts that follow it.  ``reserved`` names the tenant's block that it is
    from.
    ``bandwidth`` is the outbound limit in Mbit/s; ``key`` gives its two meters; ``sequence`` is the transaction that
    last touched it, which the switch must confirm before the state is UP.
    """

    id: str
    account: str = ref("Account")
    pool: str = ref("Pool")
    reserved: str = ref("ElasticIpPool", default="")
    address: Ip4 = field()
    bandwidth: int = field(default=1)
    port: str = ref("NetworkInterface", default="", on_delete="clear")
    private: Ip4 = field(default=Ip4(0))
    vpc: str = field(default="")
    key: int = number("EIP key", 1, 2**16 - 1)
    sequence: int = label(default=0)
    provider: str = label(default="bgp")
    ip_type: str = label(default="standard")
    charge_mode: str = label(default="postpaid_by_duration")
    charge_start: float = label(default=0.0)
    charge_expiry: float = label(default=0.0)
    name: str = label(default="")
    tags: dict[str, str] = label(default={})
    created: float = label(default=0.0)


@resource(report=True, reach="host")
class GatewayNeighbour:
    """What a host learned by ARP: the MAC address of a pool's gateway on its uplink; the id is ``host/pool``."""

    id: str
    host: str = ref("Host", on_delete="cascade")
    pool: str = ref("Pool", on_delete="cascade")
    mac: Mac = field()


def usable(cidr: Cidr) -> tuple[Ip4, Ip4]:
    """The first and last address of a block that can be given out: all of a /31 or /32, else without its ends."""
    margin = 1 if cidr.length <= 30 else 0
    return Ip4(cidr.network + margin), Ip4(cidr.broadcast - margin)


def new_elastic_ip(txn: Txn, account: str, address: Ip4 | None, pool: str, bandwidth: int) -> ElasticIp:
    """A public address, written to the transaction: from ``pool``, the operator's or the account's own, if not "".

    What somebody reserved as a block goes to nobody else, and to its owner only when asked for.  Raises IntentError
    when the address asked for is in use or none is left.
    """
    for source, block in _sources(txn, account, address, pool):
        taken = _take(txn, source, block, address)
        if taken is None:
            continue
        eip = ElasticIp(
            id=txn.new_id(ElasticIp),
            account=account,
            pool=source.id,
            reserved=block.id if block is not None else "",
            address=taken,
            bandwidth=bandwidth,
            key=txn.allocate(ElasticIp, "key"),
            sequence=txn.sequence,
            charge_start=txn.now,
            created=txn.now,
        )
        txn.put(eip)
        return eip
    if address is not None:
        raise IntentError("elasticIpAddress", f"{address} is in no pool")
    raise IntentError.precondition("elasticIpAddress", "no public address is free")


def _sources(txn: Txn, account: str, address: Ip4 | None, wanted: str) -> Iterator[tuple[Pool, ElasticIpPool | None]]:
    """Where an address may come from, in order: the block named, or the operator's pools, oldest first."""
    block = txn.get(ElasticIpPool, wanted)
    for pool in sorted(txn.all(Pool).values(), key=lambda p: (p.created, p.id)):
        if block is not None:
            if block.pool == pool.id:
                yield pool, block
        elif wanted in ("", pool.id):
            own = [b for b in reserved(txn, pool) if b.account == account and address and b.cidr.contains(address)]
            yield pool, own[0] if own else None


def reserved(txn: Txn, pool: Pool) -> list[ElasticIpPool]:
    """The blocks of an operator's pool that tenants keep for themselves."""
    found = (txn.get(ElasticIpPool, id) for id in txn.by(ElasticIpPool, ("pool",), pool.id))
    return [block for block in found if block is not None]


def _take(txn: Txn, pool: Pool, block: ElasticIpPool | None, wanted: Ip4 | None) -> Ip4 | None:
    low, high = usable(pool.cidr) if block is None else (block.cidr.network, block.cidr.broadcast)
    others = [] if block is not None else [b.cidr for b in reserved(txn, pool)]

    def used(address: int) -> bool:
        taken = txn.by(ElasticIp, ("address",), address) or txn.by(Pool, ("gateway",), address)
        return bool(taken) or any(other.contains(Ip4(address)) for other in others)

    if wanted is None:
        found = txn.pick((ElasticIp, block.id if block is not None else pool.id), low, high, used)
        return Ip4(found) if found is not None else None
    if not low <= wanted <= high:
        return None
    if used(wanted):
        raise IntentError("elasticIpAddress", f"{wanted} is in use", 409, "ALREADY_EXISTS")
    return wanted


def bind(txn: Txn, eip: ElasticIp, port: NetworkInterface, private: Ip4) -> ElasticIp:
    """Bind an unbound EIP to a private address that has none; raises IntentError otherwise."""
    if eip.port:
        raise IntentError.precondition("elasticIpId", f"{eip.id} is bound to {eip.port}: disassociate it first")
    if private not in port.addresses:
        raise IntentError("privateIpAddress", f"{private} is not an address of {port.id}")
    for other in txn.by(ElasticIp, ("port", "private"), (port.id, private)):
        raise IntentError.precondition("privateIpAddress", f"{private} of {port.id} has {other} already")
    bound = replace(eip, port=port.id, private=private, vpc=port.vpc, sequence=txn.sequence)
    txn.put(bound)
    intend(txn, bound.address, port)
    return bound


def unbind(txn: Txn, eip: ElasticIp) -> ElasticIp:
    """Take an EIP from whatever it is bound to; it keeps its address and bandwidth."""
    free = replace(eip, port="", private=Ip4(0), vpc="", sequence=txn.sequence)
    txn.put(free)
    return free
