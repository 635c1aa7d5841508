"""Long measurements: a ping that runs while something happens, and iperf3 watched at the receiving end."""

import contextlib
import math
import random
import re
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, Self

from sdnctl.base.process import readable
from topologies.process import stop, wait_until, within
from topologies.station import Station

LAST_ANSWERS_SECONDS = 0.5
_LINE = re.compile(r"\]\s+([\d.]+)-([\d.]+)\s+sec\s+\S+ \S?Bytes\s+([\d.]+) Kbits/sec")


class PingResult(NamedTuple):
    """Packets sent and lost, the longest time between two answers, and the longest an answer took (seconds)."""

    sent: int
    lost: int
    gap: float
    slowest: float


class Pinger:
    """Echo requests at an exact rate during a `with` block; `result` afterwards.

    ping(8) itself slips to 60 a second where the kernel ticks every 4 ms, hence a raw ICMP socket in the namespace.
    """

    def __init__(self, station: Station, target: str, per_second: int = 100) -> None:
        self._period = 1 / per_second
        self._target = target
        self._number = random.randrange(1, 0xFFFF)
        self._socket = within(station.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
        self._sent: dict[int, float] = {}
        self._answered: dict[int, float] = {}
        self._over = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._send, self._receive)]
        self.result = PingResult(0, 0, 0.0, 0.0)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def _send(self) -> None:
        due = time.monotonic()
        while not self._over.is_set():
            sequence = len(self._sent) + 1
            self._sent[sequence] = time.monotonic()
            with contextlib.suppress(OSError):  # no route for a moment: that request is lost, and counted so
                self._socket.sendto(echo_request(self._number, sequence), (self._target, 0))
            due += self._period
            time.sleep(max(0.0, due - time.monotonic()))

    def _receive(self) -> None:
        end = math.inf  # the last answers get a moment; the socket also hears those of other pings
        while len(self._answered) < len(self._sent) or end == math.inf:
            if self._over.is_set():
                end = min(end, time.monotonic() + LAST_ANSWERS_SECONDS)
            if time.monotonic() > end:
                return
            if not readable(self._socket, 0.1):
                continue
            packet = self._socket.recv(2048)
            kind, _, _, number, sequence = struct.unpack_from("!BBHHH", packet, (packet[0] & 15) * 4)
            if kind == 0 and number == self._number and sequence not in self._answered:
                self._answered[sequence] = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(5)
        self._socket.close()
        answers = sorted(self._answered.values())
        gap = max((after - before for before, after in pairwise(answers)), default=0.0)
        slowest = max((at - self._sent[one] for one, at in self._answered.items()), default=0.0)
        self.result = PingResult(len(self._sent), len(self._sent) - len(answers), gap, slowest)


def echo_request(number: int, sequence: int, data: bytes = b"sdnctl" * 8) -> bytes:
    """An ICMP echo request with its checksum (RFC 792)."""
    body = struct.pack("!BBHHH", 8, 0, 0, number, sequence) + data
    total = sum(struct.unpack(f"!{len(body) // 2}H", body))
    total = (total >> 16) + (total & 0xFFFF)
    check = ~(total + (total >> 16)) & 0xFFFF
    return body[:2] + struct.pack("!H", check) + body[4:]


class Stream:
    """iperf3 from `sender` to `target`, an address at which `receiver` is reached, during a `with` block.

    `mbps` is what UDP offers, in datagrams that fit every link (iperf3 gives up on the first that does not); 0 means
    TCP. `options` are more of the sender's (iperf3(1)). Goodput is what the receiver reports, ten times a second.
    """

    def __init__(
        self,
        sender: Station,
        receiver: Station,
        target: str,
        mbps: float = 0,
        port: int = 5201,
        options: Sequence[str] = (),
    ) -> None:
        self._sender, self._receiver = sender, receiver
        self._server_argv = ["iperf3", "-s", "-1", "-p", str(port), "-i", "0.1", "-f", "k", "--forceflush"]
        self._client_argv = ["iperf3", "-c", target, "-p", str(port), "-t", "120", "-i", "0", *options]
        if mbps:
            self._client_argv += ["-u", "-b", f"{mbps}M", "-l", "1300"]
        self._port = port
        self._samples: list[tuple[float, float, float]] = []

    def __enter__(self) -> Self:
        self._server = self._receiver.spawn(self._server_argv, stdout=subprocess.PIPE, end=signal.SIGKILL)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        wait_until(self._listening, 5)
        self._client = self._sender.spawn(self._client_argv, end=signal.SIGKILL)
        if not wait_until(lambda: self._samples or self._client.poll() is not None, 10) or not self._samples:
            self.__exit__()
            raise TimeoutError(f"iperf3 got nothing through: {' '.join(self._client_argv)}")
        return self

    def _listening(self) -> bool:
        return f":{self._port} " in self._receiver.run("ss", "-Hltn") or self._server.poll() is not None

    def _read(self) -> None:
        assert self._server.stdout is not None
        for line in self._server.stdout:
            if (found := _LINE.search(line)) and float(found[2]) - float(found[1]) < 0.5:
                self._samples.append((time.monotonic(), float(found[2]) - float(found[1]), float(found[3]) / 1000))

    def __exit__(self, *_: object) -> None:
        stop(self._client, signal.SIGKILL)
        self._server.kill()
        self._reader.join(5)
        stop(self._server, signal.SIGKILL)

    def goodput(self, start: float, end: float) -> float:
        """Mbit/s received between two moments (time.monotonic); waits until the second one is over and reported."""
        time.sleep(max(0.0, end - time.monotonic()))
        wait_until(lambda: self._samples and self._samples[-1][0] >= end, 3)  # on a busy machine the report is late
        inside = [(min(end, at) - max(start, at - took), mbps) for at, took, mbps in self._samples]
        return sum(part * mbps for part, mbps in inside if part > 0) / (end - start)

    def settled(self, start: float, seconds: float, least: float) -> float:
        """Goodput over `seconds` from `start`; over the `seconds` after that when it is less than `least`.

        TCP swings about a policer's rate: whoever loses a whole window is silent for 0.2 s (RFC 6298), which weighs
        much in one short measurement and seldom in two.
        """
        first = self.goodput(start, start + seconds)
        return first if first >= least else max(first, self.goodput(start + seconds, start + 2 * seconds))
