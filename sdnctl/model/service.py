"""Services beside the flows, as the region sees them: who may act, how each does, and that it is to start anew."""

from sdnctl.model.checks import TIME_MAX, named, within
from sdnctl.model.resource import field, label, ref, resource


@resource(report=True)
class Lease:
    """The right to run a service that the region has once; the id is the service's name.

    ``holder`` is the process that has it, empty when it was given back; ``turn`` grows with each holder and ``beats``
    with each renewal.  It is alive while that changes: no two machines need to agree about the time.
    """

    id: str
    holder: str = field(default="")
    machine: str = field(default="")
    turn: int = field(default=0)
    beats: int = field(default=0)


@resource(report=True, indexes=(("service",),))
class ServiceHealth:
    """The health of a service on a machine; the id is ``SERVICE@MACHINE``.

    ``host`` is empty where the service is the region's and not a host's.  ``state`` is running, failed (it will be
    started again), waiting (for what ``says`` tells) or standby (another machine runs it).  ``since`` and ``seen`` are
    in seconds since 1970: when it came into that state, and when its process last told of itself.
    """

    id: str
    service: str = field()
    host: str = ref("Host", default="", on_delete="cascade")
    machine: str = field()
    per: str = field()
    state: str = label()
    since: float = label(default=0.0)
    restarts: int = label(default=0)
    error: str = label(default="")
    says: str = label(default="")
    seen: float = label(default=0.0)

    def check(self) -> None:
        """ValueError when it is of another service or machine than its id says, or a time is none."""
        named(self.id, f"{self.service}@{self.machine}")
        if self.host not in ("", self.machine):
            raise ValueError(f"host {self.host[:64]!r} speaks for {self.machine[:64]!r}")
        within("since", self.since, 0, TIME_MAX)
        within("seen", self.seen, 0, TIME_MAX)


@resource()
class ServiceRestart:
    """The operator's wish that a service begins anew; the id is ``SERVICE@MACHINE``, ``count`` how often so far."""

    id: str
    host: str = ref("Host", default="", on_delete="cascade")
    count: int = field(default=0)
