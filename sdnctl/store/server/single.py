"""The region's disk: one file in the data directory, served to the processes of this machine by ``ovsdb-server``.

The server is a child that runs in the foreground; whoever supervises it starts ``argv()``.  It appends every commit to
the file and flushes it before answering, drops a torn tail after a crash, and compacts the file by itself.
"""

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sdnctl.base.errors import StoreError
from sdnctl.model.upgrade import Upgrade
from sdnctl.store.ovsdb import schema
from sdnctl.store.server import convert
from sdnctl.store.server.amend import identified
from sdnctl.store.server.fill import fill, in_chunks
from sdnctl.store.server.upgrades import upgrades


def command(data: Path) -> list[str]:
    """``ovsdb-server`` in the foreground on the store in a data directory, for whoever may use its unix socket.

    Its log goes to stderr: who starts it keeps the file small, and a full disk cannot keep it from speaking.
    """
    return [
        "ovsdb-server",
        str(data / "store.db"),
        f"--remote=punix:{data / 'store.sock'}",
        f"--unixctl={data / 'store.ctl'}",
        "--no-chdir",
        "-vconsole:info",
        "-vPATTERN:console:%D{%Y-%m-%dT%H:%M:%S.###Z}|%05N|%c%T|%p|%m",
        "-vfile:off",
        "-vsyslog:off",
    ]


def _transact(database: Path, operations: list[dict[str, Any]]) -> list[Any]:
    """The results of operations on a database that nobody serves."""
    return in_chunks(operations, lambda text: convert.tool("transact", str(database), text))


class Server:
    """The store of one data directory; ``prepare()`` before ``argv()``."""

    def __init__(
        self,
        data: Path | str,
        *,
        classes: Iterable[type] | None = None,
        version: str = schema.VERSION,
        steps: Sequence[Upgrade] | None = None,
    ) -> None:
        """``classes`` are the resources to keep, by default all that are declared now; ``steps`` their upgrades."""
        self.data = Path(data).absolute()
        self.database = self.data / "store.db"
        self.socket = self.data / "store.sock"
        self.log = self.data / "store.log"
        self._tables = schema.tables(classes)
        self._version = version
        self._steps = upgrades() if steps is None else steps

    @property
    def remote(self) -> str:
        """The remote that ``OvsdbStore`` connects to."""
        return f"unix:{self.socket}"

    def argv(self) -> list[str]:
        """The command that serves the store in the foreground until a signal ends it."""
        return command(self.data)

    def prepare(self) -> Path | None:
        """Create the store, or convert it to the schema of this program; to be called while nobody serves it.

        Returns the backup made before a conversion.  StoreError when the store is newer than this program, or when
        converting would lose data and no step says what becomes of it.
        """
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        wanted = self.data / "store.schema"
        wanted.write_text(schema.schema_text(self._tables, self._version))
        if not self.database.exists():
            with self._draft() as draft:
                convert.tool("create", str(draft), str(wanted))
                self._install(draft)
            return None
        old = convert.stored_schema(self.database)
        if convert.numbers(old["version"]) > convert.numbers(self._version):
            raise StoreError(f"the store has the schema {old['version']}, this program only {self._version}: update it")
        if convert.tool("needs-conversion", str(self.database), str(wanted)).strip() == "no":
            return None
        try:
            return self._convert(old, wanted)
        except StoreError as error:
            raise type(error)(f"{error}; nothing was changed: the program that kept it still opens it") from error

    def _convert(self, old: convert.Schema, wanted: Path) -> Path:
        steps = convert.due(old["version"], self._version, self._steps)
        lost = [] if steps else convert.losses(old, schema.schema(self._tables, self._version))
        if lost:
            raise StoreError(f"opening the store {old['version']} with this program would lose {', '.join(lost)}")
        with self._backup(old) as backup, self._draft() as draft:
            convert.drop_torn_tail(self.database)
            if steps:
                rows = convert.dump(self.database, old)
                for step in steps:
                    rows = convert.upgraded(step, rows)
                convert.write(draft, wanted, identified(rows))
            else:
                convert.tool("convert", str(self.database), str(wanted), str(draft))
            fill(partial(_transact, draft), self._tables, old)
            self._install(draft)
        return backup

    @contextmanager
    def _backup(self, old: convert.Schema) -> Iterator[Path]:
        """A copy of the store; nothing stays of it when the store stays as it is."""
        backup = self.data / f"store.db.{old['version']}.{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"
        try:
            shutil.copy2(self.database, backup)
            yield backup
        except (StoreError, OSError):
            backup.unlink(missing_ok=True)
            raise

    @contextmanager
    def _draft(self) -> Iterator[Path]:
        """A new file beside the store; nothing stays of it when it does not become the store."""
        draft = self.data / "store.db.new"
        draft.unlink(missing_ok=True)
        try:
            yield draft
        finally:
            draft.unlink(missing_ok=True)

    def _install(self, draft: Path) -> None:
        """Put a finished file in the place of the store: before or after, never half."""
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(self.database)
        directory = os.open(self.data, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
