"""Bids: hosts ask for contested records in their own name, and API servers arbitrate.

Where certificates tell hosts apart, no host may write what hosts take over from each other (the place of a port, the
holder of a public address).  It says what it wants (``wish``), and an API server does that in its stead, where the rest
of the region backs it (``api.arbiter``).
"""

import json
from functools import cache
from typing import Any

from sdnctl.model.bid import Bid
from sdnctl.model.resource import meta, resources
from sdnctl.store.ovsdb.codec import Table, table
from sdnctl.store.ovsdb.commit import unfit_record


def wish(here: str, cls: type, id: str, record: Any, known: Any, now: float) -> Bid:
    """The bid of host ``here`` that a record, ``known`` until now, become another one; None is no record."""
    kind = meta(cls).name
    return Bid(
        id=f"{here}/{kind}/{id}", host=here, kind=kind, key=id, record=text(record), based=text(known), asked=now
    )


def text(record: Any) -> str:
    """A record as text, the same for equal ones; "" for None."""
    if record is None:
        return ""
    return json.dumps(_table(meta(type(record)).name).whole(record), sort_keys=True, separators=(",", ":"))


def founded(bid: Bid, known: Any) -> bool:
    """True when a record, None for none, is still what a bid was based on, as far as its host knows the columns.

    A host of an older release lacks some, and its bids hold all the same.  One of ``codec.UNREADABLE`` when it says
    nothing that makes sense.
    """
    if known is None or not bid.based:
        return known is None and not bid.based
    said, now = dict(json.loads(bid.based)), _table(bid.kind).whole(known)
    return "id" in said and all(now[name] == value for name, value in said.items() if name in now)


def wanted(bid: Bid) -> Any:
    """The record that a bid asks for.

    One of ``codec.UNREADABLE`` when it is none, or in another host's name; IntentError when no store could hold it.
    """
    made = _table(bid.kind).record(json.loads(bid.record))
    if (made.id, made.host) != (bid.key, bid.host):
        raise ValueError("it is in another host's name")
    wrong = unfit_record(_table(bid.kind), made)
    if wrong is not None:
        raise wrong
    return made


@cache
def _table(kind: str) -> Table:
    return table(resources()[kind])
