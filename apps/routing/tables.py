"""Tables of the router in the path: the hop limit, then the route table of the subnet."""

from apps.pipeline import PIPELINE, ROUTER, SUBNET
from sdnctl.of.fields import ETH_TYPE, IP_DST, IP_TTL

ROUTER_ITSELF = PIPELINE.reason("router-itself", "the router offers no service but ping")
NO_ROUTE = PIPELINE.reason("no-route", "the subnet's route table has no route to the destination")
NO_NEXT_HOP = PIPELINE.reason("no-next-hop", "the route's next hop has no network interface in this VPC any more")

ROUTE_TABLE = PIPELINE.field("route_table", since=ROUTER, until=ROUTER)
SLOTS = 64
"""Among how many slots equal routes share connections; more would be fairer, and more flows."""
SLOT = PIPELINE.field("slot", bits=(SLOTS - 1).bit_length(), since=ROUTER, until=ROUTER)

HOP_LIMIT = ROUTER.table(
    "hop_limit", "one router further", after="switch", before="local_route", matches=[ETH_TYPE, IP_TTL]
)
TABLE_OF = ROUTER.table(
    "table_of", "which route table does the subnet use", after="local_route", matches=[SUBNET], miss=NO_ROUTE
)
ROUTE = ROUTER.table(
    "route", "the longest prefix of the route table", after="table_of", matches=[ROUTE_TABLE, IP_DST], miss=NO_ROUTE
)
ECMP = ROUTER.table(
    "ecmp",
    "which of several equal next hops",
    after="route",
    aside=True,
    matches=[ROUTE_TABLE, IP_DST, SLOT],
    miss=NO_ROUTE,
)

ASK_EXPIRED = PIPELINE.question("ask_expired", "hop limit reached inside a VPC")
ASK_UNREACHABLE = PIPELINE.question("ask_unreachable", "UDP to a router")
