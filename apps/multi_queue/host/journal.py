"""The journal of changes to an interface, each written down before it is made: ``DATA/nic/NAME.json``.

``base`` is how everything was before the first change, and what a rollback brings back.  ``pending`` is how everything
was before the change under way: a program that dies in the middle leaves it there, and the next one undoes it.
"""

import fcntl
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from apps.multi_queue.model import Wish
from sdnctl.base.paths import write_private
from sdnctl.base.problem import Problem

MOST_KEPT = 1000
"""Changes that a record keeps, the latest ones."""


@dataclass(frozen=True, slots=True)
class Record:
    """One interface: its kernel index, what was asked for, the CPU of each queue, and how to get back.

    ``applied`` says that a change was carried through before, so that there is more to keep than the one under way;
    ``changes`` tells what was changed and when: (seconds since 1970, setting, before, after).
    """

    nic: str
    index: int
    wish: Wish = field(default_factory=Wish)
    cpus: tuple[int, ...] = ()
    base: Mapping[str, str] = field(default_factory=dict)
    pending: Mapping[str, str] | None = None
    changes: tuple[tuple[float, str, str, str], ...] = ()
    applied: bool = False

    def noting(self, made: Mapping[str, tuple[str, str]]) -> "Record":
        """The record with changes that are about to be made."""
        now = round(time.time(), 3)
        more = tuple((now, knob, before, after) for knob, (before, after) in made.items())
        return replace(self, changes=(*self.changes, *more)[-MOST_KEPT:])


class Journal:
    """The records of this machine's interfaces, in a region's data directory."""

    def __init__(self, data: Path) -> None:
        self._room = data / "nic"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock under which one program at a time changes interfaces; the others wait."""
        try:
            self._room.mkdir(parents=True, exist_ok=True)
            with open(self._room / "lock", "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except PermissionError as error:
            raise Problem(f"{error.filename or self._room}: {error.strerror}; changing interfaces needs root") from None

    def names(self) -> list[str]:
        """Interfaces with a record."""
        return sorted(path.stem for path in self._room.glob("*.json")) if self._room.is_dir() else []

    def read(self, name: str) -> Record | None:
        """The record of an interface; None when nothing was changed, Problem when it cannot be read."""
        path = self._room / f"{name}.json"
        try:
            found: dict[str, Any] = json.loads(path.read_text())
            wish, changes = Wish(**found.pop("wish")), found.pop("changes")
            made = Record(**{**found, "cpus": tuple(found["cpus"])}, wish=wish)
            return replace(made, changes=tuple(map(tuple, changes)))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Problem(f"{path} cannot be read ({error}): {name} is left alone") from None

    def write(self, record: Record) -> None:
        """Keep a record, on disk when this returns."""
        write_private(self._room / f"{record.nic}.json", json.dumps(asdict(record), indent=1) + "\n")

    def forget(self, name: str) -> None:
        """Forget an interface on which nothing of ours is left."""
        (self._room / f"{name}.json").unlink(missing_ok=True)

    def load(self, apart_from: str) -> dict[int, float]:
        """CPU -> queues that it has of other interfaces."""
        found: dict[int, float] = {}
        for name in self.names():
            record = self.read(name) if name != apart_from else None
            for cpu in record.cpus if record is not None else ():
                found[cpu] = found.get(cpu, 0.0) + 1.0
        return found
