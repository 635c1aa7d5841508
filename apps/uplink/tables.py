"""Where the public network stands in the path: in at the uplink, and out there by the gateway of a pool."""

from apps.pipeline import CONTROLLER_STAGE, END, PIPELINE, PUBLIC, UPLINK_STAGE
from sdnctl.of.fields import ARP_OP, ARP_SPA, ARP_TPA, ETH_DST, ETH_TYPE, IP_TTL

NOT_OURS = PIPELINE.reason("not-ours", "a packet from the public network to no elastic IP of this host")
NO_GATEWAY = PIPELINE.reason("no-gateway", "this host has no uplink, or the public gateway does not answer ARP")

POOL = PIPELINE.field("pool", bits=16, since=PUBLIC, until=END)

ARRIVAL = PUBLIC.table(
    "arrival",
    "from the public network",
    aside=True,
    matches=[ETH_DST, ETH_TYPE, IP_TTL, ARP_OP, ARP_SPA, ARP_TPA],
    miss=NOT_OURS,
)
UPLINK = UPLINK_STAGE.table("uplink", "out to the public network", matches=[POOL], miss=NO_GATEWAY)

ASK_EXPIRED_OUTSIDE = CONTROLLER_STAGE.punt(
    "ask_expired_outside", "hop limit reached on the way to an elastic IP", packets_per_second=1000
)
ASK_GATEWAY = CONTROLLER_STAGE.punt("ask_gateway", "the public gateway told its MAC address", packets_per_second=100)
