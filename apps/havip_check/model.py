"""The checks of HaVips' members: each host asks those that it has itself."""

from sdnctl.base.addresses import Ip4, Mac
from sdnctl.model.resource import field, resource


@resource(local=True)
class Watched:
    """A member on this host, the id, that is asked whether it is well; times are in looks, four a second."""

    id: str
    host: str = field()
    havip: str = field()
    vpc: str = field()
    port: str = field()
    mac: Mac = field()
    address: Ip4 = field()
    kind: str = field()
    number: int = field()
    interval: int = field()
    timeout: int = field()
    rise: int = field()
    fall: int = field()


@resource(local=True)
class Probe:
    """The last question to a member, the id: its ``number``, and how many looks ago it was put.

    ``good`` and ``bad`` are the answers, and the questions without one, in a row; ``silent`` counts the looks since the
    last answer, which came at ``seen``.
    """

    id: str
    host: str = field()
    number: int = field(default=0)
    age: int = field(default=0)
    open: bool = field(default=False)
    good: int = field(default=0)
    bad: int = field(default=0)
    silent: int = field(default=0)
    seen: float = field(default=0.0)
