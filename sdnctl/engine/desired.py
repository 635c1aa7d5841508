"""The desired state of one switch, and which parts of it a change has touched."""

from dataclasses import dataclass, field

from sdnctl.of.flow import Flow
from sdnctl.of.group import Group
from sdnctl.of.meter import Meter
from sdnctl.program.packets import Forget, PacketOut
from sdnctl.program.zones import Times


@dataclass(slots=True)
class Desired:
    """The desired state of the switch: flows by cookie, meters and groups by number, limits and times by zone."""

    flows: dict[int, Flow] = field(default_factory=dict)
    meters: dict[int, Meter] = field(default_factory=dict)
    groups: dict[int, Group] = field(default_factory=dict)
    limits: dict[int, int] = field(default_factory=dict)
    times: dict[int, Times] = field(default_factory=dict)


@dataclass(slots=True)
class Touched:
    """The changed parts of Desired, and what to do once a flow is confirmed: (its cookie, a packet or a zone)."""

    cookies: set[int] = field(default_factory=set)
    meters: set[int] = field(default_factory=set)
    groups: set[int] = field(default_factory=set)
    limits: set[int] = field(default_factory=set)
    announce: list[tuple[int, PacketOut | Forget]] = field(default_factory=list)
    local: set[type] = field(default_factory=set)
    """The classes of this controller's own records (``local``) that its features changed."""

    def merge(self, other: "Touched") -> None:
        """Take another's touches in; the later announcements stand last."""
        self.cookies |= other.cookies
        self.meters |= other.meters
        self.groups |= other.groups
        self.limits |= other.limits
        self.announce += other.announce
        self.local |= other.local

    def __bool__(self) -> bool:
        return bool(self.cookies or self.meters or self.groups)
