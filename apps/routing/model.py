"""A route table says where a subnet's packets go: local first, then the longest prefix, then the lowest priority."""

from collections.abc import Sequence

from apps.vpc.model import ANYTHING, Subnet, Vpc
from sdnctl.base.addresses import Cidr, Ip4
from sdnctl.base.errors import IntentError
from sdnctl.model.resource import field, label, number, ref, resource
from sdnctl.program.feature import View
from sdnctl.store import Txn

LOCAL, INTERNET = "local", "internet"
INSTANCE, INTERFACE = "instance", "elastic_network_interface"
EVERYWHERE = Cidr(Ip4(0), 0)
DEFAULT_NAME = "default"
NEVER_ROUTED = tuple(Cidr.parse(text) for text in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"))
"""This network, loopback, link-local, multicast and what is reserved (RFC 6890)."""


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


@resource(prefix="route", reach="vpc", indexes=(("table", "next_hop_type"), ("next_hop",)))
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
        txn.put(new_route(txn, table, prefix, kind))
    return table


def new_route(txn: Txn, table: RouteTable, prefix: Cidr, kind: str) -> Route:
    """A rule of a table, not written yet; ``kind`` is its type of next hop."""
    return Route(
        id=txn.new_id(Route),
        account=table.account,
        vpc=table.vpc,
        table=table.id,
        prefix=prefix,
        next_hop_type=kind,
        created=txn.now,
    )


def hop_id(route: Route) -> str:
    """The next hop as the API names it: ``local`` and ``internet`` are their own."""
    return route.next_hop or (route.next_hop_type if route.next_hop_type in (LOCAL, INTERNET) else "")


def check_prefix(txn: Txn, table: RouteTable, prefix: Cidr) -> Cidr:
    """The prefix, if packets to it may get as far as the route table; raises IntentError otherwise.

    Local is the VPC's block, or where it has none the blocks of its subnets.
    """
    if prefix != EVERYWHERE and any(prefix.within(other) for other in NEVER_ROUTED):
        raise IntentError("addressPrefix", f"{prefix} is never routed")
    vpc = txn.get(Vpc, table.vpc)
    blocks = [vpc.cidr] if vpc is not None and vpc.cidr != ANYTHING else []
    if not blocks:
        subnets = (txn.get(Subnet, id) for id in txn.by(Subnet, ("vpc",), table.vpc))
        blocks = [subnet.cidr for subnet in subnets if subnet is not None]
    for local in blocks:
        if prefix.within(local):
            raise IntentError.precondition("addressPrefix", f"{prefix} is inside {local}, which is local to the VPC")
    return prefix


def check_together(routes: Sequence[Route]) -> None:
    """Raise IntentError when routes of one table are equal, or lead to the internet and elsewhere by one prefix."""
    seen: set[tuple[Cidr, int, str, str]] = set()
    public = {route.prefix for route in routes if route.next_hop_type == INTERNET}
    for route in routes:
        same = (route.prefix, route.priority, route.next_hop_type, route.next_hop)
        if same in seen:
            text = f"a rule for {route.prefix} with priority {route.priority} to {hop_id(route)} exists"
            raise IntentError("addressPrefix", text, 409, "ALREADY_EXISTS")
        seen.add(same)
        if route.next_hop_type != INTERNET and route.prefix in public:
            text = f"{route.prefix} leads to the internet, which shares a prefix with no other next hop"
            raise IntentError("addressPrefix", text, 409, "CONFLICT")


def check_unrouted(txn: Txn, id: str, field: str) -> None:
    """Raise IntentError when a route leads to this instance or interface, which therefore stays."""
    for route in sorted(txn.by(Route, ("next_hop",), id)):
        known = txn.get(Route, route)
        table = known.table if known is not None else ""
        raise IntentError.precondition(field, f"{id} is the next hop of {route} in {table}: remove that rule first")
