"""Tables of tunnels in the path: before a packet leaves at a port here, is that port on another host."""

from apps.eni.tables import NOT_HERE
from apps.pipeline import DELIVERY, OUT_PORT, PIPELINE, PUBLIC, VPC

TOO_BIG = PIPELINE.field("too_big", bits=1, since=PUBLIC, until=DELIVERY)

REMOTE = DELIVERY.table("remote", "is the network interface on another host", after="forward", matches=[VPC, OUT_PORT])
ENCAP = DELIVERY.table(
    "encap", "does it fit into the tunnel", after="remote", aside=True, matches=[TOO_BIG], miss=NOT_HERE
)

ASK_TOO_BIG = PIPELINE.question("ask_too_big", "larger than what a tunnel takes")
