"""Eyes and hands on a wire: raw Ethernet frames sent from, and seen at, one interface of one namespace; ping's answers.

AF_PACKET sockets (packet(7)) opened inside the namespace and used from outside: nothing has to run in the guest.
"""

import contextlib
import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import NamedTuple, Self

from sdnctl.base.process import readable
from sdnctl.packet import checksum
from topologies.process import within

_ETH_P_ALL = 3


def raw_socket(pid: int, interface: str) -> socket.socket:
    """A raw socket bound to `interface` in the network namespace of process `pid`."""

    def make() -> socket.socket:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        made.bind((interface, _ETH_P_ALL))
        return made

    return within(pid, make)


def send(pid: int, interface: str, *frames: bytes) -> None:
    """Put frames on the wire as they are, forged or not."""
    with contextlib.closing(raw_socket(pid, interface)) as wire:
        for frame in frames:
            wire.send(frame)


class Seen(NamedTuple):
    """A frame on the wire: when (seconds, time.monotonic), its bytes, and whether the guest itself sent it."""

    at: float
    frame: bytes
    sent: bool


class Sniffer:
    """Keeps every frame that passes an interface while the `with` block runs.

    with Sniffer(guest.pid, "eth0") as wire:
        ...
        assert not wire.received(lambda frame: ...)
    """

    def __init__(self, pid: int, interface: str) -> None:
        self._socket = raw_socket(pid, interface)
        self._seen: list[Seen] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._socket.close()

    def _watch(self) -> None:
        while not self._stopping.is_set():
            if readable(self._socket, 0.02):
                frame, address = self._socket.recvfrom(65536)
                self._seen.append(Seen(time.monotonic(), frame, address[2] == socket.PACKET_OUTGOING))

    def seen(self, like: Callable[[bytes], object] = bool) -> list[Seen]:
        """Every frame so far, both ways, for which `like` holds."""
        return [one for one in list(self._seen) if like(one.frame)]

    def received(self, like: Callable[[bytes], object] = bool) -> list[bytes]:
        """The frames so far that came from the switch and for which `like` holds."""
        return [one.frame for one in self.seen(like) if not one.sent]

    def wait(self, like: Callable[[bytes], object], seconds: float = 2.0) -> bytes | None:
        """The first such frame from the switch, waiting for it; None when none came in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := self.received(like):
                return found[0]
            time.sleep(0.01)
        return None


class Answers:
    """The echo replies with one identifier, ``number``, that reach a namespace during a `with` block (RFC 792)."""

    def __init__(self, pid: int) -> None:
        """`pid` is a process in the namespace."""
        self.number = random.randrange(1, 0xFFFF)
        self._socket = within(pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._sequences: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def count(self, enough: int, seconds: float) -> int:
        """The number of requests answered; returns when it is `enough`, or after `seconds` without that."""
        end = time.monotonic() + seconds
        while len(self._sequences) < enough:
            if not readable(self._socket, end - time.monotonic()):
                break
            packet = self._socket.recv(65536)
            echo = packet[(packet[0] & 15) * 4 :]
            kind, _, _, number, sequence = struct.unpack_from("!BBHHH", echo)
            if kind == 0 and number == self.number and checksum(echo) == 0:
                self._sequences.add(sequence)
        return len(self._sequences)
