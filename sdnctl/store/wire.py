"""One connection to the store: JSON messages back and forth over a socket (RFC 7047 section 4).

The wire has no frame: JSON values follow one another.  A message can only be complete when the last byte read is a
closing brace, so the C scanner of ``json`` is asked then and not before; that costs one scan a message (the pure Python
parser of ``ovs.json`` takes 40 times as long, see docs/decisions/002-store-client.md).
"""

import contextlib
import json
import os
import select
import socket
import threading
from typing import Any

Message = dict[str, Any]
_CHUNK = 1 << 18
_SHORT = 100  # bytes that a Unix socket address holds for certain (unix(7): 108)


class Wire:
    """A connected socket; any thread may send, one thread receives.  All failures are OSError."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._sending = threading.Lock()
        self._decoder = json.JSONDecoder()
        self._encoder = json.JSONEncoder(separators=(",", ":"))
        self._pending: list[bytes] = []
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    @classmethod
    def connect(cls, remote: str, timeout: float) -> "Wire":
        """Connect to ``unix:PATH`` or ``tcp:HOST:PORT`` (ovsdb(7)); ``timeout`` in seconds bounds every send too."""
        method, _, rest = remote.partition(":")
        if method == "unix":
            return cls(_connect_unix(rest, timeout))
        if method == "tcp":
            host, _, port = rest.rpartition(":")
            sock = socket.create_connection((host.strip("[]"), int(port)), timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return cls(sock)
        raise ValueError(f"{remote!r} is no store address: use unix:PATH or tcp:HOST:PORT")

    def fileno(self) -> int:
        """The descriptor to poll for input."""
        return self._socket.fileno()

    def send(self, message: Message) -> None:
        """Send one message whole; after an error the connection is of no more use."""
        data = self._encoder.encode(message).encode()
        with self._sending:
            self._socket.sendall(data)

    def receive(self) -> list[Message]:
        """The messages that are complete now (possibly none); call when readable.  EOF is a ConnectionError."""
        while True:
            data = self._socket.recv(_CHUNK)
            if not data:
                raise ConnectionResetError("the store closed the connection")
            self._pending.append(data)
            if len(data) < _CHUNK and not self._poll.poll(0):
                break
        if not data.endswith(b"}"):
            return []
        return self._scan()

    def _scan(self) -> list[Message]:
        text = b"".join(self._pending).decode()
        self._pending.clear()
        messages, position = [], 0
        while position < len(text):
            try:
                message, position = self._decoder.raw_decode(text, position)
            except json.JSONDecodeError:
                self._pending.append(text[position:].encode())
                break
            messages.append(message)
        return messages

    def set_timeout(self, seconds: float) -> None:
        """Bound every later send."""
        self._socket.settimeout(seconds)

    def abort(self) -> None:
        """Make the connection end, from any thread: the receiver reads end of file."""
        with contextlib.suppress(OSError):  # the other side was faster
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close at once; a thread that is sending gets an OSError.  For the receiving thread only."""
        self.abort()
        self._socket.close()


def _connect_unix(path: str, timeout: float) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    try:
        if len(os.fsencode(path)) <= _SHORT:
            sock.connect(path)
        else:  # reach a long path through its directory
            directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
            try:
                sock.connect(f"/proc/self/fd/{directory}/{os.path.basename(path)}")
            finally:
                os.close(directory)
    except OSError:
        sock.close()
        raise
    return sock
