"""A network in a real switch with its controller's answers: a frame goes in, what comes out at every port is told."""

import dataclasses
from types import TracebackType
from typing import Any, Self

from scapy.layers.l2 import Ether
from scapy.packet import Packet

from apps.pipeline import PIPELINE
from sdnctl.model.host import LocalUplink
from sdnctl.of.message import (
    PACKET_IN,
    PacketInMessage,
    kind_of,
    packet_in_of,
    packet_out,
    set_async,
    set_config,
)
from sdnctl.program.packets import Drop, PacketIn, PacketOut, Put, Report
from sdnctl.store import Change
from tests.build import Network
from tests.lab import Lab

ROUNDS = 20
QUIET = 3


class Live(Lab):
    """A Lab that answers packet-ins as a controller does, and hears what leaves the switch."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.asked: list[str] = []
        self.reports: list[Report] = []
        self._count: dict[str, int] = {}

    def __enter__(self) -> Self:
        super().__enter__()
        self._wire = self.switch.connect()
        assert self._wire.ask(set_async(1), set_config(2)) == []
        self._leaving()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wire.__exit__(kind, error, trace)
        super().__exit__(kind, error, trace)

    def send(self, sender: str, frame: Packet | bytes) -> dict[str, list[bytes]]:
        """Let a frame come in at an interface or ``internet``; every frame that leaves, by interface name."""
        self.switch.receive(f"p{self.ofport(sender)}", bytes(frame))
        return self.settle()

    def say(self, *answers: PacketOut | Report) -> dict[str, list[bytes]]:
        """Do what a feature asked for, as a controller does; every frame that leaves."""
        self._obey(list(answers))
        return self.settle()

    def settle(self) -> dict[str, list[bytes]]:
        """Answer what the switch asks until it asks nothing more; what has left since the last call."""
        quiet = 0
        for _ in range(ROUNDS):
            asked = self._asked()
            quiet = 0 if asked else quiet + 1
            if quiet == QUIET:
                return self._leaving()
            for packet in asked:
                given = PacketIn(**_fields(packet))
                question = PIPELINE.question_of(given.fields)
                self.asked.append(question.name if question is not None else "")
                self._obey(self.engine.handle(given))
        raise AssertionError(f"switch and controller go round in circles: {self.asked[-4:]}")

    def take(self, *changes: Change) -> None:
        """Something changed on this host or in the store: engine and switch follow."""
        self.engine.apply(changes, strict=True)
        self.sync()

    def _asked(self) -> list[PacketInMessage]:
        # One turn of the switch's loop handles what came in, the next hands it over.
        self.switch.appctl("version")
        heard = self._wire.ask()
        assert all(kind_of(one) == PACKET_IN for one in heard), [one.hex() for one in heard]
        return [packet_in_of(one) for one in heard]

    def _obey(self, answers: list[PacketOut | Report]) -> None:
        for answer in answers:
            if isinstance(answer, PacketOut):
                self._wire.send(packet_out(answer.data, answer.in_port, answer.actions, 7))
                continue
            self.reports.append(answer)
            if isinstance(answer, Put):
                cls, id = type(answer.record), answer.record.id
                self.take(Change(cls, id, self.engine.state.get(cls, id), answer.record))
            elif isinstance(answer, Drop):
                self.take(Change(answer.cls, answer.id, None, None))
        if self.engine.stirred:  # what it keeps to itself has changed
            self.take()

    def _leaving(self) -> dict[str, list[bytes]]:
        found: dict[str, list[bytes]] = {}
        for (cls, id), record in self.network.local.items():
            if not hasattr(record, "ofport"):
                continue
            name = "internet" if cls is LocalUplink else id.removeprefix("port-")
            frames = self.switch.sent(f"p{record.ofport}")
            if fresh := frames[self._count.get(name, 0) :]:
                found[name] = fresh
            self._count[name] = len(frames)
        return found

    def mac(self, name: str) -> str:
        """The MAC address of an interface."""
        return str(self.port(name).mac)

    def address(self, name: str) -> str:
        """The primary address of an interface."""
        return str(self.port(name).addresses[0])


def _fields(packet: PacketInMessage) -> dict[str, Any]:
    known = {field.name for field in dataclasses.fields(PacketIn)}
    return {field.name: getattr(packet, field.name) for field in dataclasses.fields(packet) if field.name in known}


def only(left: dict[str, list[bytes]], name: str) -> bytes:
    """The one frame that left, which must have left there."""
    assert {who: len(frames) for who, frames in left.items()} == {name: 1}, left
    return left[name][0]


def same(found: bytes, expected: Packet) -> None:
    """The frame is what scapy makes of the packet, lengths and checksums included."""
    wanted = bytes(expected)
    assert found == wanted, f"\nfound    {Ether(found)!r}\nexpected {Ether(wanted)!r}"


def sound(frame: bytes) -> Packet:
    """The frame read by scapy; every length and checksum in it is what scapy would have written."""
    packet = Ether(frame)
    again = Ether(frame)
    layer = again
    while layer:
        for name in ("chksum", "len"):
            if name in getattr(layer, "fields", ()):
                delattr(layer, name)
        layer = layer.payload
    assert bytes(again) == frame, f"\nfound {packet!r}\nright {Ether(bytes(again))!r}"
    return packet
