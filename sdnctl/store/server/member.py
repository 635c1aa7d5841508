"""A member of the region's store: one of several ``ovsdb-server``s that keep the same file by RAFT (ovsdb(7)).

The first member makes the cluster, the others join it; from then on each serves what it has on disk.  Clients come by
TLS with a certificate of the region's CA, and what they may write follows from the name in it (``rights``).
"""

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdnctl.base.addresses import HostPort
from sdnctl.base.errors import StoreError
from sdnctl.store.ovsdb import rights, schema
from sdnctl.store.ovsdb.tls import CA, CERTIFICATE, FILES, KEY
from sdnctl.store.server import convert, raftlink, raftlog
from sdnctl.store.server.raftlink import RaftLinks
from sdnctl.store.server.single import command

ELECTION_MS = 1000


@dataclass(frozen=True, slots=True)
class Member:
    """One member: its data directory, where clients reach it and where the others do (HOST:PORT), whom it joins.

    ``delegated`` are the classes that the region's services may write.
    """

    data: Path
    listen: str
    raft: str
    join: Sequence[str] = ()
    pki: Path | None = None
    delegated: frozenset[str] = frozenset()

    @property
    def database(self) -> Path:
        """The member's copy of the store."""
        return self.data / "store.db"

    @property
    def socket(self) -> Path:
        """The socket by which root of this machine reaches it, with all rights."""
        return self.data / "store.sock"

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.data / "store.log"

    @property
    def target(self) -> str:
        """The address that clients connect to, as ovsdb-server wants it (ovsdb(7), passive connections)."""
        where = HostPort.parse(self.listen)
        return f"{'ptcp' if self.pki is None else 'pssl'}:{where.port}:{where.bracketed}"

    def prepare(self, classes: Iterable[type] | None = None) -> None:
        """Make the cluster, or get ready to join it; what is there stays.

        StoreError when the certificate is incomplete or a tool refuses.
        """
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.pki is not None:
            lacking = [name for name in FILES if not (self.pki / name).is_file()]
            if lacking:
                raise StoreError(f"{self.pki} lacks {', '.join(lacking)}: see sdnctl pki issue")
        if self.database.exists() and not self._gone():
            return
        if self.pki is not None and not raftlink.has_keys(self.pki):
            raise StoreError(
                f"{self.pki} lacks {', '.join(raftlink.FILES)}: make them with sdnctl pki raft and sdnctl pki issue "
                "store --role store"
            )
        draft = self.data / "store.db.new"
        draft.unlink(missing_ok=True)
        if self.join:
            others = [self._address(one) for one in self.join]
            convert.tool("join-cluster", str(draft), schema.DATABASE, self._address(self.raft), *others)
        else:
            wanted = self.data / "store.schema"
            wanted.write_text(schema.schema_text(schema.tables(classes)))
            convert.tool("create-cluster", str(draft), str(wanted), self._address(self.raft))
        draft.replace(self.database)

    def _gone(self) -> bool:
        """True when the member has left the others, and is to join them anew; its old file is kept beside."""
        if not raftlog.has_left(self.database):
            return False
        if not self.join:
            raise StoreError(f"{self.data} has left its store: name other members with --join, to join them anew")
        self.database.rename(self.data / f"store.db.left.{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}")
        return True

    def _address(self, where: str) -> str:
        """The address of a member at HOST:PORT, or at ssl:HOST:PORT where its server listens itself, as of old."""
        if where.startswith("ssl:"):
            return where
        return f"tcp:{where}" if self.pki is None else raftlink.address(where)

    def links(self) -> RaftLinks | None:
        """The links to the other members, None where there are no certificates for them.

        StoreError when they know this one by another address, which cannot be changed.
        """
        if self.pki is None or not raftlink.has_keys(self.pki):
            return None
        address = convert.tool("db-local-address", str(self.database)).strip()
        own = self.raft if address == raftlink.address(self.raft) else ""
        if not own and address.startswith(raftlink.PREFIX):
            known = address.removeprefix(raftlink.PREFIX)
            raise StoreError(
                f"the other members know this one as {known}, --raft says {self.raft}: see 'sdnctl store leave'"
            )
        return RaftLinks(self.data, self.pki, own, tuple(one for one in self.join if not one.startswith("ssl:")))

    @property
    def is_open(self) -> bool:
        """True when any certificate of the region is good enough to be a member beside this one."""
        return self.pki is not None and convert.tool("db-local-address", str(self.database)).startswith("ssl:")

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the server: the sockets of the members are in its data directory."""
        return {**os.environ, "OVS_RUNDIR": str(self.data)}

    def argv(self) -> list[str]:
        """The command that serves the member in the foreground until a signal ends it."""
        made = command(self.data)
        if self.pki is None:
            return [*made, f"--remote={self.target}"]
        keys = {"private-key": KEY, "certificate": CERTIFICATE, "ca-cert": CA}
        made += (f"--{option}={self.pki / file}" for option, file in keys.items())
        return [*made, f"--remote=db:{schema.DATABASE},{rights.DOORS},connections"]

    def room(self) -> int:
        """Free bytes where its file is."""
        there = os.statvfs(self.data)
        return there.f_bavail * there.f_frsize
