"""The clock of hand-over: four times a second each host counts how long the holders it waits for were not reached."""

from collections.abc import Iterator

from apps.holder.facts import LOOK_SECONDS
from apps.holder.model import Claim, Wait
from sdnctl.model.host import HostStatus, LocalPeer
from sdnctl.program.feature import View, every
from sdnctl.program.packets import Drop, PacketOut, Put, Report


@every(LOOK_SECONDS)
def wait_for_holders(here: str, view: View) -> Iterator[PacketOut | Report]:
    """Count how long the holders of keys that this host is to hold have not been reached."""
    for id in view.all(Claim):
        claim, known = view.get(Claim, id), view.get(Wait, id)
        found = _looked(claim, known, here, view) if claim is not None else known
        if found is not None and found != known:
            yield Put(found)
    for id in view.all(Wait):
        if view.get(Claim, id) is None:
            yield Drop(Wait, id)


def _looked(claim: Claim, known: Wait | None, here: str, view: View) -> Wait:
    """The wait of a claim after one more look; one that is over counts no further."""
    peer, status = view.get(LocalPeer, claim.holder), view.get(HostStatus, claim.holder)
    seen = status.seen if status is not None else 0.0
    up = peer is not None and peer.up
    looks, reached = 0, up
    if known is not None and (known.holder, known.turn) == (claim.holder, claim.turn):
        reached = up or known.reached
        met = reached if claim.anew else peer is not None and peer.met
        looks = known.looks if met or seen == known.seen else 0
    looks = 0 if up else min(looks + 1, max(claim.rank, claim.strangers))
    return Wait(id=claim.id, host=here, holder=claim.holder, turn=claim.turn, looks=looks, seen=seen, reached=reached)
