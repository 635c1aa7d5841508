"""A switch without ports or packets: it takes the bytes that a session sends and answers from its own tables.

What it is told it keeps: flows by rule (table, priority, match), meters and groups by number; bundles are carried out
when they are committed.  Reading it back gives what it has.  Any message of another kind is an error of the bench.
"""

import struct
import time
from collections.abc import Callable, Collection, Iterator, Mapping

from sdnctl.agent.events import Revalidated, SwitchLink
from sdnctl.base.addresses import Ip4
from sdnctl.of import message
from sdnctl.of.flow import ALL_BITS, DELETE_STRICT, FLOW_MOD, VERSION
from sdnctl.of.group import GROUP_MOD
from sdnctl.of.meter import DELETE, METER_MOD
from sdnctl.switch.readback import METER_FEATURES

MOST_METERS = 1 << 18
MOST_BYTES = 0xF000  # of one multipart reply
_FLOW_MOD = struct.Struct("!QQBBHHHIIIHH")
_FLOW_STATS = struct.Struct("!HBxIIHHHHH2xQQQ")
_COMMITTED = struct.Struct("!IHH")
IGNORED = (message.EXPERIMENTER, message.SET_CONFIG, message.SET_ASYNC, message.PACKET_OUT, message.ECHO_REPLY)
COMMIT_REPLY, OPEN_REPLY = 5, 1


class FakeKeeper:
    """The keeper of a fake switch (``keeper.Keeper``), which obeys at once; ``deliver`` gets what it says."""

    def __init__(self, deliver: Callable[[Revalidated], object]) -> None:
        self._deliver = deliver

    def watch(self, peers: Mapping[str, Ip4]) -> None:
        """Nothing is watched."""

    def let_go(self, turn: int, zones: Collection[int]) -> None:
        """Nothing was known."""

    def pace(self, zones: Mapping[int, object]) -> None:
        """No connection is forgotten here."""

    def limit(self, zones: Mapping[int, int]) -> None:
        """It has no connections."""

    def look(self, census: object) -> None:
        """It knows no connection."""

    def revalidate(self, link: SwitchLink, number: int) -> None:
        """It has no data path."""
        self._deliver(Revalidated(link, number))


class FakeSwitch:
    """One switch and its only connection (``events.SwitchLink``); ``answer`` gets what it says, at once."""

    def __init__(self, answer: Callable[[list[bytes]], object]) -> None:
        self.flows: dict[bytes, tuple[int, bytes]] = {}
        self.meters: dict[int, bytes] = {}
        self.groups: dict[int, bytes] = {}
        self.mods = 0
        self.changed = 0.0
        self._answer = answer
        self._bundles: dict[int, list[bytes]] = {}

    # events.SwitchLink

    def send(self, buf: bytes) -> bool:
        """Take whole messages; always True."""
        said: list[bytes] = []
        offset = 0
        while offset < len(buf):
            end = offset + int.from_bytes(buf[offset + 2 : offset + 4], "big")
            said += self._take(buf[offset:end])
            offset = end
        if said:
            self._answer(said)
        return True

    def waiting(self) -> int:
        """Nothing ever waits."""
        return 0

    def hang_up(self) -> None:
        """A session that gives up has met an error of the bench."""
        raise AssertionError("the session gave its switch up")

    # The protocol.

    def _take(self, one: bytes) -> Iterator[bytes]:
        kind, xid = one[1], message.xid_of(one)
        if kind == message.BARRIER_REQUEST:
            yield _message(message.BARRIER_REPLY, xid)
        elif kind == message.MULTIPART_REQUEST:
            yield from self._tell(xid, one)
        elif kind == message.BUNDLE_CONTROL:
            yield self._bundle(xid, *_COMMITTED.unpack_from(one, 8))
        elif kind == message.BUNDLE_ADD:
            self._bundles[int.from_bytes(one[8:12], "big")].append(one[16:])
        elif kind not in IGNORED:
            self._change(one)

    def _bundle(self, xid: int, number: int, step: int, flags: int) -> bytes:
        if step == message.OPEN:
            self._bundles[number] = []
        elif step == message.COMMIT:
            for one in self._bundles.pop(number):
                self._change(one)
        reply = {message.OPEN: OPEN_REPLY, message.COMMIT: COMMIT_REPLY}[step]
        return _message(message.BUNDLE_CONTROL, xid, _COMMITTED.pack(number, reply, flags))

    def _change(self, one: bytes) -> None:
        self.mods += 1
        self.changed = time.monotonic()
        kind = one[1]
        if kind == FLOW_MOD:
            self._flow(one)
        elif kind in (METER_MOD, GROUP_MOD):
            kept = self.meters if kind == METER_MOD else self.groups
            command, number = int.from_bytes(one[8:10], "big"), int.from_bytes(one[12:16], "big")
            if command == DELETE:
                kept.pop(number, None)
            else:
                kept[number] = one
        else:
            raise AssertionError(f"a message of kind {kind}")

    def _flow(self, one: bytes) -> None:
        cookie, mask, table, command, _, _, priority, *_ = _FLOW_MOD.unpack_from(one, 8)
        length = int.from_bytes(one[50:52], "big") + 7 & ~7
        key = bytes((table,)) + priority.to_bytes(2, "big") + one[48 : 48 + length]
        if command != DELETE_STRICT:
            self.flows[key] = cookie, one[48 + length :]
        elif key in self.flows and (self.flows[key][0] ^ cookie) & mask & ALL_BITS == 0:
            del self.flows[key]

    # What it has.

    def _tell(self, xid: int, question: bytes) -> Iterator[bytes]:
        kind = int.from_bytes(question[8:10], "big")
        entries: Iterator[bytes]
        if kind == message.FLOW_STATS:
            table = question[16]
            asked = [item for item in self.flows.items() if table in (item[0][0], message.ALL_TABLES)]
            entries = (_flow_entry(key, cookie, body) for key, (cookie, body) in asked)
        elif kind == message.METER_CONFIG:
            entries = (struct.pack("!H", len(m) - 8) + m[10:] for m in self.meters.values())
        elif kind == message.GROUP_DESC:
            entries = (struct.pack("!H", len(g) - 8) + g[10:] for g in self.groups.values())
        elif kind == METER_FEATURES:
            entries = iter((struct.pack("!IIIBB2x", MOST_METERS, 6, 15, 1, 1),))
        elif kind == message.METER_STATS:
            entries = (_meter_entry(number) for number in self.meters)
        else:
            raise AssertionError(f"a question of kind {kind}")
        body = b""
        for entry in entries:
            if len(body) + len(entry) > MOST_BYTES:
                yield _reply(kind, xid, body, more=True)
                body = b""
            body += entry
        yield _reply(kind, xid, body)


def _flow_entry(key: bytes, cookie: int, instructions: bytes) -> bytes:
    """An entry of OFPMP_FLOW (OpenFlow 1.4, 7.3.5.2)."""
    length = 48 + len(key) - 3 + len(instructions)
    head = _FLOW_STATS.pack(length, key[0], 0, 0, int.from_bytes(key[1:3], "big"), 0, 0, 0, 0, cookie, 0, 0)
    return head + key[3:] + instructions


def _meter_entry(number: int) -> bytes:
    """An entry of OFPMP_METER with one band (OpenFlow 1.4, 7.3.5.13): nothing ever passed."""
    return struct.pack("!IH6xIQQIIQQ", number, 56, 0, 0, 0, 0, 0, 0, 0)


def _reply(kind: int, xid: int, body: bytes, more: bool = False) -> bytes:
    return _message(message.MULTIPART_REPLY, xid, struct.pack("!HH4x", kind, message.REPLY_MORE * more) + body)


def _message(kind: int, xid: int, body: bytes = b"") -> bytes:
    return struct.pack("!BBHI", VERSION, kind, 8 + len(body), xid) + body
