"""The operator's tool for a member whose log has a hole, and what the keeper may do about one by itself.

Cutting is safe where other members hold what is cut off: they send it again.  A member that is alone would lose what it
had acknowledged, so that is for an operator to decide: ``sdnctl store repair``.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from sdnctl.base.errors import StoreError
from sdnctl.store.server import raftlog

DATABASE, LOCK = "store.db", "store.lock"


@contextlib.contextmanager
def alone(data: Path) -> Iterator[None]:
    """Hold a member's directory; StoreError when another process serves it."""
    lock = os.open(data / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.lockf(lock, os.F_TLOCK, 0)
    except OSError as error:
        os.close(lock)
        raise StoreError(f"another sdnctl store serves {data}") from error
    try:
        yield
    finally:
        os.close(lock)


def look(data: Path) -> raftlog.Hole | None:
    """The hole in the log of a member's directory; StoreError when there is no log."""
    path = data / DATABASE
    if not path.exists():
        raise StoreError(f"there is no member of a store in {data}: name its directory with --data")
    return raftlog.hole(path)


def repair(data: Path) -> Path | None:
    """Cut the log before its hole; the copy that is kept, None without a hole.  StoreError while it is served."""
    with alone(data):
        return raftlog.mend(data / DATABASE) if look(data) is not None else None


def by_itself(data: Path) -> Path | None:
    """The same as a keeper may do it, who holds the directory: StoreError where no other member has what is cut off."""
    found = look(data)
    if found is None:
        return None
    if found.members < 2:
        raise StoreError(
            f"{data / DATABASE} presumes an entry that was not written (byte {found.start}; the disk was full), and "
            f"no other member has it: 'sdnctl store repair --data {data}' opens it again, without the {found.records} "
            "records from there on; or restore a backup"
        )
    return raftlog.mend(data / DATABASE)
