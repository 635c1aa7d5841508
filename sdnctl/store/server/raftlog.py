"""The log of a store's member after its disk was full: what is behind a hole is cut off, so that it opens.

``ovsdb-server`` of Open vSwitch 3.1 goes on when it cannot write an entry of its RAFT log: it answers the others as if
it had, and later writes on behind the hole.  Such a file never opens again ("advances commit index to 9 but last log
index is 7").  Cut before the hole it does, and the other members send the rest.

The file: a line ``OVSDB CLUSTER LENGTH SHA1`` before each record, which is JSON in LENGTH bytes (ovsdb(5), raft.c).
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

MAGIC = b"OVSDB CLUSTER "


class Record(NamedTuple):
    """One record: where its first byte is, and what it says."""

    start: int
    says: dict[str, Any]


class Hole(NamedTuple):
    """A hole in a log: the entry that it presumes and lacks, how much is behind that, and the count of members."""

    start: int
    records: int
    members: int


def hole(path: Path) -> Hole | None:
    """The hole in a member's log, None when there is none; nothing is changed."""
    records = list(_records(path.read_bytes()))
    place = _hole(records)
    if place is None:
        return None
    known = (one.says.get("servers") or one.says.get("prev_servers") for one in records[:place])
    members = [servers for servers in known if servers]
    return Hole(records[place].start, len(records) - place, len(members[-1]) if members else 1)


def mend(path: Path) -> Path | None:
    """Cut a member's log before its hole; the copy of the whole that is kept beside it, None when there is no hole.

    To be called while no server has the file open.  The election in which the member last voted is not forgotten: it
    might vote twice in it (Ongaro, 5.2).
    """
    records = list(_records(path.read_bytes()))
    place = _hole(records)
    if place is None:
        return None
    kept = path.with_name(f"{path.name}.hole.{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}")
    shutil.copy2(path, kept)
    votes = [record.says for record in records[place:] if "term" in record.says and "index" not in record.says]
    with path.open("r+b") as file:
        file.truncate(records[place].start)
        file.seek(0, os.SEEK_END)
        file.write(b"".join(written(vote) for vote in votes[-1:]))
        file.flush()
        os.fsync(file.fileno())
    return kept


def has_left(path: Path) -> bool:
    """True when a member has left its store for good: its server never opens the file again."""
    return any(record.says.get("note") == "left" for record in _records(path.read_bytes()))


def _records(data: bytes) -> Iterator[Record]:
    """The records up to the first that is not whole: a torn tail, which the server drops by itself."""
    start = 0
    while data.startswith(MAGIC, start) and (line := data.find(b"\n", start)) > 0:
        length, _, digest = data[start + len(MAGIC) : line].partition(b" ")
        body = data[line + 1 : line + 1 + int(length)]
        if hashlib.sha1(body).hexdigest().encode() != digest.strip():
            return
        yield Record(start, json.loads(body))
        start = line + 1 + int(length)


def _hole(records: list[Record]) -> int | None:
    """The first record that presumes an entry that is not there, None when there is none.

    A record about an index either adds the entry, right behind the last or in the place of those from there on, or
    says that it is committed.
    """
    if not records or "prev_index" not in records[0].says:
        return None  # it has not joined yet
    last = int(records[0].says["prev_index"])
    for place, (_, says) in enumerate(records[1:], 1):
        if says.get("commit_index", 0) > last or says.get("index", 0) > last + 1:
            return place
        last = says.get("index", last)
    return None


def written(says: dict[str, Any]) -> bytes:
    """A record as it stands in the file."""
    body = json.dumps(says, separators=(",", ":")).encode() + b"\n"
    return MAGIC + f"{len(body)} {hashlib.sha1(body).hexdigest()}\n".encode() + body
