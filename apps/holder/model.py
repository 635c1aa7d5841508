"""A holder is the one host that presents something to the network: an elastic IP, a gateway's role, an address.

Whatever one host presents at a time has a key.  The host that presents it says so in the region, and nobody else
begins before that host has let go, or counts as dead.
"""

from sdnctl.model.resource import field, ref, resource


@resource(report=True, reach="vpc", contested=True)
class Holder:
    """The host that presents the thing whose key is the id.

    The record goes when no packet meets that host's flows any more.  ``vpc`` is the one that the thing leads to, or led
    to last: the hosts that have it must know of the holder; a thing of no VPC concerns every host.  ``turn`` is the
    transaction that last said where it belongs: a holder that has let go before does not withdraw the record when it is
    to hold again.
    """

    id: str
    vpc: str = field(default="")
    host: str = ref("Host", on_delete="cascade")
    turn: int = field(default=0)


@resource(local=True, indexes=(("host",),))
class Claim:
    """A key, the id, that this host (``host``) is to hold, while ``holder`` ("": nobody) does, since ``turn``.

    ``rank`` is how many other hosts come first where nobody holds it.  After ``strangers`` looks, four a second, a
    holder that was never reached counts as dead.  With ``anew`` a holder counts as reached only since it holds the key:
    one that was just cut off itself must not judge by what it knew before.
    """

    id: str
    host: str = field()
    holder: str = field()
    turn: int = field()
    rank: int = field(default=0)
    strangers: int = field(default=0)
    anew: bool = field(default=False)


@resource(local=True)
class Wait:
    """The looks (``looks``, four a second) for which the holder of a claim, the id, has not been reached.

    Where it never was, its controller must have been silent for as long, whose last sign of life was ``seen``.
    ``reached``: it was, since this wait began.
    """

    id: str
    host: str = field()
    holder: str = field()
    turn: int = field()
    looks: int = field()
    seen: float = field(default=0.0)
    reached: bool = field(default=False)
