"""A host is a machine that runs Open vSwitch; it reports which ports it has and what its switch has confirmed.

These are the only resources that the machine itself knows: everything else is a feature's.
"""

from sdnctl.addresses import Mac
from sdnctl.model import field, label, ref, resource

UPLINK = "uplink"


@resource(report=True)
class Host:
    """One hypervisor or gateway; ``applied`` is the sequence number that its switch has confirmed.

    ``drops`` counts dropped packets by the reason's name, since the controller's start.
    """

    id: str
    uplink: str = field(default="")
    uplink_mac: Mac = field(default=Mac(0))
    applied: int = label(default=0)
    flows: int = label(default=0)
    errors: tuple[str, ...] = label(default=())
    drops: dict[str, str] = label(default={})
    seen: float = label(default=0.0)


@resource(report=True, indexes=(("host",), ("vpc", "host")))
class Binding:
    """A port is on a host: the id is the network interface's; ``vpc`` repeats it for the index."""

    id: str
    port: str = ref("NetworkInterface", on_delete="cascade")
    vpc: str = field()
    host: str = ref("Host", on_delete="cascade")


@resource(local=True)
class LocalPort:
    """An Interface row of this host's br-int with ``external_ids:iface-id``: the id, its OpenFlow port and name."""

    id: str
    ofport: int = field()
    name: str = label(default="")


@resource(local=True)
class LocalUplink:
    """This host's way to the public network: the OpenFlow port and MAC address of ``sdnctl-uplink``."""

    id: str
    ofport: int = field()
    mac: Mac = field()
    name: str = label(default="")
