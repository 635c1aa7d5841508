"""The arbiter of an API server: it settles what hosts ask for about records that they take over from each other.

A bid is granted when the record is still what its host had seen, when the host speaks of itself, and when the features
that declared a rule for the class (``program.lifecycle.arbitrates``) find that the rest of the region backs it.  Any
number of API servers may do so at once: what one has settled is void for the others.
"""

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import structlog

from sdnctl.base.errors import FeatureError, IntentError, Refused, StoreError
from sdnctl.engine.border import guarded
from sdnctl.model.bid import Bid
from sdnctl.model.resource import meta, resources
from sdnctl.program.lifecycle import arbitrated
from sdnctl.store import Batch, Store, Txn
from sdnctl.store.bids import founded, wanted
from sdnctl.store.ovsdb.codec import UNREADABLE

RETRY_S, LOOK_S = 0.2, 5.0
STALE_S = 30.0
"""Seconds after which a wish that nothing backs is forgotten; a host that means it asks again within its heartbeat."""
AT_ONCE, OF_A_HOST = 100, 2000
"""Bids that one transaction settles, and those of one host that are looked at in one round."""
GATHER_S = 0.02  # between rounds while bids wait: each change of the region may be what backs one
log = structlog.get_logger("sdnctl.api")


class Arbiter:
    """Settles the bids of a store on a thread of its own, from ``start`` to ``close``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._news = threading.Event()
        self._open = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="arbiter", daemon=True)

    def start(self) -> None:
        """Begin to follow the store."""
        self._store.subscribe(self._took)
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._closing = True
        self._news.set()
        self._thread.join(5)

    def _took(self, batch: Batch) -> None:
        """A bid has come, or something that may back one."""
        if self._open or any(change.cls is Bid and change.new is not None for change in batch.changes):
            self._news.set()

    def _run(self) -> None:
        try:
            self._serve()
        finally:
            if not self._closing:
                # Without it no port would move: who watches this process starts it again.
                signal.raise_signal(signal.SIGTERM)

    def _serve(self) -> None:
        while not self._closing:
            self._news.wait(LOOK_S)
            self._news.clear()
            if self._open:
                time.sleep(GATHER_S)
            try:
                self._settle()
            except StoreError as error:
                log.warning("bids wait", error=str(error))
                self._news.wait(RETRY_S)
                self._news.set()

    def _settle(self) -> None:
        """Look at each bid; where a port is before who answers for it, since one backs the other."""
        self._open = True
        with self._store.read() as state:
            ids = [bid.id for bid in _some(state.all(Bid).values())]
        for at in range(0, len(ids), AT_ONCE):
            self._settle_some(ids[at : at + AT_ONCE])
        with self._store.read() as state:
            self._open = bool(state.all(Bid))

    def _settle_some(self, ids: list[str]) -> None:
        """Settle some bids in one transaction; one that the store does not take is void, and holds up no other."""
        try:
            self._store.report(partial(_settled, ids=ids))
        except (IntentError, Refused) as error:
            if len(ids) > 1:
                for id in ids:
                    self._settle_some([id])
                return
            log.warning("a bid is void", bid=ids[0], error=ascii(error))
            self._store.report(lambda txn: txn.delete(Bid, ids[0]))


def _some(bids: Iterable[Bid]) -> Iterator[Bid]:
    """The bids in their order, of each host a part, so that none that asks for too much holds up the others."""
    looked: Counter[str] = Counter()
    for bid in sorted(bids, key=lambda bid: (bid.kind, bid.id)):
        looked[bid.host] += 1
        if looked[bid.host] <= OF_A_HOST:
            yield bid


def _settled(txn: Txn, ids: list[str]) -> None:
    for id in ids:
        settle(txn, id)


def settle(txn: Txn, id: str) -> None:
    """Do what a bid asks for, or forget it; one that nothing backs yet stays for a while."""
    bid = txn.get(Bid, id)
    if bid is None:
        return
    cls = resources().get(bid.kind)
    if cls is not None and meta(cls).contested and not _done(txn, bid, cls):
        if txn.now - bid.asked < STALE_S:
            return
        log.warning("a bid is not backed", host=bid.host, kind=bid.kind, key=bid.key)
    txn.delete(Bid, id)


def _done(txn: Txn, bid: Bid, cls: type) -> bool:
    """Write what is asked for; False when it has to wait until something backs it."""
    known: Any = txn.get(cls, bid.key)
    try:
        if not founded(bid, known):
            return True
        if not bid.record:
            if known is not None and known.host == bid.host:
                txn.delete(cls, bid.key)
            return True
        record = wanted(bid)
        judged = guarded(arbitrated, bid.id, lambda: arbitrated(known, record, txn))
        if judged is None:
            return False
        txn.put(judged)
    except (*UNREADABLE, AttributeError, IntentError, FeatureError) as error:
        log.warning("a bid is void", host=bid.host, kind=bid.kind, key=bid.key, error=str(error))
        return True
    if known is not None and known.host != bid.host:
        log.info("taken over", kind=bid.kind, key=bid.key, by=bid.host, of=known.host)
    return True
