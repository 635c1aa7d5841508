"""A network interface is a virtual NIC in one subnet that can be attached to any instance of its VPC."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from apps.vpc.model import Subnet
from sdnctl.base.addresses import Ip4, Mac
from sdnctl.base.errors import IntentError
from sdnctl.model.host import Binding, LocalPort
from sdnctl.model.resource import field, label, number, ref, resource
from sdnctl.program.feature import View
from sdnctl.store import Txn

OUI = 0xFA163E000000


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
        ("account", "primary"),
    ),
)
class NetworkInterface:
    """A port: ``addresses`` holds the primary address first; ``sanity_check`` off lets it send from any address.

    A port is bound to a host by nothing but an Interface row with its id; being attached to an instance
    (``instance``, ``device_index``: 1 primary, 2 to 8 secondary, 0 detached) is bookkeeping.  ``queue_num`` is how many
    queues were asked for, 0 for as many as the instance's type allows.
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
    queue_num: int = label(default=0)
    security_groups: tuple[str, ...] = label(default=())
    name: str = label(default="")
    description: str = label(default="")
    tags: dict[str, str] = label(default={})
    created: float = label(default=0.0)


def mac_of(key: int) -> Mac:
    """The MAC address of the port with this key: unique in the region because the key is."""
    return Mac(OUI | key)


def new_interface(
    txn: Txn, subnet: Subnet, primary: Ip4 | None = None, secondary: Sequence[Ip4] = (), count: int = 0
) -> NetworkInterface:
    """An interface in a subnet with the addresses named and ``count`` more, written to the transaction.

    Raises IntentError when an address is not of the subnet, reserved or in use, or when none is left.
    """
    chosen: list[Ip4] = []
    if primary is not None:
        chosen.append(claimed(txn, subnet, primary, chosen, "primaryIpAddress"))
    for address in secondary:
        chosen.append(claimed(txn, subnet, address, chosen, "secondaryIpAddresses"))
    if primary is None:
        chosen.insert(0, free(txn, subnet, chosen))
    for _ in range(count):
        chosen.append(free(txn, subnet, chosen))
    key = txn.allocate(NetworkInterface, "key")
    port = NetworkInterface(
        id=txn.new_id(NetworkInterface),
        account=subnet.account,
        vpc=subnet.vpc,
        subnet=subnet.id,
        mac=mac_of(key),
        addresses=tuple(chosen),
        key=key,
        created=txn.now,
    )
    txn.put(port)
    return port


def claimed(txn: Txn, subnet: Subnet, address: Ip4, taken: Sequence[Ip4], field: str) -> Ip4:
    """The address, if an interface of this subnet may have it; raises IntentError naming ``field``."""
    if not subnet.first <= address <= subnet.last:
        raise IntentError(field, f"{address} is not between {subnet.first} and {subnet.last}, as {subnet.id} requires")
    if address in taken or txn.by(NetworkInterface, ("subnet", "addresses"), (subnet.id, address)):
        raise IntentError(field, f"{address} is in use", 409, "ALREADY_EXISTS")
    return address


def free(txn: Txn, subnet: Subnet, taken: Sequence[Ip4]) -> Ip4:
    """An address of the subnet that nobody has; raises IntentError when there is none."""

    def used(address: int) -> bool:
        return address in taken or bool(txn.by(NetworkInterface, ("subnet", "addresses"), (subnet.id, address)))

    address = txn.pick((NetworkInterface, subnet.id), subnet.first, subnet.last, used)
    if address is None:
        raise IntentError.precondition("subnetId", f"{subnet.id} has no free address")
    return Ip4(address)


def detached(port: NetworkInterface) -> NetworkInterface:
    """The same interface, attached to nothing."""
    return replace(port, instance="", device_index=0, auto_delete=False)


DISPLACED_MAX = 8


class Claims(NamedTuple):
    """Which Interface rows have lost a port, and which will have once this host claims it."""

    lost: tuple[str, ...] = ()
    then: tuple[str, ...] = ()


def claims(port: str, here: str, view: View) -> Claims:
    """Who has had a port until now; the same before and after this host has claimed it."""
    known = view.get(Binding, port)
    if known is None:
        return Claims()
    elsewhere = known.host != here and known.row != ""
    return Claims(known.displaced, (*known.displaced, known.row)[-DISPLACED_MAX:] if elsewhere else known.displaced)


def plugged_in(port: str, view: View) -> LocalPort | None:
    """The port's place in this host's switch; None when there is none, or a newer claim elsewhere displaced it."""
    local = view.get(LocalPort, port) if port else None
    return local if local is not None and local.row not in view.derived(claims, port).lost else None


def port_here(port: str, here: str, view: View) -> bool:
    """Whether this host's switch is where the port is."""
    return plugged_in(port, view) is not None


def claim(port: NetworkInterface, local: LocalPort, here: str, view: View) -> Binding:
    """The binding of a port that is plugged in here: what was plugged in elsewhere before is displaced.

    It depends on what is known only, so a controller that comes back claims nothing that it has lost meanwhile.
    """
    displaced = view.derived(claims, port.id).then
    return Binding(id=port.id, port=port.id, vpc=port.vpc, host=here, row=local.row, displaced=displaced)


def known_by_key(key: int, view: View) -> NetworkInterface | None:
    """The interface with the key that packets carry."""
    found = (view.get(NetworkInterface, id) for id in view.by(NetworkInterface, ("key",), key))
    return next(found, None)


def called(port: NetworkInterface) -> str:
    """An interface in words: its id, and the instance that it is attached to."""
    return f"{port.id} (instance {port.instance})" if port.instance else port.id
