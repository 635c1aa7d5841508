"""Tenants make network interfaces, change and delete them."""

from dataclasses import replace
from typing import Annotated

from pydantic import BeforeValidator, Field

from apps.eni.facts import OUI, PrivateAddress, mac_of
from apps.eni.model import NetworkInterface
from apps.eni.writes import new_interface, unmanaged
from apps.vpc.model import RESERVED, ROUTER_ITSELF_MAC, ROUTER_MAC, Subnet
from sdnctl.api import quota
from sdnctl.api.access import Reader, Writer
from sdnctl.api.extend import shown, shows
from sdnctl.api.listing import Key, Listing, answer, attribute, constant, reference
from sdnctl.api.operations import operation
from sdnctl.api.schema import (
    Address,
    Addresses,
    Id,
    Ids,
    Json,
    MacAddress,
    Name,
    Request,
    Tags,
    Text,
    Whole,
    iso,
    show_tags,
    tag_dict,
    without_empty,
)
from sdnctl.base.addresses import Ip4, Mac
from sdnctl.base.errors import IntentError

MOST_GROUPS = 6
"""The VPC's default group, which each interface shows, and five that it was asked for."""
OUI_BITS = 24
PATH, ITEM = "/regions/{regionId}/networkInterfaces/", "/regions/{regionId}/networkInterfaces/{networkInterfaceId}"


Groups = Annotated[Ids, Field(max_length=MOST_GROUPS), BeforeValidator(without_empty)]
"""The security groups of an interface; an empty one is none, as clients send it for a list without members."""
ZeroOrOne = Annotated[Whole, Field(ge=0, le=1)]

quota.declare(
    "network_interface",
    100,
    lambda view, _: view.count(NetworkInterface, ("account", "primary", "managed"), (view.caller.account, False, "")),
)


def _secondary(view: Reader, port_id: str) -> int:
    port = view.get(NetworkInterface, port_id)
    return len(port.addresses) - 1 if port is not None else 0


quota.declare("secondaryIp", 20, _secondary, within="the network interface", parent=NetworkInterface)


class CreateNetworkInterface(Request):
    """A secondary network interface to be made."""

    subnetId: Id
    networkInterfaceName: Name | None = None
    primaryIpAddress: Address | None = None
    secondaryIpAddresses: Addresses = ()
    secondaryIpCount: Annotated[Whole, Field(ge=0, le=1000)] = 0
    secondaryIpSubnetId: Id | None = None
    securityGroups: Groups = ()
    sanityCheck: ZeroOrOne = 1
    description: Text = ""
    userTags: Tags = ()


class OneInterface(Request):
    """A network interface."""

    networkInterfaceId: Id


class ModifyInterface(OneInterface):
    """The fields of a network interface that may change; the security groups replace those before."""

    networkInterfaceName: Name | None = None
    description: Text | None = None
    securityGroups: Groups | None = None
    macAddress: MacAddress | None = None
    sanityCheck: ZeroOrOne | None = None


def _role(view: Reader, port: NetworkInterface) -> tuple[str]:
    return ("Managed" if port.managed else "Primary" if port.primary else "Secondary",)


KEYS = {
    "networkInterfaceIds": reference("id"),
    "networkInterfaceNames": attribute("name"),
    "vpcId": reference("vpc"),
    "subnetId": reference("subnet"),
    "role": Key(_role),
    "azType": constant("all", "standard"),
    "azs": constant(""),
    "instanceId": reference("instance"),
    "networkSecurityGroupId": Key(lambda view, port: port.security_groups),
    "primaryIpAddress": Key(lambda view, port: (str(port.addresses[0]),)),
}


@operation("vpc", "describeNetworkInterfaces", "GET", PATH, Listing)
def describe_network_interfaces(request: Listing, view: Reader) -> Json:
    """The caller's network interfaces."""
    return answer(request, view, NetworkInterface, KEYS, "networkInterfaces", show)


@operation("vpc", "createNetworkInterface", "POST", PATH, CreateNetworkInterface, orders=NetworkInterface)
def create_network_interface(request: CreateNetworkInterface, txn: Writer) -> Json:
    """Make a secondary network interface, attached to nothing yet."""
    subnet = txn.own(Subnet, request.subnetId, "subnetId")
    if request.secondaryIpSubnetId not in (None, subnet.id):
        message = "secondary addresses are of the interface's own subnet"
        raise IntentError("secondaryIpSubnetId", message, 501, "NOT_IMPLEMENTED")
    quota.admit(txn, "network_interface", 1)
    wanted = len(request.secondaryIpAddresses) + request.secondaryIpCount
    quota.admit(txn, "secondaryIp", wanted, field="secondaryIpCount")
    addresses = request.primaryIpAddress, request.secondaryIpAddresses, request.secondaryIpCount
    made = new_interface(txn.txn, subnet, *addresses, request.securityGroups)
    port = replace(
        made,
        sanity_check=bool(request.sanityCheck),
        name=request.networkInterfaceName or "",
        description=request.description,
        tags=tag_dict(request.userTags),
    )
    txn.change(made, port, request)
    return {"networkInterfaceId": port.id}


@operation("vpc", "describeNetworkInterface", "GET", ITEM, OneInterface)
def describe_network_interface(request: OneInterface, view: Reader) -> Json:
    """One network interface."""
    port = view.own(NetworkInterface, request.networkInterfaceId, "networkInterfaceId")
    return {"networkInterface": show(view, port)}


@operation("vpc", "modifyNetworkInterface", "PATCH", ITEM, ModifyInterface, orders=NetworkInterface)
def modify_network_interface(request: ModifyInterface, txn: Writer) -> Json:
    """Rename a network interface, change its security groups, MAC address, source check or number of queues."""
    port = unmanaged(txn.own(NetworkInterface, request.networkInterfaceId, "networkInterfaceId"))
    changed = replace(
        port,
        name=port.name if request.networkInterfaceName is None else request.networkInterfaceName,
        description=port.description if request.description is None else request.description,
        security_groups=port.security_groups if request.securityGroups is None else request.securityGroups,
        mac=_mac(txn, port, request.macAddress),
        sanity_check=port.sanity_check if request.sanityCheck is None else bool(request.sanityCheck),
    )
    txn.change(port, changed, request)
    return {}


def _mac(txn: Writer, port: NetworkInterface, wanted: Mac | None) -> Mac:
    """The MAC address asked for, if nobody in the VPC has it or could be given it."""
    if wanted is None or wanted == port.mac or wanted == mac_of(port.key):
        return port.mac if wanted is None else wanted
    if wanted >> OUI_BITS == OUI >> OUI_BITS:
        raise IntentError("macAddress", "fa:16:3e is kept for generated addresses")
    if wanted in (ROUTER_MAC, ROUTER_ITSELF_MAC):
        raise IntentError("macAddress", f"{wanted} is the router's")
    if txn.region.by(NetworkInterface, ("vpc", "mac"), (port.vpc, wanted)):
        raise IntentError("macAddress", f"{wanted} is in use", 409, "ALREADY_EXISTS")
    return wanted


@operation("vpc", "deleteNetworkInterface", "DELETE", ITEM, OneInterface)
def delete_network_interface(request: OneInterface, txn: Writer) -> Json:
    """Delete a network interface that is attached to nothing and has no elastic IP."""
    port = unmanaged(txn.own(NetworkInterface, request.networkInterfaceId, "networkInterfaceId"))
    if port.instance:
        raise IntentError.precondition("networkInterfaceId", f"{port.id} is attached to {port.instance}")
    txn.remove(port, "networkInterfaceId")
    return {}


def show(view: Reader, port: NetworkInterface) -> Json:
    """A network interface as the API shows it."""
    addresses = [show_address(view, port, address) for address in port.addresses]
    own = {
        "networkInterfaceName": port.name,
        "networkInterfaceId": port.id,
        "azType": "standard",
        "az": "",
        "role": _role(view, port)[0],
        "macAddress": str(port.mac),
        "vpcId": port.vpc,
        "subnetId": port.subnet,
        "networkSecurityGroupIds": list(port.security_groups),
        "sanityCheck": int(port.sanity_check),
        "queueNum": port.queue_num,
        "primaryIp": addresses[0],
        "secondaryIps": addresses[1:],
        "secondaryCidrs": [],
        "instanceType": port.managed or ("compute" if port.instance else ""),
        "instanceId": port.owner or port.instance,
        "instanceOwnerId": port.account if port.instance or port.owner else "",
        "deviceIndex": port.device_index,
        "description": port.description,
        "attachmentStatus": "attached" if port.instance or port.managed else "detached",
        "networkInterfaceStatus": "enabled",
        "createdTime": iso(port.created),
        "tags": show_tags(port.tags),
    }
    return shown(view, port, own)


def show_address(view: Reader, port: NetworkInterface, address: Ip4) -> Json:
    """A private address, and what is bound to it."""
    own = {"privateIpAddress": str(address), "elasticIpId": "", "elasticIpAddress": "", "subnetId": port.subnet}
    return shown(view, PrivateAddress(port, address), own)


@shows(Subnet)
def room(view: Reader, subnet: Subnet) -> Json:
    """The number of addresses that are left to a subnet."""
    used = sum(len(port.addresses) for port in view.of(NetworkInterface, ("subnet",), subnet.id))
    return {"availableIpCount": subnet.cidr.size - RESERVED - used}
