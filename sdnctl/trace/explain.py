"""The origin of a flow: its cookie is its content, so the answer is computed again from what was asked for.

The store and the switch's database are only read; nothing is asked of a running controller, so this also works on a
host whose controller is down.
"""

import queue
import re
from dataclasses import dataclass

from sdnctl.base.errors import StoreError
from sdnctl.base.problem import Problem
from sdnctl.bridge.local import local_changes
from sdnctl.bridge.snapshot import Snapshot
from sdnctl.bridge.vswitch import Vswitch
from sdnctl.engine.engine import Engine
from sdnctl.model.host import Binding, Host
from sdnctl.model.records import installed
from sdnctl.of.flow import OURS, OURS_MASK
from sdnctl.of.text import text
from sdnctl.program.feature import Program, discover
from sdnctl.program.names import Names
from sdnctl.store import Batch, Change, State
from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.store.ovsdb.interest import Selection
from sdnctl.store.ovsdb.wire import dial
from sdnctl.store.reach import reach

PATIENCE_S = 5.0
LOAD_S = 30.0
"""Seconds for the first load of a store that does answer: a large region on a busy machine takes some."""
_COOKIE = re.compile(r"(?:cookie=)?(0x[0-9a-fA-F]{1,16})\b")


class Unexplained(Problem):
    """The refusal to explain a flow of which nothing is known."""


@dataclass(frozen=True, slots=True)
class Origin:
    """One owner of a flow: which feature made it for which resource, on which host, and what it does."""

    host: str
    feature: str
    resource: str
    flow: str


def cookie_of(what: str) -> int:
    """The cookie in what was pasted: a number, or a line of ``ovs-ofctl dump-flows``; Unexplained when none is ours."""
    found = _COOKIE.match(what.strip()) or re.search(r"\bcookie=(0x[0-9a-fA-F]{1,16})\b", what)
    if found is None:
        raise Unexplained(f"no cookie in {what[:80]!r}: give 0x5d…, or a line of 'ovs-ofctl dump-flows br-int'")
    cookie = int(found[1], 16)
    if cookie & OURS_MASK != OURS:
        raise Unexplained(
            f"cookie {cookie:#x} is not one of sdnctl's, which have 16 digits and begin with {OURS >> 56:#x}: "
            "who else writes flows?"
        )
    return cookie


def find(store: str, ovs_db: str, what: str, host: str | None = None) -> list[Origin]:
    """The resources that want the flow, on ``host`` or on every host; Unexplained when nobody does.

    ``store`` and ``ovs_db`` are OVSDB remotes.  Port numbers are known for this machine's switch alone: flows of
    another host that name one are not found here.
    """
    cookie = cookie_of(what)
    program = discover()
    whole = load(store)
    seen = look(ovs_db)
    hosts = sorted({change.id for change in whole.changes if change.cls is Host} | ({seen.host} if seen else set()))
    if host is not None and host not in hosts:
        raise Unexplained(f"there is no host {host!r}: there are {', '.join(hosts) or 'none'}")
    found = []
    for name in [host] if host is not None else hosts:
        local = seen if seen is not None and seen.host == name else None
        found += origins(engine(program, name, whole, local), cookie)
    if not found:
        raise Unexplained(
            f"nobody wants flow {cookie:#x} (any more) on {host or 'any host'}: the next audit removes it"
        )
    return found


def reached(store: str) -> None:
    """Raise StoreError at once when nobody answers at a store's address, or nobody that we may ask."""
    try:
        dial(store, PATIENCE_S).close()
    except OSError as error:
        why = error.strerror or str(error)
        who = (
            "ask as the user who runs 'sdnctl up'" if isinstance(error, PermissionError) else "is 'sdnctl up' running?"
        )
        raise StoreError(f"the store does not answer ({store}: {why}): {who}") from None


def load(store: str) -> Batch:
    """All that the store at an OVSDB remote holds of what is installed here; StoreError when it does not answer."""
    reached(store)
    region = OvsdbStore(store, classes=installed())
    try:
        return first_of(region)
    finally:
        region.close()


def first_of(region: OvsdbStore) -> Batch:
    """All that a store holds that was just opened; StoreError when it does not come."""
    first: queue.SimpleQueue[Batch] = queue.SimpleQueue()
    region.subscribe(first.put)
    try:
        return first.get(timeout=LOAD_S)
    except queue.Empty:
        raise StoreError(f"the store cannot be read: {region.trouble}") from None


def look(ovs_db: str) -> Snapshot | None:
    """The ports of this machine's switch; None when its database does not answer."""
    first: queue.SimpleQueue[Snapshot] = queue.SimpleQueue()
    switch = Vswitch(ovs_db, first.put, number=False)
    switch.start()
    try:
        return first.get(timeout=PATIENCE_S)
    except queue.Empty:
        return None
    finally:
        switch.close()


def held(whole: Batch, host: str, seen: Snapshot | None) -> list[Change]:
    """The records of the region that the controller of a host holds: what its ports reach (``store.reach``).

    What is plugged in there its own switch says, of another host the region.
    """
    region = State()
    region.apply(whole.changes)
    if seen is not None:
        ports, gateway = {*seen.ports}, seen.settings.gateway
    else:
        record = region.get(Host, host)
        ports, gateway = {*region.by(Binding, ("host",), host)}, record.gateway if record is not None else 0
    return Selection(reach(region, host, ports, gateway > 0)).seen(whole.changes)


def engine(program: Program, host: str, whole: Batch, seen: Snapshot | None) -> Engine:
    """The engine that the controller of a host has, computed again of what it holds."""
    made = Engine(program, host)
    local = local_changes(made.state, seen) if seen is not None else []
    made.apply([*held(whole, host, seen), *local])
    return made


def origins(of: Engine, cookie: int) -> list[Origin]:
    """The owners of a flow on one host."""
    flow = of.desired.flows.get(cookie)
    if flow is None:
        return []
    line = text(flow, Names(of.program.pipeline))
    owners = (owner.partition(" ") for owner in of.owners(cookie))
    return [Origin(of.here, feature, resource, line) for feature, _, resource in owners]
