"""An instance is a virtual machine; its type gives vCPUs, memory and how many network interfaces it may have."""

from dataclasses import dataclass

from sdnctl.model.resource import field, label, ref, resource


@dataclass(frozen=True, slots=True)
class InstanceType:
    """One size that can be ordered: vCPUs, memory in MB, network interfaces including the primary one."""

    name: str
    family: str
    cpu: int
    memory_mb: int

    @property
    def nic_limit(self) -> int:
        """2 interfaces up to 2 vCPUs, 4 up to 8, 8 beyond."""
        return 2 if self.cpu <= 2 else 4 if self.cpu <= 8 else 8

    @property
    def queues(self) -> int:
        """Queues per interface: as many as vCPUs, in steps of 1, 2 and 4."""
        return 1 if self.cpu == 1 else 2 if self.cpu < 4 else 4


_SIZES = {"small": 1, "medium": 1, "large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16, "8xlarge": 32, "16xlarge": 64}
_MEMORY_GB_PER_CPU = {"g.n3": 4, "g.n2": 4, "c.n3": 2, "c.n2": 2, "m.n3": 8, "m.n2": 8}
INSTANCE_TYPES = {
    t.name: t
    for family, gigabytes in _MEMORY_GB_PER_CPU.items()
    for size, cpu in _SIZES.items()
    for t in (InstanceType(f"{family}.{size}", family, cpu, (gigabytes * cpu if size != "small" else 1) * 1024),)
}

MOST_QUEUES = max(kind.queues for kind in INSTANCE_TYPES.values())


@resource(prefix="i")
class Instance:
    """A virtual machine; the network knows it by its interfaces, which point at it."""

    id: str
    account: str = ref("Account")
    instance_type: str = field()
    vpc: str = ref("Vpc")
    subnet: str = ref("Subnet")
    az: str = label(default="")
    image: str = label(default="")
    hostname: str = label(default="")
    key_names: tuple[str, ...] = label(default=())
    charge_mode: str = label(default="postpaid_by_duration")
    charge_expiry: float = label(default=0.0)
    name: str = label(default="")
    description: str = label(default="")
    tags: dict[str, str] = label(default={})
    status: str = label(default="running")
    created: float = label(default=0.0)
