"""The master of a HaVip: whoever claimed it last, on this host or elsewhere."""

from typing import Any, NamedTuple

from apps.eni.facts import plugged_in
from apps.havip.model import Claimed, HaVip, HaVipMember
from sdnctl.model.host import Binding
from sdnctl.program.feature import View

MEMBER = ("havip", "port")


class Master(NamedTuple):
    """The port that is master, "" for none, and the turn at which it came to be."""

    port: str = ""
    turn: int = 0


NOBODY = Master()


def member(havip: str, port: str, records: Any) -> bool:
    """True while a port is a member of a HaVip; ``records`` are a view, a state or a transaction."""
    return bool(records.by(HaVipMember, MEMBER, (havip, port)))


def turn_of(port: str, view: View) -> int:
    """The turn of a HaVip's interface, 0 when nobody has it."""
    known = view.get(Binding, port)
    return known.turn if known is not None else 0


def master_of(havip: str, here: str, view: View) -> Master:
    """The master as this host knows it: a claim that was made here counts before the region has taken note of it."""
    found = view.get(HaVip, havip)
    if found is None:
        return NOBODY
    known, claimed = view.get(Binding, found.port), view.get(Claimed, havip)
    turn = known.turn if known is not None else 0
    if claimed is not None and claimed.turn == turn and _stands(havip, claimed.port, view):
        return Master(claimed.port, turn + 1)
    if known is None or not member(havip, known.behind, view):
        return NOBODY
    moved = known.host != here and plugged_in(known.behind, view) is not None
    return Master(known.behind, turn + moved)


def _stands(havip: str, port: str, view: View) -> bool:
    return member(havip, port, view) and plugged_in(port, view) is not None
