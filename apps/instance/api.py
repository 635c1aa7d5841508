"""Tenants order instances, attach network interfaces to them and give their primary address an elastic IP."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from apps.disk.api import DataDisks, DiskOrder, new_disks, show_disks
from apps.eip.api import ElasticIpSpec, ordered
from apps.eip.model import ElasticIp
from apps.eip.writes import bind, new_elastic_ip, unbind
from apps.eni.api import Groups
from apps.eni.facts import PrivateAddress
from apps.eni.model import NetworkInterface
from apps.eni.writes import detached, new_interface, unmanaged
from apps.instance.facts import check_queues, queues_of, zone
from apps.instance.model import INSTANCE_TYPES, MOST_QUEUES, Instance
from apps.security_group.api import show_groups
from apps.vpc.model import Subnet
from sdnctl.api import quota
from sdnctl.api.access import Reader, Writer
from sdnctl.api.charge import PREPAID, ChargeSpec, expiry, show_charge
from sdnctl.api.extend import accepts, shown, shows
from sdnctl.api.listing import Key, Listing, answer, attribute, constant, reference
from sdnctl.api.operations import operation
from sdnctl.api.schema import (
    Address,
    Addresses,
    Id,
    Json,
    Model,
    Name,
    Request,
    Tags,
    Text,
    Token,
    VmName,
    Whole,
    plain_time,
    show_tags,
    tag_dict,
)
from sdnctl.base.addresses import Ip4
from sdnctl.base.errors import IntentError

PRIMARY = 1
SECONDARY_INDEXES = range(2, 9)
PATH, ITEM = "/regions/{regionId}/instances", "/regions/{regionId}/instances/{instanceId}"
Queues = Annotated[Whole, Field(ge=0, le=MOST_QUEUES)]
ShortText = Annotated[str, Field(max_length=128, pattern=r"^[^\x00-\x1f]*$")]
quota.declare("instance", 1000, lambda view, _: view.count(Instance, ("account",), view.caller.account), service="vm")


class QueueOrder(Model):
    """The number of queues of an interface."""

    queueNum: Queues | None = None


class InterfaceSpec(Model):
    """The primary network interface of an instance to be made."""

    subnetId: Id
    networkInterfaceName: Name | None = None
    primaryIpAddress: Address | None = None
    secondaryIpAddresses: Addresses = ()
    secondaryIpCount: Annotated[Whole, Field(ge=0, le=1000)] = 0
    securityGroups: Groups = ()
    sanityCheck: Annotated[Whole, Field(ge=0, le=1)] = 1
    queueNum: Queues = 0
    description: Text = ""


class AttachmentSpec(Model):
    """The wrapper in which the public API puts an interface."""

    networkInterface: InterfaceSpec


class InstanceSpec(Model):
    """An instance to be made; disks and keys are kept as they are, the rest for its guest has no meaning here."""

    name: VmName
    instanceType: ShortText
    primaryNetworkInterface: AttachmentSpec
    elasticIp: ElasticIpSpec | None = None
    imageId: ShortText = ""
    az: ShortText = ""
    hostname: ShortText = ""
    keyNames: Annotated[tuple[ShortText, ...], Field(max_length=1)] = ()
    systemDisk: DiskOrder | None = None
    dataDisks: DataDisks = ()
    description: Text = ""
    charge: ChargeSpec = ChargeSpec()
    userTags: Tags = ()


class CreateInstances(Request):
    """Instances to be made, all alike."""

    instanceSpec: InstanceSpec
    maxCount: Annotated[Whole, Field(ge=1, le=100)] = 1
    clientToken: Token | None = None


class OneInstance(Request):
    """An instance."""

    instanceId: Id


class DeleteInstance(OneInstance):
    """An instance to be deleted, with the elastic IPs of its primary interface if asked for."""

    deletePrimaryNetworkInterfaceAllElasticIp: bool = False


class Attachment(OneInstance):
    """A network interface of an instance."""

    networkInterfaceId: Id
    autoDelete: bool = False


class Association(OneInstance):
    """An elastic IP of an instance's primary address; with `reassociate` it moves there from where it is bound."""

    elasticIpId: Id
    reassociate: bool = False


def _ports(view: Reader, instance: Instance) -> list[NetworkInterface]:
    """The instance's interfaces, primary first."""
    return sorted(view.of(NetworkInterface, ("instance",), instance.id), key=lambda port: port.device_index)


def _private(view: Reader, instance: Instance) -> Iterable[str]:
    return (str(port.addresses[0]) for port in _ports(view, instance))


def _public(view: Reader, instance: Instance) -> Iterable[str]:
    return (str(e.address) for p in _ports(view, instance) for e in view.of(ElasticIp, ("port",), p.id))


KEYS = {
    "instanceId": reference("id"),
    "privateIpAddress": Key(_private, fuzzy=True),
    "az": attribute("az"),
    "vpcId": reference("vpc"),
    "status": attribute("status"),
    "name": attribute("name", fuzzy=True),
    "imageId": attribute("image"),
    "networkInterfaceId": Key(lambda view, instance: (port.id for port in _ports(view, instance))),
    "subnetId": reference("subnet"),
    "agId": constant(),
    "faultDomain": constant(),
    "dedicatedHostId": constant(),
    "dedicatedPoolId": constant(),
    "instanceType": attribute("instance_type"),
    "elasticIpAddress": Key(_public),
}


@operation("vm", "createInstances", "POST", PATH, CreateInstances)
def create_instances(request: CreateInstances, txn: Writer) -> Json:
    """Make instances with their primary interfaces, and an elastic IP each if asked for: all of them or none."""
    spec = request.instanceSpec
    wanted = spec.primaryNetworkInterface.networkInterface
    if spec.instanceType not in INSTANCE_TYPES:
        raise IntentError.missing("instanceSpec.instanceType", f"instance type {spec.instanceType[:64]!r}")
    subnet = txn.own(Subnet, wanted.subnetId, "subnetId")
    if request.maxCount > 1 and (wanted.primaryIpAddress is not None or wanted.secondaryIpAddresses):
        raise IntentError("primaryIpAddress", "addresses can be chosen for a single instance only")
    quota.admit(txn, "instance", request.maxCount, field="maxCount")
    quota.admit(txn, "secondaryIp", len(wanted.secondaryIpAddresses) + wanted.secondaryIpCount)
    if spec.elasticIp is not None:
        quota.admit(txn, "elastic_ip", request.maxCount, field="elasticIp")
    return {"instanceIds": [_create(spec, subnet, txn).id for _ in range(request.maxCount)]}


def _create(spec: InstanceSpec, subnet: Subnet, txn: Writer) -> Instance:
    instance = Instance(
        id=txn.new_id(Instance),
        account=subnet.account,
        instance_type=spec.instanceType,
        vpc=subnet.vpc,
        subnet=subnet.id,
        az=spec.az or zone(txn.caller.region),
        image=spec.imageId,
        hostname=spec.hostname or spec.name,
        key_names=spec.keyNames,
        charge_mode=spec.charge.chargeMode,
        charge_expiry=expiry(spec.charge, txn.now),
        name=spec.name,
        description=spec.description,
        tags=tag_dict(spec.userTags),
        created=txn.now,
    )
    txn.create(instance)
    new_disks(txn, instance.id, instance.account, spec.systemDisk, spec.dataDisks)
    port = _primary(spec.primaryNetworkInterface.networkInterface, instance, subnet, txn)
    if spec.elasticIp is not None:
        eip = new_elastic_ip(txn.txn, instance.account, None, "", spec.elasticIp.bandwidthMbps)
        bind(txn.txn, replace(eip, **ordered(spec.elasticIp, txn.now)), port, port.addresses[0])
    return instance


def _primary(spec: InterfaceSpec, instance: Instance, subnet: Subnet, txn: Writer) -> NetworkInterface:
    addresses = spec.primaryIpAddress, spec.secondaryIpAddresses, spec.secondaryIpCount
    made = new_interface(txn.txn, subnet, *addresses, spec.securityGroups)
    port = replace(
        made,
        sanity_check=bool(spec.sanityCheck),
        instance=instance.id,
        device_index=PRIMARY,
        auto_delete=True,
        primary=True,
        queue_num=check_queues(spec.queueNum, instance.instance_type, "queueNum"),
        name=spec.networkInterfaceName or "",
        description=spec.description,
    )
    txn.change(made, port)
    return port


@operation("vm", "describeInstances", "GET", PATH, Listing)
def describe_instances(request: Listing, view: Reader) -> Json:
    """The caller's instances."""
    return answer(request, view, Instance, KEYS, "instances", show)


@operation("vm", "describeInstance", "GET", ITEM, OneInstance)
def describe_instance(request: OneInstance, view: Reader) -> Json:
    """One instance with its network interfaces."""
    return {"instance": show(view, view.own(Instance, request.instanceId, "instanceId"))}


@operation("vm", "deleteInstance", "DELETE", ITEM, DeleteInstance)
def delete_instance(request: DeleteInstance, txn: Writer) -> Json:
    """Delete an instance and what goes with it: its primary interface and those attached with autoDelete.

    Their elastic IPs are freed (or deleted, for the primary interface, if asked for and not paid in advance); other
    interfaces are detached as they are.
    """
    instance = txn.own(Instance, request.instanceId, "instanceId")
    if instance.charge_mode == PREPAID and instance.charge_expiry > txn.now:
        raise IntentError.precondition("instanceId", f"{instance.id} is paid in advance and not expired")
    for port in _ports(txn, instance):
        if not (port.primary or port.auto_delete):
            txn.change(port, detached(port))
            continue
        for eip in txn.of(ElasticIp, ("port",), port.id):
            free = unbind(txn.txn, eip)
            wanted = port.primary and request.deletePrimaryNetworkInterfaceAllElasticIp
            if wanted and not (free.charge_mode == PREPAID and free.charge_expiry > txn.now):
                txn.remove(free, "deletePrimaryNetworkInterfaceAllElasticIp")
        txn.remove(port, "instanceId")
    txn.remove(instance, "instanceId")
    return {}


@operation("vm", "attachNetworkInterface", "POST", f"{ITEM}:attachNetworkInterface", Attachment)
def attach_network_interface(request: Attachment, txn: Writer) -> Json:
    """Attach a secondary network interface of the same VPC, as far as the instance type allows."""
    instance = txn.own(Instance, request.instanceId, "instanceId")
    port = unmanaged(txn.own(NetworkInterface, request.networkInterfaceId, "networkInterfaceId"))
    if port.instance:
        raise IntentError.precondition("networkInterfaceId", f"{port.id} is attached to {port.instance}")
    if port.primary:
        raise IntentError.precondition("networkInterfaceId", f"{port.id} is a primary interface")
    if port.vpc != instance.vpc:
        raise IntentError.precondition("networkInterfaceId", f"{port.id} is not in the instance's VPC {instance.vpc}")
    attached = _ports(txn, instance)
    limit = INSTANCE_TYPES[instance.instance_type].nic_limit
    if len(attached) >= limit:
        message = f"{instance.instance_type} has at most {limit} network interfaces"
        raise IntentError("instanceId", message, 429, "QUOTA_EXCEEDED")
    used = {other.device_index for other in attached}
    index = next(index for index in SECONDARY_INDEXES if index not in used)
    txn.change(port, replace(port, instance=instance.id, device_index=index, auto_delete=request.autoDelete))
    return {}


@operation("vm", "detachNetworkInterface", "POST", f"{ITEM}:detachNetworkInterface", Attachment)
def detach_network_interface(request: Attachment, txn: Writer) -> Json:
    """Detach a secondary network interface; it keeps its addresses and elastic IPs."""
    instance = txn.own(Instance, request.instanceId, "instanceId")
    port = unmanaged(txn.own(NetworkInterface, request.networkInterfaceId, "networkInterfaceId"))
    if port.instance != instance.id:
        raise IntentError.precondition("networkInterfaceId", f"{port.id} is not attached to {instance.id}")
    if port.primary:
        raise IntentError.precondition("networkInterfaceId", f"{port.id} is the primary interface")
    txn.change(port, detached(port))
    return {}


@operation("vm", "associateElasticIp", "POST", f"{ITEM}:associateElasticIp", Association)
def associate_elastic_ip(request: Association, txn: Writer) -> Json:
    """Bind an elastic IP to the primary address of the instance, or move it there."""
    port = _primary_of(txn, txn.own(Instance, request.instanceId, "instanceId"))
    eip = txn.own(ElasticIp, request.elasticIpId, "elasticIpId")
    bind(txn.txn, eip, port, port.addresses[0], move=request.reassociate)
    return {}


@operation("vm", "disassociateElasticIp", "POST", f"{ITEM}:disassociateElasticIp", Association)
def disassociate_elastic_ip(request: Association, txn: Writer) -> Json:
    """Take an elastic IP from the primary address of the instance."""
    port = _primary_of(txn, txn.own(Instance, request.instanceId, "instanceId"))
    eip = txn.own(ElasticIp, request.elasticIpId, "elasticIpId")
    if (eip.port, eip.private) != (port.id, port.addresses[0]):
        raise IntentError.precondition(
            "elasticIpId", f"{eip.id} is not bound to the primary address of {port.instance}"
        )
    unbind(txn.txn, eip)
    return {}


def _primary_of(view: Reader, instance: Instance) -> NetworkInterface:
    (port,) = view.of(NetworkInterface, ("instance", "device_index"), (instance.id, PRIMARY))
    return port


def show(view: Reader, instance: Instance) -> Json:
    """An instance as the API shows it; lists that would be empty are absent, as scripts that wait for that expect."""
    ports = _ports(view, instance)
    primary = show_interface(view, ports[0])
    lists = {
        "secondaryNetworkInterfaces": [show_interface(view, port) for port in ports[1:]],
        "keyNames": list(instance.key_names),
    }
    return {
        "instanceId": instance.id,
        "instanceName": instance.name,
        "hostname": instance.hostname,
        "instanceType": instance.instance_type,
        "vpcId": instance.vpc,
        "subnetId": instance.subnet,
        **primary["networkInterface"]["primaryIp"],
        "status": instance.status,
        "description": instance.description,
        "imageId": instance.image,
        **show_disks(view, instance.id, instance.az),
        "primaryNetworkInterface": primary,
        **{name: shown for name, shown in lists.items() if shown},
        "launchTime": plain_time(instance.created),
        "az": instance.az,
        "charge": show_charge(instance.charge_mode, instance.created, instance.charge_expiry, view.now),
        "tags": show_tags(instance.tags),
    }


def show_interface(view: Reader, port: NetworkInterface) -> Json:
    """An attached interface as the vm service shows it."""
    first, *others = (_show_address(view, port, address) for address in port.addresses)
    interface: dict[str, Any] = {
        "networkInterfaceId": port.id,
        "macAddress": str(port.mac),
        "vpcId": port.vpc,
        "subnetId": port.subnet,
        "securityGroups": show_groups(view, port),
        "sanityCheck": int(port.sanity_check),
        "queueNum": queues_of(port.queue_num, view.get(Instance, port.instance)),
        "primaryIp": first,
        **({"secondaryIps": others} if others else {}),
        "ipv6Addresses": [],
    }
    return {"deviceIndex": port.device_index, "autoDelete": port.auto_delete, "networkInterface": interface}


def _show_address(view: Reader, port: NetworkInterface, address: Ip4) -> Json:
    own = {"privateIpAddress": str(address), "elasticIpId": "", "elasticIpAddress": ""}
    return shown(view, PrivateAddress(port, address), own)


@accepts(NetworkInterface, QueueOrder)
def queues(port: NetworkInterface, asked: QueueOrder, txn: Writer) -> NetworkInterface:
    """The number of queues asked for, if the instance that has the interface allows it."""
    if asked.queueNum is None:
        return port
    instance = txn.get(Instance, port.instance)
    if instance is not None:
        check_queues(asked.queueNum, instance.instance_type, "queueNum")
    return replace(port, queue_num=asked.queueNum)


@shows(NetworkInterface)
def working_queues(view: Reader, port: NetworkInterface) -> Json:
    """The number of queues that an interface has."""
    return {"queueNum": queues_of(port.queue_num, view.get(Instance, port.instance))}
