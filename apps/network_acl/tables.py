"""Tables of network ACLs in the path: what leaves a subnet for the router, and what the router lets into one.

Outwards the subnet is the sender's.  Inwards it is the receiver's, on the receiver's host: a packet that has crossed
the subnet's border comes from the router's MAC address, whatever way it took and whatever its addresses are.
"""

from apps.eni.tables import RECEIVER_SUBNET
from apps.pipeline import EGRESS, PIPELINE, ROUTER, SUBNET
from sdnctl.of.fields import ETH_SRC, ETH_TYPE, IP_DST, IP_FRAG, IP_PROTO, IP_SRC, TCP_DST, UDP_DST

REFUSED = PIPELINE.reason(
    "acl",
    "no rule of the subnet's network ACL allows it, or one forbids it",
    "allow it in the network ACL of the subnet, replies too: sdnctl acl get",
)

SENDER_ACL = PIPELINE.field("sender_acl", bits=16, since=ROUTER, until=ROUTER)
RECEIVER_ACL = PIPELINE.field("receiver_acl", bits=16, since=EGRESS, until=EGRESS)

LEAVES = ROUTER.table(
    "acl_leaves",
    "has the subnet that it leaves a network ACL",
    after="switch",
    before="hop_limit",
    matches=[SUBNET],
    obeyed=True,
)
ACL_OUT = ROUTER.table(
    "acl_out",
    "may it leave the subnet",
    after="acl_leaves",
    before="hop_limit",
    aside=True,
    matches=[SENDER_ACL, IP_DST, ETH_TYPE, IP_PROTO, IP_FRAG, TCP_DST, UDP_DST],
    miss=REFUSED,
    obeyed=True,
)

ENTERS = EGRESS.table(
    "acl_enters",
    "has the receiver's subnet a network ACL",
    after="receiver",
    before="in_track",
    matches=[RECEIVER_SUBNET],
    obeyed=True,
)
CROSSED = EGRESS.table(
    "acl_crossed",
    "did it come from the router, or from within the subnet",
    after="acl_enters",
    before="in_track",
    aside=True,
    matches=[ETH_SRC],
)
ACL_IN = EGRESS.table(
    "acl_in",
    "may it enter the subnet",
    after="acl_crossed",
    before="in_track",
    aside=True,
    matches=[RECEIVER_ACL, IP_SRC, ETH_TYPE, IP_PROTO, IP_FRAG, TCP_DST, UDP_DST],
    miss=REFUSED,
    obeyed=True,
)
