"""Packets that wait for an answer of the controller: so many in all, and no asker more than a share of them.

The switch lets no asker ask too often; this is the second belt, for the time in which the controller is busy with
something else and packets pile up.  An asker is a port of the switch with a question.
"""

import struct
import threading
from collections import Counter

PACKET_INS_MAX = 512
"""The most that wait at a time; what comes beyond is dropped, as the full queue of a router does."""
SHARE = PACKET_INS_MAX // 4
"""The most of them that one asker may have."""
_COOKIE = struct.Struct("!16xQ")
_FIRST_FIELD = slice(28, 36)
"""The place of the port in a packet-in of Open vSwitch: the first field of the match (OpenFlow 1.4, 7.4.1)."""
Asker = tuple[int, bytes]


class WaitingPackets:
    """The packets under way from the switch's connection to the agent; safe to call from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: Counter[Asker] = Counter()
        self._count = 0

    def admit(self, packet: bytes) -> bool:
        """True when a packet-in may wait; what was admitted is to be handed to ``done``."""
        asker = _asker(packet)
        with self._lock:
            if self._count >= PACKET_INS_MAX or self._waiting.get(asker, 0) >= SHARE:
                return False
            self._count += 1
            self._waiting[asker] += 1
            return True

    def done(self, packet: bytes) -> None:
        """A packet-in waits no more."""
        asker = _asker(packet)
        with self._lock:
            self._count -= 1
            self._waiting[asker] -= 1
            if not self._waiting[asker]:
                del self._waiting[asker]


def _asker(packet: bytes) -> Asker:
    """The asker of a question: the cookie of the flow that asked it, and the port; what is too short has neither."""
    cookie = _COOKIE.unpack_from(packet)[0] if len(packet) >= _COOKIE.size else 0
    return cookie, packet[_FIRST_FIELD]
