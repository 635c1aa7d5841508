"""A load balancer is an address of a subnet whose listeners share connections among targets of its VPC."""

from sdnctl.base.addresses import Ip4
from sdnctl.model.resource import field, label, number, ref, resource
from sdnctl.program.zones import POOL, POOL_HIGH, POOL_LOW

KIND = "lb"
"""The kind of owner of the managed interface that has a load balancer's address (the VIP)."""
PROTOCOLS = {"Tcp": 6, "Udp": 17}
BY_ADDRESS = "IpHash"
"""The algorithm that keeps a client at one target; any other spreads its connections."""


@resource(prefix="lb", reach="vpc")
class LoadBalancer:
    """A load balancer of type ``kind``, nlb or dnlb; its address is that of its managed interface ``port``."""

    id: str
    account: str = ref("Account")
    vpc: str = ref("Vpc")
    subnet: str = ref("Subnet")
    port: str = ref("NetworkInterface")
    kind: str = label(default="nlb")
    started: bool = field(default=True)
    protected: bool = label(default=False)
    azs: tuple[str, ...] = label(default=())
    name: str = label(default="")
    description: str = label(default="")
    tags: dict[str, str] = label(default={})
    created: float = label(default=0.0)


@resource(prefix="tg", reach="vpc")
class TargetGroup:
    """Targets among which connections are shared; ``kind`` is instance or ip."""

    id: str
    account: str = ref("Account")
    vpc: str = ref("Vpc")
    balancer: str = ref("LoadBalancer")
    kind: str = label(default="instance")
    name: str = label(default="")
    description: str = label(default="")
    created: float = label(default=0.0)


@resource(prefix="target", reach="vpc", indexes=(("vpc", "address"),))
class Target:
    """An address of an interface that takes connections at ``own_port``, 0 for that of the backend.

    With ``weight`` 0 it gets no new ones.  ``key`` is its number on the wire.
    """

    id: str
    account: str = ref("Account")
    vpc: str = ref("Vpc")
    group: str = ref("TargetGroup", on_delete="cascade")
    port: str = ref("NetworkInterface")
    address: Ip4 = field()
    key: int = number("target key", 1, 65_535)
    own_port: int = field(default=0)
    weight: int = field(default=10)
    kind: str = label(default="vm")
    instance: str = label(default="")
    created: float = label(default=0.0)


@resource(prefix="backend", reach="vpc")
class Backend:
    """The way in which a listener's connections are shared among a target group, and the port of its targets.

    ``sticky`` keeps a client at one target.  The check, the drain time and the time of stickiness are kept and shown.
    """

    id: str
    account: str = ref("Account")
    vpc: str = ref("Vpc")
    balancer: str = ref("LoadBalancer")
    group: str = ref("TargetGroup", default="", on_delete="clear")
    protocol: str = field(default="Tcp")
    port: int = field(default=80)
    key: int = number("backend key", 1, 65_535)
    algorithm: str = field(default="RoundRobin")
    sticky: bool = field(default=False)
    sticky_s: int = label(default=300)
    drain_s: int = label(default=300)
    check: dict[str, str] = label(default={})
    name: str = label(default="")
    description: str = label(default="")
    created: float = label(default=0.0)


@resource(prefix="listener", reach="vpc", indexes=(("balancer", "protocol", "port"),))
class Listener:
    """A port of a load balancer, while it is ``on``."""

    id: str
    account: str = ref("Account")
    vpc: str = ref("Vpc")
    balancer: str = ref("LoadBalancer")
    backend: str = ref("Backend")
    protocol: str = field(default="Tcp")
    port: int = field(default=80)
    on: bool = field(default=True)
    idle_s: int = label(default=1800)
    name: str = label(default="")
    description: str = label(default="")
    created: float = label(default=0.0)


@resource(reach="vpc")
class Balanced:
    """The zones of the load balancers of a VPC; the id is the VPC's.

    In ``zone`` the switch that chooses a target knows connections, in ``inner`` the target's own switch knows those
    that came by an elastic IP.
    """

    id: str
    vpc: str = ref("Vpc", on_delete="cascade")
    zone: int = number(POOL, POOL_LOW, POOL_HIGH)
    inner: int = number(POOL, POOL_LOW, POOL_HIGH)
