"""Tables of load balancers that have an elastic IP: where one is chosen for, where its target is, and the way back.

The host that presents the elastic IP chooses a target and leaves the packet as it is, for the load balancer's address.
It goes to the target's host, in the tunnel of its VPC, to a MAC address that names the target.  There it gets the
target's address, and there its replies get the load balancer's again.
"""

from apps.load_balancer.tables import TARGET_GONE
from apps.pipeline import DELIVERY, PUBLIC, ROUTER, VPC
from sdnctl.of.fields import CT_MARK, CT_STATE, ETH_DST, ETH_TYPE, IP_DST, IP_SRC, TCP_DST, UDP_DST

KEPT = DELIVERY.table(
    "kept",
    "has the connection a target already",
    after="vip",
    before="share",
    aside=True,
    matches=[CT_STATE, CT_MARK, ETH_TYPE],
)
LANDED = DELIVERY.table(
    "landed",
    "which target is here",
    after="given",
    before="entered",
    aside=True,
    matches=[VPC, ETH_DST, IP_DST, TCP_DST, UDP_DST],
    miss=TARGET_GONE,
)
ENTERED = DELIVERY.table(
    "entered",
    "has it got the target's address",
    after="landed",
    before="resolve",
    aside=True,
    matches=[CT_STATE, VPC, ETH_DST, IP_DST, TCP_DST, UDP_DST],
    miss=TARGET_GONE,
)
LEAVES = ROUTER.table(
    "leaves",
    "may it be the reply of a target to the outside",
    after="local_route",
    before="left table_of",
    matches=[VPC, IP_SRC, ETH_TYPE],
    miss="onward",
)
LEFT = ROUTER.table(
    "left",
    "has it got a load balancer's address",
    after="leaves",
    before="table_of",
    aside=True,
    matches=[CT_STATE, VPC, IP_SRC, ETH_TYPE],
    miss="onward",
)
BACK = PUBLIC.table(
    "back",
    "is it from a load balancer, whose connection is known here",
    before="nat_rule",
    matches=[VPC, IP_SRC, ETH_TYPE],
    miss="onward",
)
