"""Counts the packets that an interface receives, by the CPU that takes each up (packet(7)).

One packet socket for each CPU, in a group that deals packets out by CPU (PACKET_FANOUT_CPU): the kernel does so where
it takes a packet up, after it was handed to another CPU (RPS).  Nothing is read from the sockets: what counts is their
statistics, so a packet costs a look at its direction while somebody counts, and nothing otherwise.
"""

import contextlib
import ctypes
import errno
import socket
import struct
from collections import Counter
from types import TracebackType
from typing import Self

from sdnctl.base.problem import Problem

SOL_PACKET, PACKET_STATISTICS, PACKET_FANOUT = 263, 6, 18
FANOUT_CPU, UNIQUE_ID = 2, 0x2000
SO_ATTACH_FILTER, ETH_P_ALL = 26, 3
# Classic BPF: the packet's type, and unless that is "outgoing" its first byte (linux/filter.h, linux/if_packet.h).
_INCOMING = ((0x30, 0, 0, 0xFFFFF004), (0x15, 0, 1, 4), (0x06, 0, 0, 0), (0x06, 0, 0, 1))


class Tap:
    """A context manager that counts an interface's packets; Problem when this process may not.

    Of an interface that is down at the beginning nothing is counted: it receives nothing, and not every kernel makes a
    group of its sockets.
    """

    def __init__(self, nic: str, cpus: int) -> None:
        """``cpus``: the highest number of a CPU, and one."""
        self._nic = nic
        self._cpus = cpus
        self._counts: Counter[int] = Counter()
        self._stack = contextlib.ExitStack()
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opening:
            try:
                for _ in range(self._cpus):
                    self._sockets.append(opening.enter_context(_listening(self._nic)))
                if self._sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ENETDOWN:
                    self._sockets.clear()
                    return self
                self._join()
            except OSError as fault:
                raise Problem(f"the packets of {self._nic} cannot be counted: {fault.strerror or fault}") from None
            self._stack = opening.pop_all()
        for one in self._sockets:
            _taken(one)  # what came before all were there
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def _join(self) -> None:
        """Make the sockets a group, in the order of their CPUs, under a number that nobody has in this namespace."""
        first, *others = self._sockets
        first.setsockopt(SOL_PACKET, PACKET_FANOUT, (FANOUT_CPU | UNIQUE_ID) << 16)
        group = first.getsockopt(SOL_PACKET, PACKET_FANOUT) & 0xFFFF
        for one in others:
            one.setsockopt(SOL_PACKET, PACKET_FANOUT, group | FANOUT_CPU << 16)

    def counts(self) -> dict[int, int]:
        """The packets received since the beginning, by CPU."""
        for cpu, one in enumerate(self._sockets):
            self._counts[cpu] += _taken(one)
        return dict(self._counts)


def _listening(nic: str) -> socket.socket:
    """A socket that is told of what an interface receives, and keeps as good as nothing of it."""
    with contextlib.ExitStack() as opening:
        made = opening.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
        code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in _INCOMING))
        program = struct.pack("@HP", len(_INCOMING), ctypes.addressof(code))
        made.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        made.bind((nic, ETH_P_ALL))
        opening.pop_all()
        return made


def _taken(one: socket.socket) -> int:
    """The packets since the last call, those that the socket had no room for among them."""
    packets, _ = struct.unpack("=II", one.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
    return int(packets)
