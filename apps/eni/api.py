"""Tenants make network interfaces, change them, and bind elastic IPs to their addresses."""

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from apps.eip.model import ElasticIp
from apps.eip.writes import bind, unbind
from apps.eni.facts import OUI, mac_of
from apps.eni.model import NetworkInterface
from apps.eni.writes import new_interface
from apps.instance.facts import check_queues, queues_of
from apps.instance.model import MOST_QUEUES, Instance
from apps.routing.writes import check_unrouted
from apps.vpc.model import Subnet
from sdnctl.api import quota
from sdnctl.api.listing import Key, Listing, answer, attribute, constant, reference
from sdnctl.api.registry import operation
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
)
from sdnctl.api.view import View, Writer
from sdnctl.base.addresses import Ip4, Mac
from sdnctl.base.errors import IntentError

MOST_GROUPS = 5
OUI_BITS = 24
PATH, ITEM = "/regions/{regionId}/networkInterfaces/", "/regions/{regionId}/networkInterfaces/{networkInterfaceId}"
Groups = Annotated[Ids, Field(max_length=MOST_GROUPS)]
ZeroOrOne = Annotated[Whole, Field(ge=0, le=1)]
Queues = Annotated[Whole, Field(ge=0, le=MOST_QUEUES)]

quota.declare(
    "network_interface",
    100,
    lambda view, _: view.count(NetworkInterface, ("account", "primary"), (view.caller.account, False)),
)


def _secondary(view: View, port_id: str) -> int:
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
    queueNum: Queues = 0
    description: Text = ""
    userTags: Tags = ()


class OneInterface(Request):
    """A network interface."""

    networkInterfaceId: Id


class ModifyInterface(OneInterface):
    """What may change in a network interface; the security groups replace those before."""

    networkInterfaceName: Name | None = None
    description: Text | None = None
    securityGroups: Groups | None = None
    macAddress: MacAddress | None = None
    sanityCheck: ZeroOrOne | None = None
    queueNum: Queues | None = None


class Association(OneInterface):
    """An elastic IP, by id or address, and the private address it is meant for (default: the primary one)."""

    elasticIpId: Id | None = None
    elasticIpAddress: Address | None = None
    privateIpAddress: Address | None = None


def _role(view: View, port: NetworkInterface) -> tuple[str]:
    return ("Primary" if port.primary else "Secondary",)


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
def describe_network_interfaces(request: Listing, view: View) -> Json:
    """The caller's network interfaces."""
    return answer(request, view, NetworkInterface, KEYS, "networkInterfaces", show)


@operation("vpc", "createNetworkInterface", "POST", PATH, CreateNetworkInterface)
def create_network_interface(request: CreateNetworkInterface, txn: Writer) -> Json:
    """Make a secondary network interface, attached to nothing yet."""
    subnet = txn.own(Subnet, request.subnetId, "subnetId")
    if request.secondaryIpSubnetId not in (None, subnet.id):
        message = "secondary addresses are of the interface's own subnet"
        raise IntentError("secondaryIpSubnetId", message, 501, "NOT_IMPLEMENTED")
    quota.admit(txn, "network_interface", 1)
    wanted = len(request.secondaryIpAddresses) + request.secondaryIpCount
    quota.admit(txn, "secondaryIp", wanted, field="secondaryIpCount")
    made = new_interface(
        txn.txn, subnet, request.primaryIpAddress, request.secondaryIpAddresses, request.secondaryIpCount
    )
    port = replace(
        made,
        sanity_check=bool(request.sanityCheck),
        queue_num=request.queueNum,
        security_groups=request.securityGroups,
        name=request.networkInterfaceName or "",
        description=request.description,
        tags=tag_dict(request.userTags),
    )
    txn.put(port)
    return {"networkInterfaceId": port.id}


@operation("vpc", "describeNetworkInterface", "GET", ITEM, OneInterface)
def describe_network_interface(request: OneInterface, view: View) -> Json:
    """One network interface."""
    port = view.own(NetworkInterface, request.networkInterfaceId, "networkInterfaceId")
    return {"networkInterface": show(view, port)}


@operation("vpc", "modifyNetworkInterface", "PATCH", ITEM, ModifyInterface)
def modify_network_interface(request: ModifyInterface, txn: Writer) -> Json:
    """Rename a network interface, change its security groups, MAC address, source check or number of queues."""
    port = txn.own(NetworkInterface, request.networkInterfaceId, "networkInterfaceId")
    changed = replace(
        port,
        name=port.name if request.networkInterfaceName is None else request.networkInterfaceName,
        description=port.description if request.description is None else request.description,
        security_groups=port.security_groups if request.securityGroups is None else request.securityGroups,
        mac=_mac(txn, port, request.macAddress),
        sanity_check=port.sanity_check if request.sanityCheck is None else bool(request.sanityCheck),
        queue_num=port.queue_num if request.queueNum is None else _queues(txn, port, request.queueNum),
    )
    txn.put(changed)
    return {}


def _queues(txn: Writer, port: NetworkInterface, wanted: int) -> int:
    """The number of queues asked for, if the instance that has the interface allows it."""
    instance = txn.get(Instance, port.instance)
    return wanted if instance is None else check_queues(wanted, instance.instance_type, "queueNum")


def _mac(txn: Writer, port: NetworkInterface, wanted: Mac | None) -> Mac:
    """The MAC address asked for, if nobody in the VPC has it or could be given it."""
    if wanted is None or wanted == port.mac or wanted == mac_of(port.key):
        return port.mac if wanted is None else wanted
    if wanted >> OUI_BITS == OUI >> OUI_BITS:
        raise IntentError("macAddress", "fa:16:3e is kept for generated addresses")
    if txn.region.by(NetworkInterface, ("vpc", "mac"), (port.vpc, wanted)):
        raise IntentError("macAddress", f"{wanted} is in use", 409, "ALREADY_EXISTS")
    return wanted


@operation("vpc", "deleteNetworkInterface", "DELETE", ITEM, OneInterface)
def delete_network_interface(request: OneInterface, txn: Writer) -> Json:
    """Delete a network interface that is attached to nothing and has no elastic IP."""
    port = txn.own(NetworkInterface, request.networkInterfaceId, "networkInterfaceId")
    if port.instance:
        raise IntentError.precondition("networkInterfaceId", f"{port.id} is attached to {port.instance}")
    for eip in sorted(txn.region.by(ElasticIp, ("port",), port.id)):
        raise IntentError.precondition("networkInterfaceId", f"{port.id} has elastic IP {eip}")
    check_unrouted(txn.txn, port.id, "networkInterfaceId")
    txn.delete(NetworkInterface, port.id)
    return {}


@operation("vpc", "associateElasticIp", "POST", f"{ITEM}:associateElasticIp", Association)
def associate_elastic_ip(request: Association, txn: Writer) -> Json:
    """Bind an elastic IP to a private address of a network interface."""
    port = txn.own(NetworkInterface, request.networkInterfaceId, "networkInterfaceId")
    private = port.addresses[0] if request.privateIpAddress is None else request.privateIpAddress
    bind(txn.txn, _elastic_ip(request, txn), port, Ip4(private))
    return {}


@operation("vpc", "disassociateElasticIp", "POST", f"{ITEM}:disassociateElasticIp", Association)
def disassociate_elastic_ip(request: Association, txn: Writer) -> Json:
    """Take an elastic IP from a network interface."""
    port = txn.own(NetworkInterface, request.networkInterfaceId, "networkInterfaceId")
    eip = _elastic_ip(request, txn)
    if eip.port != port.id:
        raise IntentError.precondition("elasticIpId", f"{eip.id} is not bound to {port.id}")
    unbind(txn.txn, eip)
    return {}


def _elastic_ip(request: Association, txn: Writer) -> ElasticIp:
    """The caller's elastic IP that is named by id, by address, or by both alike."""
    if request.elasticIpId is None and request.elasticIpAddress is None:
        raise IntentError("elasticIpId", "elasticIpId or elasticIpAddress is required")
    if request.elasticIpId is not None:
        eip = txn.own(ElasticIp, request.elasticIpId, "elasticIpId")
        if request.elasticIpAddress not in (None, eip.address):
            raise IntentError("elasticIpAddress", f"{eip.id} has another address")
        return eip
    for eip in txn.of(ElasticIp, ("address",), request.elasticIpAddress):
        return eip
    raise IntentError.missing("elasticIpAddress", f"elastic IP {request.elasticIpAddress}")


def show(view: View, port: NetworkInterface) -> Json:
    """A network interface as the API shows it."""
    shown = [show_address(view, port, address) for address in port.addresses]
    return {
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
        "queueNum": queues_of(port.queue_num, view.get(Instance, port.instance)),
        "primaryIp": shown[0],
        "secondaryIps": shown[1:],
        "secondaryCidrs": [],
        "instanceType": "compute" if port.instance else "",
        "instanceId": port.instance,
        "instanceOwnerId": port.account if port.instance else "",
        "deviceIndex": port.device_index,
        "description": port.description,
        "attachmentStatus": "attached" if port.instance else "detached",
        "networkInterfaceStatus": "enabled",
        "createdTime": iso(port.created),
        "tags": show_tags(port.tags),
    }


def show_address(view: View, port: NetworkInterface, address: Ip4) -> Json:
    """A private address and the elastic IP that is bound to it."""
    bound = view.of(ElasticIp, ("port", "private"), (port.id, address))
    return {
        "privateIpAddress": str(address),
        "elasticIpId": bound[0].id if bound else "",
        "elasticIpAddress": str(bound[0].address) if bound else "",
        "subnetId": port.subnet,
    }
