"""Tables of the router in the path: the hop limit, then the route table of the subnet."""

from apps.pipeline import PIPELINE, ROUTER, SUBNET, VPC
from sdnctl.of.fields import ETH_TYPE, IP_DST, IP_FRAG, IP_PROTO, IP_TTL, UDP_DST, UDP_SRC

ROUTER_ITSELF = PIPELINE.reason(
    "router-itself", "the router offers no service but ping", "ask a machine: the router answers ping only"
)
NO_ROUTE = PIPELINE.reason(
    "no-route", "the subnet's route table has no route to the destination", "add a route: sdnctl route-table add-rule"
)
NO_NEXT_HOP = PIPELINE.reason(
    "no-next-hop",
    "the route's next hop has no network interface in this VPC any more",
    "change the route, whose next hop is gone: sdnctl route-table get",
)

ROUTE_TABLE = PIPELINE.field("route_table", since=ROUTER, until=ROUTER)
WAYS = PIPELINE.field("ways", since=ROUTER, until=ROUTER, show=hex)
"""The set of next hops that share the traffic, by a number that follows from their ids."""
SLOT = PIPELINE.field("slot", bits=8, since=ROUTER, until=ROUTER)
SLOTS = 1 << SLOT.width
"""Among how many slots equal routes share connections."""

HOP_LIMIT = ROUTER.table(
    "hop_limit",
    "one router further",
    after="switch",
    before="local_route",
    matches=[ETH_TYPE, IP_TTL],
)
TABLE_OF = ROUTER.table(
    "table_of", "which route table does the subnet use", after="local_route", matches=[SUBNET], miss=NO_ROUTE
)
ROUTE = ROUTER.table(
    "route", "the longest prefix of the route table", after="table_of", matches=[ROUTE_TABLE, IP_DST], miss=NO_ROUTE
)
EQUAL = ROUTER.table(
    "equal",
    "which slot of several equal next hops the connection has",
    after="route",
    aside=True,
    matches=[IP_PROTO, IP_FRAG, UDP_SRC, UDP_DST],
)
ECMP = ROUTER.table(
    "ecmp",
    "which of several equal next hops has the slot",
    after="equal",
    aside=True,
    matches=[ETH_TYPE, VPC, WAYS, SLOT],
    miss=NO_ROUTE,
)
BY_HASH = PIPELINE.spread("equal_routes", "connections over equal routes", SLOT, to=ECMP)

ASK_EXPIRED = PIPELINE.question("ask_expired", "hop limit reached inside a VPC")
ASK_UNREACHABLE = PIPELINE.question("ask_unreachable", "UDP to a router")
