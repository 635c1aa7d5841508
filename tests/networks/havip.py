"""HaVips with a master on this host, on another one, and with none."""

from collections.abc import Sequence

from apps.eni.facts import mac_of
from apps.eni.model import NetworkInterface
from apps.havip.model import HaVip, HaVipMember
from apps.routing.model import Route
from apps.vpc.model import Subnet
from sdnctl.base.addresses import Cidr, Ip4
from sdnctl.model.host import Binding
from sdnctl.program.lifecycle import create
from sdnctl.store import Txn
from tests.build import ELSEWHERE, HERE, Network


def shared(
    net: Network,
    subnet: Subnet,
    name: str,
    address: str,
    members: Sequence[NetworkInterface],
    master: int = -1,
    check: str = "",
) -> NetworkInterface:
    """A HaVip, ``havip-NAME``, behind one of its members or nobody; its interface, ``port-NAME``."""

    def work(txn: Txn) -> NetworkInterface:
        key = txn.allocate(NetworkInterface, "key")
        id = f"havip-{name}"
        port = NetworkInterface(
            id=f"port-{name}",
            account="acc",
            vpc=subnet.vpc,
            subnet=subnet.id,
            mac=mac_of(key),
            addresses=(Ip4.parse(address),),
            key=key,
            managed="havip",
            owner=id,
        )
        made = create(txn, port)
        txn.put(HaVip(id=id, account="acc", vpc=subnet.vpc, subnet=subnet.id, port=port.id, name=name, check=check))
        for one in members:
            member = HaVipMember(id=f"{id}-{one.id}", account="acc", havip=id, vpc=subnet.vpc, port=one.id)
            txn.put(member)
        return made

    port = net.store.transact(work)
    if master >= 0:
        claimed(net, port, members[master])
    return port


def claimed(net: Network, port: NetworkInterface, member: NetworkInterface, turn: int = 1) -> None:
    """The interface of a HaVip is behind a member, wherever that is."""
    front = net.store.state.get(Binding, member.id)
    assert front is not None
    made = Binding(id=port.id, port=port.id, vpc=port.vpc, host=front.host, behind=member.id, turn=turn)
    net.store.report(lambda txn: txn.put(made))


def led(net: Network, table: str, prefix: str, name: str) -> None:
    """A route by a HaVip."""
    found = net.table_of(table)
    route = Route(
        id=f"route-{table}-{prefix}-{name}",
        account="acc",
        vpc=found.vpc,
        table=table,
        prefix=Cidr.parse(prefix),
        next_hop_type="havip",
        next_hop=f"havip-{name}",
    )
    net.store.transact(lambda txn: txn.put(route))


def havips() -> Network:
    """Three HaVips of one subnet: behind a member here, with an elastic IP; behind one elsewhere; behind nobody."""
    net = Network()
    net.uplink()
    vpc = net.vpc("a", "10.0.0.0/16")
    front, back = net.subnet(vpc, "a1", "10.0.1.0/24"), net.subnet(vpc, "a2", "10.0.2.0/24")
    one, two = net.port(front, "a1", "10.0.1.10"), net.port(front, "a2", "10.0.1.11", check=False)
    far = net.port(front, "a3", "10.0.1.12", host=ELSEWHERE)
    net.port(back, "b1", "10.0.2.10", host=HERE)
    near = shared(net, front, "near", "10.0.1.100", (one, two, far), 0)
    shared(net, front, "away", "10.0.1.101", (one, far), 1, "Icmp")
    shared(net, front, "none", "10.0.1.102", (two, far))
    net.eip("near", "203.0.113.10", near)
    for name, prefix in (("near", "8.8.8.0/24"), ("away", "8.8.9.0/24"), ("none", "9.9.9.0/24")):
        led(net, "rtb-a", prefix, name)
    return net
