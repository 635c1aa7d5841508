"""The commands of a session to whoever has the connection: what to send, and what happened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sdnctl.base.errors import SwitchError
from sdnctl.of.flow import Flow
from sdnctl.of.meter import MeterStats
from sdnctl.program.packets import PacketOut
from sdnctl.switch.refusals import Refusable

NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Send:
    """Write these buffers to the switch, in order."""

    buffers: list[bytes]


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The switch has in force everything up to this sequence number; ``made`` are flows whose keys are new there."""

    sequence: int
    made: Sequence[Flow] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Revalidate:
    """Tell the session (``revalidated``) when the data path obeys all that is committed now."""

    number: int


@dataclass(frozen=True, slots=True)
class LastCount:
    """The last counts of a meter, when its counters begin again at zero or it is deleted."""

    stats: MeterStats


@dataclass(frozen=True, slots=True)
class SayNow:
    """Send these packets out: what they tell of is in force."""

    packets: list[PacketOut]


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Give this connection up and start a new session."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The switch does not take this flow, meter or group; it is left out until it changes."""

    thing: Refusable
    error: SwitchError


@dataclass(frozen=True, slots=True)
class Note:
    """A note that an operator should read in the log."""

    event: str
    fields: Mapping[str, Any] = field(default_factory=dict)


Command = Send | Confirmed | Revalidate | LastCount | SayNow | Reconnect | Refused | Note
