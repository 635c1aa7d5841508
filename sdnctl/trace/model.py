"""A trace: the way of one packet through the region, host by host, in words; no packet is sent.

Each host answers for its own part, a ``Leg``, of statements about what its switch does.  Where a packet leaves a host
for another one, the leg says how, so that the trace can go on there.
"""

from dataclasses import dataclass, replace
from typing import Literal

from sdnctl.base.addresses import Ip4
from sdnctl.of.fields import CT_STATE
from sdnctl.program.step import Packet

Outcome = Literal["delivered", "answered", "asked", "dropped", "onward", "unknown"]
"""``asked``: the controller of the host answers; ``onward``: through a tunnel; ``unknown``: the host did not say."""
HOPS_MOST = 8


@dataclass(frozen=True, slots=True)
class Question:
    """A packet that comes in at a port of a host: a network interface's id, ``UPLINK`` or ``TUNNEL``.

    A ``ct_state`` of the packet is that of its connection, at all interfaces on its way; without one it is a new one.
    """

    host: str
    entry: str
    packet: Packet

    def going_on(self, after: "Question") -> "Question":
        """This question about the same packet on its next host: its connection is in the state that it was in."""
        state = {CT_STATE: after.packet[CT_STATE]} if CT_STATE in after.packet else {}
        return replace(self, packet={**self.packet, **state})


@dataclass(frozen=True, slots=True)
class Statement:
    """One flow's deed to the packet, in words: ``plain`` says it without naming anybody.

    ``resource`` is the id of the resource that the flow is for, "" where it is for none; ``about`` the id of whatever
    the flow was made from, a port of the switch, say.
    """

    table: str
    feature: str
    resource: str
    says: str
    plain: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Exit:
    """The way by which a packet leaves a host: ``by`` is ``UPLINK`` or ``TUNNEL``; ``to`` the far end of a tunnel."""

    by: str
    to: Ip4
    packet: Packet


@dataclass(frozen=True, slots=True)
class Leg:
    """The way of a packet on one host; ``reason`` is the name of a declared reason where it is dropped."""

    host: str
    outcome: Outcome
    reason: str
    verdict: str
    statements: tuple[Statement, ...]
    exit: Exit | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """The legs of a packet's way in order, at least one; the last one tells its end."""

    legs: tuple[Leg, ...]

    @property
    def outcome(self) -> Outcome:
        """The outcome of the packet in the end."""
        return self.legs[-1].outcome

    @property
    def reason(self) -> str:
        """The name of the reason for which it was dropped, else ""."""
        return self.legs[-1].reason

    @property
    def verdict(self) -> str:
        """The end in one sentence."""
        return self.legs[-1].verdict


def unknown(host: str, why: str) -> Leg:
    """The leg of a host that could not be asked, or did not answer."""
    return Leg(host, "unknown", "", why, ())
