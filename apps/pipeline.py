"""The path of a packet, from the port it came in at to the port it leaves by, and every reason to drop it on the way.

admission   whose port is this, and may it send that?
service     what the switch answers itself: ARP, DHCP; nothing floods
router      same subnet? else the VPC's router: hop limit, local routes, the subnet's route table
public      elastic IPs: out through SNAT, in through DNAT, and from one to another without leaving
delivery    next hop to MAC address and port, and out: here, through a tunnel to another host, or to the public network
controller  what needs a controller's answer: each table one question, rate limited
end         one flow for each reason to drop; its counter counts
"""

from collections.abc import Iterator

from sdnctl.base.addresses import Ip4
from sdnctl.of.fields import (
    ARP_OP,
    ARP_SHA,
    ARP_SPA,
    ARP_TPA,
    ETH_DST,
    ETH_SRC,
    ETH_TYPE,
    ICMP_TYPE,
    IN_PORT,
    IP_DST,
    IP_PROTO,
    IP_SRC,
    IP_TTL,
    REG,
    UDP_DST,
    UDP_SRC,
    VLAN_VID,
)
from sdnctl.program.feature import Item, always
from sdnctl.program.pipeline import Pipeline, Priority

PIPELINE = Pipeline()

ADMISSION = PIPELINE.stage("admission")
SERVICE_STAGE = PIPELINE.stage("service")
ROUTER = PIPELINE.stage("router")
PUBLIC_STAGE = PIPELINE.stage("public")
DELIVERY = PIPELINE.stage("delivery")
CONTROLLER_STAGE = PIPELINE.stage("controller")
END = PIPELINE.stage("end")

VPC = PIPELINE.field("vpc", REG[0], ADMISSION, END)
SUBNET = PIPELINE.field("subnet", REG[1], ADMISSION, END)
PORT = PIPELINE.field("port", REG[2], ADMISSION, END)
ROUTE_TABLE = PIPELINE.field("route_table", REG[3], ROUTER, ROUTER)
NEXT_HOP = PIPELINE.field("next_hop", REG[4], SERVICE_STAGE, END, show=lambda value: str(Ip4(value)))
OUT_PORT = PIPELINE.field("out_port", REG[5], DELIVERY, END)
POOL = PIPELINE.field("pool", REG[6], PUBLIC_STAGE, END)
TOO_BIG = PIPELINE.field("too_big", REG[9], PUBLIC_STAGE, DELIVERY)
SLOT = PIPELINE.field("slot", REG[8], ROUTER, ROUTER)
REASON = PIPELINE.field("reason", REG[7], ADMISSION, END, show=lambda value: PIPELINE.reasons[value - 1].name)

OUTSIDE = 0
"""PORT of a packet that came from the public network; port keys start at 1."""
ANOTHER_HOST = 1 << 24
"""PORT of a packet that another host sent here on its way to the public network; port keys stay below."""

UNKNOWN_PORT = PIPELINE.reason("unknown-port", "the frame is tagged, or came in at a port that is no network interface")
SPOOFED = PIPELINE.reason("spoofed", "the source MAC, IP or ARP address is not one of the network interface")
UNSUPPORTED = PIPELINE.reason("unsupported", "neither IPv4 nor an ARP request")
BROADCAST = PIPELINE.reason("broadcast", "broadcast and multicast do not exist in a VPC")
OWN_ADDRESS = PIPELINE.reason("own-address", "the interface asked by ARP for its own address")
ROUTER_ITSELF = PIPELINE.reason("router-itself", "the router offers no service but ping")
NO_SUBNET = PIPELINE.reason("no-subnet", "the destination is in the VPC, but in none of its subnets")
NO_ROUTE = PIPELINE.reason("no-route", "the subnet's route table has no route to the destination")
NO_NEXT_HOP = PIPELINE.reason("no-next-hop", "the route's next hop has no network interface in this VPC any more")
NO_EIP = PIPELINE.reason("no-elastic-ip", "the route leads to the internet, but the source has no elastic IP")
NOT_OURS = PIPELINE.reason("not-ours", "a packet from the public network to no elastic IP of this host")
NO_ADDRESS = PIPELINE.reason("no-such-address", "nobody in the VPC has the destination address")
NOT_HERE = PIPELINE.reason("not-here", "the destination's network interface is bound to no reachable host")
NO_GATEWAY = PIPELINE.reason("no-gateway", "this host has no uplink, or the public gateway does not answer ARP")

ORIGIN = ADMISSION.table(
    "origin", "which network interface sent this", matches=[IN_PORT, VLAN_VID, ETH_DST], miss=UNKNOWN_PORT
)
SOURCE = ADMISSION.table(
    "source",
    "does the sender own the source addresses",
    matches=[PORT, ETH_SRC, ETH_TYPE, IP_SRC, IP_DST, UDP_SRC, UDP_DST, ARP_SHA, ARP_SPA],
    miss=SPOOFED,
)

SERVICE = SERVICE_STAGE.table(
    "service",
    "what the switch answers itself",
    matches=[VPC, ETH_DST, ETH_TYPE, ARP_OP, IP_DST, UDP_SRC, UDP_DST],
    miss=UNSUPPORTED,
)
OWN_ARP = SERVICE_STAGE.table("own_arp", "does the sender ask for itself", matches=[PORT, ARP_TPA])

SWITCH = ROUTER.table(
    "switch", "is it for the router, or within the subnet", matches=[VPC, SUBNET, IP_DST, IP_PROTO, ICMP_TYPE]
)
HOP_LIMIT = ROUTER.table("hop_limit", "one router further", matches=[ETH_TYPE, IP_TTL])
LOCAL_ROUTE = ROUTER.table("local_route", "is it within the VPC", matches=[VPC, IP_DST])
TABLE_OF = ROUTER.table("table_of", "which route table does the subnet use", matches=[SUBNET], miss=NO_ROUTE)
ROUTE = ROUTER.table("route", "the longest prefix of the route table", matches=[ROUTE_TABLE, IP_DST], miss=NO_ROUTE)
ECMP = ROUTER.table("ecmp", "which of several equal next hops", matches=[ROUTE_TABLE, IP_DST, SLOT], miss=NO_ROUTE)

SNAT = PUBLIC_STAGE.table("snat", "private to public source", matches=[VPC, IP_SRC], miss=NO_EIP)
QUOTED_OUT = PUBLIC_STAGE.table("quoted_out", "does an ICMP error quote a private address", matches=[ICMP_TYPE])
ARRIVAL = PUBLIC_STAGE.table(
    "arrival",
    "from the public network",
    matches=[ETH_DST, ETH_TYPE, IP_TTL, ARP_OP, ARP_SPA, ARP_TPA],
    miss=NOT_OURS,
)
DNAT = PUBLIC_STAGE.table("dnat", "public to private destination", matches=[PORT, IP_DST])
QUOTED_IN = PUBLIC_STAGE.table("quoted_in", "does an ICMP error quote a public address", matches=[ICMP_TYPE])

RESOLVE = DELIVERY.table("resolve", "next hop to MAC address and port", matches=[VPC, NEXT_HOP], miss=NO_ADDRESS)
FORWARD = DELIVERY.table("forward", "answer ARP, or send on", matches=[ETH_TYPE], miss=UNSUPPORTED)
REMOTE = DELIVERY.table("remote", "is the network interface on another host", matches=[VPC, OUT_PORT])
ENCAP = DELIVERY.table("encap", "does it fit into the tunnel", matches=[TOO_BIG], miss=NOT_HERE)
OUTPUT = DELIVERY.table("output", "out to the network interface", matches=[VPC, OUT_PORT], miss=NOT_HERE)
UPLINK = DELIVERY.table("uplink", "out to the public network", matches=[POOL], miss=NO_GATEWAY)

ASK_DHCP = CONTROLLER_STAGE.punt("ask_dhcp", "a DHCP message to answer", packets_per_second=1000)
ASK_EXPIRED = CONTROLLER_STAGE.punt("ask_expired", "hop limit reached inside a VPC", packets_per_second=1000)
ASK_EXPIRED_OUTSIDE = CONTROLLER_STAGE.punt(
    "ask_expired_outside", "hop limit reached on the way to an elastic IP", packets_per_second=1000
)
ASK_UNREACHABLE = CONTROLLER_STAGE.punt("ask_unreachable", "UDP to a router", packets_per_second=1000)
ASK_QUOTED_OUT = CONTROLLER_STAGE.punt(
    "ask_quoted_out", "translate the packet quoted in an outbound ICMP error", packets_per_second=1000
)
ASK_QUOTED_IN = CONTROLLER_STAGE.punt(
    "ask_quoted_in", "translate the packet quoted in an inbound ICMP error", packets_per_second=1000
)
ASK_GATEWAY = CONTROLLER_STAGE.punt("ask_gateway", "the public gateway told its MAC address", packets_per_second=100)
ASK_TOO_BIG = CONTROLLER_STAGE.punt("ask_too_big", "larger than what a tunnel takes", packets_per_second=1000)

DROP = END.table("drop", "count the drop by its reason", matches=[REASON])

drop = PIPELINE.dropper(REASON, DROP)


@always
def misses() -> Iterator[Item]:
    """What the declarations above ask for by themselves: table misses, punts, and one counter for each reason."""
    flows, meters = PIPELINE.misses(drop)
    yield from meters
    yield from flows
    for reason in PIPELINE.reasons:
        yield DROP.flow(Priority.NORMAL, {REASON: reason.number}, [])
