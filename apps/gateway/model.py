"""Which host presents an elastic IP to the public network: one at a time, the instance's own where it can.

A host without uplink leaves it to the active gateway.  What is known of that differs between hosts for a moment, so
the host that answers for an address says so (``EipHolder``), and nobody else answers before it has let go.
"""

from sdnctl.model.resource import field, ref, resource

GATEWAY = "gateway"
CONTACT = "contact"


@resource(report=True, reach="region", contested=True)
class ActiveGateway:
    """The one gateway that serves the hosts without uplink; there is one record, ``GATEWAY``."""

    id: str
    host: str = ref("Host", on_delete="cascade")


@resource(report=True, reach="vpc", contested=True)
class EipHolder:
    """A host that answers for a public address, which is the id.

    The record goes when no packet meets that host's flows any more.  ``vpc`` is the one that the address leads to, or
    led to last: the hosts that have it must know of the holder.  ``turn`` is the transaction that last bound it: a
    holder that has let go before does not withdraw the record when it is to answer again.
    """

    id: str
    vpc: str = field()
    host: str = ref("Host", on_delete="cascade")
    turn: int = field(default=0)


@resource(local=True, indexes=(("host",),))
class EipClaim:
    """A public address, the id, that this host (``host``) is to answer for, while ``holder`` has not let go of it."""

    id: str
    host: str = field()
    holder: str = field()
    turn: int = field()


@resource(local=True)
class EipWait:
    """How many looks (``looks``, four a second) this host has waited for ``holder`` to let go of an address, the id."""

    id: str
    host: str = field()
    holder: str = field()
    turn: int = field()
    looks: int = field()


@resource(local=True)
class GatewayWatch:
    """What a standby has seen of the ``active`` gateway ("": there is none); there is one record, ``GATEWAY``.

    ``up``: its tunnel has worked since it is the active one.  ``looks`` counts, four a second, for how long it has not;
    where it never did, for how long its controller has been silent too, whose last sign of life was ``seen``.
    """

    id: str
    host: str = field()
    active: str = field()
    up: bool = field(default=False)
    looks: int = field(default=0)
    seen: float = field(default=0.0)


@resource(local=True)
class Contact:
    """This host reached others by tunnels; there is one record, ``CONTACT``.

    ``lost``: then nobody any more, and what the region decided meanwhile it knows only after a report of its own,
    younger than ``seen``, has come back from the store.
    """

    id: str
    host: str = field()
    lost: bool = field(default=False)
    seen: float = field(default=0.0)
