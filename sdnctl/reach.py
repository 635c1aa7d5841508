"""What a host must know of the region: what its own ports can reach, and nothing else.

A resource says by its ``reach`` which of its records concern a host (see ``model.resource``).  A host follows the
records of the ports plugged into it, of their VPCs, and what is the host's own or everybody's.  A gateway serves VPCs
that it has no port of, so it follows everything.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from sdnctl.model import Meta, meta, resources
from sdnctl.store import Clause, Interest, State


def reach(state: State, here: str, ports: Iterable[str], gateway: bool = False) -> Interest:
    """The records that host ``here`` follows, as far as ``state`` tells; ``ports`` are the ids plugged in there.

    Nobody knows the VPC of a port before its record is there, so this is asked again when records have come.
    """
    followed = [meta(cls) for cls in resources().values() if meta(cls).reach and not meta(cls).local]
    if gateway:
        return dict.fromkeys((one.cls for one in followed), None)
    plugged = sorted(ports)
    found: list[Any] = [state.get(one.cls, id) for one in followed if one.plugged for id in plugged]
    vpcs = sorted({record.vpc for record in found if record is not None})
    return {one.cls: _clauses(one, here, vpcs, plugged) for one in followed}


def _clauses(of: Meta, here: str, vpcs: Sequence[str], plugged: Sequence[str]) -> Sequence[Clause] | None:
    if of.reach == "region":
        return None
    values: Mapping[str, Sequence[Any]] = {"host": (here,), "vpc": vpcs}
    clauses = [(of.reach_field, value) for value in values[of.reach]]
    if of.reach != "host" and "host" in of.fields:
        clauses.append(("host", here))  # what this host reported itself, to withdraw it when it is true no more
    return (*clauses, *(("id", id) for id in plugged)) if of.plugged else tuple(clauses)


def concerns(cls: type, id: str, ports: Container[str]) -> bool:
    """Whether a change of a record may change what a host follows: it is a port that is plugged in there."""
    return meta(cls).plugged and id in ports
