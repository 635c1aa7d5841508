"""The interest of a machine's services: the whole region where the region's run, else what their host follows."""

from collections.abc import Iterable

from sdnctl.model.host import Binding, Host
from sdnctl.model.resource import meta
from sdnctl.model.service import ServiceHealth, ServiceRestart
from sdnctl.program.service import Service
from sdnctl.store import Change, Interest, State
from sdnctl.store.reach import reach


def interest(state: State, here: str, services: Iterable[Service]) -> Interest:
    """The records that a host's services follow, as far as ``state`` tells: asked again when records have come."""
    host = state.get(Host, here)
    ports = state.by(Binding, ("host",), here)
    followed = dict(reach(state, here, ports, host is not None and host.gateway > 0))
    own = {cls: None for one in services for cls in (*one.reads, *one.writes)}
    return followed | own | {ServiceHealth: (("machine", here),), ServiceRestart: None}


def concerns(changes: Iterable[Change]) -> bool:
    """True when changes may change what a host's services follow."""
    return any(change.cls in (Binding, Host) or meta(change.cls).plugged for change in changes)
