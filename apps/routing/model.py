"""A route table says where a subnet's packets go: local first, then the longest prefix, then the lowest priority."""

from sdnctl.addresses import Cidr, Ip4
from sdnctl.feature import View
from sdnctl.model import field, label, number, ref, resource
from sdnctl.store import Txn

LOCAL, INTERNET = "local", "internet"
INSTANCE, INTERFACE = "instance", "elastic_network_interface"
EVERYWHERE = Cidr(Ip4(0), 0)
DEFAULT_NAME = "default"


@resource(prefix="rtb", indexes=(("vpc", "default"),))
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


@resource(prefix="route", indexes=(("table", "next_hop_type"), ("next_hop",)))
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


def leads_to_internet(table: str, here: str, view: View) -> bool:
    """Whether any route of a table leads to the internet: only then do elastic IPs work behind it."""
    return view.any(Route, ("table", "next_hop_type"), (table, INTERNET))


def make_default(txn: Txn, account: str, vpc: str, block: Cidr) -> RouteTable:
    """The table that a VPC is born with: its own ``block`` is local, everything else goes to the internet."""
    table = RouteTable(
        id=txn.new_id(RouteTable),
        account=account,
        vpc=vpc,
        default=True,
        key=txn.allocate(RouteTable, "key"),
        name=DEFAULT_NAME,
        created=txn.now,
    )
    txn.put(table)
    for prefix, kind in ((block, LOCAL), (EVERYWHERE, INTERNET)):
        txn.put(
            Route(
                id=txn.new_id(Route),
                account=account,
                vpc=vpc,
                table=table.id,
                prefix=prefix,
                next_hop_type=kind,
                created=txn.now,
            )
        )
    return table
