"""The two laboratories of ``bench.filters``: ours and OVN's, each with two machines, and the rules given to both."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple, Self

from apps.eni.facts import mac_of
from apps.eni.model import NetworkInterface
from apps.routing.model import LOCAL, Route, RouteTable
from apps.security_group.model import GroupRule, SecurityGroup
from apps.security_group.writes import new_default, new_rule, remove_rule, set_groups
from apps.vpc.model import ANYTHING, Subnet, Vpc
from bench.cloud import ACCOUNT, Cloud
from bench.grouped import LIKE_OVN, Rule
from bench.ours import HERE, Side
from bench.region import put
from sdnctl.base.addresses import Cidr, Ip4
from sdnctl.model.account import Account
from sdnctl.program.lifecycle import create
from sdnctl.program.meters import POOL_LOW
from sdnctl.store import Txn

STREAM, CONNECTS, CLOSED = 5201, (5202, 5203, 5204, 5205, 5206), 5300
"""The ports of the stream's server and of those that close each connection; the last one no rule names."""
SOURCE = Cidr.parse("10.0.0.0/16")
FIRST_PORT = 1000
GROUP = "sg-bench00000"
SETTLE_S = 0.5


class Ends(NamedTuple):
    """A path: the laboratory, the sender's namespace, the receiver's address."""

    lab: Any
    sender: str
    address: str


@dataclass(frozen=True, slots=True)
class Variant:
    """The rules of both sides; ``rules`` are TCP's, beside those of OVN's bench; None: everything is open."""

    name: str
    rules: int | None

    @property
    def closes(self) -> bool:
        """True when something is closed."""
        return self.rules is not None


def variants(counts: Sequence[int]) -> Iterator[Variant]:
    """All open, then so many rules."""
    yield Variant("all open", None)
    for count in counts:
        yield Variant(f"{count}", count)


def ports(count: int) -> Iterator[tuple[int, int]]:
    """The ports of so many rules: the last one allows what is measured."""
    yield from ((FIRST_PORT + n, FIRST_PORT + n) for n in range(count - 1))
    yield STREAM - 1, STREAM + 6


def rules_of(variant: Variant) -> Iterator[Rule]:
    """The rules of our group."""
    yield from LIKE_OVN
    for first, last in ports(variant.rules or 0):
        yield {"direction": "in", "protocol": "tcp", "first": first, "last": last, "cidr": SOURCE}


def acls_of(variant: Variant, topology: Any, group: str) -> Iterator[tuple[str, int, str, str]]:
    """The same as ACLs of OVN's port group."""
    if variant.rules is None:
        yield "from-lport", 1001, f"inport == @{group} && ip", "allow-related"
        yield "to-lport", 1001, f"outport == @{group} && ip", "allow-related"
        return
    topology.extra_acls = []
    yield from topology.acls(group)
    for first, last in ports(variant.rules):
        what = f"tcp.dst == {first}" if first == last else f"tcp.dst >= {first} && tcp.dst <= {last}"
        yield "to-lport", 1002, f"outport == @{group} && ip4.src == {SOURCE} && {what}", "allow-related"


def serve(peer: Any, lab: Any, ns: str) -> None:
    """The servers of a machine."""
    lab.spawn(f"stream-{ns}", ["iperf3", "-s", "-p", str(STREAM)], ns=ns)
    for port in (*CONNECTS, CLOSED):
        lab.spawn(f"conn-{ns}-{port}", peer.self_argv("_conn_server", port), ns=ns)


class OurSide(Side):
    """Two machines on three wires each: in a VPC with groups, in one without any, and at a plain switch."""

    def __init__(self, peer: Any) -> None:
        super().__init__(peer, Cloud(1, 1, 1, 0))
        self.lab.tag += "s"  # the other laboratory is of this process, too

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self.store.transact(self._fill)
            self._settle()
            serve(self.peer, self.lab, self.lab.ns_b)
            time.sleep(SETTLE_S)
        except BaseException:
            self.lab.close()
            raise
        return self

    @property
    def ends(self) -> Ends:
        """Through the VPC with groups."""
        return Ends(self.lab, self.lab.ns_a, "10.0.0.11")

    @property
    def bare(self) -> Ends:
        """Through the VPC without groups: the pipeline alone."""
        return Ends(self.lab, self.lab.ns_a, "10.1.0.11")

    @property
    def plain(self) -> Ends:
        """Through one NORMAL flow."""
        return Ends(self.lab, self.lab.ns_a, "192.168.77.11")

    def _switch(self) -> None:
        lab = self.lab
        lab.start_switch(False, {"sdnctl-host": HERE})
        lab.add_bridge("br-int", {"fail_mode": "secure"})
        lab.add_bridge("br-plain")
        lab.ns_a, lab.ns_b = lab.add_ns("a"), lab.add_ns("b")
        for place, ns in enumerate((lab.ns_a, lab.ns_b)):
            for wire, bridge in enumerate(("br-int", "br-int", "br-plain")):
                net = ("10.0.0", "10.1.0", "192.168.77")[wire]
                name = f"w{wire}-{place}"
                lab.veth(name, ns, f"eth{wire}", str(mac_of(_key(wire, place))), f"{net}.{10 + place}/24")
                lab.add_ports([(name, "", _port(wire, place) if bridge == "br-int" else None)], bridge)

    def _fill(self, txn: Txn) -> None:
        put([Account(id=ACCOUNT)])(txn)
        for wire in range(2):
            vpc = Vpc(id=f"vpc-{wire}", account=ACCOUNT, key=wire + 1, meter=POOL_LOW + wire)
            table = RouteTable(id=f"rtb-{wire}", account=ACCOUNT, vpc=vpc.id, default=True, key=wire + 1)
            route = {"vpc": vpc.id, "table": table.id, "prefix": ANYTHING, "next_hop_type": LOCAL}
            block = Cidr(Ip4(0x0A000000 + (wire << 16)), 24)
            subnet = {"vpc": vpc.id, "route_table": table.id, "cidr": block, "key": wire + 1}
            put([vpc, table, Route(id=f"route-{wire}", account=ACCOUNT, **route)])(txn)
            put([Subnet(id=f"subnet-{wire}", account=ACCOUNT, **subnet)])(txn)
            if not wire:
                new_default(txn, vpc)
                txn.put(SecurityGroup(id=GROUP, account=ACCOUNT, vpc=vpc.id, name="measured"))
            for place in range(2):
                # What is only written, and not born, is in no group.
                txn.put(_interface(wire, place)) if wire else create(txn, _interface(wire, place))

    def rule(self, variant: Variant) -> None:
        """Give both machines of the first VPC the rules, and wait until the switch obeys them."""

        def work(txn: Txn) -> None:
            group = txn.get(SecurityGroup, GROUP)
            assert group is not None
            for known in txn.many(GroupRule, sorted(txn.by(GroupRule, ("group",), GROUP))):
                remove_rule(txn, known)
            for rule in rules_of(variant) if variant.closes else ():
                fields = {**rule, "peer": GROUP if rule.get("peer") else ""}
                new_rule(txn, group, fields.pop("direction"), **fields)
            for place in range(2):
                port = txn.get(NetworkInterface, _port(0, place))
                assert port is not None
                set_groups(txn, port, [GROUP] if variant.closes else [])

        self.store.transact(work)
        self._settle()

    def _settle(self) -> None:
        self.seen.wait(self.store.state.sequence)


def _key(wire: int, place: int) -> int:
    return 1 + 2 * wire + place


def _port(wire: int, place: int) -> str:
    return f"port-{wire}-{place}"


def _interface(wire: int, place: int) -> NetworkInterface:
    key = _key(wire, place)
    address = Ip4(0x0A000000 + (wire << 16) + 10 + place)
    where = {"vpc": f"vpc-{wire}", "subnet": f"subnet-{wire}"}
    return NetworkInterface(
        id=_port(wire, place), account=ACCOUNT, mac=mac_of(key), addresses=(address,), key=key, **where
    )


class OvnSide:
    """OVN's laboratory for packets, two of whose machines are used."""

    def __init__(self, peer: Any) -> None:
        self.peer = peer
        self.lab = peer.Lab()

    def __enter__(self) -> Self:
        try:
            self._topology, self._ns, _, _ = self.peer.dataplane_lab(self.lab)
            self._vacate()
            serve(self.peer, self.lab, self._ns["b"])
            time.sleep(SETTLE_S)
        except BaseException:
            self.lab.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lab.close()

    def _vacate(self) -> None:
        """End the laboratory's own servers, whose ports are wanted."""
        for name in [name for name in self.lab.procs if name.startswith(("iperf-", "conn-"))]:
            self.lab.stop(name)

    @property
    def ends(self) -> Ends:
        """Through OVN, in one subnet."""
        return Ends(self.lab, self._ns["a"], "10.0.0.241")

    def rule(self, variant: Variant) -> None:
        """Give all ports the rules, and wait until the switch has them."""
        ops, ids = [], []
        for number, acl in enumerate(acls_of(variant, self._topology, "pg0")):
            row = self._topology.acl_row(*acl)
            ops.append({"op": "insert", "table": "ACL", "uuid-name": f"a{number}", "row": row})
            ids.append(self.peer.named(f"a{number}"))
        where = [["name", "==", "pg0"]]
        acls = {"acls": self.peer.oset(ids)}
        ops.append({"op": "update", "table": "Port_Group", "where": where, "row": acls})
        self.lab.commit_hv(ops, timeout=120)
        time.sleep(SETTLE_S)
