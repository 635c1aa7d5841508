"""The events of a host's controller and of its connection to the switch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sdnctl.bridge.snapshot import Snapshot, Zone
from sdnctl.program.connections import Census, KnownConnection
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
    """The handshake with the switch is over; connections have ``grace`` seconds to become known to it again."""

    link: SwitchLink
    grace: float = 0.0


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection to the switch is gone."""

    link: SwitchLink


@dataclass(frozen=True, slots=True)
class Received:
    """Whole messages of the switch."""

    link: SwitchLink
    messages: list[bytes]


@dataclass(frozen=True, slots=True)
class Revalidated:
    """The data path obeys all that was committed when the session on this connection asked, by this number."""

    link: SwitchLink
    number: int


@dataclass(frozen=True, slots=True)
class Tracked:
    """The connections that the switch tracks, and may track, by zone."""

    zones: Mapping[int, Zone]


@dataclass(frozen=True, slots=True)
class Recalled:
    """The connections that a census has found."""

    census: Census
    connections: tuple[KnownConnection, ...]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Batches of the store that waited together, as one; ``arrived`` are their sequence numbers and when each came."""

    batch: Batch
    arrived: tuple[tuple[int, float], ...]


Message = Snapshot | Connected | Disconnected | Received | Revalidated | Tracked | Recalled
Event = Batch | Message
