"""A watch counts, for a while, why packets of one network interface are dropped."""

from sdnctl.model.checks import COUNT_MAX, TIME_MAX, named, within
from sdnctl.model.resource import field, label, ref, resource


@resource(prefix="dw", reach="vpc")
class DropWatch:
    """A watch over the drops of ``port``, which ends at ``until`` (seconds since 1970) unless it is prolonged.

    It ends by itself: each host takes its flows out of the switch when the time is over (``DropCount.over``).
    """

    id: str
    account: str = ref("Account")
    vpc: str = ref("Vpc", on_delete="cascade")
    port: str = ref("NetworkInterface", on_delete="cascade")
    until: float = field(default=0.0)
    created: float = label(default=0.0)


@resource(report=True, reach="host")
class DropCount:
    """The packets that one host dropped since a watch is in its switch, by direction and reason: "in no-route".

    ``base`` has the packets that each meter had dropped before, by its number.  ``over`` is the end of the watch that
    the host has seen, 0 before it: from then on it counts no more.
    """

    id: str
    host: str = ref("Host", on_delete="cascade")
    watch: str = ref("DropWatch", on_delete="cascade")
    over: float = field(default=0.0)
    packets: dict[str, str] = label(default={})
    base: dict[str, str] = label(default={})

    def check(self) -> None:
        """ValueError when the id is another one, or a count is none."""
        named(self.id, f"{self.host}/{self.watch}")
        within("over", self.over, 0, TIME_MAX)
        for count in (*self.packets.values(), *self.base.values()):
            within("packets", int(count), 0, COUNT_MAX)
