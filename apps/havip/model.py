"""A HaVip is an address of a subnet that goes from one member to another: whoever claims it by ARP gets its packets."""

from sdnctl.model.resource import field, label, ref, resource

KIND = "havip"
INTERFACE = "elastic_network_interface"


@resource(prefix="havip", reach="vpc")
class HaVip:
    """A HaVip has the address of its managed interface ``port``, and the MAC address of that, wherever its master is.

    The master is the port that the interface's Binding is ``behind``.
    """

    id: str
    account: str = ref("Account")
    vpc: str = ref("Vpc")
    subnet: str = ref("Subnet")
    port: str = ref("NetworkInterface")
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
