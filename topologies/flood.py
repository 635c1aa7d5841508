"""A bounded flood of frames from one interface: a program of its own, so that whoever measures is not slowed by it.

    python flood.py INTERFACE SECONDS RATE FRAME OFFSET:LENGTH ...

Sends a frame (hex) RATE times a second; the bytes at the offsets are random in each, and the checksums of IPv4, TCP and
UDP are right again: connection tracking looks at them. It prints how many were sent a second. `Flood` starts it in a
station and ends it.
"""

import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from topologies.station import Station

LONGEST = 60.0
"""Seconds after which a flood ends by itself."""
_TICK = 0.001
_RANDOM = 1 << 16
_IP = b"\x08\x00"
_CHECKSUM_AT = {6: 50, 17: 40}
"""The place of the checksum in frames of TCP and UDP over IPv4 without options, by protocol."""


def flood(interface: str, seconds: float, rate: int, frame: bytes, varied: Sequence[tuple[int, int]]) -> float:
    """Send `rate` frames a second for so many seconds; how many a second it were."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((interface, 0))
        made, noise, at, sent = bytearray(frame), os.urandom(_RANDOM), 0, 0
        began = time.monotonic()
        while (elapsed := time.monotonic() - began) < seconds:
            for _ in range(int(elapsed * rate) - sent):
                for offset, length in varied:
                    if at + length > _RANDOM:
                        noise, at = os.urandom(_RANDOM), 0
                    made[offset : offset + length] = noise[at : at + length]
                    at += length
                if varied and made[12:14] == _IP:
                    _finish(made)
                _send(wire, made)
                sent += 1
            time.sleep(_TICK)
        return sent / (time.monotonic() - began)


def _finish(frame: bytearray) -> None:
    """Put the right checksums into an IPv4 header without options, and what follows in it."""
    frame[24:26] = bytes(2)
    frame[24:26] = _checksum(frame[14:34])
    place = _CHECKSUM_AT.get(frame[23])
    if place is None or frame[20] & 0x3F or frame[21]:  # some other protocol, or a fragment
        return
    frame[place : place + 2] = bytes(2)
    size = int.from_bytes(frame[16:18], "big") - 20
    pseudo = frame[26:34] + bytes((0, frame[23])) + size.to_bytes(2, "big")
    frame[place : place + 2] = _checksum(pseudo + frame[34 : 34 + size])


def _checksum(data: bytes) -> bytes:
    """The Internet checksum (RFC 1071)."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return (~(total + (total >> 16)) & 0xFFFF).to_bytes(2, "big")


def _send(wire: socket.socket, frame: bytearray) -> None:
    try:
        wire.send(frame)
    except OSError:  # ENOBUFS: the queue is full, this frame is lost as on a wire
        return


class Flood:
    """Floods from an interface of a station during a `with` block; `rate` is what was asked for."""

    def __init__(
        self, station: "Station", frame: bytes, *varied: tuple[int, int], rate: int = 12_000, interface: str = "eth0"
    ) -> None:
        self._station = station
        self.rate = rate
        spots = [f"{offset}:{length}" for offset, length in varied]
        self._argv = [sys.executable, str(Path(__file__)), interface, str(LONGEST), str(rate), frame.hex(), *spots]
        self._counter = Path(f"/sys/class/net/{interface}/statistics/tx_packets")
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = self._station.spawn(self._argv)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait()

    def sent(self) -> int:
        """Packets that have left the interface so far, whoever sent them."""
        return int(self._station.run("cat", str(self._counter)))


def main() -> None:
    """Flood as the arguments say."""
    interface, seconds, rate, frame, *spots = sys.argv[1:]
    varied = [(int(offset), int(length)) for offset, _, length in (spot.partition(":") for spot in spots)]
    print(json.dumps({"rate": flood(interface, float(seconds), int(rate), bytes.fromhex(frame), varied)}))


if __name__ == "__main__":
    main()
