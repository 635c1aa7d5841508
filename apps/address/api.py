"""Tenants give an interface more private addresses, take them away, and see who has which in a subnet."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Annotated

from pydantic import Field

from apps.eip.model import ElasticIp
from apps.eip.writes import bind, unbind
from apps.eni.facts import PrivateAddress
from apps.eni.model import NetworkInterface
from apps.eni.writes import claimed, free, unmanaged
from apps.vpc.model import Subnet
from sdnctl.api import quota
from sdnctl.api.access import Reader, Writer
from sdnctl.api.charge import PREPAID
from sdnctl.api.extend import shown
from sdnctl.api.listing import Filter, Key, Listing, choose, constant, paged
from sdnctl.api.operations import operation
from sdnctl.api.schema import Address, Addresses, Block, Id, Json, Request, Whole
from sdnctl.base.addresses import Ip4
from sdnctl.base.errors import IntentError
from sdnctl.program.lifecycle import change

ITEM = "/regions/{regionId}/networkInterfaces/{networkInterfaceId}"
MOST_AT_ONCE = 1000
Many = Annotated[Addresses, Field(max_length=MOST_AT_ONCE)]


class Assign(Request):
    """Addresses to be added to an interface: named ones, so many of any, or both.

    What is named and secondary elsewhere in the subnet moves here, unless `force` is false; what is secondary here
    already stays.
    """

    networkInterfaceId: Id
    force: bool | None = None
    secondaryIps: Many = ()
    secondaryIpCount: Annotated[Whole, Field(ge=0, le=MOST_AT_ONCE)] = 0
    secondaryIpMaskLen: Annotated[Whole, Field(ge=24, le=28)] | None = None
    secondaryIpAddress: Address | None = None
    secondaryIpSubnetId: Id | None = None


class Unassign(Request):
    """Secondary addresses to be taken from an interface; their elastic IPs are freed, or deleted if asked for."""

    networkInterfaceId: Id
    secondaryIps: Many = ()
    secondaryCidrs: tuple[Block, ...] = ()
    deleteElasticIp: bool = False


class SubnetAddresses(Listing):
    """The addresses in use in a subnet."""

    subnetId: Id


class InterfaceAddresses(Listing):
    """The addresses of an interface."""

    networkInterfaceId: Id


ADDRESS_KEYS = {
    "ipAddresses": Key(lambda view, used: (str(used.address),)),
    "type": constant("IP"),
    "ipType": constant("IPV4"),
}
INTERFACE_KEYS = {name: ADDRESS_KEYS[name] for name in ("ipAddresses", "type")}
_KINDS = {"type": {"IP", "CIDR"}, "ipType": {"IPV4", "IPV6"}}


@operation("vpc", "assignSecondaryIps", "POST", f"{ITEM}:assignSecondaryIps", Assign)
def assign_secondary_ips(request: Assign, txn: Writer) -> Json:
    """Give a network interface more private addresses of its subnet."""
    port = unmanaged(txn.own(NetworkInterface, request.networkInterfaceId, "networkInterfaceId"))
    subnet = txn.own(Subnet, port.subnet, "networkInterfaceId")
    _check(request, subnet)
    named = [address for address in request.secondaryIps if address not in port.addresses[1:]]
    wanted = len(named) + request.secondaryIpCount
    quota.admit(txn, "secondaryIp", wanted, parent=port.id, field="secondaryIpCount")
    chosen: list[Ip4] = []
    moving: list[ElasticIp] = []
    for address in named:
        if request.force is not False:
            moving += _released(txn, port, address)
        chosen.append(claimed(txn.txn, subnet, address, chosen, "secondaryIps"))
    for _ in range(request.secondaryIpCount):
        chosen.append(free(txn.txn, subnet, chosen))
    if chosen:
        before, port = port, replace(port, addresses=(*port.addresses, *chosen))
        change(txn.txn, before, port)
    for eip in moving:
        bind(txn.txn, eip, port, eip.private, move=True)
    return {}


def _check(request: Assign, subnet: Subnet) -> None:
    counted = bool(request.secondaryIps or request.secondaryIpCount)
    if request.secondaryIpMaskLen is not None or request.secondaryIpAddress is not None:
        if counted:
            raise IntentError("secondaryIpMaskLen", "must not be given along with secondaryIps or secondaryIpCount")
        text = f"{subnet.id} gives out addresses one by one: it has no part kept for blocks"
        raise IntentError.precondition("secondaryIpMaskLen", text)
    if request.secondaryIpSubnetId not in (None, subnet.id):
        message = "secondary addresses are of the interface's own subnet"
        raise IntentError("secondaryIpSubnetId", message, 501, "NOT_IMPLEMENTED")
    if not counted:
        raise IntentError("secondaryIps", "secondaryIps or secondaryIpCount is required")


def _released(txn: Writer, port: NetworkInterface, address: Ip4) -> Iterator[ElasticIp]:
    """Let an address go from the interface that has it as a secondary one; its elastic IP, which is to go along."""
    for other in txn.of(NetworkInterface, ("subnet", "addresses"), (port.subnet, address)):
        if other.addresses[0] == address:
            continue
        txn.put(replace(other, addresses=tuple(kept for kept in other.addresses if kept != address)))
        yield from txn.of(ElasticIp, ("port", "private"), (other.id, address))


@operation("vpc", "unassignSecondaryIps", "POST", f"{ITEM}:unassignSecondaryIps", Unassign)
def unassign_secondary_ips(request: Unassign, txn: Writer) -> Json:
    """Take secondary private addresses from a network interface."""
    port = unmanaged(txn.own(NetworkInterface, request.networkInterfaceId, "networkInterfaceId"))
    for block in request.secondaryCidrs:
        raise IntentError.missing("secondaryCidrs", f"block {block} of {port.id}")
    if not request.secondaryIps:
        raise IntentError("secondaryIps", "is required")
    for address in request.secondaryIps:
        if address not in port.addresses:
            raise IntentError.missing("secondaryIps", f"address {address} of {port.id}")
        if address == port.addresses[0]:
            raise IntentError.precondition("secondaryIps", f"{address} is the primary address of {port.id}")
        for eip in txn.of(ElasticIp, ("port", "private"), (port.id, address)):
            loose = unbind(txn.txn, eip)
            paid = loose.charge_mode == PREPAID and loose.charge_expiry > txn.now
            if request.deleteElasticIp and not paid:
                txn.remove(loose, "deleteElasticIp")
    gone = set(request.secondaryIps)
    change(txn.txn, port, replace(port, addresses=tuple(kept for kept in port.addresses if kept not in gone)))
    return {}


@operation("vpc", "describeSubnetCidrIps", "GET", "/regions/{regionId}/subnets/{subnetId}/cidrIps", SubnetAddresses)
def describe_subnet_cidr_ips(request: SubnetAddresses, view: Reader) -> Json:
    """The private addresses that interfaces have in a subnet, in order."""
    subnet = view.own(Subnet, request.subnetId, "subnetId")
    ports = view.of(NetworkInterface, ("subnet",), subnet.id)
    used = sorted(
        (PrivateAddress(port, address) for port in ports for address in port.addresses), key=attrgetter("address")
    )
    return _page(request, view, used, "subnetCidrIps", ADDRESS_KEYS, _show_in_subnet)


@operation("vpc", "describeNetworkInterfaceCidrIps", "GET", f"{ITEM}/cidrIps", InterfaceAddresses)
def describe_network_interface_cidr_ips(request: InterfaceAddresses, view: Reader) -> Json:
    """The private addresses of a network interface and their elastic IPs, the primary one first."""
    port = view.own(NetworkInterface, request.networkInterfaceId, "networkInterfaceId")
    used = [PrivateAddress(port, address) for address in port.addresses]
    return _page(request, view, used, "networkInterfaceCidrIps", INTERFACE_KEYS, _show_of_interface)


def _page(
    request: Listing,
    view: Reader,
    used: Sequence[PrivateAddress],
    plural: str,
    keys: Mapping[str, Key],
    show: Callable[[Reader, PrivateAddress], Json],
) -> Json:
    for wanted in request.filters:
        _check_kind(wanted)
    return paged(request, view, choose(request, view, used, keys), plural, show)


def _check_kind(wanted: Filter) -> None:
    known = _KINDS.get(wanted.name)
    if known is not None and not known.issuperset(wanted.values):
        raise IntentError("filters", f"{wanted.name} is one of {', '.join(sorted(known))}")


def _show_in_subnet(view: Reader, used: PrivateAddress) -> Json:
    return {
        "privateIpAddress": str(used.address),
        "instanceType": "compute" if used.port.instance else "",
        "instanceId": used.port.instance,
        "cidr": "",
        "ipType": "IPV4",
    }


def _show_of_interface(view: Reader, used: PrivateAddress) -> Json:
    own = {
        "privateIpType": "primary" if used.address == used.port.addresses[0] else "secondary",
        "privateIpAddress": str(used.address),
        "elasticIpAddress": "",
        "elasticIpId": "",
        "cidr": "",
        "bindMode": "STANDARD",
        "subnetId": used.port.subnet,
    }
    return shown(view, used, own)
