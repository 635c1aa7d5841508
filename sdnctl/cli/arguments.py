"""The arguments that programs of a region have in common, checked before one of them starts; each raises Usage."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

from sdnctl.base.addresses import HostPort
from sdnctl.base.errors import StoreError
from sdnctl.base.problem import Usage


def endpoint(option: str, where: str, *, any_port: bool = False) -> str:
    """HOST:PORT; port 0 (one that is free) only with ``any_port``."""
    with contextlib.suppress(ValueError):
        host, port = HostPort.parse(where)
        if host and (port or any_port):
            return where
    raise Usage(f"{option} must be HOST:PORT, not {where[:80]!r}")


def members(store: str, pki: Path | None) -> str:
    """The members of a store, and certificates where they need some."""
    from sdnctl.store.ovsdb.tls import check

    try:
        check(store.split(","), pki)
    except (ValueError, StoreError) as error:
        raise Usage(f"--store: {error}") from None
    return store


def database(ovs_db: str) -> str:
    """The address of this machine's Open vSwitch database: unix:PATH."""
    kind, _, path = ovs_db.partition(":")
    if kind != "unix" or not path:
        raise Usage(f"--ovs-db must be unix:PATH, not {ovs_db[:80]!r}")
    return ovs_db


def words(option: str, given: str, known: Iterable[str]) -> str:
    """WORD,WORD,… out of those that are known."""
    allowed = list(known)
    for one in given.split(","):
        if one not in allowed:
            raise Usage(f"{option} must be out of {', '.join(allowed)}, not {one[:80]!r}")
    return given
