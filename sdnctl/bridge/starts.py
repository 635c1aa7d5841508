"""The starts of ovs-vswitchd: the first on a machine, or one after which there are connections that go on.

Which process was known last is noted in the database, ``external_ids:sdnctl-switch`` of the Open_vSwitch row, with
"again" when there was another one before.
"""

import structlog

from sdnctl.base import process
from sdnctl.bridge.notes import heard, noted, written
from sdnctl.store.ovsdb.wire import Wire, dial

GRACE_S = 30.0
"""The time that connections have, after a start of the switch, to become known again."""
NOTE, AGAIN = "sdnctl-switch", "again"
_DIAL_S = 1.0
log = structlog.get_logger("vswitch")


def grace(remote: str, pid: int) -> float:
    """The seconds left for connections to become known again, with the ovs-vswitchd of this process id.

    Nothing is left when it runs for long, and when no other one ran before it: then there are no connections.
    ``remote`` is its database; where that does not answer there may have been one.
    """
    left = GRACE_S - process.age(pid)
    if left <= 0:
        return 0.0
    try:
        wire = Wire(dial(remote, _DIAL_S))
        try:
            return left if _again(wire, f"{pid}.{process.started(pid)}") else 0.0
        finally:
            wire.close()
    except OSError as fault:
        log.warning("the switch may have been there before", because=str(fault))
        return left


def _again(wire: Wire, switch: str) -> bool:
    known, _, again = noted(wire, NOTE).partition(" ")
    if known == switch:
        return again == AGAIN
    wire.send(written([NOTE], {NOTE: f"{switch} {AGAIN}" if known else switch}))
    heard(wire, _DIAL_S)
    return bool(known)
