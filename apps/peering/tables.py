"""The reason for which a peering drops a packet."""

from apps.pipeline import PIPELINE

NOT_CONNECTED = PIPELINE.reason(
    "not-connected",
    "the route's VPC peering is gone, or the other side has none",
    "let both sides make a peering with each other: sdnctl peering get",
)
