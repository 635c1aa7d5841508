"""One connection to the store: JSON messages back and forth over a socket (RFC 7047 section 4).

The wire has no frame: JSON values follow one another.  A message can only be complete when the last byte read is a
closing brace, so the C scanner of ``json`` is asked then and not before; that costs one scan a message (the pure Python
parser of ``ovs.json`` takes 40 times as long, see docs/decisions/002-store-client.md).  What is encrypted goes through
``tls.TlsWire``.
"""

import contextlib
import json
import os
import re
import select
import socket
import struct
import threading
from typing import Any

from sdnctl.base.addresses import HostPort

Message = dict[str, Any]
CLOSED = "the store closed the connection"
_CHUNK = 1 << 18
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_plain = json.JSONEncoder(ensure_ascii=False).encode
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # a backslash before it would be one of the text
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid
_SHORT = 100  # bytes that a Unix socket address holds for certain (unix(7): 108)


class Wire:
    """A connected socket; any thread may send, one thread receives.  All failures are OSError."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._sending = threading.Lock()
        self._decoder = json.JSONDecoder()
        self._pending: list[bytes] = []
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def fileno(self) -> int:
        """The descriptor to poll for input."""
        return self._socket.fileno()

    def send(self, message: Message) -> None:
        """Send one message whole; after an OSError the connection is of no more use.  ValueError: see ``encoded``."""
        data = encoded(message)
        with self._sending:
            self._push(data)

    def receive(self) -> list[Message]:
        """The messages that are complete now (possibly none); call when readable.  EOF is a ConnectionError."""
        data = self._pull(self._pending)
        if not data.endswith(b"}"):
            return []
        return self._scan()

    def _push(self, data: bytes) -> None:
        self._socket.sendall(data)

    def _pull(self, pending: list[bytes]) -> bytes:
        """Add what can be read now to ``pending``; returns the last of it."""
        while True:
            data = self._socket.recv(_CHUNK)
            if not data:
                raise ConnectionResetError(CLOSED)
            pending.append(data)
            if len(data) < _CHUNK and not self._poll.poll(0):
                return data

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

    @property
    def peer(self) -> int:
        """The process at the other end, where that is on this machine (unix(7), SO_PEERCRED); else 0."""
        if self._socket.family != socket.AF_UNIX:
            return 0
        pid, _, _ = _CREDENTIALS.unpack(
            self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        return int(pid)

    def set_timeout(self, seconds: float) -> None:
        """Bound every later send."""
        self._socket.settimeout(seconds)

    def abort(self) -> None:
        """Make the connection end, from any thread: the receiver reads end of file."""
        with contextlib.suppress(OSError):  # the other side was faster
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # an SSLSocket would read on without decrypting

    def close(self) -> None:
        """Close at once; a thread that is sending gets an OSError.  For the receiving thread only."""
        self.abort()
        self._socket.close()


def encoded(message: Any) -> bytes:
    """A message as it is sent; ValueError when the store would end the connection on it.

    Its JSON parser knows no lone surrogate (RFC 8259, 8.2), no NUL, and no number that is infinite or none.
    """
    text = _encode(message)
    if "\\u" in text:
        _plain(message).encode()  # a UnicodeEncodeError is a ValueError
        if _NUL.search(text):
            raise ValueError("a text has a NUL character")
    return text.encode()


def split(remote: str) -> tuple[str, str, int]:
    """``unix:PATH``, ``tcp:HOST:PORT`` or ``ssl:HOST:PORT`` (ovsdb(7)) as method, host or path, port.  ValueError."""
    method, _, rest = remote.partition(":")
    if method == "unix" and rest:
        return method, rest, 0
    if method in ("tcp", "ssl"):
        with contextlib.suppress(ValueError):
            host, port = HostPort.parse(rest)
            if host:
                return method, host, port
    raise ValueError(f"{remote!r} is no store address: use unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT")


def dial(remote: str, timeout: float) -> socket.socket:
    """A connected socket, whose operations take no longer than ``timeout`` seconds."""
    method, host, port = split(remote)
    if method == "unix":
        return _connect_unix(host, timeout)
    sock = socket.create_connection((host, port), timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


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
