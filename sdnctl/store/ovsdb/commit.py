"""A transaction in the store's words: the operations that make a list of changes come true, or nothing at all.

Intent is serialised: each transaction waits for the region's sequence number to be the one it was computed on, and adds
one.  What became of a commit whose answer was lost can be asked later: a ring of rows remembers which attempt made
each of the last ``RING`` sequence numbers.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sdnctl.base.errors import DiskFull, Doubtful, IntentError, Refused, StoreError
from sdnctl.model.resource import meta
from sdnctl.model.unreadable import Unreadable
from sdnctl.store import REGION, Change, Region
from sdnctl.store.ovsdb.codec import Column, Row, Table
from sdnctl.store.ovsdb.replica import Replica
from sdnctl.store.ovsdb.rights import WHO
from sdnctl.store.ovsdb.room import lacks_room
from sdnctl.store.ovsdb.schema import COMMIT, DATABASE, row_uuid
from sdnctl.store.ovsdb.wire import Message, encoded

Operation = dict[str, Any]
Assumed = Sequence[tuple[str, type, str]]
RING = 1024
ANSWER_S = 1.5
"""Seconds that the first answer of a cluster's member may take, each later one twice as long."""
ENDS = 3
"""Connections that may end on one transaction: more members of a store do not die one after the other within it."""
_CONFLICTS = ("timed out", "duplicate uuid")
_FINAL = (
    "syntax error",
    "constraint violation",
    "domain error",
    "range error",
    "referential integrity violation",
    "permission error",
    "not supported",
    "unknown ",
)
_INTEGER = 2**63  # RFC 7047, 3.1: integers of OVSDB have 64 bits


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of somebody's work, ready to be sent."""

    id: str
    result: Any
    changes: list[Change]
    operations: list[Operation]
    base: int
    generation: int
    assumed: Assumed = ()


@dataclass(slots=True)
class Effort:
    """One call of ``transact`` or ``report``: when it ends, and which of its attempts may have been committed.

    ``patience`` is how long the next answer is waited for, in seconds, ``ends`` how often a connection ended on an
    attempt; ``pause`` comes true when another attempt is worth it.
    """

    deadline: float
    doubtful: list[Attempt] = field(default_factory=list)
    patience: float = ANSWER_S
    ends: int = 0
    pause: Callable[[], bool] | None = None

    @contextmanager
    def doubts(self) -> Iterator[None]:
        """Turn the failure to go on into a Doubtful, where an attempt may have been committed."""
        try:
            yield
        except (Refused, DiskFull, Doubtful):
            raise
        except StoreError as error:
            if not self.doubtful:
                raise
            raise Doubtful(f"the outcome of a commit is unknown: {error}") from error


def intent(replica: Replica, changes: list[Change], attempt: str, ask: bool) -> list[Operation]:
    """The operations of an intent transaction on the replica's sequence number.

    With ``ask``, the answer tells who was faster, if somebody was; see ``maker``.
    """
    region = replica.state.get(Region, REGION)
    base = region.sequence if region is not None else 0
    after = Region(id=REGION, sequence=base + 1)
    uuid = replica.uuid("Region", REGION)
    log = {"attempt": attempt, "sequence": base + 1}
    slot = slot_uuid(base + 1)
    return [
        *([_who_made(base + 1)] if ask else ()),
        _wait("Region", uuid, {"sequence": base} if region is not None else None),
        *report(replica, changes),
        *_write(replica, Change(Region, REGION, region, after)),
        _insert(COMMIT, slot, log) if base < RING else _update(COMMIT, slot, log),
        {"op": "commit", "durable": True},
    ]


def report(replica: Replica, changes: list[Change]) -> list[Operation]:
    """The operations of changes to single rows; what hosts report is checked row by row, having no order.

    A change waits for its row to be what it was computed on, and so does a deletion, so that one that was sent to a
    frozen server, and sent again to another one, does not undo what came later.
    """
    made: list[Operation] = []
    for change in changes:
        if change.old is not None and meta(change.cls).report:
            name = meta(change.cls).name
            made.append(_wait(name, replica.uuid(name, change.id), {"id": change.id} | _was(replica, change)))
        made.extend(_write(replica, change))
    return made


def _was(replica: Replica, change: Change) -> Row:
    """The old values of the columns that change, or go, as far as they are written in one way only."""
    table = replica.tables[meta(change.cls).name]
    made = {}
    for name in table.row(change.new, change.old) if change.new is not None else table.columns:
        old = getattr(change.old, name)
        if table.columns[name].type != "real" and table.columns[name].encode(old) == old:
            made[name] = old
    return made


def checks(assumed: Assumed) -> list[Operation]:
    """The operations, to go last, that refuse a transaction unless these rows are there; see ``check``.

    A row is looked for under the UUID that follows from its id: those of other tools' making are not found.
    """
    made = []
    for _, cls, id in assumed:
        name = meta(cls).name
        made.append(_wait(name, row_uuid(name, id), {"id": id}))
    return made


def _unfounded(answer: Message, attempt: Attempt) -> IntentError | None:
    """The refusal for a reference to a record that is not there, when that is why an attempt was refused."""
    first = len(attempt.operations) - len(attempt.assumed)
    for (where, cls, id), result in zip(attempt.assumed, (answer["result"] or [])[first:], strict=False):
        if result is not None and "error" in result:
            return IntentError.missing(where, f"{meta(cls).name} {id!r}")
    return None


def slot_uuid(sequence: int) -> str:
    """The row that remembers who made this sequence number, until ``RING`` later ones are made."""
    return row_uuid(COMMIT, str(sequence % RING))


def who_made(sequence: int) -> list[Any]:
    """The parameters of a ``transact`` that asks for it; see ``maker``."""
    return [DATABASE, _who_made(sequence)]


def asks(attempt: Attempt) -> bool:
    """True when the answer to an attempt tells who was faster."""
    return bool(attempt.operations[0]["op"] == "select")


def _who_made(sequence: int) -> Operation:
    where = [["_uuid", "==", ["uuid", slot_uuid(sequence)]]]
    return {"op": "select", "table": COMMIT, "where": where, "columns": ["attempt", "sequence"]}


def maker(answer: Message, sequence: int) -> str | None:
    """The attempt that made ``sequence``; None when the server that was asked does not know yet.

    StoreError when the ring has gone round since.
    """
    result = (answer.get("result") or [None])[0]
    if result is None or "rows" not in result:
        raise Doubtful(f"the outcome of a commit is unknown: {refusal(answer)}")
    rows = result["rows"]
    if not rows or rows[0]["sequence"] < sequence:
        return None
    if rows[0]["sequence"] > sequence:
        raise Doubtful("the outcome of a commit is unknown: too many others followed")
    attempt: str = rows[0]["attempt"]
    return attempt


def refusal(answer: Message) -> str | None:
    """The reason for which a transaction was refused; None when it was committed."""
    if answer.get("error") is not None:
        return str(answer["error"])
    for item in answer["result"]:
        if item is not None and "error" in item:
            return ": ".join(str(item[key]) for key in ("error", "details") if item.get(key))
    return None


def check(replica: Replica, attempt: Attempt, answer: Message) -> None:
    """Raise the error that a refused attempt ends with; after a conflict there is none, as newer data may help.

    What is refused every time follows from the kind of the refusal (RFC 7047, 5.2; ovsdb-server(7), 4.1.7).
    """
    refused = refusal(answer) or ""
    unfounded = _unfounded(answer, attempt)
    if unfounded is not None:
        raise unfounded
    if refused.startswith(_CONFLICTS):
        return
    if lacks_room(refused):
        raise DiskFull(f"the store has no room: {refused}")
    if refused.startswith(_FINAL):
        raise unfit(replica, attempt.changes) or Refused(f"the store refused a commit: {refused}")
    raise StoreError(f"the store refused a commit: {refused}")


@contextmanager
def encodable(replica: Replica, changes: list[Change]) -> Iterator[None]:
    """Turn the failure to encode changes, or to send them, into an IntentError that names the class and the field."""
    try:
        yield
    except ValueError as error:
        raise unfit(replica, changes) or error from error


def unfit(replica: Replica, changes: list[Change]) -> IntentError | None:
    """The refusal for the first value among changes that the store has no room for; None when each fits."""
    for change in changes:
        table = replica.tables.get(meta(change.cls).name)
        wrong = unfit_record(table, change.new) if change.new is not None and table is not None else None
        if wrong is not None:
            return wrong
    return None


def unfit_record(table: Table, record: Any) -> IntentError | None:
    """The refusal for the first value of a record that the store has no room for; None when each fits."""
    for name, column in table.columns.items():
        value = getattr(record, name)
        if not _fits(column, value):
            return IntentError(f"{table.name}.{name}", f"{ascii(value)[:64]} cannot be stored")
    return None


def _fits(column: Column, value: Any) -> bool:
    try:
        stored = column.encode(value)
        encoded(stored)
    except (ValueError, TypeError, AttributeError):
        return False
    return not isinstance(stored, int) or -_INTEGER <= stored < _INTEGER


def _write(replica: Replica, change: Change) -> list[Operation]:
    if isinstance(change.old, Unreadable) and change.new is None:
        return [_delete(change.old.table, change.old.row)]
    name = meta(change.cls).name
    table = replica.tables.get(name)
    if table is None:
        raise ValueError(f"{name} is not kept in the store")
    uuid = replica.uuid(name, change.id)
    if change.new is None:
        return [_delete(name, uuid)]
    if change.old is None and replica.is_aside(name, uuid):
        return [_update(name, uuid, table.whole(change.new))]
    row = table.row(change.new, change.old)
    return [_insert(name, uuid, row) if change.old is None else _update(name, uuid, row)]


def _delete(name: str, uuid: str) -> Operation:
    return {"op": "delete", "table": name, "where": [["_uuid", "==", ["uuid", uuid]]]}


def _insert(name: str, uuid: str, row: dict[str, Any]) -> Operation:
    return {"op": "insert", "table": name, "uuid": uuid, "row": row | WHO}


def _update(name: str, uuid: str, row: dict[str, Any]) -> Operation:
    return {"op": "update", "table": name, "where": [["_uuid", "==", ["uuid", uuid]]], "row": row}


def _wait(name: str, uuid: str, row: dict[str, Any] | None) -> Operation:
    return {
        "op": "wait",
        "table": name,
        "where": [["_uuid", "==", ["uuid", uuid]]],
        "columns": list(row) if row else ["id"],
        "until": "==",
        "rows": [row] if row else [],
        "timeout": 0,
    }
