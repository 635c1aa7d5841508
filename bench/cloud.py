"""The network that OVN's side of the comparison has (ovnbench.py, ``Topo``), as records of ours.

V VPCs x S subnets x P ports, the same 10.0.s.0/24 in every VPC, one elastic IP of 10 Mbit/s and one security group for
each VPC.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from apps.eip.model import ElasticIp
from apps.eni.facts import mac_of
from apps.eni.model import NetworkInterface
from apps.routing.model import INTERNET, LOCAL, Route, RouteTable
from apps.uplink.model import Pool
from apps.vpc.model import ANYTHING, Subnet, Vpc
from bench import grouped
from sdnctl.base.addresses import Cidr, Ip4
from sdnctl.model.account import AccessKey, Account
from sdnctl.program.meters import POOL_LOW
from sdnctl.program.zones import POOL_LOW as ZONES_LOW

ACCOUNT, KEY, SECRET = "acct-bench", "JDC_BENCH", "BENCHSECRET"
PUBLIC = Cidr.parse("172.16.0.0/16")
REAL = {"port-real00000a": 240, "port-real00000b": 241}
"""The two ports with real endpoints, in the first subnet: their last octets."""
QUOTAS = ("flow", "network_interface", "requestRate", "elastic_ip", "vpc", "routeTable", "staticRoute", "subnet")
SHAPES = {100: (2, 2, 25), 1000: (10, 2, 50), 5000: (50, 2, 50), 10_000: (100, 2, 50)}


@dataclass(frozen=True, slots=True)
class Cloud:
    """The size of a cloud; ``bound`` of its ports are plugged in here."""

    vpcs: int
    subnets: int
    ports: int
    bound: int

    @classmethod
    def of(cls, size: int, bound: int | None) -> "Cloud":
        """The shape that ovnbench.py gives that number of ports."""
        shape = SHAPES.get(size) or (max(1, size // 100), 2, 50)
        return cls(*shape, min(size, bound or size))

    @property
    def size(self) -> int:
        """The number of ports, without the two real ones."""
        return self.vpcs * self.subnets * self.ports

    @property
    def served(self) -> int:
        """The number of VPCs that are wholly here: single changes are made there."""
        return max(1, min(self.vpcs, self.bound // (self.subnets * self.ports)))

    def vpc_id(self, v: int) -> str:
        """The ``v``-th VPC."""
        return f"vpc-{v:010d}"

    def group_id(self, v: int) -> str:
        """The security group of all its ports, with the rules that OVN's port group has."""
        return grouped.group_id(self.vpc_id(v))

    def table_id(self, v: int) -> str:
        """Its route table."""
        return f"rtb-{v:010d}"

    def subnet_id(self, v: int, s: int) -> str:
        """Its ``s``-th subnet."""
        return f"subnet-{v * self.subnets + s:010d}"

    def port_id(self, v: int, s: int, i: int) -> str:
        """The ``i``-th port of that."""
        return f"port-{(v * self.subnets + s) * self.ports + i:010d}"

    def plugged(self) -> list[str]:
        """The ports that are here."""
        return [f"port-{n:010d}" for n in range(self.bound)]

    def records(self) -> Iterator[Any]:
        """Everything, so that each reference names what came before."""
        yield Account(id=ACCOUNT, quotas=dict.fromkeys(QUOTAS, "1000000"))
        yield AccessKey(id=KEY, account=ACCOUNT, secret=SECRET)
        yield Pool(id="pool-bench", cidr=PUBLIC, gateway=Ip4(PUBLIC.network + 1), key=1)
        for v in range(self.vpcs):
            yield from self._vpc(v)
            for s in range(self.subnets):
                for i in range(self.ports):
                    yield self._port(self.port_id(v, s, i), v, s, 10 + i, (v * self.subnets + s) * self.ports + i + 1)
            yield self._eip(v)
        for n, (id, host) in enumerate(REAL.items()):
            yield self._port(id, 0, 0, host, self.size + 1 + n)

    def _vpc(self, v: int) -> Iterator[Any]:
        vpc, table = self.vpc_id(v), self.table_id(v)
        made = Vpc(id=vpc, account=ACCOUNT, key=v + 1, meter=POOL_LOW + v)
        yield made
        yield from grouped.records(made, grouped.LIKE_OVN)
        yield RouteTable(id=table, account=ACCOUNT, vpc=vpc, default=True, key=v + 1)
        for kind in (LOCAL, INTERNET):
            id = f"route-{v:09d}{kind[:1]}"
            yield Route(id=id, account=ACCOUNT, vpc=vpc, table=table, prefix=ANYTHING, next_hop_type=kind)
        for s in range(self.subnets):
            block = Cidr(Ip4(0x0A000000 + (s << 8)), 24)
            key = v * self.subnets + s + 1
            yield Subnet(id=self.subnet_id(v, s), account=ACCOUNT, vpc=vpc, route_table=table, cidr=block, key=key)

    def _port(self, id: str, v: int, s: int, host: int, key: int) -> NetworkInterface:
        return NetworkInterface(
            id=id,
            account=ACCOUNT,
            vpc=self.vpc_id(v),
            subnet=self.subnet_id(v, s),
            mac=mac_of(key),
            addresses=(Ip4(0x0A000000 + (s << 8) + host),),
            security_groups=(self.group_id(v),),
            key=key,
        )

    def _eip(self, v: int) -> ElasticIp:
        return ElasticIp(
            id=f"fip-{v:010d}",
            account=ACCOUNT,
            pool="pool-bench",
            address=Ip4(PUBLIC.network + 0x8001 + v),
            bandwidth=10,
            port=self.port_id(v, 0, 0),
            private=Ip4(0x0A00000A),
            vpc=self.vpc_id(v),
            out_meter=POOL_LOW + 60_000 + 2 * v,
            in_meter=POOL_LOW + 60_001 + 2 * v,
            meter=POOL_LOW + 20_000 + v,
            piece_meter=POOL_LOW + 40_000 + v,
            out_zone=ZONES_LOW + 2 * v,
            in_zone=ZONES_LOW + 1 + 2 * v,
        )

    def real_mac(self, id: str) -> str:
        """The MAC address of a port with a real endpoint."""
        return str(mac_of(self.size + 1 + list(REAL).index(id)))
