"""Load balancers: one with two listeners and targets of three weights, one without targets, and one that is stopped."""

from apps.load_balancer.model import Backend, Listener, LoadBalancer, Target, TargetGroup
from apps.load_balancer.writes import add_target, new_balancer
from apps.vpc.model import Subnet
from sdnctl.base.addresses import Ip4
from sdnctl.model.host import Binding
from sdnctl.store import Txn
from tests.build import ELSEWHERE, HERE, Network

PORTS = {"Tcp": 80, "Udp": 53}


def balanced() -> Network:
    """Targets in two subnets and on two hosts; another VPC with the same addresses."""
    net = Network()
    net.uplink()
    for name in ("a", "b"):
        vpc = net.vpc(name, "10.0.0.0/16")
        subnets = [net.subnet(vpc, f"{name}{n}", f"10.0.{n}.0/24") for n in (1, 2)]
        ports = [
            net.port(subnets[0], f"{name}-client", "10.0.1.10"),
            net.port(subnets[0], f"{name}-one", "10.0.1.21"),
            net.port(subnets[1], f"{name}-two", "10.0.2.22"),
            net.port(subnets[1], f"{name}-far", "10.0.2.23", host=ELSEWHERE),
        ]
        if name == "a":
            group = balancer(net, subnets[0], "10.0.1.100")
            for weight, port in enumerate(ports[1:], 1):
                member(net, group, port.id, weight)
            balancer(net, subnets[1], "10.0.2.100")
            member(net, balancer(net, subnets[1], "10.0.2.101", started=False), ports[1].id, 1)
    return net


def balanced_outside() -> Network:
    """Load balancers with an elastic IP: with two targets, none, one on another host; stopped; with the limit 0.

    The last VPC has the same addresses, and no way to the internet.
    """
    net = Network()
    net.uplink()
    for name in ("a", "b"):
        vpc = net.vpc(name, "10.0.0.0/16")
        subnets = [net.subnet(vpc, f"{name}{n}", f"10.0.{n}.0/24") for n in (1, 2)]
        if name == "b":
            net.table(vpc, "nowhere", *subnets)
        ports = [
            net.port(subnets[0], f"{name}-one", "10.0.1.21"),
            net.port(subnets[1], f"{name}-two", "10.0.2.22"),
            net.port(subnets[1], f"{name}-far", "10.0.2.23", host=ELSEWHERE),
        ]
        outside = 20 if name == "a" else 30
        two = balancer(net, subnets[0], f"10.0.1.{80 + outside}", f"203.0.113.{outside}")
        member(net, two, ports[0].id, 1)
        member(net, two, ports[1].id, 2)
        if name == "a":
            net.eip("own", "203.0.113.40", ports[1])
            balancer(net, subnets[0], "10.0.1.101", "203.0.113.21")
            member(net, balancer(net, subnets[0], "10.0.1.102", "203.0.113.22"), ports[2].id, 1)
            off = balancer(net, subnets[1], "10.0.2.103", "203.0.113.23", started=False)
            zero = balancer(net, subnets[1], "10.0.2.104", "203.0.113.24")
            for group in (off, zero):
                member(net, group, ports[0].id, 1)
            net.package("p", 50, **{"lb-10.0.2.104": 0})
    return net


def balancer(net: Network, subnet: Subnet, address: str, public: str = "", *, started: bool = True) -> TargetGroup:
    """A load balancer with a listener and a backend for each protocol; the target group of both.

    With an elastic IP, ``public``, this host presents it.
    """

    def work(txn: Txn) -> TargetGroup:
        made = new_balancer(txn, subnet, "nlb", Ip4.parse(address))
        own = {"account": made.account, "vpc": made.vpc, "balancer": made.id}
        if not started:
            txn.put(LoadBalancer(**{**_fields(made), "started": False}))
        group = TargetGroup(id=f"tg-{address}", **own)
        txn.put(group)
        for protocol, port in PORTS.items():
            key = txn.allocate(Backend, "key")
            id = f"backend-{address}-{protocol}"
            txn.put(Backend(id=id, **own, group=group.id, protocol=protocol, port=port, key=key))
            txn.put(Listener(id=f"listener-{address}-{protocol}", **own, backend=id, protocol=protocol, port=port))
        return group

    group = net.store.transact(work)
    if public:
        made = net.store.state.all(LoadBalancer)[group.balancer]
        net.store.report(lambda txn: txn.put(Binding(id=made.port, port=made.port, vpc=made.vpc, host=HERE)))
        net.eip(f"lb-{address}", public, net.port_of(made.port))
    return group


def member(net: Network, group: TargetGroup, port: str, weight: int) -> None:
    """A target of a group, at the primary address of an interface."""

    def work(txn: Txn) -> None:
        at = net.port_of(port)
        made = add_target(txn, group, at, at.addresses[0], 0)
        txn.put(Target(**{**_fields(made), "weight": weight}))

    net.store.transact(work)


def _fields(record: object) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}  # type: ignore[attr-defined]
