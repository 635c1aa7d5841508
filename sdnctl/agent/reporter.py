"""The reporter of a host: it tells the region which ports it has and what its switch has confirmed.

Reports go to the store from a thread of their own, so that a slow or lost store never holds up the data plane.  There
is one report on its way at most; what comes meanwhile is gathered, and of two about the same record the newer wins.
"""

import threading
import time
from typing import Any

import structlog

from sdnctl.base.errors import IntentError, Refused, StoreError
from sdnctl.model.bid import Bid
from sdnctl.model.host import Host
from sdnctl.model.resource import meta
from sdnctl.program.packets import WHATEVER, Drop, Put, Report
from sdnctl.store import Store, Txn
from sdnctl.store.bids import wish

RETRY_S = 0.2
Key = tuple[type, str]
log = structlog.get_logger("reporter")


class Reporter:
    """Writes this host's report records; ``put`` never blocks."""

    def __init__(self, store: Store, here: str) -> None:
        self._store = store
        self._here = here
        self._pending: dict[Key, Report] = {}
        self._wake = threading.Condition()
        self._busy = False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)
        self._thread.start()

    def put(self, *reports: Report) -> None:
        """Tell this to the store as soon as it takes it."""
        with self._wake:
            for report in reports:
                key = (type(report.record), report.record.id) if isinstance(report, Put) else (report.cls, report.id)
                self._pending.pop(key, None)
                self._pending[key] = report
            self._wake.notify_all()

    def flush(self, seconds: float) -> bool:
        """Wait until everything is told; False when that takes longer than ``seconds``."""
        end = time.monotonic() + seconds
        with self._wake:
            return self._wake.wait_for(lambda: not self._pending and not self._busy, end - time.monotonic())

    def close(self) -> None:
        """Stop; what is not told yet will be found again at the next start."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        self._thread.join(2)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._busy = False
                self._wake.notify_all()
                self._wake.wait_for(lambda: self._pending or self._stopping)
                if self._stopping:
                    return
                taken, self._pending = self._pending, {}
                self._busy = True
            try:
                self._tell(taken)
            except StoreError as error:
                log.warning("the store does not take reports", error=str(error))
                with self._wake:
                    self._pending = taken | self._pending
                    self._wake.wait_for(lambda: self._stopping, RETRY_S)

    def _tell(self, reports: dict[Key, Report]) -> None:
        """All in one transaction, this host's own row first; one that the store refuses does not hold up the others."""
        ordered = sorted(reports.values(), key=lambda report: not _is_host(report))
        try:
            self._store.report(lambda txn: self._write(txn, ordered))
        except (IntentError, Refused) as error:
            if len(ordered) == 1:
                say = log.info if isinstance(error, IntentError) else log.warning
                say("a report is not taken", report=ascii(ordered[0]), error=ascii(error))
                return
            for report in ordered:
                self._tell({(Host, ""): report})

    def _write(self, txn: Txn, reports: list[Report]) -> None:
        for report in reports:
            record: Any = report.record if isinstance(report, Put) else None
            cls, id = (report.cls, report.id) if isinstance(report, Drop) else (type(record), record.id)
            known: Any = txn.get(cls, id)
            if report.known is not WHATEVER and report.known != known:
                continue  # there is news of it, which this host will hear and judge
            if meta(cls).contested and self._store.arbitrated:
                self._bid(txn, cls, id, record, known)
            elif record is not None and known != record:
                txn.put(record)
            elif record is None and known is not None and known.host == self._here:  # else it is another host's now
                txn.delete(cls, id)

    def _bid(self, txn: Txn, cls: type, id: str, record: Any, known: Any) -> None:
        """Ask the API servers for what only they may write."""
        made = wish(self._here, cls, id, record, known, txn.now)
        asked = txn.get(Bid, made.id)
        if known != record and (record is not None or known.host == self._here):
            if asked is None or (asked.record, asked.based) != (made.record, made.based):
                txn.put(made)
        elif asked is not None:
            txn.delete(Bid, made.id)


def _is_host(report: Report) -> bool:
    return isinstance(report, Put) and isinstance(report.record, Host)
