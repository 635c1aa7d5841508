"""Tables of network interfaces in the path: a packet begins at one and ends at one."""

from apps.pipeline import ADMISSION, EGRESS, OUT_PORT, PIPELINE, PORT, VPC
from sdnctl.of.fields import (
    ARP_SHA,
    ARP_SPA,
    ETH_DST,
    ETH_SRC,
    ETH_TYPE,
    IN_PORT,
    IP_DST,
    IP_SRC,
    UDP_DST,
    UDP_SRC,
    VLAN_VID,
)

UNKNOWN_PORT = PIPELINE.reason("unknown-port", "the frame is tagged, or came in at a port that is no network interface")
SPOOFED = PIPELINE.reason("spoofed", "the source MAC, IP or ARP address is not one of the network interface")
UNSUPPORTED = PIPELINE.reason("unsupported", "neither IPv4 nor an ARP request")
NOT_HERE = PIPELINE.reason("not-here", "the destination's network interface is bound to no reachable host")

ORIGIN = ADMISSION.table(
    "origin", "which network interface sent this", matches=[IN_PORT, VLAN_VID, ETH_DST], miss=UNKNOWN_PORT
)
SOURCE = ADMISSION.table(
    "source",
    "does the sender own the source addresses",
    after="origin",
    matches=[PORT, ETH_SRC, ETH_TYPE, IP_SRC, IP_DST, UDP_SRC, UDP_DST, ARP_SHA, ARP_SPA],
    miss=SPOOFED,
)
OUTPUT = EGRESS.table("output", "out to the network interface", matches=[VPC, OUT_PORT], miss=NOT_HERE)
