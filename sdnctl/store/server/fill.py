"""Columns that a conversion added get what the model says: a default, or a number of their own from its pool.

OVSDB fills a new column with a zero of its type (RFC 7047, 5.2.1).  A zero is no number of a pool, so it shows which
rows lack one, also after a conversion that was interrupted; filling is therefore done at every start, and again.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Any

from sdnctl.base.errors import StoreError
from sdnctl.model.host import RetiredNumber
from sdnctl.model.resource import FieldMeta, meta
from sdnctl.store.ovsdb.codec import Table
from sdnctl.store.ovsdb.schema import DATABASE

ROOM = 100_000
"""The bytes of operations in one command: an argument holds 128 KiB (execve(2))."""
Operations = list[dict[str, Any]]
Transact = Callable[[Operations], Sequence[Mapping[str, Any]]]
"""Runs operations (RFC 7047, 5.2) as one transaction and returns their results."""


def fill(transact: Transact, tables: Mapping[str, Table], old: Mapping[str, Any] | None) -> None:
    """Give new columns their values; ``old`` is the schema before a conversion, None when there was none.

    Raises StoreError when the store refuses.
    """
    operations = [*(_defaults(tables, old) if old is not None else ()), *_numbers(transact, tables)]
    if operations:
        run(transact, operations)


def run(transact: Transact, operations: Operations) -> Sequence[Mapping[str, Any]]:
    """The results of operations; StoreError with the store's words when it refuses one."""
    answers = transact(operations)
    for answer in answers:
        if answer and "error" in answer:
            raise StoreError(f"the store cannot be converted: {answer['error']}: {answer.get('details', '')}")
    return answers


def in_chunks(operations: Operations, send: Callable[[str], str]) -> list[Any]:
    """The results of operations that go to a command as many at a time as it takes; ``send`` runs it with the text."""
    answers: list[Any] = []
    chunk: list[str] = []
    for text in map(json.dumps, operations):
        if chunk and sum(map(len, chunk)) + len(chunk) + len(text) > ROOM:
            answers += json.loads(send(_call(chunk)))
            chunk = []
        chunk.append(text)
    return answers + (json.loads(send(_call(chunk))) if chunk else [])


def _call(operations: Sequence[str]) -> str:
    """The text of a call of "transact" (RFC 7047, 4.1.3)."""
    return f"[{','.join((json.dumps(DATABASE), *operations))}]"


def _defaults(tables: Mapping[str, Table], old: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, table in tables.items():
        there = old["tables"].get(name, {}).get("columns")
        defaults = table.defaults().items()
        for column, value in defaults:
            if there is not None and column not in there:
                described = table.columns[column]
                # Only where nothing stands: a filling that was interrupted is done again while others write.
                where = [[column, "==", described.encode(described.empty)]]
                yield {"op": "update", "table": name, "where": where, "row": {column: value}}


def _numbers(transact: Transact, tables: Mapping[str, Table]) -> Iterator[dict[str, Any]]:
    """Updates that give each row without a number the lowest free one of the pool, in order of ids."""
    columns = [(table.name, item) for table in tables.values() for item in meta(table.cls).numbers]
    asked: Operations = [
        {"op": "select", "table": name, "where": [[item.name, "==", 0]], "columns": ["_uuid", "id"]}
        for name, item in columns
    ]
    lacking = run(transact, asked) if asked else ()
    pools = {item.pool for (_, item), answer in zip(columns, lacking, strict=True) if answer["rows"]}
    shared = [(name, item) for name, item in columns if item.pool in pools]
    asked = [{"op": "select", "table": name, "where": [], "columns": [item.name]} for name, item in shared]
    taken: dict[str, set[int]] = {pool: set() for pool in pools}
    for (_, item), answer in zip(shared, run(transact, asked) if asked else (), strict=True):
        taken[item.pool].update(row[item.name] for row in answer["rows"])
    for pool, number in _retired(transact, tables, pools):
        taken[pool].add(number)
    free = {item.pool: _free(item, taken[item.pool]) for _, item in shared}
    for (name, item), answer in zip(columns, lacking, strict=True):
        for row in sorted(answer["rows"], key=lambda row: str(row["id"])):
            where = [["_uuid", "==", row["_uuid"]], [item.name, "==", 0]]
            yield {"op": "update", "table": name, "where": where, "row": {item.name: next(free[item.pool])}}


def _retired(transact: Transact, tables: Mapping[str, Table], pools: Set[str]) -> Iterator[tuple[str, int]]:
    """The numbers of these pools that were given up, while a switch may still have them."""
    if not pools or meta(RetiredNumber).name not in tables:
        return
    asked: Operations = [{"op": "select", "table": meta(RetiredNumber).name, "where": [], "columns": ["id", "pool"]}]
    for answer in run(transact, asked):
        for row in answer["rows"]:
            if row["pool"] in pools:
                yield row["pool"], int(str(row["id"]).rpartition("/")[2])


def _free(item: FieldMeta, taken: Set[int]) -> Iterator[int]:
    """The free numbers of a pool, the lowest first; StoreError when one is wanted and none is left."""
    yield from (number for number in range(item.low, item.high + 1) if number not in taken)
    raise StoreError(f"the store cannot be converted: no free {item.pool} is left, of {item.low} to {item.high}")
