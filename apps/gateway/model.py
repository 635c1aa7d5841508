"""Gateways: one host at a time presents an elastic IP to the public network, the instance's own where it can.

A host without uplink leaves it to the active gateway.  What is known of that differs between hosts for a moment, so
an address, and the role of the active gateway too, has a holder (``apps.holder``).
"""

from sdnctl.model.resource import field, resource

GATEWAY = "gateway"
"""The key of the role of the active gateway, which serves the hosts without uplink."""
CONTACT = "contact"


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
