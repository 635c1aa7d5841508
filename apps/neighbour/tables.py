"""Tables of neighbours in the path: ARP is answered on the way that packets take to a MAC address."""

from apps.eni.tables import UNSUPPORTED
from apps.pipeline import DELIVERY, NEXT_HOP, PIPELINE, PORT, SERVICE_STAGE, VPC
from sdnctl.of.fields import ARP_OP, ARP_TPA, ETH_DST, ETH_TYPE, IP_DST, UDP_DST, UDP_SRC

BROADCAST = PIPELINE.reason(
    "broadcast",
    "broadcast and multicast do not exist in a VPC",
    "send to one address: there is no broadcast or multicast here",
)
OWN_ADDRESS = PIPELINE.reason(
    "own-address",
    "the interface asked by ARP for its own address",
    "nothing: systems ask so when they start, to see that nobody else has the address",
)
NO_ADDRESS = PIPELINE.reason(
    "no-such-address",
    "nobody in the VPC has the destination address",
    "look for the receiver's right address: sdnctl eni list",
)

SERVICE = SERVICE_STAGE.table(
    "service",
    "what the switch answers itself",
    matches=[VPC, ETH_DST, ETH_TYPE, ARP_OP, IP_DST, UDP_SRC, UDP_DST],
    miss=UNSUPPORTED,
)
OWN_ARP = SERVICE_STAGE.table(
    "own_arp", "does the sender ask for itself", after="service", matches=[PORT, ARP_TPA], aside=True
)
RESOLVE = DELIVERY.table("resolve", "next hop to MAC address and port", matches=[VPC, NEXT_HOP], miss=NO_ADDRESS)
FORWARD = DELIVERY.table("forward", "answer ARP, or send on", after="resolve", matches=[ETH_TYPE], miss=UNSUPPORTED)
