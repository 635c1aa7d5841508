"""Secrets that an earlier program stored unsealed are sealed by the first API server that starts after the conversion.

The store's members have no seal, so they only note which rows lay unsealed then (``settle``).  A secret that is found
unsealed and is not noted came later, from somebody without the seal: it stays put aside.
"""

import structlog

from sdnctl.model.unreadable import Unreadable, Unsealed
from sdnctl.store import Txn
from sdnctl.store.ovsdb.client import OvsdbStore

log = structlog.get_logger("sdnctl.api")


def seal_noted(store: OvsdbStore) -> None:
    """Seal what is noted, once for all; before anybody looks at a key.  StoreError when the store does not answer."""

    def work(txn: Txn) -> list[str]:
        notes = sorted(txn.all(Unsealed))
        for note in notes:
            aside = txn.get(Unreadable, note)
            record = store.unsealed(aside) if aside is not None else None
            if record is not None:
                txn.put(record)
            txn.delete(Unsealed, note)
        return notes

    sealed = store.transact(work)
    if sealed:
        log.info("secrets of an earlier program are sealed now", rows=sealed)
