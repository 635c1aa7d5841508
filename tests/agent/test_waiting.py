"""Packets that wait for the controller: so many in all, and no asker more than its share."""

import struct

from sdnctl.agent.waiting import PACKET_INS_MAX, SHARE, WaitingPackets
from sdnctl.of import message
from sdnctl.of.fields import IN_PORT
from sdnctl.of.flow import NO_BUFFER, VERSION


def packet_in(cookie: int, port: int) -> bytes:
    """A packet-in as Open vSwitch writes one: the port stands first in its match."""
    match = struct.pack("!HHII", 1, 12, IN_PORT.header, port) + bytes(4)
    body = struct.pack("!IHBBQ", NO_BUFFER, 14, 1, 0, cookie) + match + bytes(2) + bytes(14)
    return struct.pack("!BBHI", VERSION, message.PACKET_IN, 8 + len(body), 0) + body


def test_one_asker_has_no_more_than_its_share() -> None:
    waiting = WaitingPackets()
    assert [waiting.admit(packet_in(1, 1)) for _ in range(SHARE + 1)] == [True] * SHARE + [False]
    assert waiting.admit(packet_in(1, 2)), "another port asks the same"
    assert waiting.admit(packet_in(2, 1)), "the same port asks something else"
    waiting.done(packet_in(1, 1))
    assert waiting.admit(packet_in(1, 1)) and not waiting.admit(packet_in(1, 1))


def test_all_together_are_bounded() -> None:
    waiting = WaitingPackets()
    admitted = [waiting.admit(packet_in(1, port)) for port in range(PACKET_INS_MAX + 10)]
    assert admitted == [True] * PACKET_INS_MAX + [False] * 10
    for port in range(PACKET_INS_MAX):
        waiting.done(packet_in(1, port))
    assert waiting.admit(packet_in(1, 1))


def test_what_is_too_short_waits_too() -> None:
    waiting = WaitingPackets()
    assert all(waiting.admit(b"\x05\x0a\x00\x0c") for _ in range(SHARE)) and not waiting.admit(b"\x05\x0a\x00\x0c")
