"""A HaVip is an address of a subnet that goes from one member to another: whoever claims it by ARP gets its packets."""

from sdnctl.model.checks import COUNT_MAX, TIME_MAX, named, within
from sdnctl.model.resource import field, label, ref, resource

KIND = "havip"
INTERFACE = "elastic_network_interface"
EVENTS_KEPT = 20
"""Moves of a HaVip to one host that are remembered."""
CLAIMED, BY_HAND, ILL, HOST_DOWN, NO_MASTER = "claim", "by-hand", "unhealthy", "host-down", "no-master"
"""The causes of moves."""


@resource(prefix="havip", reach="vpc")
class HaVip:
    """A HaVip has the address of its managed interface ``port``, and the MAC address of that, wherever its master is.

    The master is the port that the interface's Binding is ``behind``.  With a ``check`` ("Icmp", "Tcp") its members are
    asked each ``interval_s`` whether they are well, and have ``timeout_s`` to answer: one that fails ``fall`` times in
    a row is ill, one that answers ``rise`` times is well again.  ``moved``, ``moved_turn`` and ``before`` are of the
    last move by hand: when, the turn that began, and the port that was the master.
    """

    id: str
    account: str = ref("Account")
    vpc: str = ref("Vpc")
    subnet: str = ref("Subnet")
    port: str = ref("NetworkInterface")
    check: str = field(default="")
    check_port: int = field(default=0)
    interval_s: int = field(default=5)
    timeout_s: int = field(default=3)
    rise: int = field(default=2)
    fall: int = field(default=2)
    moved: float = label(default=0.0)
    moved_turn: int = label(default=0)
    before: str = label(default="")
    name: str = label(default="")
    description: str = label(default="")
    tags: dict[str, str] = label(default={})
    created: float = label(default=0.0)
    updated: float = label(default=0.0)


@resource(prefix="havipm", reach="vpc", indexes=(("havip", "port"),))
class HaVipMember:
    """A port of the subnet that may claim a HaVip; ``kind`` and ``resource`` say as what it was associated."""

    id: str
    account: str = ref("Account")
    havip: str = ref("HaVip", on_delete="cascade")
    vpc: str = ref("Vpc")
    port: str = ref("NetworkInterface", on_delete="cascade")
    kind: str = label(default=INTERFACE)
    resource: str = label(default="")
    created: float = label(default=0.0)


@resource(local=True)
class Claimed:
    """A HaVip, the id, that the port ``port`` of this host has claimed while its interface's binding had ``turn``.

    It is dropped once the region has taken note of this turn or another.
    """

    id: str
    host: str = field()
    port: str = field()
    turn: int = field()


@resource(local=True)
class Moves:
    """The claims of a port, the id, that were to take a HaVip from somebody, less one for each two seconds since."""

    id: str
    host: str = field()
    count: int = field()
    contest: str = field(default="")


@resource(local=True)
class Takeover:
    """The way in which a port of this host became the master of a HaVip, the id, at a turn: what an event tells of it.

    ``began`` is the time of the last sign of the former master's life, or of the claim; ``detected_ms`` how long it
    took to notice that there was none any more.
    """

    id: str
    host: str = field()
    turn: int = field()
    cause: str = field()
    before: str = field(default="")
    began: float = field(default=0.0)
    detected_ms: int = field(default=0)


@resource(report=True, reach="vpc", indexes=(("havip",),))
class MemberHealth:
    """The health of a member, the id, as the host that it is on found it; ``seen`` is the time of its last answer.

    Of one that is ill ``silent_ms`` says how long there was none when that was found.
    """

    id: str
    host: str = ref("Host", on_delete="cascade")
    vpc: str = field()
    member: str = ref("HaVipMember", on_delete="cascade")
    havip: str = ref("HaVip", on_delete="cascade")
    healthy: bool = field()
    seen: float = label(default=0.0)
    silent_ms: int = label(default=0)

    def check(self) -> None:
        """ValueError when it is another member's, or the time is none."""
        named(self.id, self.member)
        within("seen", self.seen, 0, TIME_MAX)
        within("silent_ms", self.silent_ms, 0, COUNT_MAX)


@resource(report=True, reach="vpc", indexes=(("havip",),))
class HaVipEvent:
    """A move of a HaVip to a port of ``host``, told by that host when its switch had confirmed it, ``at`` that time.

    The id is ``host/havip/number``; the numbers go round, so the last ones are kept.
    """

    id: str
    host: str = ref("Host", on_delete="cascade")
    vpc: str = field()
    havip: str = ref("HaVip", on_delete="cascade")
    number: int = field()
    turn: int = label(default=0)
    cause: str = label(default="")
    before: str = label(default="")
    after: str = label(default="")
    began: float = label(default=0.0)
    at: float = label(default=0.0)
    detected_ms: int = label(default=0)

    def check(self) -> None:
        """ValueError when the id is another one, or a time or a number is none."""
        named(self.id, f"{self.host}/{self.havip}/{self.number}")
        within("number", self.number, 0, EVENTS_KEPT - 1)
        within("detected_ms", self.detected_ms, 0, COUNT_MAX)
        for name in ("began", "at"):
            within(name, getattr(self, name), 0, TIME_MAX)
