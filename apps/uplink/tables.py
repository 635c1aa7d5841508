"""Tables of the public network in the path: in at the uplink, and out there by the gateway of a pool."""

from apps.oversize.tables import TOO_BIG
from apps.pipeline import END, PIPELINE, PUBLIC, UPLINK_STAGE
from sdnctl.of.fields import ARP_OP, ARP_SHA, ARP_SPA, ARP_THA, ARP_TPA, ETH_DST, ETH_SRC, ETH_TYPE, IP_SRC, IP_TTL

NOT_OURS = PIPELINE.reason(
    "not-ours", "a packet from the public network to no elastic IP of this host", "nothing: it is for nobody here"
)
OWN_SOURCE = PIPELINE.reason(
    "own-source",
    "a packet from the public network says that it comes from within the region",
    "nothing: whoever sent it lies about where it is",
)
NO_GATEWAY = PIPELINE.reason(
    "no-gateway",
    "this host has no uplink, or the public gateway does not answer ARP",
    "tell the operator: sdnctl doctor says what the uplink lacks",
)

POOL = PIPELINE.field("pool", bits=16, since=PUBLIC, until=END)

ARRIVAL = PUBLIC.table(
    "arrival",
    "from the public network",
    aside=True,
    matches=[ETH_SRC, ETH_DST, ETH_TYPE, IP_SRC, IP_TTL, ARP_OP, ARP_SPA, ARP_SHA, ARP_THA, ARP_TPA],
    miss=NOT_OURS,
)
PUBLIC_ARP = PUBLIC.table(
    "public_arp",
    "whose public address is asked for",
    after="arrival",
    aside=True,
    matches=[ARP_OP, ARP_TPA],
    miss=NOT_OURS,
)
ARP_BARRIER = PIPELINE.barrier("public_arp", "nothing that who asks by ARP wrote is looked at before", to=PUBLIC_ARP)
GATEWAY_TELLS = PIPELINE.limit("gateway_tells", "what is said of public gateways", rate=20, burst=32)
GATEWAY_ANSWERS = PIPELINE.limit("gateway_answers", "what gateways that are known answer", rate=20, burst=32)
GATEWAY_ASKS = PIPELINE.limit("gateway_asks", "what the public gateways ask by ARP", rate=200, burst=200)
UPLINK_ASKS = PIPELINE.limit("uplink_asks", "what anybody else asks by ARP at the uplink", rate=100, burst=100)
FITS = UPLINK_STAGE.table("fits", "does it fit into the uplink", before="uplink")
UPLINK = UPLINK_STAGE.table("uplink", "out to the public network", matches=[POOL, TOO_BIG], miss=NO_GATEWAY)

ASK_TOO_BIG_OUT = PIPELINE.question("ask_too_big_out", "larger than what the uplink takes")
ASK_EXPIRED_OUTSIDE = PIPELINE.question("ask_expired_outside", "hop limit reached on the way to an elastic IP")
ASK_GATEWAY = PIPELINE.question("ask_gateway", "the public gateway told its MAC address")
