"""A switch's own news of each change of its flows, with the time of each."""

import contextlib
import socket
import struct
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from sdnctl.of import message
from sdnctl.of.flow import ANY
from sdnctl.testing.ovs import Connection

FLOW_MONITOR = 16  # OFPMP_FLOW_MONITOR (OpenFlow 1.4, 7.3.5.17)
ADDED, REMOVED, MODIFIED = 1, 2, 3  # OFPFME_*
ADD_REMOVE_MODIFY = 2 | 4 | 8
_REQUEST = struct.Struct("!IIIHBB")
_UPDATE = struct.Struct("!HH")
NAMES = {ADDED: "added", REMOVED: "removed", MODIFIED: "modified"}


class FlowMonitor(Connection):
    """A flow monitor (OpenFlow 1.4, 7.3.5.17) on a connection of its own, read by a thread; a context manager.

    ``events`` is a list of (``time.monotonic()``, kind); the switch sends all those of a bundle together.
    """

    def __init__(self, path: Path) -> None:
        self.events: list[tuple[float, int]] = []
        super().__init__(path)
        request = _REQUEST.pack(1, ANY, ANY, ADD_REMOVE_MODIFY, message.ALL_TABLES, 0) + struct.pack("!HH4x", 1, 4)
        body = struct.pack("!HH4x", FLOW_MONITOR, 0) + request
        header = struct.pack("!BBHI", 5, message.MULTIPART_REQUEST, 8 + len(body), 1)
        self.send(header + body)
        answer = self.receive()
        if message.kind_of(answer) != message.MULTIPART_REPLY:
            raise RuntimeError(f"the switch has no flow monitor: {answer.hex()}")
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        super().__exit__(kind, error, trace)

    def _run(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while True:
                try:
                    one = self.receive()
                except TimeoutError:
                    continue
                now = time.monotonic()
                if message.kind_of(one) == message.ECHO_REQUEST:
                    self.send(message.echo_reply(one))
                elif message.kind_of(one) == message.MULTIPART_REPLY:
                    self._note(one, now)

    def _note(self, one: bytes, now: float) -> None:
        found, offset = [], 16
        while offset < len(one):
            length, event = _UPDATE.unpack_from(one, offset)
            if event in NAMES:
                found.append((now, event))
            offset += length
        with self._changed:
            self.events += found
            self._changed.notify_all()

    def wait(self, count: int, seconds: float) -> bool:
        """Wait until there were so many events in all; False when they do not come in time."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.events) >= count, seconds)
