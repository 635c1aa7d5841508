"""Tables of NAT gateways in the path: out from the gateway's interface, in from its elastic IPs.

Connection tracking may translate nothing: where a gateway has all the connections that it may have, or a destination's
ports are used up.  So behind each translation a table looks at the address, and what it does not know goes no further.
"""

from apps.pipeline import EGRESS, END, PIPELINE, PUBLIC
from sdnctl.of.fields import (
    CT_INVALID,
    CT_MARK,
    CT_NEW,
    CT_RELATED,
    CT_STATE,
    CT_TRACKED,
    ETH_TYPE,
    IP_DST,
    IP_FRAG,
    IP_PROTO,
    IP_SRC,
    TCP_DST,
    TCP_SRC,
    UDP_DST,
)

NAT_FULL = PIPELINE.reason(
    "nat-full",
    "the NAT gateway has as many connections as it may have, or all ports to the destination are used",
    "order a larger NAT gateway, or bind one more elastic IP to it: sdnctl nat-gateway bind",
)
NAT_GONE = PIPELINE.reason(
    "nat-gone",
    "the connection left by an elastic IP that the NAT gateway has no more",
    "begin the connection anew: it gets another elastic IP of the gateway",
)
NAT_STOPPED = PIPELINE.reason(
    "nat-stopped", "the NAT gateway is stopped, or gone", "start it: sdnctl nat-gateway start; or route elsewhere"
)
NO_SNAT = PIPELINE.reason(
    "no-snat",
    "no rule of the NAT gateway is for this source, or the rule has no elastic IP that is online",
    "add a rule (sdnctl nat-gateway add-snat), or bind an elastic IP to the gateway: sdnctl nat-gateway bind",
)
NO_INBOUND = PIPELINE.reason(
    "no-inbound",
    "it belongs to no connection of the NAT gateway, and no DNAT rule is for it",
    "open a port by a DNAT rule: sdnctl nat-gateway add-dnat",
)
NAT_ITSELF = PIPELINE.reason(
    "nat-itself", "the NAT gateway itself offers no service", "ask a machine: a NAT gateway answers nothing itself"
)

NAT_ZONE = PIPELINE.field("nat_zone", bits=16, since=PUBLIC, until=END)
"""The zone of the NAT gateway that a packet passes, which is the gateway's number on the wire."""
NAT_SET = PIPELINE.field("nat_set", since=PUBLIC, until=PUBLIC, show=hex)
"""Some elastic IPs of one gateway that share its connections, by a number that follows from them."""
NAT_SLOT = PIPELINE.field("nat_slot", bits=8, since=PUBLIC, until=PUBLIC)
NAT_SLOTS = 1 << NAT_SLOT.width
NEW = (CT_TRACKED | CT_NEW, CT_TRACKED | CT_NEW | CT_INVALID | CT_RELATED)
"""ct_state of what begins a connection, or goes on with one that is not known here."""
NO_MORE = 0
"""The set without an elastic IP."""

OUT = EGRESS.table(
    "nat_out",
    "may the NAT gateway take it",
    after="output",
    aside=True,
    matches=[NAT_ZONE, IP_SRC, IP_DST, IP_FRAG, ETH_TYPE],
    miss=NAT_ITSELF,
)
RULE = PUBLIC.table(
    "nat_rule",
    "is its connection known, else which rule is for its source",
    before="nat_slot",
    aside=True,
    matches=[NAT_ZONE, CT_STATE, IP_SRC, IP_DST, IP_PROTO, TCP_SRC, TCP_DST, ETH_TYPE],
    miss=NO_SNAT,
)
SLOT = PUBLIC.table(
    "nat_slot",
    "which of several elastic IPs has the slot",
    after="nat_rule",
    before="nat_check",
    aside=True,
    matches=[NAT_SET, NAT_SLOT, ETH_TYPE],
    miss=NO_SNAT,
)
CHECK = PUBLIC.table(
    "nat_check",
    "has it got an elastic IP of the NAT gateway",
    after="nat_rule nat_slot quoted_out",
    before="dnat",
    aside=True,
    matches=[NAT_ZONE, IP_SRC, CT_STATE, ETH_TYPE],
    miss=NAT_FULL,
    obeyed=True,
)
IN = PUBLIC.table(
    "nat_in",
    "does it belong to a connection of the NAT gateway, or is a DNAT rule for it",
    after="dnat",
    before="nat_into",
    aside=True,
    matches=[NAT_ZONE, CT_STATE, CT_MARK, IP_SRC, IP_DST, IP_PROTO, TCP_DST, UDP_DST, ETH_TYPE],
    miss=NO_INBOUND,
    obeyed=True,
)
INTO = PUBLIC.table(
    "nat_into",
    "has it got the inside address of the DNAT rule",
    after="nat_in",
    before="quoted_in",
    aside=True,
    matches=[NAT_ZONE, IP_DST],
    miss=NAT_FULL,
)
BY_HASH = PIPELINE.spread("nat", "connections of a NAT gateway over its elastic IPs", NAT_SLOT, to=SLOT)
