"""Fragments of TCP and UDP through an elastic IP: connection tracking translates the whole datagram.

Rewriting an address also changes the checksum of TCP or UDP, at a place that only the first fragment has: later ones
would arrive with wrong data (Open vSwitch 3.1 to 3.7).  Whole packets, and fragments of anything else, need none of it;
but the receiver's security groups let every fragment wait for its datagram, so what comes in has the same limit.
"""

from collections.abc import Iterator

from apps.eip.facts import arrives, leads_to, presented, shares
from apps.eip.model import ElasticIp
from apps.eip.tables import DNAT, SNAT
from apps.fragment.tables import DNAT_PIECES, NOT_TRANSLATED, SNAT_PIECES
from apps.gateway.facts import home_of, served_here
from apps.oversize.facts import cutting, limited
from apps.pipeline import ANOTHER_HOST, NEXT_HOP, OUTSIDE, PORT, VPC
from apps.reassembly.facts import PIECE, not_late, pieces_limit
from apps.uplink.model import Pool
from apps.uplink.tables import POOL
from apps.vpc.model import Vpc
from sdnctl.of.actions import meter, nat, set_field
from sdnctl.of.fields import IP_DST, IP_FRAG, IP_PROTO, IP_PROTO_TCP, IP_PROTO_UDP, IP_SRC
from sdnctl.of.flow import Flow
from sdnctl.program.feature import Announce, Item, View, always, feature, placed, says
from sdnctl.program.packets import Forget
from sdnctl.program.pipeline import Priority, goto, onward
from sdnctl.program.step import Step
from sdnctl.program.tracking import tracked
from sdnctl.program.zones import ZoneLimit

CONNECTIONS = 4096
"""The connections of fragmented datagrams that one elastic IP may have, each way: more than the fragments that it may
send make in a minute, for which UDP is remembered."""
COVERED = (IP_PROTO_TCP, IP_PROTO_UDP)
"""The protocols whose checksum covers the addresses."""


@always
def late() -> Iterator[Item]:
    """Drop the fragments that connection tracking lets on because they have waited too long: they are nobody's."""
    yield not_late(SNAT_PIECES)
    yield not_late(DNAT_PIECES)


@feature(each=ElasticIp, within=placed("port", test=served_here))
def pieces(eip: ElasticIp, here: str, view: View) -> Iterator[Item]:
    """The fragments of an elastic IP that this host presents, each direction in a zone of its own."""
    pool, vpc = view.get(Pool, eip.pool), leads_to(eip, here, view)
    if pool is None or vpc is None or not presented(eip, here, view) or view.derived(shares, eip.port):
        return
    yield pieces_limit(eip.piece_meter)
    yield ZoneLimit(eip.out_zone, CONNECTIONS)
    yield ZoneLimit(eip.in_zone, CONNECTIONS)
    yield from _through(eip, pool, vpc)
    yield _others(eip, vpc)
    if view.derived(home_of, eip.port) != here and view.derived(cutting, None):
        # Between the instance on another host and outside, larger than the tunnel or the uplink: the same limit.
        yield limited(eip.piece_meter, {PORT: OUTSIDE, VPC: vpc.key, NEXT_HOP: eip.private})
        yield limited(eip.piece_meter, {PORT: ANOTHER_HOST, IP_SRC: eip.address})
    # Translated: on with the public address, within the ordered bandwidth.
    yield SNAT_PIECES.flow(
        Priority.NORMAL, {VPC: vpc.key, IP_SRC: eip.address}, [meter(eip.out_meter), onward(SNAT_PIECES)]
    )
    # Translated: enter the VPC at the private address.
    yield DNAT_PIECES.flow(
        Priority.NORMAL,
        {VPC: vpc.key, IP_DST: eip.private},
        [meter(eip.in_meter), *arrives(eip, view), onward(DNAT_PIECES)],
    )


def _through(eip: ElasticIp, pool: Pool, vpc: Vpc) -> Iterator[Item]:
    """The way of fragments through connection tracking, where they wait until their datagram is whole."""
    for proto in COVERED:
        # A fragment from the instance: through connection tracking, with all others of its datagram.
        outward = SNAT.flow(
            Priority.EXACT,
            {VPC: vpc.key, IP_SRC: eip.private, IP_PROTO: proto, IP_FRAG: PIECE},
            [
                meter(eip.piece_meter),
                set_field(POOL, pool.key),
                tracked(eip.out_zone, nat(src=eip.address), SNAT_PIECES),
            ],
        )
        yield outward
        # Whatever went through the zone before, by another binding, is forgotten.
        yield Announce(outward, Forget(eip.out_zone))
        # A fragment for the elastic IP: the same, in the zone of the other direction.
        inward = DNAT.flow(
            Priority.rank(0),
            {IP_DST: eip.address, IP_PROTO: proto, IP_FRAG: PIECE},
            [
                meter(eip.piece_meter),
                set_field(VPC, vpc.key),
                tracked(eip.in_zone, nat(dst=eip.private), DNAT_PIECES),
            ],
        )
        yield inward
        yield Announce(inward, Forget(eip.in_zone))


def _others(eip: ElasticIp, vpc: Vpc) -> Flow:
    # A fragment of any other protocol: within the limit, for it waits where the receiver's security groups are.
    return DNAT.flow(
        Priority.EXCEPTION,
        {IP_DST: eip.address, IP_FRAG: PIECE},
        [meter(eip.piece_meter), set_field(IP_DST, eip.private), set_field(VPC, vpc.key), goto(DNAT_PIECES)],
    )


@says(pieces)
def translated_whole(step: Step, view: View) -> str:
    """The way of a fragment, in words."""
    if step.value(IP_PROTO) not in COVERED:
        return f"a fragment, within the limit: elastic IP {step.record.id}" if step.table == DNAT.id else ""
    if step.table in (SNAT.id, DNAT.id):
        return f"a fragment waits for all of its datagram, to be translated with them: elastic IP {step.record.id}"
    return f"all fragments of the datagram are here, and translated: elastic IP {step.record.id}"


@says(late)
def too_late(step: Step, view: View) -> str:
    """Nothing: only what has waited too long is told of."""
    return ""


@says(NOT_TRANSLATED)
def not_translated(step: Step, view: View) -> str:
    """The fragment whose translation failed, in words."""
    return NOT_TRANSLATED.text
