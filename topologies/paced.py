"""Datagrams at a steady rate, each sent back by who gets it, and counted at both ends."""

import contextlib
import socket
import struct
import threading
import time
from typing import NamedTuple, Self

from sdnctl.base.process import readable
from topologies.process import within
from topologies.station import Station

LAST_SECONDS, LATE_SECONDS = 0.5, 0.05
BURST = 20
_BUFFER = 4 << 20
_TIMESTAMP, _SECONDS = 35, struct.Struct("qq")
"""SO_TIMESTAMPNS of socket(7), and what it says: seconds and nanoseconds."""


class Count(NamedTuple):
    """Datagrams that were sent, that arrived, and whose answer came back."""

    sent: int
    arrived: int
    answered: int

    @property
    def lost(self) -> int:
        """Those of which no answer came."""
        return self.sent - self.answered


class Paced:
    """UDP from `client` to `server` at `address` during a `with` block, from and to one port; `count()` at any time.

    A datagram counts when the receiver's kernel got it, however late it is read here.

    A sender that was held up makes up for it in bursts of at most 20: a queue in between then holds them, and what is
    lost is the network's loss.  So on a busy machine the rate may fall below `per_second`.
    """

    def __init__(
        self, client: Station, server: Station, address: str, port: int, per_second: int = 1000, answer: bool = True
    ) -> None:
        """`answer` off: the server sends nothing back."""
        self._period = 1 / per_second
        self._to = (address, port)
        self._answer = answer
        self._sent = 0
        self._arrived: dict[bytes, float] = {}
        self._answered: dict[bytes, float] = {}
        self._over, self._ended = threading.Event(), threading.Event()
        self._near, self._far = _bound(client), _bound(server, port)
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._send, self._echo, self._receive)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._threads[0].join()
        end = time.monotonic() + LAST_SECONDS
        while self.count().lost and time.monotonic() < end:
            time.sleep(0.01)
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self._near.close()
        self._far.close()

    def count(self) -> Count:
        """The counts until now."""
        return Count(self._sent, len(self._arrived), len(self._answered))

    def during(self, seconds: float) -> Count:
        """The counts of some seconds from now."""
        start, sent = time.time(), self._sent
        time.sleep(seconds)
        end, sent = time.time(), self._sent - sent
        time.sleep(LATE_SECONDS)
        arrived, answered = (
            sum(start <= at <= end for at in list(times.values())) for times in (self._arrived, self._answered)
        )
        return Count(sent, arrived, answered)

    def _send(self) -> None:
        due = time.monotonic()
        while not self._over.is_set():
            with contextlib.suppress(OSError):  # no way there for a moment: it is lost, and counted so
                self._near.sendto(b"%d" % self._sent, self._to)
            self._sent += 1
            now = time.monotonic()
            due = max(due + self._period, now - BURST * self._period)
            if due > now:
                time.sleep(due - now)

    def _echo(self) -> None:
        while not self._ended.is_set():
            if readable(self._far, 0.05):
                text, peer = _read(self._far, self._arrived)
                if self._answer:
                    with contextlib.suppress(OSError):
                        self._far.sendto(text, peer)

    def _receive(self) -> None:
        while not self._ended.is_set():
            if readable(self._near, 0.05):
                with contextlib.suppress(OSError):  # an ICMP error of somebody on the way
                    _read(self._near, self._answered)


def _read(where: socket.socket, times: dict[bytes, float]) -> tuple[bytes, tuple[str, int]]:
    """The next datagram and its sender; the moment (time.time) at which the kernel got it is noted."""
    text, ((_, _, stamp),), _, peer = where.recvmsg(100, 100)
    seconds, nanoseconds = _SECONDS.unpack(stamp)
    times.setdefault(text, seconds + nanoseconds / 1e9)
    return text, peer


def _bound(station: Station, port: int = 0) -> socket.socket:
    """A UDP socket of a station with room for all that comes."""

    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        made.setsockopt(socket.SOL_SOCKET, _TIMESTAMP, 1)
        made.bind(("0.0.0.0", port))
        return made

    return within(station.pid, make)
