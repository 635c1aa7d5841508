"""The dialogue with a server: monitors that tell this process of every change it wants to know, and the answers.

The dialogue of one connection: how the server does, its schema, the records that are wanted (``monitor_cond_since``),
then changes of what is wanted (``monitor_cond_change``), one at a time.  The name of the monitor is the number of the
``follow`` that is in force, so each update tells by which conditions it was made (ovsdb-server(7) 4.1.13).
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sdnctl.store.ovsdb.codec import Table
from sdnctl.store.ovsdb.interest import Selection
from sdnctl.store.ovsdb.link import Garbled
from sdnctl.store.ovsdb.replica import Updates
from sdnctl.store.ovsdb.schema import DATABASE, missing
from sdnctl.store.ovsdb.standing import MONITOR, Standing
from sdnctl.store.ovsdb.wire import Message
from sdnctl.store.state import Interest

_NOWHERE = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Heard:
    """A message read: changes for the replica (all there is, if ``whole``), and what to say next."""

    updates: Updates | None = None
    whole: bool = False
    say: list[Message] = field(default_factory=list)


class Dialogue:
    """The dialogues with servers, one after the other; ``want`` from any thread, the rest from one."""

    def __init__(self, tables: Mapping[str, Table], interest: Interest | None) -> None:
        self._tables = tables
        self._standing = Standing()
        self._wanted = self._in_force = Selection(interest)
        self._wanting = threading.Lock()
        self._asked: Selection | None = None
        self._following = False
        self._txn_id = _NOWHERE

    @property
    def in_force(self) -> Selection:
        """The interest that the replica holds now."""
        return self._in_force

    @property
    def is_cluster(self) -> bool:
        """True when the store is several servers."""
        return self._standing.is_cluster

    def want(self, interest: Interest) -> int:
        """Change the wish; the next ``ask`` says so."""
        with self._wanting:
            self._wanted = Selection(interest, self._wanted.number + 1)
            return self._wanted.number

    def ended(self) -> None:
        """The connection is gone."""
        self._asked, self._following = None, False

    def greeting(self) -> list[Message]:
        """The first messages to a server."""
        return [self._standing.ask()]

    def forget(self) -> None:
        """The replica is not what the server thinks: load all of it next time."""
        self._txn_id = _NOWHERE

    def hear(self, message: Message) -> Heard:
        """Take in an answer or an update.  Garbled when the connection is of no use."""
        if message.get("error") is not None:
            raise Garbled(f"the store refuses to be followed: {message['error']}")
        if message.get("method") == "update3":
            number, txn_id, updates = message.pop("params")
            return self._updated(number, txn_id, updates)
        if message.get("method") == "update2":
            self._standing.hear(message["params"][1])
            return Heard()
        if message["id"] == MONITOR:
            self._standing.hear(message["result"])
            # A server that lacks a column is refused in words, so its schema is asked for.
            return Heard(say=[{"method": "get_schema", "params": [DATABASE], "id": "schema"}])
        if message["id"] == "schema":
            return Heard(say=[self._monitor(message["result"])])
        if message["id"] == "monitor":
            found, self._txn_id, updates = message.pop("result")
            assert self._asked is not None
            self._in_force, self._asked, self._following = self._asked, None, True
            return Heard(updates, whole=not found, say=self.ask())
        if message.get("method") is not None:  # monitor_canceled: it was converted under us
            raise Garbled("the store has changed its schema")
        if self._asked is not None and message["id"] == _follow(self._asked):
            self._agreed()
        return Heard(say=self.ask())

    def ask(self) -> list[Message]:
        """Say what else is wanted, unless that is said already or an answer is still to come."""
        wanted = self._wanted
        if not self._following or self._asked is not None or wanted is self._in_force:
            return []
        before, self._asked = self._in_force, wanted
        changed = {name: [{"where": where}] for name, where in wanted.differences(before, self._tables).items()}
        # What has left the conditions since a transaction id, and what has come into them, is in no server's history.
        self.forget()
        return [
            {"method": "monitor_cond_change", "params": [before.number, wanted.number, changed], "id": _follow(wanted)}
        ]

    def _monitor(self, served: Any) -> Message:
        lacking = missing(self._tables, served)
        if lacking is not None:
            raise Garbled(f"the store's schema {served.get('version')} lacks {lacking}: it must be converted first")
        if self._wanted is not self._in_force:
            self.forget()
        wanted = self._asked = self._wanted
        requests = {name: [self._request(wanted, table)] for name, table in self._tables.items()}
        parameters = [DATABASE, wanted.number, requests, self._txn_id]
        return {"method": "monitor_cond_since", "params": parameters, "id": "monitor"}

    def _request(self, wanted: Selection, table: Table) -> dict[str, Any]:
        request: dict[str, Any] = {"columns": list(table.columns)}
        if wanted.of(table.name) is not None:
            request["where"] = wanted.conditions(table)
        return request

    def _updated(self, number: int, txn_id: str, updates: Updates) -> Heard:
        if self._asked is not None and number == self._asked.number:
            self._agreed()  # the update that a new condition makes comes before its answer
        if self._asked is None:
            self._txn_id = txn_id
        return Heard(updates)

    def _agreed(self) -> None:
        if self._asked is not None:
            self._in_force, self._asked = self._asked, None


def _follow(wanted: Selection) -> str:
    return f"follow {wanted.number}"
