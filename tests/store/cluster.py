"""Three real ovsdb-servers that are one store (RAFT), each of which can be killed, frozen and started again."""

import json
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.store.ovsdb.schema import DATABASE, schema_text, tables
from tests.store.model import STORED
from tests.store.service import END
from tests.waiting import eventually

SIZE = 3
ELECTION_MS = 300


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Member:
    """One ovsdb-server of the cluster."""

    def __init__(self, directory: Path, number: int, raft: Sequence[str], listen: Sequence[str] = ()) -> None:
        self.name = f"member{number}"
        self.database = directory / f"{self.name}.db"
        self.socket = directory / f"{self.name}.sock"
        self.control = directory / f"{self.name}.ctl"
        self.remote = f"unix:{self.socket}"
        self.listen = listen
        self.process: subprocess.Popen[bytes] | None = None
        where = raft[number]
        if number == 0:
            schema = directory / "schema"
            schema.write_text(schema_text(tables(STORED)))
            self._tool(f"--election-timer={ELECTION_MS}", "create-cluster", str(self.database), str(schema), where)
        else:
            self._tool("join-cluster", str(self.database), DATABASE, where, *raft[:number])

    def _tool(self, *arguments: str) -> None:
        subprocess.run(["ovsdb-tool", *arguments], check=True, capture_output=True)

    def start(self) -> None:
        """Start it, without waiting for anything."""
        command = ["ovsdb-server", str(self.database), f"--remote=punix:{self.socket}", *self.listen]
        command += [f"--unixctl={self.control}", "--no-chdir", "-vconsole:off", "-vsyslog:off"]
        self.process = subprocess.Popen(command)

    def signal(self, number: signal.Signals) -> None:
        """SIGKILL, SIGSTOP, SIGCONT."""
        assert self.process is not None
        self.process.send_signal(number)
        if number == signal.SIGKILL:
            self.process.wait()

    def kill(self) -> None:
        """The power goes."""
        self.signal(signal.SIGKILL)

    def status(self) -> dict[str, object]:
        """Its row of the database _Server (ovsdb-server(5)); empty when it does not answer."""
        query = ["_Server", {"op": "select", "table": "Database", "where": [["name", "==", DATABASE]]}]
        request = {"method": "transact", "params": query, "id": 1}
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(1)
            try:
                sock.connect(str(self.socket))
                sock.sendall(json.dumps(request).encode())
                said = b""
                while True:
                    said += sock.recv(1 << 16)
                    try:
                        rows = json.loads(said)["result"][0]["rows"]
                    except json.JSONDecodeError:
                        continue
                    return rows[0] if rows else {}
            except OSError:
                return {}

    @property
    def leads(self) -> bool:
        """True when it says that it is the leader."""
        return self.status().get("leader") is True

    @property
    def joined(self) -> bool:
        """True when it says that it is in contact with the others."""
        return self.status().get("connected") is True


class Cluster:
    """The members together."""

    def __init__(self, directory: Path, listen: Sequence[Sequence[str]] = ((),) * SIZE) -> None:
        self.directory = directory
        raft = [f"unix:{directory}/member{number}.raft" for number in range(SIZE)]
        self.members = [Member(directory, number, raft, listen[number]) for number in range(SIZE)]
        for member in self.members:
            member.start()
            eventually(lambda member=member: member.joined)  # type: ignore[misc]

    @property
    def remotes(self) -> str:
        """The members' addresses, as a store is told."""
        return ",".join(member.remote for member in self.members)

    @property
    def leader(self) -> Member:
        """The leader; waits until there is one."""
        eventually(lambda: any(member.leads for member in self.members))
        return next(member for member in self.members if member.leads)

    @property
    def followers(self) -> list[Member]:
        """The others."""
        leader = self.leader
        return [member for member in self.members if member is not leader]

    def open(self, timeout: float = END, remote: str | None = None) -> OvsdbStore:
        """A store that follows the cluster."""
        return OvsdbStore(remote or self.remotes, classes=STORED, timeout=timeout)

    def close(self) -> None:
        """End all of them."""
        for member in self.members:
            if member.process is not None and member.process.poll() is None:
                member.signal(signal.SIGCONT)
                member.kill()


@contextmanager
def cluster(listen: Sequence[Sequence[str]] = ((),) * SIZE) -> Iterator[Cluster]:
    """A cluster in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="sdnctl-raft-") as directory:
        made = Cluster(Path(directory), listen)
        try:
            yield made
        finally:
            made.close()
