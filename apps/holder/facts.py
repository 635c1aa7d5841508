"""Hand-over: the order in which hosts let go of a key and take it, and when a holder counts as dead."""

from collections.abc import Iterator
from typing import Protocol, TypeVar

from apps.holder.model import Claim, Holder, Wait
from apps.overlay.facts import endpoint, watched
from sdnctl.model.host import TUNNEL, LocalPeer, LocalTunnel
from sdnctl.program.feature import Item, Reported, View

R = TypeVar("R")

LOOK_SECONDS = 0.25
DEAD_AFTER, STRANGER_DEAD_AFTER = 3, 12
"""Looks, four a second, after which a holder counts as dead that BFD reached before, and one that it never reached.

BFD gives a way up within the same 0.3 s at both ends: after three looks this host knows that it is not itself the one
cut off, and a holder that is has let go.  A way that is watched for this only takes a while to come up.
"""


class Records(Protocol):
    """The whole region's records, in a transaction or not."""

    def get(self, cls: type[R], id: str) -> R | None:
        """The record, or None."""


def held_here(key: str, here: str, view: View) -> bool:
    """True when this host may present a key: it is free, this host's own, or its holder's time is over.

    One that has become free while this host waited for it is its own only when the region has taken note: it may have
    been given to a third host meanwhile.
    """
    holder, claim = view.get(Holder, key), view.get(Claim, key)
    if holder is None:
        return claim is None
    return holder.host == here or (claim is not None and _over(claim, holder, view))


def _over(claim: Claim, holder: Holder | None, view: View) -> bool:
    """True when a claim has waited long enough for the holder that there is, or for those that come first."""
    wait = view.get(Wait, claim.id)
    same = (holder.host, holder.turn) if holder is not None else ("", 0)
    if wait is None or not (wait.holder, wait.turn) == (claim.holder, claim.turn) == same:
        return False
    if holder is None:
        return wait.looks >= claim.rank
    peer = view.get(LocalPeer, holder.host)
    if peer is not None and peer.up:
        return False  # its switch answers still
    watchable = view.get(LocalTunnel, TUNNEL) is not None and view.derived(endpoint, holder.host)
    stranger = not wait.reached if claim.anew else watchable and (peer is None or not peer.met)
    return wait.looks >= (claim.strangers if stranger else DEAD_AFTER)


def dead(id: str, host: str, turn: int, view: View) -> bool:
    """True when a claim of this host, which is for no holder's key, has waited long enough for another host."""
    claim = view.get(Claim, id)
    return claim is not None and _over(claim, Holder(id=id, host=host, turn=turn), view)


def holding(
    key: str,
    vpc: str,
    here: str,
    view: View,
    *,
    rank: int = 0,
    strangers: int = STRANGER_DEAD_AFTER,
    anew: bool = False,
    fit: bool = True,
) -> Iterator[Item]:
    """The reports of a host that is to hold a key; it may present it once ``held_here`` says so.

    ``rank``, ``strangers`` and ``anew`` are those of the claim (see ``Claim``); ``fit`` is False when the present
    holder is none that has to be waited for.
    """
    known, claim = view.get(Holder, key), view.get(Claim, key)
    if known is not None and known.host == here:
        # Held, and the region knows.
        yield Reported(Holder(id=key, vpc=vpc, host=here, turn=known.turn))
        return
    holder = known if fit else None
    if holder is not None:
        # Somebody else holds it still: for how long is counted.
        claim = Claim(id=key, host=here, holder=holder.host, turn=holder.turn, strangers=strangers, anew=anew)
        yield Reported(claim)
        # Its being alive decides how long to wait.
        yield from watched(holder.host, view)
    elif rank:
        # Others come first, and each that does not come costs a look.
        claim = Claim(id=key, host=here, holder="", turn=0, rank=rank)
        yield Reported(claim)
    elif claim is not None:
        # Free at last: this host waits until the region has taken note.
        yield Reported(claim)
    if (holder is None and not rank) or (claim is not None and _over(claim, holder, view)):
        # The region learns that this host holds it now.
        yield Reported(Holder(id=key, vpc=vpc, host=here, turn=known.turn if known is not None else 0))


def holder_of(key: str, region: Records) -> str:
    """The host that holds a key, "" when none does."""
    found = region.get(Holder, key)
    return found.host if found is not None else ""
