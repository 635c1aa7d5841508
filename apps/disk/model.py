"""A disk of an instance: kept as it was ordered, and shown so; the network makes nothing of it."""

from sdnctl.model.resource import label, ref, resource


@resource(prefix="vol")
class Disk:
    """A disk that an instance was ordered with; what was not said is empty.

    ``system`` is the one that it starts from; the others are data disks, in the order of ``place``.  ``category`` is
    ``local``, a part of the machine, or ``cloud``, a volume of its own; ``size`` is in GiB.
    """

    id: str
    account: str = ref("Account")
    instance: str = ref("Instance", on_delete="cascade")
    system: bool = label(default=False)
    place: int = label(default=0)
    category: str = label(default="")
    auto_delete: bool = label(default=False)
    device: str = label(default="")
    az: str = label(default="")
    type: str = label(default="")
    size: int = label(default=0)
    iops: int = label(default=0)
    snapshot: str = label(default="")
    multi_attachable: bool = label(default=False)
    encrypted: bool = label(default=False)
    name: str = label(default="")
    description: str = label(default="")
    created: float = label(default=0.0)
