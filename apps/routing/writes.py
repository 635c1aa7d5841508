"""Changes of route tables within a transaction, and the rules that they keep."""

from collections.abc import Sequence
from dataclasses import replace

from apps.eni.model import NetworkInterface
from apps.routing.facts import hop_id
from apps.routing.model import EVERYWHERE, INTERNET, LOCAL, Route, RouteTable
from apps.routing.tables import SLOTS
from apps.vpc.model import ANYTHING, Subnet, Vpc
from sdnctl.base.addresses import NEVER_FORWARDED, Cidr
from sdnctl.base.errors import IntentError
from sdnctl.program.lifecycle import blocks, born, changed
from sdnctl.program.weight import Weighed, weighs
from sdnctl.store import Txn

DEFAULT_NAME = "default"


def _flows(records: Weighed, account: str) -> int:
    """One for each prefix, and the slots of each set of next hops, which the prefixes that lead to it share."""
    equal: dict[tuple[str, Cidr, int], set[str]] = {}
    vpcs: dict[str, str] = {}
    for route in records.many(Route, records.by(Route, ("account",), account)):
        if route.next_hop_type != LOCAL:
            equal.setdefault((route.table, route.prefix, route.priority), set()).add(route.next_hop)
            vpcs[route.table] = route.vpc
    shared = {(vpcs[table], frozenset(hops)) for (table, _, _), hops in equal.items() if len(hops) > 1}
    return len(equal) + SLOTS * len(shared)


FLOWS = weighs(Route, 1, most=SLOTS // 2 + 1, exactly=_flows)
"""A rule of two that are equal costs the most: half of their slots."""


@born(Vpc)
def default_table(vpc: Vpc, txn: Txn) -> None:
    """The table that a VPC is born with: its own block is local, everything else goes to the internet."""
    table = RouteTable(
        id=txn.new_id(RouteTable),
        account=vpc.account,
        vpc=vpc.id,
        default=True,
        key=txn.allocate(RouteTable, "key"),
        name=DEFAULT_NAME,
        created=txn.now,
    )
    txn.put(table)
    for prefix, kind in ((vpc.cidr, LOCAL), (EVERYWHERE, INTERNET)):
        txn.put(new_route(txn, table, prefix, kind))


@changed(Vpc)
def local_routes(before: Vpc, after: Vpc, txn: Txn) -> None:
    """Keep the rule local of each of a VPC's tables equal to the VPC's block."""
    for id in sorted(txn.by(Route, ("vpc",), after.id)) if after.cidr != before.cidr else ():
        route = txn.get(Route, id)
        if route is not None and route.next_hop_type == LOCAL:
            txn.put(replace(route, prefix=after.cidr))


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


def check_prefix(txn: Txn, table: RouteTable, prefix: Cidr) -> Cidr:
    """The prefix, if packets to it may get as far as the route table; raises IntentError otherwise.

    Local is the VPC's block, or where it has none the blocks of its subnets.
    """
    if prefix != EVERYWHERE and any(prefix.within(other) for other in NEVER_FORWARDED):
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


@blocks(NetworkInterface)
def interface_routed(port: NetworkInterface, txn: Txn) -> str:
    """A route that leads to the interface."""
    return routed(port.id, txn)


def routed(id: str, txn: Txn) -> str:
    """The reason why the next hop of a route stays; "" for what is none."""
    for route in sorted(txn.by(Route, ("next_hop",), id)):
        known = txn.get(Route, route)
        table = known.table if known is not None else ""
        return f"{id} is the next hop of {route} in {table}: remove that rule first"
    return ""
