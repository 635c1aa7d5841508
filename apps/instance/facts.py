"""Values derived from instances: the number of queues of their interfaces, and the zone that they are in."""

from apps.instance.model import INSTANCE_TYPES, Instance
from sdnctl.base.errors import IntentError


def queues_of(asked: int, instance: Instance | None) -> int:
    """Queues of an interface of an instance, whatever type it has by now; of a detached one what was asked for."""
    if instance is None:
        return asked
    kind = INSTANCE_TYPES[instance.instance_type]
    return queues_for(asked, kind.queues, kind.cpu)


def check_queues(asked: int, instance_type: str, field: str) -> int:
    """The number of queues asked for, if an instance of this type may have them; raises IntentError with its limit."""
    kind = INSTANCE_TYPES[instance_type]
    if asked > kind.queues:
        text = f"{kind.name} with {kind.cpu} vCPU has at most {kind.queues} queues an interface, not {asked}"
        raise IntentError(field, text, 400, "OUT_OF_RANGE")
    return asked


def queues_for(asked: int, type_queues: int, cpus: int) -> int:
    """Queues that an interface really has: what was asked (0: as many as may be), within its type and its vCPUs."""
    return max(1, min(asked or type_queues, type_queues, cpus))


def zone(region: str) -> str:
    """The name of the region's one zone; networks span zones, so it is only told, never asked."""
    return f"{region}a"
