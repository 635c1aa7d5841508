"""The notes that programs leave in the switch's database: ``external_ids`` of its Open_vSwitch row (RFC 7047)."""

import select
from collections.abc import Mapping, Sequence

from sdnctl.store.ovsdb.wire import Message, Wire

TABLE = "Open_vSwitch"
_ANSWER_S = 1.0


def noted(wire: Wire, name: str) -> str:
    """The note under a name, "" for none or no answer."""
    wire.send(_transact({"op": "select", "table": TABLE, "where": [], "columns": ["external_ids"]}))
    for message in heard(wire, _ANSWER_S):
        if message.get("id") == "transact":
            rows = message["result"][0].get("rows", [])
            return next((str(dict(row["external_ids"][1]).get(name, "")) for row in rows), "")
    return ""


def written(old: Sequence[str], new: Mapping[str, str]) -> Message:
    """The request that takes notes away by their names, and then writes new ones."""
    changes = [["external_ids", "delete", ["set", [*old]]], ["external_ids", "insert", ["map", [*new.items()]]]]
    return _transact({"op": "mutate", "table": TABLE, "where": [], "mutations": changes})


def heard(wire: Wire, seconds: float | None) -> list[Message]:
    """The messages that come within a time, at most one reading of them; the database's echoes are answered."""
    poll = select.poll()
    poll.register(wire.fileno(), select.POLLIN)
    messages = wire.receive() if poll.poll(None if seconds is None else seconds * 1000) else []
    for message in messages:
        if message.get("method") == "echo":
            wire.send({"id": message["id"], "result": message["params"], "error": None})
    return messages


def result(message: Message, id: str) -> Message:
    """The result of a request, empty for other messages."""
    return message.get("result") or {} if message.get("id") == id else {}


def _transact(operation: Message) -> Message:
    return {"method": "transact", "params": [TABLE, operation], "id": "transact"}
