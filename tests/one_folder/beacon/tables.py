"""Tables of beacons in the path: seen on the way to one, and answered at the host that presents it."""

from apps.pipeline import CONTROLLER_STAGE, EGRESS, PIPELINE, SERVICE_STAGE, VPC
from sdnctl.of.fields import ETH_DST, IP_DST, UDP_DST

SILENT = PIPELINE.reason("beacon-silent", "a beacon answers nothing but UDP")

BEACON = PIPELINE.field("beacon", bits=8, since=SERVICE_STAGE, until=CONTROLLER_STAGE)

SEEN = SERVICE_STAGE.table(
    "beacon_seen", "is it for a beacon of the VPC", after="service", before="own_arp", matches=[VPC, IP_DST]
)
LIGHT = EGRESS.table(
    "beacon_light", "what a beacon answers", after="output", aside=True, matches=[BEACON, UDP_DST, ETH_DST], miss=SILENT
)

ASK_BEACON = PIPELINE.question("ask_beacon", "UDP to a beacon")
