"""The flows a host's switch should have, worked out anew from all that the store holds, beside what it has."""

import re
from collections.abc import Callable
from typing import TypeVar

from sdnctl.program.feature import discover
from sdnctl.store import Batch
from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.trace.explain import engine, first_of, look
from tests.product import CLASSES
from topologies.process import wait_until, within
from topologies.region import Region

T = TypeVar("T")
_COOKIE = re.compile(r"cookie=(0x[0-9a-f]+)")


def stored(region: Region) -> Batch:
    """Everything in the store, read by a client of its own with the rights of an API server."""

    def read() -> Batch:
        # Not what other tests have declared meanwhile: this store has no tables for that.
        store = OvsdbStore(region.remotes, classes=CLASSES, pki=region.pki("api1") if region.secure else None)
        try:
            return first_of(store)
        finally:
            store.close()

    return inside(region, read)


def inside(region: Region, work: Callable[[], T]) -> T:
    """Run something on the control network, where the store is."""
    return within(region.apis["api1"].station.pid, work)


def differences(region: Region) -> dict[str, str]:
    """Of each host whose table is not the one computed from scratch: what is missing and what is too much."""
    program, whole, found = discover(), stored(region), {}
    for name, host in region.hosts.items():
        seen = look(f"unix:{host.database}")
        wanted = engine(program, name, whole, seen).desired
        there = {int(match[1], 16) for line in host.flows() if (match := _COOKIE.search(line))}
        missing, extra = wanted.flows.keys() - there, there - wanted.flows.keys()
        meters = len(host.meters())
        if missing or extra or meters != len(wanted.meters):
            found[name] = f"{len(missing)} missing, {len(extra)} too much; {meters} meters for {len(wanted.meters)}"
    return found


def equal(region: Region, seconds: float = 15.0) -> dict[str, str]:
    """The differences that are left after some time, none when all is as it should be."""
    left: dict[str, str] = {}

    def none_left() -> bool:
        left.clear()
        left.update(differences(region))
        return not left

    wait_until(none_left, seconds, 0.5)
    return left
