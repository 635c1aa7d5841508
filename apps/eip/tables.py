"""Tables of elastic IPs in the path: out through SNAT, in through DNAT."""

from apps.pipeline import PIPELINE, PORT, PUBLIC, VPC
from sdnctl.of.fields import ICMP_TYPE, IP_DST, IP_FRAG, IP_PROTO, IP_SRC

NO_EIP = PIPELINE.reason(
    "no-elastic-ip",
    "the route leads to the internet, but the source has no elastic IP",
    "bind an elastic IP: sdnctl eip bind; or route elsewhere",
)

SNAT = PUBLIC.table(
    "snat", "private to public source", before="arrival", matches=[VPC, IP_SRC, IP_PROTO, IP_FRAG], miss=NO_EIP
)
QUOTED_OUT = PUBLIC.table(
    "quoted_out", "does an ICMP error quote a private address", after="snat", before="arrival", matches=[ICMP_TYPE]
)
DNAT = PUBLIC.table(
    "dnat",
    "public to private destination",
    after="quoted_out arrival public_arp",
    matches=[PORT, IP_DST, IP_PROTO, IP_FRAG],
)
QUOTED_IN = PUBLIC.table(
    "quoted_in", "does an ICMP error quote a public address", after="dnat", matches=[VPC, PORT, IP_SRC, ICMP_TYPE]
)

ASK_QUOTED_OUT = PIPELINE.question("ask_quoted_out", "translate the packet quoted in an outbound ICMP error")
ASK_QUOTED_IN = PIPELINE.question("ask_quoted_in", "translate the packet quoted in an inbound ICMP error")
