"""Small networks for tests, written as intent: each call is what an API call would have put into the store."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from apps.bandwidth_package.model import BandwidthPackage, PackageMember
from apps.bandwidth_package.writes import divide_anew
from apps.eip.model import ElasticIp
from apps.eni.facts import mac_of
from apps.eni.model import NetworkInterface
from apps.nat_gateway.model import DnatRule, NatGateway
from apps.nat_gateway.writes import new_gateway
from apps.routing.model import INTERNET, LOCAL, Route, RouteTable
from apps.routing.targets import next_hops
from apps.security_group.model import Direction, GroupProfile, GroupRule, SecurityGroup
from apps.security_group.writes import new_rule
from apps.uplink.model import GatewayNeighbour, Pool
from apps.vpc.model import ANYTHING, Subnet, Vpc
from sdnctl.base.addresses import Cidr, Ip4, Mac
from sdnctl.engine.desired import Touched
from sdnctl.engine.engine import Engine
from sdnctl.model.account import Account
from sdnctl.model.host import SWITCH, UPLINK, Binding, Grace, Host, LocalPort, LocalUplink
from sdnctl.program.feature import discover
from sdnctl.program.lifecycle import create
from sdnctl.store import Change, Txn
from sdnctl.store.memory import MemoryStore, everything

HERE = "host-1"
ELSEWHERE = "host-2"
DIRECTIONS: tuple[Direction, ...] = ("in", "out")


class Network:
    """A store being filled, and the local facts of one host beside it."""

    def __init__(self) -> None:
        self.program = discover()
        self.store = MemoryStore(clock=lambda: 1_800_000_000.0)
        self.local: dict[tuple[type, str], Any] = {}
        self.store.report(lambda txn: txn.put(Host(id=HERE)))
        self.store.report(lambda txn: txn.put(Host(id=ELSEWHERE)))
        self._put(Account(id="acc"))

    def _put(self, record: Any) -> Any:
        self.store.transact(lambda txn: txn.put(record))
        return record

    def vpc(self, name: str, cidr: str = "") -> Vpc:
        """A VPC with its default route table and its default security group (``sg-NAME``, everything both ways)."""

        def work(txn: Txn) -> Vpc:
            block = Cidr.parse(cidr) if cidr else ANYTHING
            vpc = Vpc(
                id=f"vpc-{name}",
                account="acc",
                cidr=block,
                key=txn.allocate(Vpc, "key"),
                meter=txn.allocate(Vpc, "meter"),
            )
            txn.put(vpc)
            key = txn.allocate(RouteTable, "key")
            table = RouteTable(id=f"rtb-{name}", account="acc", vpc=vpc.id, default=True, key=key)
            txn.put(table)
            for kind, prefix in ((LOCAL, block), (INTERNET, ANYTHING)):
                id = f"route-{name}-{kind}"
                txn.put(Route(id=id, account="acc", vpc=vpc.id, table=table.id, prefix=prefix, next_hop_type=kind))
            group = SecurityGroup(id=f"sg-{name}", account="acc", vpc=vpc.id, default=True, name="default")
            txn.put(group)
            for direction in DIRECTIONS:
                new_rule(txn, group, direction, id=f"sgr-{name}-{direction}", origin="default")
            return vpc

        return self.store.transact(work)

    def table(self, vpc: Vpc, name: str, *subnets: Subnet) -> RouteTable:
        """A custom route table without routes, used by some subnets."""

        def work(txn: Txn) -> RouteTable:
            key = txn.allocate(RouteTable, "key")
            table = RouteTable(id=f"rtb-{name}", account="acc", vpc=vpc.id, key=key)
            txn.put(table)
            for subnet in subnets:
                txn.put(replace(subnet, route_table=table.id))
            return table

        return self.store.transact(work)

    def route(self, table: RouteTable, prefix: str, to: Any = None, priority: int = 100) -> Route:
        """A rule to a record that may be a next hop, or to the internet."""
        kinds = {known.of: kind for kind, known in next_hops().items()}
        kind = kinds[type(to).__name__] if to else INTERNET
        hop = to.id if to else ""
        route = Route(
            id=f"route-{table.id}-{prefix}-{hop}-{priority}",
            account="acc",
            vpc=table.vpc,
            table=table.id,
            prefix=Cidr.parse(prefix),
            next_hop_type=kind,
            next_hop=hop,
            priority=priority,
        )
        self._put(route)
        return route

    def package(self, name: str, mbps: int, **limits: int) -> BandwidthPackage:
        """A bandwidth package ``bwp-NAME`` with the elastic IPs of those names in it, by their limits."""

        def work(txn: Txn) -> BandwidthPackage:
            made = BandwidthPackage(id=f"bwp-{name}", account="acc", bandwidth=mbps)
            txn.put(made)
            for eip, limit in limits.items():
                vpc = txn.many(ElasticIp, [f"fip-{eip}"])[0].vpc
                txn.put(
                    PackageMember(
                        id=f"bwpm-{eip}", account="acc", package=made.id, eip=f"fip-{eip}", vpc=vpc, limit=limit
                    )
                )
            divide_anew(txn, made)
            return made

        return self.store.transact(work)

    def group(self, vpc: Vpc, name: str) -> SecurityGroup:
        """A custom security group without rules, ``sg-NAME``."""
        group = SecurityGroup(id=f"sg-{name}", account="acc", vpc=vpc.id, name=name)
        self._put(group)
        return group

    def rule(self, group: SecurityGroup, direction: Direction, **fields: Any) -> GroupRule:
        """A rule of a security group, ``sgr-…-N``: everything from or to anywhere, but for the fields given."""

        def work(txn: Txn) -> GroupRule:
            number = len(txn.by(GroupRule, ("group",), group.id)) + 1
            name = group.id.removeprefix("sg-")
            return new_rule(txn, group, direction, **{"id": f"sgr-{name}-{number}", **fields})

        return self.store.transact(work)

    def ungrouped(self, vpc: str = "") -> "Network":
        """The same network without any security group (of one VPC), so that nothing but its own feature judges."""

        def work(txn: Txn) -> None:
            for cls in (GroupProfile, GroupRule, SecurityGroup):
                for id, one in self.store.state.all(cls).items():
                    if vpc in ("", one.vpc):
                        txn.delete(cls, id)

        self.store.transact(work)
        return self

    def subnet(self, vpc: Vpc, name: str, cidr: str) -> Subnet:
        """A subnet under the VPC's default route table."""

        def work(txn: Txn) -> Subnet:
            subnet = Subnet(
                id=f"subnet-{name}",
                account="acc",
                vpc=vpc.id,
                route_table=vpc.id.replace("vpc", "rtb"),
                cidr=Cidr.parse(cidr),
                key=txn.allocate(Subnet, "key"),
            )
            txn.put(subnet)
            return subnet

        return self.store.transact(work)

    def port(
        self,
        subnet: Subnet,
        name: str,
        *addresses: str,
        host: str = HERE,
        check: bool = True,
        groups: Sequence[SecurityGroup] = (),
    ) -> NetworkInterface:
        """A network interface; on ``HERE`` its switch port number is its key plus 100, ``""`` leaves it unbound.

        Without ``groups`` it is in the VPC's default group.
        """

        def work(txn: Txn) -> NetworkInterface:
            key = txn.allocate(NetworkInterface, "key")
            port = NetworkInterface(
                id=f"port-{name}",
                account="acc",
                vpc=subnet.vpc,
                subnet=subnet.id,
                mac=mac_of(key),
                addresses=tuple(Ip4.parse(a) for a in addresses),
                key=key,
                sanity_check=check,
                security_groups=tuple(group.id for group in groups),
            )
            return create(txn, port)

        port = self.store.transact(work)
        if host:
            self.bind(port, host)
        return port

    def bind(self, port: NetworkInterface, host: str = HERE) -> None:
        """The port appears on a host."""
        self.store.report(lambda txn: txn.put(Binding(id=port.id, port=port.id, vpc=port.vpc, host=host)))
        if host == HERE:
            self.local[LocalPort, port.id] = LocalPort(id=port.id, ofport=port.key + 100, zone=port.key)

    def grace(self, whose: str = SWITCH) -> None:
        """The host's switch has just started, or this interface has just moved here."""
        self.local[Grace, whose] = Grace(id=whose)

    def uplink(self, ofport: int = 9, pool: str = "203.0.113.0/24", gateway: str = "203.0.113.1") -> Pool:
        """The host's uplink, and a pool of public addresses whose gateway is known."""
        self.local[LocalUplink, UPLINK] = LocalUplink(id=UPLINK, ofport=ofport, mac=Mac.parse("02:00:00:00:00:09"))
        key = 1
        made = self._put(Pool(id="pool-1", cidr=Cidr.parse(pool), gateway=Ip4.parse(gateway), key=key))
        mac = Mac.parse("02:00:00:00:00:01")
        neighbour = GatewayNeighbour(id=f"{HERE}/pool-1", host=HERE, pool="pool-1", mac=mac)
        self.store.report(lambda txn: txn.put(neighbour))
        return made  # type: ignore[no-any-return]

    def eip(
        self, name: str, address: str, port: NetworkInterface | None = None, mbps: int = 5, place: int = 0
    ) -> ElasticIp:
        """An elastic IP, bound to a port's address at ``place`` (0 is the primary one), or to nothing."""

        def work(txn: Txn) -> ElasticIp:
            made = ElasticIp(
                id=f"fip-{name}",
                account="acc",
                pool="pool-1",
                address=Ip4.parse(address),
                bandwidth=mbps,
                port=port.id if port else "",
                private=port.addresses[place] if port else Ip4(0),
                vpc=port.vpc if port else "",
                out_meter=txn.allocate(ElasticIp, "out_meter"),
                in_meter=txn.allocate(ElasticIp, "in_meter"),
                meter=txn.allocate(ElasticIp, "meter"),
                piece_meter=txn.allocate(ElasticIp, "piece_meter"),
                out_zone=txn.allocate(ElasticIp, "out_zone"),
                in_zone=txn.allocate(ElasticIp, "in_zone"),
            )
            txn.put(made)
            return made

        return self.store.transact(work)

    def nat_gateway(self, name: str, subnet: Subnet, *eips: str) -> NatGateway:
        """A NAT gateway in a subnet, on this host, with elastic IPs ``fip-NAME-N`` of these addresses."""

        made = self.store.transact(lambda txn: new_gateway(txn, subnet, name))
        self.store.report(lambda txn: txn.put(Binding(id=made.port, port=made.port, vpc=made.vpc, host=HERE)))
        for number, address in enumerate(eips):
            self.eip(f"{name}-{number}", address, self.port_of(made.port))
        return made

    def dnat(
        self,
        name: str,
        natgw: NatGateway,
        eip: str,
        protocol: str,
        port: NetworkInterface,
        first: int = 0,
        last: int = 0,
        inside: int = 0,
    ) -> DnatRule:
        """A rule ``dnat-NAME`` that opens ports of an elastic IP, the same ones inside unless told otherwise."""

        def work(txn: Txn) -> DnatRule:
            made = DnatRule(
                id=f"dnat-{name}",
                account="acc",
                vpc=natgw.vpc,
                gateway=natgw.id,
                eip=eip,
                protocol=protocol,
                address=port.addresses[0],
                first=first,
                last=last,
                inside=inside or first,
                key=txn.allocate(DnatRule, "key"),
            )
            txn.put(made)
            return made

        return self.store.transact(work)

    def table_of(self, id: str) -> RouteTable:
        """The route table with an id."""
        return self.store.state.all(RouteTable)[id]

    def subnet_of(self, id: str) -> Subnet:
        """The subnet with an id, as it is now."""
        return self.store.state.all(Subnet)[id]

    def port_of(self, id: str) -> NetworkInterface:
        """The network interface with an id."""
        return self.store.state.all(NetworkInterface)[id]

    def changes(self) -> list[Change]:
        """Everything, as the changes that would make it from nothing."""
        local = [Change(cls, id, None, record) for (cls, id), record in self.local.items()]
        return everything(self.store.state) + local

    def engine(self) -> Engine:
        """An engine that has seen everything at once; a unit that fails raises."""
        engine = Engine(self.program, HERE)
        engine.apply(self.changes(), strict=True)
        return engine


def follow(network: Network, engine: Engine) -> list[Touched]:
    """Let an engine see each further commit; what each touched is appended to the list."""
    touched: list[Touched] = []
    first = True

    def deliver(batch: Any) -> None:
        nonlocal first
        if first:
            first = False
            return
        touched.append(engine.apply(batch.changes, strict=True))

    network.store.subscribe(deliver)
    return touched
