"""Log files that stay small while they are written: a full one becomes ``.1``, and a disk that is full harms nobody."""

import os
from pathlib import Path

MOST = 16 << 20
"""Bytes of a log, and as many of its predecessor."""


class Rotating:
    """A log file of at most ``most`` bytes, beside ``.1`` with what was in it before; for one thread."""

    def __init__(self, path: Path, most: int = MOST) -> None:
        self.path = path
        self._most = most
        self._lost = 0

    def write(self, data: bytes) -> None:
        """Append some bytes.  What cannot be written is counted, and told when there is room again."""
        told = b'{"event": "log lost: it could not be written", "bytes": %d}\n' % self._lost if self._lost else b""
        try:
            self._append(told + data)
        except OSError:
            self._lost += len(data)
        else:
            self._lost = 0

    def _append(self, data: bytes) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size and size + len(data) > self._most:
                os.replace(self.path, before(self.path))
                os.close(descriptor)
                descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            while data:
                data = data[os.write(descriptor, data) :]
        finally:
            os.close(descriptor)


def before(path: Path) -> Path:
    """The file that has what was in a log before it was begun anew."""
    return path.with_name(path.name + ".1")
