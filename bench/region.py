"""A region of the size that the figures are about, as records and as transactions of any store.

One VPC whose every port is reachable from this host (the hard case: a flow for each), or the same ports spread over
many VPCs of which this host has a few.  Every port is in a security group of ten rules, or none is.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from apps.eip.model import ElasticIp
from apps.eni.facts import mac_of
from apps.eni.model import NetworkInterface
from apps.routing.model import INTERNET, LOCAL, Route, RouteTable
from apps.uplink.model import Pool
from apps.vpc.model import ANYTHING, Subnet, Vpc
from bench import grouped
from sdnctl.base.addresses import Cidr, Ip4, Mac
from sdnctl.model.account import Account
from sdnctl.model.host import UPLINK, LocalPort, LocalUplink
from sdnctl.program.meters import POOL_LOW
from sdnctl.program.zones import POOL_LOW as ZONES_LOW
from sdnctl.store import Txn

HERE = "bench-1"
BATCH = 500
"""Ports written in one transaction: what an import of a region would do."""
PER_SUBNET = 250
UPLINK_OFPORT = 1
FIRST_OFPORT = 100
PUBLIC = Cidr.parse("100.64.0.0/16")


@dataclass(frozen=True, slots=True)
class Region:
    """The size of a region: ``ports`` in ``vpcs`` VPCs, ``here`` of them on this host, ``eips`` with an elastic IP.

    ``grouped`` ports are in a security group.
    """

    ports: int = 10_000
    here: int = 200
    eips: int = 100
    vpcs: int = 1
    grouped: bool = True

    def records(self) -> Iterator[Any]:
        """Everything that a tenant or the operator asked for, so that each reference names what came before."""
        yield Account(id="acct-bench")
        yield Pool(id="pool-bench", cidr=PUBLIC, gateway=Ip4(PUBLIC.network + 1), key=1)
        for v in range(self.vpcs):
            yield from self._vpc(v)
        for s in range(self.subnets):
            yield self.subnet(s)
        for n in range(self.ports):
            yield self.port(n)
        for n in range(self.eips):
            yield self.eip(n)

    @property
    def subnets(self) -> int:
        """The number of subnets."""
        return max(self.vpcs, -(-self.ports // PER_SUBNET))

    def _vpc(self, v: int) -> Iterator[Any]:
        vpc, table = f"vpc-{v:010d}", f"rtb-{v:010d}"
        made = Vpc(id=vpc, account="acct-bench", key=v + 1, meter=POOL_LOW + v)
        yield made
        if self.grouped:
            yield from grouped.records(made, grouped.SERVER)
        yield RouteTable(id=table, account="acct-bench", vpc=vpc, default=True, key=v + 1)
        for kind in (LOCAL, INTERNET):
            id = f"route-{v:010d}{kind[:1]}"
            yield Route(id=id, account="acct-bench", vpc=vpc, table=table, prefix=ANYTHING, next_hop_type=kind)

    def subnet(self, s: int) -> Subnet:
        """The ``s``-th subnet, in one VPC after the other."""
        v = s % self.vpcs
        block = Cidr(Ip4(0x0A000000 + (s // self.vpcs << 8)), 24)
        id, table = f"subnet-{s:010d}", f"rtb-{v:010d}"
        return Subnet(id=id, account="acct-bench", vpc=f"vpc-{v:010d}", route_table=table, cidr=block, key=s + 1)

    def port(self, n: int) -> NetworkInterface:
        """The ``n``-th port, in one subnet after the other."""
        subnet = self.subnet(n % self.subnets)
        address = Ip4(subnet.first + n // self.subnets)
        return NetworkInterface(
            id=f"port-{n:010d}",
            account="acct-bench",
            vpc=subnet.vpc,
            subnet=subnet.id,
            mac=mac_of(n + 1),
            addresses=(address,),
            security_groups=self.groups(subnet.vpc),
            key=n + 1,
            name=f"port {n}",
            created=1.8e9 + n,
        )

    def groups(self, vpc: str) -> tuple[str, ...]:
        """The security groups of each port of a VPC."""
        return (grouped.group_id(vpc),) if self.grouped else ()

    def local(self) -> list[NetworkInterface]:
        """The ports that are plugged in here: of as few VPCs as hold so many, evenly spread over their subnets."""
        crowded = -(-self.here * self.vpcs // self.ports)  # VPCs that are wholly here
        if self.vpcs > 1:
            mine = [n for n in range(self.ports) if n % self.subnets % self.vpcs < crowded]
            return [self.port(n) for n in mine[: self.here]]
        step = self.ports // self.here
        return [self.port(n) for n in range(0, self.here * step, step)]

    def local_records(self) -> list[Any]:
        """The records of this host's switch: its uplink and its ports."""
        uplink = LocalUplink(id=UPLINK, ofport=UPLINK_OFPORT, mac=Mac.parse("02:00:00:00:00:09"))
        return [uplink, *(LocalPort(id=p.id, ofport=FIRST_OFPORT + i, zone=i + 1) for i, p in enumerate(self.local()))]

    def eip(self, n: int) -> ElasticIp:
        """The elastic IP of the ``n``-th port here."""
        port = self.local()[n]
        return ElasticIp(
            id=f"fip-{n:010d}",
            account="acct-bench",
            pool="pool-bench",
            address=Ip4(PUBLIC.network + 16 + n),
            bandwidth=5,
            port=port.id,
            private=port.addresses[0],
            vpc=port.vpc,
            out_meter=POOL_LOW + 60_000 + 2 * n,
            in_meter=POOL_LOW + 60_001 + 2 * n,
            meter=POOL_LOW + 20_000 + n,
            piece_meter=POOL_LOW + 40_000 + n,
            out_zone=ZONES_LOW + 2 * n,
            in_zone=ZONES_LOW + 2 * n + 1,
        )

    def fill(self, transact: Callable[[Callable[[Txn], None]], None]) -> None:
        """Write it all through a store's ``transact``."""
        batch: list[Any] = []
        for record in self.records():
            batch.append(record)
            if len(batch) == BATCH:
                transact(put(batch))
                batch = []
        transact(put(batch))


def put(records: list[Any]) -> Callable[[Txn], None]:
    """Work that writes these records."""

    def work(txn: Txn) -> None:
        for record in records:
            txn.put(record)

    return work
