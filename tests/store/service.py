"""A private store server for tests, which can be killed and started again, and a wire to it that can be cut."""

import os
import re
import select
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.store.server.single import Server
from tests.store.model import STORED
from tests.waiting import eventually

END = 10.0


class Service:
    """A running ``ovsdb-server`` on a data directory."""

    def __init__(self, data: Path) -> None:
        self.server = Server(data, classes=STORED)
        self.server.prepare()
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.process = subprocess.Popen(self.server.argv(), stderr=subprocess.DEVNULL)
        eventually(self._listens)

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.server.socket)) == 0

    def kill(self) -> None:
        """The power goes: SIGKILL."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def pause(self) -> None:
        """Stop answering, without closing anything."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def open(self, timeout: float = END, remote: str | None = None) -> OvsdbStore:
        """A store that follows this server."""
        return OvsdbStore(remote or self.server.remote, classes=STORED, timeout=timeout)


@contextmanager
def service() -> Iterator[Service]:
    """A store server in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="sdnctl-store-") as data:
        made = Service(Path(data))
        try:
            yield made
        finally:
            made.resume()
            made.kill()


class Cutter:
    """A proxy before the server that passes everything on until told to cut.

    ``cut_answer``: the next commit reaches the server, its answer does not come back.  ``cut_request``: the next commit
    does not reach the server, and the connection ends.  ``hold_request``: it reaches the server after ``release`` only.
    ``refuse``: no new connection lasts.  ``twice``: the server carries the next commit out twice and answers the second
    time only.  ``swallow``: the next commit does not reach it, and all else goes on.
    """

    def __init__(self, target: Path, directory: Path) -> None:
        self.remote = f"unix:{directory}/proxy.sock"
        self.cut_answer = self.cut_request = self.hold_request = self.refuse = False
        self.twice = self.swallow = False
        self.held: list[tuple[socket.socket, bytes]] = []
        self.cuts = 0
        self._target = str(target)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{directory}/proxy.sock")
        self._listener.listen()
        self._end, self._ended = os.pipe()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop passing on."""
        os.write(self._ended, b"x")
        self._thread.join()
        for sock in (self._listener, *(held for held, _ in self.held)):
            sock.close()
        os.close(self._end)
        os.close(self._ended)

    def release(self) -> None:
        """Let the server have what was held back, though its connection is long gone for the client."""
        for sock, data in self.held:
            sock.sendall(data)

    def _serve(self) -> None:
        pairs: dict[socket.socket, tuple[socket.socket, bool]] = {}
        while True:
            poll = select.poll()
            poll.register(self._end, select.POLLIN)
            for end in (self._listener, *pairs):
                poll.register(end, select.POLLIN)
            ready = {fd for fd, _ in poll.poll()}
            if self._end in ready:
                for sock in pairs:
                    sock.close()
                return
            if self._listener.fileno() in ready:
                self._accept(pairs)
            for sock in [sock for sock in pairs if sock.fileno() in ready]:
                if sock in pairs:
                    self._pass(sock, pairs)

    def _accept(self, pairs: dict[socket.socket, tuple[socket.socket, bool]]) -> None:
        client, _ = self._listener.accept()
        server = socket.socket(socket.AF_UNIX)
        if self.refuse or server.connect_ex(self._target):
            client.close()
            server.close()
            return
        pairs[client] = (server, True)
        pairs[server] = (client, False)

    def _pass(self, sock: socket.socket, pairs: dict[socket.socket, tuple[socket.socket, bool]]) -> None:
        other, to_server = pairs[sock]
        try:
            data = sock.recv(1 << 20)
            if to_server and b'"durable"' in data and self._changes(data, other):
                return
            if data and not self._cuts(data, other, to_server):
                other.sendall(data)
                return
        except OSError:
            pass  # one side is gone: so is the other
        for end in (sock, other):
            del pairs[end]
            if all(end is not held for held, _ in self.held):
                end.close()

    def _changes(self, data: bytes, server: socket.socket) -> bool:
        """Do to a commit what a server may do that loses its leader; True when it goes no further."""
        if self.twice:
            self.twice = False
            server.sendall(re.sub(rb'"id":\d+}$', b'"id":"echo"}', data))  # the answer to that is heard by nobody
            self.cuts += 1
        elif self.swallow:
            self.swallow = False
            self.cuts += 1
            return True
        return False

    def _cuts(self, data: bytes, other: socket.socket, to_server: bool) -> bool:
        commit = to_server and b'"durable"' in data
        if commit and self.hold_request:
            self.hold_request = False
            self.held.append((other, data))
        elif commit and self.cut_request:
            self.cut_request = False
        elif commit and self.cut_answer:
            self.cut_answer = False
            other.sendall(data)
            other.recv(1)  # the server has taken it in: its answer is on the way
        else:
            return False
        self.cuts += 1
        return True
