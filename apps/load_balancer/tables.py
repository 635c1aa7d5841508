"""Tables of load balancers in the path: on the way out a target is chosen, on the way back its address is replaced."""

from apps.pipeline import ADMISSION, DELIVERY, EGRESS, NEXT_HOP, PIPELINE, SUBNET, VPC
from sdnctl.of.fields import (
    CT_STATE,
    ETH_TYPE,
    ICMP_TYPE,
    IP_DST,
    IP_FRAG,
    IP_PROTO,
    IP_SRC,
    TCP_DST,
    UDP_DST,
)

NO_LISTENER = PIPELINE.reason(
    "no-listener",
    "the load balancer has no listener at this port, or it is off",
    "make a listener or switch it on: sdnctl lb get",
)
NO_TARGET = PIPELINE.reason(
    "no-target",
    "the listener's target group has no target that takes connections",
    "register a target with a weight: sdnctl lb get",
)
TARGET_GONE = PIPELINE.reason(
    "target-gone",
    "the connection's target was taken out of the load balancer's target group",
    "begin another connection: it goes to a target that is there",
)
LB_FRAGMENT = PIPELINE.reason(
    "lb-fragment",
    "a load balancer takes no fragments, which do not say their port",
    "send packets to a load balancer that need no fragments",
)

BACKEND = PIPELINE.field("backend", bits=16, since=DELIVERY, until=DELIVERY)
SLOT = PIPELINE.field("target_slot", bits=8, since=DELIVERY, until=DELIVERY)
SLOTS = 1 << SLOT.width
TARGET = PIPELINE.field("target", bits=16, since=DELIVERY, until=DELIVERY)
BY_EIP = PIPELINE.field("by_eip", bits=1, since=ADMISSION, until=DELIVERY)
"""1 for a packet to a load balancer that came by its elastic IP."""

VIP = DELIVERY.table(
    "vip",
    "is it for a load balancer",
    before="resolve",
    matches=[BY_EIP, VPC, NEXT_HOP, ETH_TYPE, IP_PROTO, IP_FRAG, ICMP_TYPE, TCP_DST, UDP_DST],
    miss="onward",
    obeyed=True,
)
SHARE = DELIVERY.table(
    "share",
    "which target has the slot",
    after="vip",
    before="resolve",
    aside=True,
    matches=[BACKEND, SLOT, ETH_TYPE],
    miss=NO_TARGET,
    obeyed=True,
)
GIVEN = DELIVERY.table(
    "given",
    "where is the target",
    after="share",
    before="resolve",
    aside=True,
    matches=[BACKEND, TARGET, BY_EIP, ETH_TYPE],
    miss=TARGET_GONE,
)
SENT = DELIVERY.table(
    "sent",
    "is the connection's target there",
    after="given",
    before="resolve",
    aside=True,
    matches=[CT_STATE, BACKEND, IP_DST, TCP_DST, UDP_DST, SUBNET],
    miss=TARGET_GONE,
)
REPLIED = EGRESS.table(
    "replied", "may it be the reply of a target", before="receiver", matches=[VPC, IP_SRC], miss="onward"
)
