"""Tables of tunnels in the path: before a packet leaves at a port here, is that port on another host."""

from apps.eni.tables import NOT_HERE
from apps.oversize.tables import TOO_BIG
from apps.pipeline import DELIVERY, OUT_PORT, PIPELINE, VPC

UNKNOWN_HOST = PIPELINE.reason(
    "unknown-host",
    "a tunnel from an address that is no host's of the region",
    "nothing: the operator sees who sends that",
)

FROM_HOST = 1
"""The conjunction of ``origin`` that a frame came in at the tunnels' port, and from a host (ovs-actions(7))."""

REMOTE = DELIVERY.table("remote", "is the network interface on another host", after="forward", matches=[VPC, OUT_PORT])
ENCAP = DELIVERY.table(
    "encap", "does it fit into the tunnel", after="remote", aside=True, matches=[TOO_BIG], miss=NOT_HERE
)

ASK_TOO_BIG = PIPELINE.question("ask_too_big", "larger than what a tunnel takes")
