"""The part of the region that a host must know: what its own ports can reach, and nothing else.

A resource says by its ``reach`` which of its records concern a host (see ``model.resource``).  A host follows the
records of the ports plugged into it, of their VPCs and of those that these lead to (``leads``), and what is the host's
own or everybody's.  A gateway serves
VPCs that it has no port of, so it follows everything.
"""

from collections.abc import Container, Iterable, Mapping, Sequence, Set
from typing import Any

from sdnctl.model.resource import Meta, meta, resources
from sdnctl.store import Change, Clause, Interest, State


def reach(state: State, here: str, ports: Iterable[str], gateway: bool = False) -> Interest:
    """The records that host ``here`` follows, as far as ``state`` tells; ``ports`` are the ids plugged in there.

    Nobody knows the VPC of a port before its record is there, so this is asked again when records have come.
    """
    followed = [meta(cls) for cls in resources().values() if meta(cls).reach and not meta(cls).local]
    if gateway:
        return dict.fromkeys((one.cls for one in followed), None)
    plugged = {id: _record(followed, id, state) for id in sorted(ports)}
    own = {record.vpc for record in plugged.values() if record is not None}
    near = sorted(own | _led(followed, own, state))
    # A port that is known comes with its VPC.
    unknown = [id for id, record in plugged.items() if record is None]
    return {one.cls: _clauses(one, here, near, unknown) for one in followed}


def _record(followed: Sequence[Meta], id: str, state: State) -> Any:
    """The record of a port that is plugged in, None while it is not known."""
    found = (state.get(one.cls, id) for one in followed if one.plugged)
    return next((record for record in found if record is not None), None)


def _led(followed: Sequence[Meta], own: Set[str], state: State) -> set[str]:
    """The VPCs that those of the own ports lead to (see ``resource``): one hop, or a chain would lead everywhere."""
    found: set[str] = set()
    for one in followed:
        if one.leads is not None:
            near, far = one.leads
            records = (state.get(one.cls, id) for vpc in own for id in state.by(one.cls, (near,), vpc))
            found.update(getattr(record, far) for record in records)
    return found - {""}


def _clauses(of: Meta, here: str, near: Sequence[str], unknown: Sequence[str]) -> Sequence[Clause] | None:
    if of.reach == "region":
        return None
    values: Mapping[str, Sequence[Any]] = {"host": (here,), "vpc": near}
    clauses = [(of.reach_field, value) for value in values[of.reach]]
    if of.reach == "vpc" and of.contested:
        clauses.append((of.reach_field, ""))  # what hosts take over from each other for everybody
    if of.reach != "host" and "host" in of.fields:
        clauses.append(("host", here))  # what this host reported itself, to withdraw it when it is true no more
    return (*clauses, *(("id", id) for id in unknown)) if of.plugged else tuple(clauses)


def concerns(change: Change, ports: Container[str]) -> bool:
    """True when a change may change what a host follows: it is of a port plugged in there, or leads to more."""
    described = meta(change.cls)
    return (described.plugged and change.id in ports) or described.leads is not None


def leads_on(change: Change, interest: Interest) -> bool:
    """True when a change leads to a VPC that is not followed yet: without it a port reaches nothing there."""
    clauses, leads = interest.get(change.cls), meta(change.cls).leads
    if clauses is None or change.new is None:
        return False
    wanted = getattr(change.new, leads[1]) if leads is not None else change.new.vpc
    return ("vpc", wanted) not in clauses
