"""A bid is what a host asks of the API servers about a record that hosts take over from each other."""

from sdnctl.model.checks import TIME_MAX, named, within
from sdnctl.model.resource import field, label, ref, resource


@resource(report=True, reach="host")
class Bid:
    """A host's wish that a contested record say something else; the id is ``host/kind/key``.

    ``kind`` and ``key`` are the class and the id of that record, ``record`` what it is to say ("": it is to go), and
    ``based`` what it said when the host decided ("": there was none), both as ``store.bids`` writes them.  A wish that
    was based on something else is void: its host hears the news and decides again.  ``asked`` is in seconds since 1970.
    """

    id: str
    host: str = ref("Host", on_delete="cascade")
    kind: str = field()
    key: str = field()
    record: str = label(default="")
    based: str = label(default="")
    asked: float = label(default=0.0)

    def check(self) -> None:
        """ValueError when it is in another host's name, or the time is none."""
        named(self.id, f"{self.host}/{self.kind}/{self.key}")
        within("asked", self.asked, 0, TIME_MAX)
