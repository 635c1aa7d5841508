"""The way of a member out of a store, so that it can join it anew: under another address, or with an empty disk."""

import time
from pathlib import Path

from sdnctl.base.errors import StoreError
from sdnctl.store.ovsdb.schema import DATABASE
from sdnctl.store.server import convert, raftlog
from sdnctl.store.server.repair import DATABASE as FILE

PATIENCE_S = 30.0
LOOK_S = 0.5


def leave(data: Path) -> None:
    """Have the member that serves ``data`` leave the others.

    StoreError when it does not serve, is alone, or is not let go in 30 s.
    """
    control = ("-t", str(data / "store.ctl"))
    status = convert.run("ovs-appctl", *control, "cluster/status", DATABASE, timeout=PATIENCE_S)
    if status.count(" at ") < 2:  # one line for each member, itself too
        raise StoreError("it is the only member of the store: without it nothing would be left")
    convert.run("ovs-appctl", *control, "cluster/leave", DATABASE, timeout=PATIENCE_S)
    end = time.monotonic() + PATIENCE_S
    while not raftlog.has_left(data / FILE):
        if time.monotonic() > end:
            raise StoreError(f"the others do not let it go in {PATIENCE_S:g} s: are most of them up?")
        time.sleep(LOOK_S)
