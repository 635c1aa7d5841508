"""Changes of elastic IPs within a transaction: to take one from a pool, to bind it and to unbind it."""

from collections.abc import Iterator
from dataclasses import replace

from apps.eip.model import ElasticIp
from apps.eip.targets import eip_targets
from apps.eni.model import NetworkInterface
from apps.gateway.facts import server_in
from apps.gateway.writes import lead_to
from apps.holder.model import Holder
from apps.uplink.facts import reserved, usable
from apps.uplink.model import ElasticIpPool, Pool
from sdnctl.base.addresses import Ip4
from sdnctl.base.errors import IntentError
from sdnctl.program.lifecycle import arbitrates, blocks, change
from sdnctl.program.weight import weighs
from sdnctl.store import Txn

FLOWS = weighs(ElasticIp, 16)


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
            out_meter=txn.allocate(ElasticIp, "out_meter"),
            in_meter=txn.allocate(ElasticIp, "in_meter"),
            meter=txn.allocate(ElasticIp, "meter"),
            piece_meter=txn.allocate(ElasticIp, "piece_meter"),
            out_zone=txn.allocate(ElasticIp, "out_zone"),
            in_zone=txn.allocate(ElasticIp, "in_zone"),
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
    """Yield the pools an address may come from, in order: the block named, or the operator's pools, oldest first."""
    block = txn.get(ElasticIpPool, wanted)
    for pool in sorted(txn.all(Pool).values(), key=lambda p: (p.created, p.id)):
        if block is not None:
            if block.pool == pool.id:
                yield pool, block
        elif wanted in ("", pool.id):
            own = [b for b in reserved(txn, pool) if b.account == account and address and b.cidr.contains(address)]
            yield pool, own[0] if own else None


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


def bind(txn: Txn, eip: ElasticIp, port: NetworkInterface, private: Ip4, *, move: bool = False) -> ElasticIp:
    """Bind an EIP to a private address that has none, with ``move`` also one that is bound elsewhere.

    Moved, it is never unbound between: every host sees one change.  Raises IntentError when it cannot be bound, and
    without ``move`` when it is bound already.
    """
    if eip.port and not move:
        raise IntentError.precondition("elasticIpId", f"{eip.id} is bound to {eip.port}: disassociate it first")
    if (eip.port, eip.private) == (port.id, private):
        return eip
    target = eip_targets().get(port.managed)
    if target is None:
        raise IntentError.precondition("networkInterfaceId", f"{port.id} of {port.owner} takes no elastic IP")
    reason = target.refuses(port, len(txn.by(ElasticIp, ("port",), port.id) - {eip.id}))
    if reason:
        raise IntentError.precondition("networkInterfaceId", reason)
    if private not in port.addresses:
        raise IntentError("privateIpAddress", f"{private} is not an address of {port.id}")
    for other in () if target.shared else txn.by(ElasticIp, ("port", "private"), (port.id, private)):
        raise IntentError.precondition("privateIpAddress", f"{private} of {port.id} has {other} already")
    made = replace(eip, port=port.id, private=private, vpc=port.vpc, sequence=txn.sequence)
    change(txn, eip, made)
    lead_to(txn, made.address, port)
    return made


def unbind(txn: Txn, eip: ElasticIp) -> ElasticIp:
    """Take an EIP from whatever it is bound to; it keeps its address and bandwidth."""
    free = replace(eip, port="", private=Ip4(0), vpc="", sequence=txn.sequence)
    change(txn, eip, free)
    return free


@blocks(NetworkInterface)
def bound(port: NetworkInterface, txn: Txn) -> str:
    """An elastic IP that is bound to the interface."""
    eips = sorted(txn.by(ElasticIp, ("port",), port.id))
    return f"{port.id} has elastic IP {eips[0]}" if eips else ""


def _is_address(key: str) -> bool:
    try:
        Ip4.parse(key)
    except ValueError:
        return False
    return True


@arbitrates(Holder, keys=_is_address)
def answers(known: Holder | None, wanted: Holder, txn: Txn) -> Holder | None:
    """A public address is presented by the host of its port, or the gateway for it; by nobody else."""
    if known is not None and known.host == wanted.host:
        return wanted
    eips = (txn.get(ElasticIp, id) for id in txn.by(ElasticIp, ("address",), Ip4.parse(wanted.id)))
    bound = [eip.port for eip in eips if eip is not None and eip.port]
    return wanted if any(server_in(txn, port) == wanted.host for port in bound) else None
