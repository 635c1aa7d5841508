"""Tables of a VPC in the path: is it within the subnet, else within the VPC."""

from apps.pipeline import PIPELINE, ROUTER, SUBNET, VPC
from sdnctl.of.fields import ICMP_TYPE, IP_DST, IP_PROTO

NO_SUBNET = PIPELINE.reason(
    "no-subnet",
    "the destination is in the VPC, but in none of its subnets",
    "look for the receiver's right address: sdnctl subnet list",
)

SWITCH = ROUTER.table(
    "switch", "is it for the router, or within the subnet", matches=[VPC, SUBNET, IP_DST, IP_PROTO, ICMP_TYPE]
)
LOCAL_ROUTE = ROUTER.table("local_route", "is it within the VPC", after="switch", matches=[VPC, IP_DST])
