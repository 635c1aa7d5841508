"""Tenants start, stop, restart, rename and resize instances, see the types there are, and ask after many at once.

The machine itself is somebody else's: here its state is what was last asked for.
"""

from collections.abc import Iterable
from dataclasses import replace
from string import ascii_lowercase, ascii_uppercase, digits, punctuation
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from apps.eni.model import NetworkInterface
from apps.instance.facts import zone
from apps.instance.model import INSTANCE_TYPES, Instance, InstanceType
from sdnctl.api.access import Reader, Writer
from sdnctl.api.listing import Filtered, Key, Listing, answer, attribute, choose, constant, reference
from sdnctl.api.operations import operation
from sdnctl.api.schema import (
    Id,
    Json,
    Model,
    Request,
    Text,
    VmName,
)
from sdnctl.base.errors import IntentError

ITEM = "/regions/{regionId}/instances/{instanceId}"
PRIMARY = 1
RUNNING, STOPPED = "running", "stopped"
MOST_INTERFACES = 8
SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 30
ShortText = Annotated[str, Field(max_length=128, pattern=r"^[^\x00-\x1f]*$")]


def _password(text: str) -> str:
    """The password, if it is as the public API wants one."""
    kinds = sum(bool(set(text) & set(kind)) for kind in (ascii_lowercase, ascii_uppercase, digits, punctuation + " "))
    if not (SHORTEST_PASSWORD <= len(text) <= LONGEST_PASSWORD and text.isascii() and text.isprintable()) or kinds < 3:
        length = f"{SHORTEST_PASSWORD} to {LONGEST_PASSWORD}"
        raise ValueError(f"must have {length} characters of three kinds: small and capital letters, digits, signs")
    return text


class OneInstance(Request):
    """An instance."""

    instanceId: Id


class Stop(OneInstance):
    """An instance to be stopped; how it is paid for meanwhile has no meaning here."""

    chargeOnStopped: Literal["", "keepCharging", "stopCharging"] = ""


class Resize(OneInstance):
    """An instance and the type that it is to have."""

    instanceType: ShortText
    force: bool = False


class ModifyAttribute(OneInstance):
    """The fields of an instance that may change; what is for its guest only (metadata, user data) has no meaning here.

    An empty host name is none that a machine could have: it stays as it is.
    """

    name: VmName | None = None
    description: Text | None = None
    hostname: ShortText = ""


class ModifyPassword(OneInstance):
    """A new password of an instance."""

    password: Annotated[str, AfterValidator(_password)]


class Network(Model):
    """An attached interface, and whether it is deleted along with the instance."""

    networkInterfaceId: Id
    autoDelete: bool = False


class ModifyNetwork(OneInstance):
    """Attached interfaces to be changed, all or none."""

    networks: Annotated[tuple[Network, ...], Field(min_length=1, max_length=MOST_INTERFACES)]


def _primary_address(view: Reader, instance: Instance) -> Iterable[str]:
    ports = view.of(NetworkInterface, ("instance", "device_index"), (instance.id, PRIMARY))
    return (str(port.addresses[0]) for port in ports)


def _interfaces(view: Reader, instance: Instance) -> Iterable[str]:
    return view.region.by(NetworkInterface, ("instance",), instance.id)


KEYS = {
    "instanceId": reference("id"),
    "privateIpAddress": Key(_primary_address, fuzzy=True),
    "vpcId": reference("vpc"),
    "status": attribute("status"),
    "name": attribute("name", fuzzy=True),
    "imageId": attribute("image"),
    "agId": constant(),
    "faultDomain": constant(),
    "networkInterfaceId": Key(_interfaces),
    "subnetId": reference("subnet"),
}


@operation("vm", "startInstance", "POST", f"{ITEM}:startInstance", OneInstance)
def start_instance(request: OneInstance, txn: Writer) -> Json:
    """Start an instance that is stopped."""
    instance = _in_state(txn, request.instanceId, STOPPED)
    if instance.charge_expiry and instance.charge_expiry < txn.now:
        raise IntentError.precondition("instanceId", f"{instance.id} was paid until a time that is over")
    txn.put(replace(instance, status=RUNNING))
    return {}


@operation("vm", "stopInstance", "POST", f"{ITEM}:stopInstance", Stop)
def stop_instance(request: Stop, txn: Writer) -> Json:
    """Stop an instance that is running; its interfaces keep their addresses."""
    txn.put(replace(_in_state(txn, request.instanceId, RUNNING), status=STOPPED))
    return {}


@operation("vm", "resizeInstance", "POST", f"{ITEM}:resizeInstance", Resize)
def resize_instance(request: Resize, txn: Writer) -> Json:
    """Give a stopped instance another type, if that has room for its interfaces."""
    instance = _in_state(txn, request.instanceId, STOPPED)
    kind = INSTANCE_TYPES.get(request.instanceType)
    if kind is None:
        raise IntentError.missing("instanceType", f"instance type {request.instanceType[:64]!r}")
    attached = txn.count(NetworkInterface, ("instance",), instance.id)
    if attached > kind.nic_limit:
        text = f"{kind.name} has at most {kind.nic_limit} network interfaces, {instance.id} has {attached}"
        raise IntentError.precondition("instanceType", text)
    txn.put(replace(instance, instance_type=kind.name))
    return {}


@operation("vm", "rebootInstance", "POST", f"{ITEM}:rebootInstance", OneInstance, reads=True)
def reboot_instance(request: OneInstance, view: Reader) -> Json:
    """Restart an instance that is running; afterwards it runs as before, so nothing is written."""
    _in_state(view, request.instanceId, RUNNING)
    return {}


@operation("vm", "modifyInstanceAttribute", "POST", f"{ITEM}:modifyInstanceAttribute", ModifyAttribute)
def modify_instance_attribute(request: ModifyAttribute, txn: Writer) -> Json:
    """Rename an instance, describe it, or change its host name."""
    instance = txn.own(Instance, request.instanceId, "instanceId")
    changed = replace(
        instance,
        name=instance.name if request.name is None else request.name,
        description=instance.description if request.description is None else request.description,
        hostname=request.hostname or instance.hostname,
    )
    txn.put(changed)
    return {}


@operation("vm", "modifyInstancePassword", "POST", f"{ITEM}:modifyInstancePassword", ModifyPassword, reads=True)
def modify_instance_password(request: ModifyPassword, view: Reader) -> Json:
    """Take note of a new password; it is for the machine, which is somebody else's, and is kept nowhere."""
    view.own(Instance, request.instanceId, "instanceId")
    return {}


@operation("vm", "modifyInstanceNetworkAttribute", "POST", f"{ITEM}:modifyInstanceNetworkAttribute", ModifyNetwork)
def modify_instance_network_attribute(request: ModifyNetwork, txn: Writer) -> Json:
    """Say which secondary interfaces are deleted along with the instance."""
    instance = txn.own(Instance, request.instanceId, "instanceId")
    for wanted in request.networks:
        port = txn.own(NetworkInterface, wanted.networkInterfaceId, "networks.networkInterfaceId")
        if port.instance != instance.id:
            raise IntentError.precondition("networks", f"{port.id} is not attached to {instance.id}")
        if port.primary:
            raise IntentError.precondition("networks", f"{port.id} is the primary interface")
        txn.put(replace(port, auto_delete=wanted.autoDelete))
    return {}


@operation("vm", "describeInstanceStatus", "GET", "/regions/{regionId}/instanceStatus", Listing)
def describe_instance_status(request: Listing, view: Reader) -> Json:
    """The state of each of the caller's instances."""
    return answer(request, view, Instance, KEYS, "instanceStatuses", _show_status)


@operation("vm", "describeInstancePrivateIpAddress", "GET", "/regions/{regionId}/instancePrivateIpAddress", Listing)
def describe_instance_private_ip_address(request: Listing, view: Reader) -> Json:
    """The primary private address of each of the caller's instances."""
    return answer(request, view, Instance, KEYS, "instancePrivateIpAddress", _show_address)


def _in_state(view: Reader, id: str, wanted: str) -> Instance:
    instance = view.own(Instance, id, "instanceId")
    if instance.status != wanted:
        raise IntentError.precondition("instanceId", f"{id} is {instance.status}, not {wanted}")
    return instance


def _show_status(view: Reader, instance: Instance) -> Json:
    return {"instanceId": instance.id, "status": instance.status}


def _show_address(view: Reader, instance: Instance) -> Json:
    return {"instanceId": instance.id, "privateIpAddress": next(iter(_primary_address(view, instance)), "")}


TYPE_KEYS = {
    "instanceTypes": attribute("name"),
    "az": Key(lambda view, kind: (zone(view.caller.region),)),
    "architecture": constant("x86_64"),
}


@operation("vm", "describeInstanceTypes", "GET", "/regions/{regionId}/instanceTypes", Filtered)
def describe_instance_types(request: Filtered, view: Reader) -> Json:
    """The sizes that can be ordered."""
    types = sorted(choose(request, view, INSTANCE_TYPES.values(), TYPE_KEYS), key=lambda kind: (kind.family, kind.cpu))
    shown = [show_type(view, kind) for kind in types]
    return {"instanceTypes": shown, "specificInstanceTypes": [], "totalCount": len(shown)}


def show_type(view: Reader, kind: InstanceType) -> Json:
    """An instance type as the API shows it."""
    return {
        "family": kind.family,
        "instanceType": kind.name,
        "cpu": kind.cpu,
        "memoryMB": kind.memory_mb,
        "nicLimit": kind.nic_limit,
        "queueNum": kind.queues,
        "cloudDiskCountLimit": 8,
        "architecture": "x86_64",
        "generation": int(kind.family[-1]),
        "desc": f"{kind.cpu} vCPU, {kind.memory_mb // 1024} GB",
        "state": [{"az": zone(view.caller.region), "inStock": True}],
    }
