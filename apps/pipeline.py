"""The path of a packet, from the port it came in at to the port it leaves by; each feature puts its tables into it.

admission   whose port is this, and may it send that?
service     what the switch answers itself: ARP, DHCP; nothing floods
router      same subnet? else the VPC's router: hop limit, local routes, the subnet's route table
public      elastic IPs: out through SNAT, in through DNAT, and from one to another without leaving
delivery    next hop to MAC address and port: on this host, or through a tunnel to another
egress      out to the network interface
uplink      out to the public network
controller  what needs a controller's answer: each table one question, rate limited
end         one flow for each reason to drop; its counter counts
"""

from collections.abc import Iterator

from sdnctl.base.addresses import Ip4
from sdnctl.program.feature import Item, always
from sdnctl.program.pipeline import Pipeline, Priority

PIPELINE = Pipeline()

ADMISSION = PIPELINE.stage("admission")
SERVICE_STAGE = PIPELINE.stage("service")
ROUTER = PIPELINE.stage("router")
PUBLIC = PIPELINE.stage("public")
DELIVERY = PIPELINE.stage("delivery")
EGRESS = PIPELINE.stage("egress")
UPLINK_STAGE = PIPELINE.stage("uplink")
CONTROLLER_STAGE = PIPELINE.stage("controller")
END = PIPELINE.stage("end")

VPC = PIPELINE.field("vpc", since=ADMISSION, until=END)
SUBNET = PIPELINE.field("subnet", since=ADMISSION, until=END)
PORT = PIPELINE.field("port", since=ADMISSION, until=END)
NEXT_HOP = PIPELINE.field("next_hop", since=SERVICE_STAGE, until=END, show=lambda value: str(Ip4(value)))
OUT_PORT = PIPELINE.field("out_port", since=ADMISSION, until=END)
REASON = PIPELINE.field(
    "reason", bits=8, since=ADMISSION, until=END, show=lambda value: PIPELINE.reasons[value - 1].name
)

OUTSIDE = 0
"""PORT of a packet that came from the public network; port keys start at 1."""
ANOTHER_HOST = 1 << 24
"""PORT of a packet that another host sent here on its way to the public network; port keys stay below."""

DROP = END.table("drop", "count the drop by its reason", matches=[REASON], aside=True)

drop = PIPELINE.dropper(REASON, DROP)


@always
def misses() -> Iterator[Item]:
    """What the declarations ask for by themselves: table misses, punts, and one counter for each reason."""
    flows, meters = PIPELINE.misses(drop)
    yield from meters
    yield from flows
    for reason in PIPELINE.reasons:
        yield DROP.flow(Priority.NORMAL, {REASON: reason.number}, [])
