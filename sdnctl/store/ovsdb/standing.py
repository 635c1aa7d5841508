"""The server of a store to follow: one in contact with the others, that knows no less than is known here.

Each server tells how it does in its database ``_Server`` (ovsdb-server(5)); for a store that is one server alone, the
answer is always the same.
"""

from typing import Any

from sdnctl.store.ovsdb.link import Garbled
from sdnctl.store.ovsdb.schema import DATABASE
from sdnctl.store.ovsdb.wire import Message

MONITOR = "server"


class Standing:
    """The state of the servers as learnt so far; the one that is connected to now is told of by ``hear``.

    The ``index`` of what a server has told grows with every commit, and never shrinks in a cluster: a server that has
    less is late, and following it would undo what was seen (a cluster restored from a backup has another ``cid``).
    """

    def __init__(self) -> None:
        self._now: dict[str, Any] = {}
        self._cluster: Any = None
        self._index = 0
        self.is_cluster = False
        """True when the store is several servers, as the last one said that was asked."""

    def ask(self) -> Message:
        """The request to be told of the server, now and whenever it changes."""
        self._now = {}
        wanted = {"columns": ["model", "connected", "cid", "index"], "where": [["name", "==", DATABASE]]}
        return {"method": "monitor_cond", "params": ["_Server", MONITOR, {"Database": [wanted]}], "id": MONITOR}

    def hear(self, updates: dict[str, dict[str, dict[str, Any]]]) -> None:
        """Take in what the server says of itself; Garbled when it is not to be followed (any longer)."""
        for update in updates.get("Database", {}).values():
            ((kind, row),) = update.items()
            if kind == "delete":
                self._now = {}
            else:
                self._now |= row
        if not self._now:
            raise Garbled(f"the server does not serve {DATABASE}")
        self.is_cluster = self._now.get("model") == "clustered"
        if not self.is_cluster:
            return
        if not self._now.get("connected"):
            raise Garbled("the server is cut off from the other servers of the store")
        if self._now.get("cid") != self._cluster:
            self._cluster, self._index = self._now.get("cid"), 0
        index = self._now.get("index", 0)
        if not isinstance(index, int):
            return  # it has not read its log yet, so it is not connected either
        if index < self._index:
            raise Garbled("the server is behind what others have told")
        self._index = index
