"""The events of a host's controller and of its connection to the switch."""

from dataclasses import dataclass
from typing import Protocol

from sdnctl.bridge.snapshot import Snapshot
from sdnctl.store import Batch


class SwitchLink(Protocol):
    """A connection to the switch; no method blocks."""

    def send(self, buf: bytes) -> bool:
        """Queue bytes; False when the connection is over."""

    def waiting(self) -> int:
        """The number of buffers that the switch has not taken yet."""

    def hang_up(self) -> None:
        """End the connection."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The handshake with the switch is over."""

    link: SwitchLink


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection to the switch is gone."""

    link: SwitchLink


@dataclass(frozen=True, slots=True)
class Received:
    """Whole messages of the switch."""

    link: SwitchLink
    messages: list[bytes]


Event = Batch | Snapshot | Connected | Disconnected | Received
