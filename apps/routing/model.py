"""A route table says where a subnet's packets go: local first, then the longest prefix, then the lowest priority."""

from sdnctl.base.addresses import Cidr, Ip4
from sdnctl.model.resource import field, label, number, ref, resource

LOCAL, INTERNET = "local", "internet"
INSTANCE, INTERFACE = "instance", "elastic_network_interface"
EVERYWHERE = Cidr(Ip4(0), 0)


@resource(prefix="rtb", reach="vpc", indexes=(("vpc", "default"),))
class RouteTable:
    """The rules that its subnets share; a VPC's ``default`` table is made and deleted with the VPC."""

    id: str
    account: str = ref("Account")
    vpc: str = ref("Vpc", on_delete="cascade")
    default: bool = field(default=False)
    key: int = number("route table key", 1, 2**24 - 1)
    name: str = label(default="")
    description: str = label(default="")
    tags: dict[str, str] = label(default={})
    created: float = label(default=0.0)


@resource(
    prefix="route", reach="vpc", indexes=(("table", "next_hop_type"), ("table", "prefix", "priority"), ("next_hop",))
)
class Route:
    """One rule: packets to ``prefix`` take ``next_hop`` (an id, empty for ``local`` and ``internet``)."""

    id: str
    account: str = ref("Account")
    vpc: str = ref("Vpc", on_delete="cascade")
    table: str = ref("RouteTable", on_delete="cascade")
    prefix: Cidr = field()
    next_hop_type: str = field()
    next_hop: str = field(default="")
    priority: int = field(default=100)
    origin: str = label(default="static")
    description: str = label(default="")
    created: float = label(default=0.0)
