"""Connections that go on where connection tracking has not seen them begin: the switch or the interface is new here.

A packet of such a connection looks like the first one of another, and may go the other way than the connection began.
As the first one it is judged by the wrong rules: a download would end, whose client lets nothing in.  So in a time of
``Grace`` it passes if the rules allow what it may be: the first packet of a connection, or a reply.  What passes as a
reply is not remembered; the connection is by the next packet that goes the way it began.

TCP says by its flags that a packet is not the first one.  UDP does not, so there only what looks like a server's packet
is taken for a reply: from a port below 32768 to one from there on, as clients choose theirs (RFC 6335 and Linux).
Packets of both protocols that look so are judged as replies before all else, since a server may send freely and the
connection would be remembered the wrong way round.

Outside that time, too, a packet of TCP that begins nothing may belong to a connection that nobody knows: it was idle
for a day, or was made to be forgotten by its client, when the rule that let it in had gone.  So it passes if the rules
allow both things that it may be, and is not remembered: as the first one it might turn the connection round.  Only what
looks like a client's packet is the first one, and begins the connection anew.
"""

from collections.abc import Iterator

from apps.eni.model import NetworkInterface
from apps.filter.facts import Match
from apps.reassembly.facts import PIECE
from apps.security_group.tables import (
    FIRST_AND_REPLY,
    FIRST_ONLY,
    FIRST_OR_REPLY,
    KNOWN,
    REMEMBERED,
    REPLY_ONLY,
    REPLY_OR_FIRST,
    REPLY_TOO,
    TAKEN,
    WAYS,
)
from sdnctl.model.host import SWITCH, Grace
from sdnctl.of.actions import resubmit, set_field
from sdnctl.of.fields import (
    CT_MARK,
    CT_NEW,
    CT_REPLY,
    CT_STATE,
    CT_TRACKED,
    ETH_TYPE,
    ETH_TYPE_IP,
    FRAGMENT_LATER,
    IP_FRAG,
    TCP_DST,
    TCP_FLAGS,
    TCP_SRC,
    UDP_DST,
    UDP_SRC,
)
from sdnctl.program.feature import Item, View, always, feature, says
from sdnctl.program.pipeline import Priority, goto
from sdnctl.program.step import Step

HIGH = 1 << 15
"""Clients choose ports from this one on, servers have smaller ones."""
SERVED, CHOSEN = (0, HIGH), (HIGH, HIGH)
SYN = 1 << 1
GOES_ON: Match = {TCP_FLAGS: (0, SYN)}
"""A packet of TCP that does not begin a connection."""
SERVERS: tuple[Match, ...] = (
    {**GOES_ON, TCP_SRC: SERVED, TCP_DST: CHOSEN},
    {UDP_SRC: SERVED, UDP_DST: CHOSEN},
)
"""Packets that look like a server's."""
NO_CLIENT_S: tuple[Match, ...] = ({TCP_SRC: SERVED}, {TCP_DST: CHOSEN})
"""Packets of TCP that do not look like a client's: from a small port, or to a large one."""
UNKNOWN: Match = {CT_STATE: (CT_TRACKED | CT_NEW, KNOWN | CT_NEW | CT_REPLY), CT_MARK: (0, REMEMBERED)}


@feature(each=Grace)
def unseen(grace: Grace, here: str, view: View) -> Iterator[Item]:
    """Packets that may go on with a connection: of every interface here, or of the one that has moved here."""
    port = view.get(NetworkInterface, grace.id)
    if port is None and grace.id != SWITCH:
        return
    for way in WAYS:
        unknown: Match = UNKNOWN if port is None else {**UNKNOWN, way.port: port.key}
        for looks in SERVERS:
            # It looks like a server's: a reply, or else the first of a connection.
            yield way.judge.flow(
                Priority.EXCEPTION, {**unknown, **looks}, [set_field(TAKEN, REPLY_OR_FIRST), goto(way.replies)]
            )
        # Any other that begins nothing: the first that is seen of a connection, or else a reply.
        yield way.judge.flow(
            Priority.EXACT, {**unknown, **GOES_ON}, [set_field(TAKEN, FIRST_OR_REPLY), goto(way.rules)]
        )


@always
def again() -> Iterator[Item]:
    """A second judgement of a packet that was refused as the one that it may be: as the other."""
    for way in WAYS:
        # It is no reply.
        actions = (set_field(TAKEN, FIRST_ONLY), resubmit(way.rules.id))
        yield way.refused.flow(Priority.NORMAL, {TAKEN: REPLY_OR_FIRST}, actions)
        # It is not the first of a connection.
        actions = (set_field(TAKEN, REPLY_ONLY), resubmit(way.replies.id))
        yield way.refused.flow(Priority.NORMAL, {TAKEN: FIRST_OR_REPLY}, actions)


@always
def midst() -> Iterator[Item]:
    """Packets of TCP that begin nothing, of connections that nobody knows, outside a time of grace.

    Ports are looked at only in those that the rules allow as the first one: a scan costs the datapath no flow more.
    """
    for way in WAYS:
        # The first that is seen of a connection, or a reply: let the rules say of both.
        actions = (set_field(TAKEN, FIRST_AND_REPLY), goto(way.rules))
        yield way.judge.flow(Priority.NORMAL, {**UNKNOWN, **GOES_ON}, actions)
        for looks in NO_CLIENT_S:
            # It is allowed as the first one, and does not look like a client's: may it be a reply, too?
            asked: Match = {TAKEN: FIRST_AND_REPLY, **looks, IP_FRAG: (0, FRAGMENT_LATER)}
            too = (set_field(TAKEN, REPLY_TOO), resubmit(way.replies.id))
            yield way.allowed.flow(Priority.EXCEPTION, asked, too)
        # It may, and is a first fragment: later ones, which have no ports and no flags, go on in its connection.
        piece: Match = {TAKEN: REPLY_TOO, ETH_TYPE: ETH_TYPE_IP, IP_FRAG: PIECE}
        yield way.allowed.flow(Priority.EXCEPTION, piece, (set_field(TAKEN, FIRST_ONLY), resubmit(way.allowed.id)))


@says(unseen)
def may_go_on(step: Step, view: View) -> str:
    """The time of grace, in words."""
    whose = "the switch has just started" if step.record.id == SWITCH else f"{step.record.id} has just moved here"
    return f"{whose}: it may belong to a connection that nobody has seen begin"


@says(again)
def other_way(step: Step, view: View) -> str:
    """The other way to judge it, in words."""
    return "refused as a reply" if step.value(TAKEN) == REPLY_OR_FIRST else "refused as the first of a connection"


@says(midst)
def begins_nothing(step: Step, view: View) -> str:
    """The other thing that it may be, in words."""
    if step.table in {way.judge.id for way in WAYS}:
        return "it begins no connection, and nobody knows the one that it may belong to"
    return "it passes only if it may be a reply, too" if step.value(TAKEN) == FIRST_AND_REPLY else ""
