"""Waiting until the data path of a switch obeys the flows that it has been given: ``revalidator/wait`` of ovs-vswitchd.

Revalidating is a round through all that the data path has, and the answer comes when one ends.  That one may have begun
before the change, so two are waited for.  Without a cause the next begins half a second later; a static address, put
into the bridge's own MAC table and taken out of it, is a cause.  No flow of ours looks at that table.

Then all that the data path remembers is thrown away: Open vSwitch 3.1 does not always change what it has found to be
wrong, and what traffic keeps in use would stay for good (docs/decisions/035-what-the-datapath-keeps.md).
"""

from time import monotonic as _now
from time import sleep as _sleep

import structlog

from sdnctl.base.errors import SwitchError
from sdnctl.base.paths import BRIDGE
from sdnctl.bridge import control

MAC = "02:73:64:6e:63:74"
ROUNDS = (("fdb/add", BRIDGE, BRIDGE, "0", MAC), ("fdb/del", BRIDGE, "0", MAC))
PATIENCE_S = 5.0
SEVERAL = "multiple udpifs"
"""The refusal of a switch that has two kinds of datapath: the kernel's and its own."""
OBEYS_S = 1.0
"""Longer than any data path that was measured takes by itself (docs/decisions/013-counters.md)."""
PURGES_S = 0.25
"""The shortest time between two purges: each costs a look at the tables for every flow that is in use."""
_purged: dict[str, float] = {}
log = structlog.get_logger("vswitch")


def obeyed(rundir: str) -> None:
    """Return when the data path obeys all that was committed before; SwitchError when the switch does not say so."""
    for cause in ROUNDS:
        try:
            with control.asked(rundir, "revalidator/wait", patience=PATIENCE_S) as answer:
                _hurry(rundir, *cause)
                answer()
        except SwitchError as refused:
            if SEVERAL not in str(refused):
                raise
            _sleep(OBEYS_S)
            break
    _purge(rundir)


def _purge(rundir: str) -> None:
    """Let the data path begin anew; what it counted was told before."""
    _sleep(max(0.0, _purged.get(rundir, 0.0) + PURGES_S - _now()))
    control.call(rundir, "revalidator/purge")
    _purged[rundir] = _now()


def _hurry(rundir: str, command: str, *values: str) -> None:
    """Give it a cause; a switch that does not know the command takes half a second longer."""
    try:
        control.call(rundir, command, *values)
    except SwitchError as refused:
        log.debug("revalidating is not hurried", because=str(refused))
