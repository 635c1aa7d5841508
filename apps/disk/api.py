"""Disks are ordered along with an instance, and shown with it as they were ordered.

A client that plans changes compares the two (Terraform replaces an instance whose disks are not those of its plan), so
what was not ordered is not made up: it is absent.
"""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from apps.disk.model import Disk
from sdnctl.api.access import Reader, Writer
from sdnctl.api.schema import Json, Model, Text, Whole, plain_time

LOCAL = "local"
LARGEST_GB, MOST_IOPS = 65536, 1_000_000
MOST_DATA_DISKS = 8
SYSTEM_DEVICE = "vda"
ShortText = Annotated[str, Field(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Volume(Model):
    """The kind and size of a disk; how it is paid for has no meaning here."""

    az: ShortText = ""
    name: ShortText = ""
    description: Text = ""
    diskType: ShortText = ""
    diskSizeGB: Annotated[Whole, Field(ge=0, le=LARGEST_GB)] = 0
    iops: Annotated[Whole, Field(ge=0, le=MOST_IOPS)] = 0
    snapshotId: ShortText = ""
    multiAttachable: bool = False
    encrypt: bool = False


class DiskOrder(Model):
    """A disk to be made with an instance; with `noDevice` it is one of the image that is not wanted."""

    diskCategory: ShortText = ""
    autoDelete: bool | None = None
    cloudDiskSpec: Volume = Volume()
    deviceName: ShortText = ""
    noDevice: bool = False


DataDisks = Annotated[tuple[DiskOrder, ...], Field(max_length=MOST_DATA_DISKS)]


def new_disks(txn: Writer, instance: str, account: str, system: DiskOrder | None, data: Sequence[DiskOrder]) -> None:
    """Write the disks of an instance that is being made."""
    if system is not None:
        txn.put(_made(txn, instance, account, system, 0))
    for place, order in enumerate((order for order in data if not order.noDevice), 1):
        txn.put(_made(txn, instance, account, order, place))


def _made(txn: Writer, instance: str, account: str, order: DiskOrder, place: int) -> Disk:
    volume, system = order.cloudDiskSpec, place == 0
    return Disk(
        id=txn.new_id(Disk),
        account=account,
        instance=instance,
        system=system,
        place=place,
        category=order.diskCategory,
        auto_delete=system if order.autoDelete is None else order.autoDelete,
        device=order.deviceName or (SYSTEM_DEVICE if system else ""),
        az=volume.az,
        type=volume.diskType,
        size=volume.diskSizeGB,
        iops=volume.iops,
        snapshot=volume.snapshotId,
        multi_attachable=volume.multiAttachable,
        encrypted=volume.encrypt,
        name=volume.name,
        description=volume.description,
        created=txn.now,
    )


def show_disks(view: Reader, instance: str, az: str) -> Json:
    """The disks of an instance as it shows them: `systemDisk`, and `dataDisks` if it was ordered with any."""
    disks = sorted(view.of(Disk, ("instance",), instance), key=lambda disk: disk.place)
    system = next((_show(disk, az) for disk in disks if disk.system), None)
    data = [_show(disk, az) for disk in disks if not disk.system]
    standard = {"diskCategory": LOCAL, "autoDelete": True, "deviceName": SYSTEM_DEVICE, "status": "attached"}
    return {"systemDisk": system or standard, **({"dataDisks": data} if data else {})}


def _show(disk: Disk, az: str) -> Json:
    kind = {name: value for name, value in (("diskType", disk.type), ("diskSizeGB", disk.size)) if value}
    shown: Json = {"autoDelete": disk.auto_delete, "status": "attached"}
    shown |= {name: text for name, text in (("diskCategory", disk.category), ("deviceName", disk.device)) if text}
    if disk.category == LOCAL:
        return shown | {"localDisk": kind}
    volume = {"diskId": disk.id, "az": disk.az or az, "name": disk.name, "description": disk.description, **kind}
    given = (("iops", disk.iops), ("snapshotId", disk.snapshot))
    volume |= {name: value for name, value in given if value}
    volume |= {"multiAttachable": disk.multi_attachable, "encrypted": disk.encrypted, "status": "in-use"}
    return shown | {"cloudDisk": {**volume, "createTime": plain_time(disk.created)}}
