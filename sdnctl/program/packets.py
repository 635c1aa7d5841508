"""Messages between a switch's packets and the features: a packet that came in, packets and records that go out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sdnctl.of.actions import CONTROLLER, Action
from sdnctl.of.fields import REG, Field, OxmField


@dataclass(frozen=True, slots=True)
class PacketIn:
    """A frame that asks something of the controller, with the registers that it carried, by register number.

    It came ``at`` this time, in seconds since 1970.
    """

    table: int
    cookie: int
    data: bytes
    in_port: int
    registers: Mapping[int, int]
    at: float = 0.0

    @property
    def fields(self) -> dict[OxmField, int]:
        """The registers as fields of a packet."""
        return {REG[number]: value for number, value in self.registers.items()}

    def value(self, field: Field) -> int:
        """The value that a register, or a field in one, had; 0 when it was never set."""
        return self.registers.get(REG.index(field.home), 0) >> field.shift & field.limit


@dataclass(frozen=True, slots=True)
class PacketOut:
    """A frame to send through ``actions``, as if it had come in at ``in_port``."""

    data: bytes
    actions: tuple[Action, ...]
    in_port: int = CONTROLLER


@dataclass(frozen=True, slots=True)
class Forget:
    """The connections that connection tracking knows in ``zone`` are to be forgotten (see ``program.zones``)."""

    zone: int


WHATEVER: Any = object()


@dataclass(frozen=True, slots=True)
class Put:
    """A record that this host reports to the store, while that has ``known`` in its place (None: nothing)."""

    record: Any
    known: Any = field(default=WHATEVER, compare=False)


@dataclass(frozen=True, slots=True)
class Drop:
    """A record that this host no longer reports, while the store has ``known`` of it."""

    cls: type
    id: str
    known: Any = field(default=WHATEVER, compare=False)


Report = Put | Drop
