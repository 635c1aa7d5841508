"""Changes of network interfaces within a transaction: to make one, to take an address, to detach."""

from collections.abc import Sequence
from dataclasses import replace

from apps.eni.facts import DISPLACED_MAX, mac_of
from apps.eni.model import NetworkInterface
from apps.vpc.model import Subnet
from sdnctl.base.addresses import Ip4
from sdnctl.base.errors import IntentError
from sdnctl.model.host import Binding
from sdnctl.model.tally import Tally
from sdnctl.program.lifecycle import arbitrates, blocks, create
from sdnctl.program.weight import Weighed, weighs
from sdnctl.store import Txn

_PORT, _ADDRESS, _ADDRESSES_MOST = 11, 6, 21
"""The flows of a port, those of each of its addresses, and how many of these the quota ``secondaryIp`` allows."""


def _flows(records: Weighed, account: str) -> int:
    return records.total(_TALLY, account)


_TALLY = Tally(NetworkInterface, lambda port: port.account, lambda port: _PORT + _ADDRESS * len(port.addresses))
FLOWS = weighs(NetworkInterface, _PORT + _ADDRESS, most=_PORT + _ADDRESS * _ADDRESSES_MOST, exactly=_flows)


def new_interface(
    txn: Txn,
    subnet: Subnet,
    primary: Ip4 | None = None,
    secondary: Sequence[Ip4] = (),
    count: int = 0,
    groups: tuple[str, ...] = (),
) -> NetworkInterface:
    """An interface in a subnet with the addresses named and ``count`` more, written to the transaction.

    ``groups`` are the security groups asked for.  Raises IntentError when an address is not of the subnet, reserved or
    in use, or when none is left.
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
        security_groups=groups,
        created=txn.now,
    )
    return create(txn, port)


def new_managed(
    txn: Txn, subnet: Subnet, kind: str, owner: str, primary: Ip4 | None = None, number: int = 1
) -> NetworkInterface:
    """An interface of role Managed for ``owner``, written to the transaction, with ``number`` addresses.

    Raises IntentError as ``new_interface`` does.
    """
    made = new_interface(txn, subnet, primary, (), number - 1 if primary is None else 0)
    port = replace(made, managed=kind, owner=owner)
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


def unmanaged(port: NetworkInterface, field: str = "networkInterfaceId") -> NetworkInterface:
    """The interface, if its account may change it; IntentError naming ``field`` for one of role Managed."""
    if port.managed:
        raise IntentError.precondition(field, f"{port.id} is managed by {port.managed} {port.owner}")
    return port


def detached(port: NetworkInterface) -> NetworkInterface:
    """The same interface, attached to nothing."""
    return replace(port, instance="", device_index=0, auto_delete=False)


@blocks(Subnet)
def inhabited(subnet: Subnet, txn: Txn) -> str:
    """An interface in the subnet."""
    for port in txn.many(NetworkInterface, sorted(txn.by(NetworkInterface, ("subnet",), subnet.id))):
        return f"{subnet.id} is still used by {port.owner if port.managed else f'network interface {port.id}'}"
    return ""


@arbitrates(Binding)
def placed(known: Binding | None, wanted: Binding, txn: Txn) -> Binding | None:
    """A port is where it was plugged in last: what had it before is displaced, and what was displaced stays so.

    One that is behind another port is where that one is.
    """
    port = txn.get(NetworkInterface, wanted.port)
    if port is None or wanted.id != port.id or bool(port.managed) == bool(wanted.row):
        return None
    if wanted.behind:
        front = txn.get(Binding, wanted.behind)
        return replace(wanted, vpc=port.vpc) if port.managed and front and front.host == wanted.host else None
    displaced = known.displaced if known is not None else ()
    if wanted.row in displaced:
        return None
    if known is not None and known.host != wanted.host and known.row:
        displaced = (*displaced, known.row)[-DISPLACED_MAX:]
    return replace(wanted, vpc=port.vpc, displaced=displaced)
