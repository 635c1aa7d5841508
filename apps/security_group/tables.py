"""Tables of security groups in the path: what an interface sends is judged before the router, what it gets at the end.

Both ways have the same tables.  A packet passes connection tracking once each way, in the zone of its interface:

track      which interface is it, and what is known of the connection
groups     which rules are its own; behind connection tracking, since what is noted before it outlives a change
peer       which groups is the remote address in
judge      does the packet belong to the way that the connection began, or to the other one
rules      that way: may it be so; the rules of the packet's own direction, by the packet's own fields
replies    the other way: may what it replies to be so; the rules of the other direction, by the same fields swapped
refused    is something else to be asked, before it is dropped (``apps/grace``)
allowed    is the connection remembered
remember   is there room to remember it
"""

from dataclasses import dataclass

from apps.pipeline import EGRESS, OUT_PORT, PIPELINE, PORT, SERVICE_STAGE, VPC
from apps.security_group.model import BITS, Direction
from sdnctl.of.fields import (
    CT_INVALID,
    CT_MARK,
    CT_STATE,
    CT_TRACKED,
    ETH_SRC,
    ETH_TYPE,
    ICMP_TYPE,
    IP_DST,
    IP_FRAG,
    IP_PROTO,
    IP_SRC,
    REGISTER_BITS,
    TCP_DST,
    TCP_FLAGS,
    TCP_SRC,
    UDP_DST,
    UDP_SRC,
    Field,
    OxmField,
    RegisterField,
)
from sdnctl.program.pipeline import Miss, Stage, Table

GROUP = PIPELINE.reason(
    "group",
    "no rule of the interface's security groups allows it, or one forbids it",
    "allow it by a rule of one of its groups (sdnctl sg); sdnctl trace names the rule that forbids it",
)
INVALID = PIPELINE.reason(
    "invalid",
    "it belongs to no connection, and none can begin with it",
    "look for packets that take another way back than they came",
)
CONNECTIONS = PIPELINE.reason(
    "connections",
    "the interface has as many connections as it may have",
    "close connections that are not used; find out what opens so many",
)

PROFILE = PIPELINE.field("profile", bits=16, since=SERVICE_STAGE, until=EGRESS)
ZONE = PIPELINE.field("zone", bits=16, since=SERVICE_STAGE, until=EGRESS)
PEERS = tuple(
    PIPELINE.field(f"peers_{low}", since=SERVICE_STAGE, until=EGRESS, show=hex) for low in range(0, BITS, REGISTER_BITS)
)
"""The groups, a bit each, that the remote address is in, of those that rules of the VPC name."""
TAKEN = PIPELINE.field("taken", bits=3, since=SERVICE_STAGE, until=EGRESS)
"""The part in its connection that a packet is taken for, where nothing is known of that."""
FIRST_ONLY, REPLY_OR_FIRST, FIRST_OR_REPLY, REPLY_ONLY, FIRST_AND_REPLY, REPLY_TOO = range(6)
"""For the first of its connection; for a reply, and if that is refused for the first one; these two the other way
round; for a reply, since it was refused as the first one; for the first one, to be allowed as a reply as well; for a
reply, having been allowed as the first one."""
REMEMBERED = 1 << 1
"""The mark of a connection that its zone had room for."""
KNOWN = CT_TRACKED | CT_INVALID
"""The bits of ct_state that tell a valid packet."""
AS_REPLY = (1, 1)
"""``TAKEN`` of a packet that is being judged as a reply."""


@dataclass(frozen=True)
class Way:
    """The tables of one way; ``port`` is the field that names the interface, ``remote`` that of the other side."""

    direction: Direction
    port: RegisterField
    remote: OxmField
    track: Table
    groups: Table
    peer: Table
    judge: Table
    rules: Table
    replies: Table
    refused: Table
    allowed: Table
    remember: Table

    @property
    def other(self) -> Direction:
        """The direction of what this way's replies reply to."""
        return "in" if self.direction == "out" else "out"


def _way(stage: Stage, direction: Direction, port: RegisterField, remote: OxmField, after: str, before: str) -> Way:
    last = after

    def table(
        name: str, purpose: str, *matches: Field, miss: Miss = None, aside: bool = True, obeyed: bool = False
    ) -> Table:
        nonlocal last
        made = stage.table(
            f"{direction}_{name}",
            purpose,
            matches=matches,
            miss=miss,
            after=last,
            before=before,
            aside=aside,
            obeyed=obeyed,
        )
        last = made.name
        return made

    side = "to" if direction == "out" else "from"
    decided: tuple[Field, ...] = (PROFILE, *PEERS, remote, ETH_TYPE, IP_PROTO, IP_FRAG)
    unknown: tuple[Field, ...] = (port, TCP_SRC, TCP_DST, TCP_FLAGS, UDP_SRC, UDP_DST)
    return Way(
        direction,
        port,
        remote,
        table(
            "track",
            "whose security groups concern it",
            port,
            VPC,
            ETH_SRC,
            IP_DST,
            ETH_TYPE,
            IP_FRAG,
            miss="onward",
            aside=False,
            obeyed=True,
        ),
        table("groups", "which set of security groups does it have", port, obeyed=True, miss=GROUP),
        table("peer", f"which groups is the address in that it goes {side}", VPC, remote, obeyed=True),
        table(
            *("judge", "which way did its connection begin"),
            *(CT_STATE, CT_MARK, ETH_TYPE, ICMP_TYPE, *unknown),
            miss=INVALID,
        ),
        table("rules", "may the connection be", *decided, TCP_DST, UDP_DST, miss=GROUP, obeyed=True),
        table(
            "replies", "may the connection be that it replies to", *decided, TCP_SRC, UDP_SRC, miss=GROUP, obeyed=True
        ),
        table("refused", "may it be taken for something else", TAKEN, miss=GROUP),
        table(
            *("allowed", "is the connection remembered"),
            *(CT_STATE, CT_MARK, ETH_TYPE, TAKEN, IP_FRAG, TCP_SRC, TCP_DST),
        ),
        table("remember", "is there room to remember it", CT_STATE, CT_MARK, ETH_TYPE, miss=CONNECTIONS),
    )


OUT = _way(SERVICE_STAGE, "out", PORT, IP_DST, "own_arp", "")
IN = _way(EGRESS, "in", OUT_PORT, IP_SRC, "", "output")
WAYS = (OUT, IN)
