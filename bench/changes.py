"""The single changes that are timed among many ports, each as the transaction that an API call would make."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from apps.eip.model import ElasticIp
from apps.eip.writes import bind, unbind
from apps.eni.facts import mac_of
from apps.eni.model import NetworkInterface
from bench.region import PUBLIC, Region
from sdnctl.base.addresses import Ip4
from sdnctl.program.meters import POOL_HIGH
from sdnctl.program.zones import POOL_HIGH as ZONES_HIGH
from sdnctl.store import Txn

SPARES = 10
"""Switch ports that are plugged in beforehand, for network interfaces that are created while the clock runs."""
FIRST_NEW_KEY = 1 << 20
FIRST_FREE = 200
"""Above the ports that a subnet of the region has."""
Work = Callable[[Txn], Any]


@dataclass(frozen=True, slots=True)
class Edit:
    """One change: its kind, and the work to hand to a store."""

    kind: str
    work: Work


def spare_id(n: int) -> str:
    """The id that the ``n``-th spare switch port carries."""
    return f"port-spare{n:05d}"


def edits(region: Region, rounds: int) -> Iterator[Edit]:
    """``rounds`` times each kind of change; what is added is deleted again, so that the region stays as large."""
    local = region.local()
    for n in range(rounds):
        spare = n % SPARES
        first, second = local[-1 - n % 40], local[-41 - n % 40]  # ports without an elastic IP
        near, far, eip = spare_id(spare), f"port-far{n:07d}", f"fip-new{n:07d}"
        yield Edit("add a port of this host", _add_port(region, near, n, 2 * n))
        yield Edit("add a port elsewhere", _add_port(region, far, n, 2 * n + 1))
        yield Edit("rename a port", _rename(near, n))
        yield Edit("add an EIP", _add_eip(eip, n, first))
        yield Edit("change its bandwidth", _resize(eip, 20))
        yield Edit("move the EIP", _move(eip, second))
        yield Edit("delete the EIP", _delete_eip(eip))
        yield Edit("delete the port here", _delete_port(near))
        yield Edit("delete the port elsewhere", _delete_port(far))


def _add_port(region: Region, id: str, n: int, key: int) -> Work:
    def work(txn: Txn) -> None:
        subnet = region.subnet(n % 40)
        number = FIRST_NEW_KEY + key
        address = Ip4(subnet.last - key % 2)
        txn.put(
            NetworkInterface(
                id=id,
                account="acct-bench",
                vpc=subnet.vpc,
                subnet=subnet.id,
                mac=mac_of(number),
                addresses=(address,),
                security_groups=region.groups(subnet.vpc),
                key=number,
            )
        )

    return work


def _rename(id: str, n: int) -> Work:
    return lambda txn: txn.put(replace(_known(txn, NetworkInterface, id), name=f"renamed {n}"))


def _add_eip(id: str, n: int, port: NetworkInterface) -> Work:
    def work(txn: Txn) -> None:
        key = 10_000 + n
        address = Ip4(PUBLIC.network + 20_000 + n)
        made = ElasticIp(
            id=id,
            account="acct-bench",
            pool="pool-bench",
            address=address,
            bandwidth=5,
            out_meter=POOL_HIGH - 60_000 - 2 * key,
            in_meter=POOL_HIGH - 60_001 - 2 * key,
            meter=POOL_HIGH - key,
            piece_meter=POOL_HIGH - 40_000 - key,
            out_zone=ZONES_HIGH - 2 * key,
            in_zone=ZONES_HIGH - 2 * key - 1,
        )
        txn.put(made)
        bind(txn, made, port, port.addresses[0])

    return work


def _resize(id: str, mbps: int) -> Work:
    return lambda txn: txn.put(replace(_known(txn, ElasticIp, id), bandwidth=mbps, sequence=txn.sequence))


def _move(id: str, port: NetworkInterface) -> Work:
    return lambda txn: bind(txn, unbind(txn, _known(txn, ElasticIp, id)), port, port.addresses[0])


def _delete_eip(id: str) -> Work:
    return lambda txn: txn.delete(ElasticIp, id)


def _delete_port(id: str) -> Work:
    return lambda txn: txn.delete(NetworkInterface, id)


def _known(txn: Txn, cls: type, id: str) -> Any:
    found = txn.get(cls, id)
    assert found is not None, f"{id} is not there"
    return found
