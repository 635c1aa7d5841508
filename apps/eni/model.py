"""A network interface is a virtual NIC in one subnet that can be attached to any instance of its VPC."""

from sdnctl.base.addresses import Ip4, Mac
from sdnctl.model.resource import field, label, number, ref, resource


@resource(
    prefix="port",
    reach="vpc",
    plugged=True,
    indexes=(
        ("subnet", "addresses"),
        ("vpc", "addresses"),
        ("instance", "device_index"),
        ("vpc", "key"),
        ("vpc", "sanity_check"),
        ("vpc", "mac"),
        ("account", "primary", "managed"),
        ("security_groups",),
    ),
)
class NetworkInterface:
    """A port: ``addresses`` holds the primary address first; ``sanity_check`` off lets it send from any address.

    A port is bound to a host by nothing but an Interface row with its id; being attached to an instance
    (``instance``, ``device_index``: 1 primary, 2 to 8 secondary, 0 detached) is bookkeeping.  ``queue_num`` is how many
    queues were asked for, 0 for as many as the instance's type allows.  ``security_groups`` are those that were asked
    for; where there are none, the default group of the VPC is in force.

    A managed interface has no Interface row: ``managed`` is the kind of its ``owner`` as the public API names it
    ("natgw", "lb", …), and the host that holds the owner reports its binding (see ``facts.presented``).
    """

    id: str
    account: str = ref("Account")
    vpc: str = ref("Vpc")
    subnet: str = ref("Subnet")
    mac: Mac = field()
    addresses: tuple[Ip4, ...] = field()
    sanity_check: bool = field(default=True)
    key: int = number("port key", 1, 2**24 - 1)
    instance: str = ref("Instance", default="", on_delete="clear")
    device_index: int = field(default=0)
    auto_delete: bool = label(default=False)
    primary: bool = label(default=False)
    managed: str = field(default="")
    security_groups: tuple[str, ...] = field(default=())
    owner: str = label(default="")
    queue_num: int = label(default=0)
    name: str = label(default="")
    description: str = label(default="")
    tags: dict[str, str] = label(default={})
    created: float = label(default=0.0)


@resource(local=True, indexes=(("subnet",),))
class Resident:
    """A port of this host's switch, by the subnet that it lives in; the id is the port's."""

    id: str
    subnet: str = field()
