"""A limit on how fast packets may pass: so many kilobits a second, with some burst.

Meters have no cookie, so what a switch has and what it should have are compared by value (OpenFlow 1.4, sections
7.3.4.4 and 7.3.5.14).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from sdnctl.of.flow import VERSION

ADD = 0
MODIFY = 1
DELETE = 2
METER_MOD = 29
KBPS = 1
PACKETS = 2
BURST = 4
STATS = 8
DROP = 1
_BAND = struct.Struct("!HHII4x")
_REPLY_HEADER = 16


@dataclass(frozen=True, slots=True)
class Meter:
    """Packets beyond `rate_kbps` kilobits/s are dropped after `burst_kbits` kilobits; `packets`: packets instead."""

    id: int
    rate_kbps: int
    burst_kbits: int
    packets: bool = False


@dataclass(frozen=True, slots=True)
class MeterStats:
    """The counters of a meter: packets and bytes that came, and those it dropped."""

    id: int
    packets: int
    bytes: int
    dropped_packets: int
    dropped_bytes: int
    seconds: float


def meter_mod(command: int, meter: Meter, xid: int) -> bytes:
    """The message that adds, modifies or deletes a meter."""
    flags = (PACKETS if meter.packets else KBPS) | BURST | STATS
    band = b"" if command == DELETE else _BAND.pack(DROP, _BAND.size, meter.rate_kbps, meter.burst_kbits)
    return struct.pack("!BBHIHHI", VERSION, METER_MOD, 16 + len(band), xid, command, flags, meter.id) + band


def meters_of(reply: bytes) -> Iterator[Meter]:
    """The meters in one reply to `meter_config_request`; a foreign one without a drop band has rate 0."""
    offset = _REPLY_HEADER
    while offset < len(reply):
        length, flags, number = struct.unpack_from("!HHI", reply, offset)
        rate = burst = 0
        if length > 8:
            _, _, rate, burst = _BAND.unpack_from(reply, offset + 8)
        yield Meter(number, rate, burst, bool(flags & PACKETS))
        offset += length


def meter_stats_of(reply: bytes) -> Iterator[MeterStats]:
    """The counters in one reply to `meter_stats_request`."""
    offset = _REPLY_HEADER
    while offset < len(reply):
        number, length, _, packets, volume, seconds, nanoseconds = struct.unpack_from("!IH6xIQQII", reply, offset)
        dropped = [struct.unpack_from("!QQ", reply, band) for band in range(offset + 40, offset + length, 16)]
        lost_packets, lost_bytes = (sum(column) for column in zip(*dropped, strict=True)) if dropped else (0, 0)
        yield MeterStats(number, packets, volume, lost_packets, lost_bytes, seconds + nanoseconds / 1e9)
        offset += length
