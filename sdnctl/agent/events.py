"""What happens to a host's controller, and whom it can turn to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from sdnctl.base.addresses import Ip4
from sdnctl.bridge.snapshot import Snapshot
from sdnctl.program.packets import Report
from sdnctl.store import Batch, Interest


class Link(Protocol):
    """A connection to the switch; no method blocks."""

    def send(self, buf: bytes) -> bool:
        """Queue bytes; False when the connection is over."""

    def waiting(self) -> int:
        """How many buffers the switch has not taken yet."""

    def hang_up(self) -> None:
        """End the connection."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The handshake with the switch is over."""

    link: Link


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection to the switch is gone."""

    link: Link


@dataclass(frozen=True, slots=True)
class Received:
    """Whole messages of the switch."""

    link: Link
    messages: list[bytes]


Event = Batch | Snapshot | Connected | Disconnected | Received


class Surroundings(Protocol):
    """Whom an agent asks for things; no method blocks."""

    def tell(self, reports: Iterable[Report]) -> None:
        """Take reports for the store."""

    def follow(self, interest: Interest) -> object:
        """From now on the store is to deliver what is of ``interest``, and nothing else."""

    def watch(self, peers: Mapping[str, Ip4]) -> None:
        """Watch the ways to these hosts."""
