"""Connection tracking of a switch: its settings, which ovs-vswitchd loses with every start, and the limits of zones.

A userspace datapath puts datagrams together before it looks at them.  By default it drops fragments below 1200 bytes
that are not the last of their datagram, as paths of 576 or 1000 bytes make them, and keeps 1000 at a time, for all
ports together.  It takes a SYN for a wrong packet of the connection before that had the same addresses and ports, until
that is forgotten, unless it does not look at sequence numbers.  The kernel's needs none of these settings.
"""

import queue
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

import structlog

from sdnctl.base.errors import SwitchError
from sdnctl.base.paths import BRIDGE
from sdnctl.bridge import census, control
from sdnctl.bridge.snapshot import Zone
from sdnctl.program.connections import MOST, Census, KnownConnection

SETTINGS = (
    ("dpctl/ipf-set-min-frag", "v4", "400"),
    ("dpctl/ipf-set-max-nfrags", "5000"),
    ("dpctl/ct-set-maxconns", "3000000"),
    ("dpctl/ct-disable-tcp-seq-chk",),
)
"""The first two are the lowest and the highest that Open vSwitch 3.1 takes; the third holds for all zones together."""
KERNEL = "system@"
EVERY_S = 10.0
TRIES, PAUSE_S, END_S = 3, 0.5, 5.0
AT_ONCE = 1000
_ZONE = re.compile(r"zone=(\d+),limit=(\d+),count=(\d+)")
log = structlog.get_logger("conntrack")


class Conntrack:
    """Keeps the limits of zones as they are wanted, and tells every ten seconds how many connections each has.

    ``rundir`` is the directory of the ovs-vswitchd, ``tell`` gets the zones that have a limit, ``give`` what a census
    has found.  What is in force is not set again, and nothing is ever forgotten.
    """

    def __init__(
        self,
        rundir: str,
        tell: Callable[[Mapping[int, Zone]], object],
        give: Callable[[Census, tuple[KnownConnection, ...]], object],
    ) -> None:
        self._rundir = rundir
        self._tell = tell
        self._give = give
        self._looks: queue.SimpleQueue[Census] = queue.SimpleQueue()
        self._wanted: Mapping[int, int] = {}
        self._set: set[int] = set()
        self._fault = ""
        self._busy = threading.Lock()
        self._news, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="conntrack", daemon=True)

    def close(self) -> None:
        """End; the switch keeps what it has."""
        self._stopping.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(END_S)

    def want(self, limits: Mapping[int, int]) -> None:
        """Let these zones have so many connections each, and no others a limit of ours; does not wait."""
        self._wanted = limits
        self._news.set()

    def look(self, wanted: Census) -> None:
        """Find out which connections a zone has; does not wait.  Nothing comes of it where there are too many."""
        self._looks.put(wanted)
        self._news.set()

    def restore(self) -> None:
        """Put all settings and limits in force that the switch has lost; returns when it has them, or refuses."""
        fault = ""
        for _ in range(TRIES):
            try:
                with self._busy:
                    datapath = self._settings()
                    self._limits(datapath)
            except SwitchError as refused:
                fault = str(refused)
            else:
                log.info("connection tracking is set up", datapath=datapath, zones=len(self._wanted))
                break
            if self._stopping.wait(PAUSE_S):
                return
        else:
            log.error("the switch keeps its settings of connection tracking", problem=fault)
        if not self._thread.ident:
            self._thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._news.clear()
            try:
                with self._busy:
                    datapath = _datapath(self._rundir)
                    found = self._limits(datapath)
                self._take(datapath, found)
            except SwitchError as refused:  # gone for a moment: it is set up again when it is back
                if str(refused) != self._fault:
                    log.warning("limits of connections are not known", because=str(refused))
                self._fault = str(refused)
            else:
                self._fault = ""
                self._tell(found)
            self._news.wait(EVERY_S)

    def _take(self, datapath: str, found: Mapping[int, Zone]) -> None:
        """Make every census that is wanted, all by one question; none where the switch knows too much for that."""
        wanted: list[Census] = []
        while not self._looks.empty():
            wanted.append(self._looks.get())
        if not wanted:
            return
        if sum(zone.used for zone in found.values()) > MOST:
            log.warning("too many connections to look at", zones=sorted({one.zone for one in wanted}), most=MOST)
            return
        known = census.connections(self._rundir, datapath, {one.zone for one in wanted})
        for one in wanted:
            self._give(one, tuple(known[one.zone]))

    def _settings(self) -> str:
        """Make the settings; the name of the datapath that now has them."""
        datapath = _datapath(self._rundir)
        for command, *values in () if datapath.startswith(KERNEL) else SETTINGS:
            control.call(self._rundir, command, datapath, *values)
        return datapath

    def _limits(self, datapath: str) -> dict[int, Zone]:
        """Set the limits that are not in force, take away ours that are not wanted; the zones that have one."""
        wanted, found = self._wanted, self._found(datapath)
        lacking = {zone: limit for zone, limit in wanted.items() if zone not in found or found[zone].limit != limit}
        for some in _batches(f"zone={zone},limit={limit}" for zone, limit in lacking.items()):
            control.call(self._rundir, "dpctl/ct-set-limits", datapath, *some)
        self._set.update(wanted)
        gone = self._set - wanted.keys()
        for some in _batches(str(zone) for zone in gone & found.keys()):
            control.call(self._rundir, "dpctl/ct-del-limits", datapath, f"zone={','.join(some)}")
        self._set -= gone
        return self._found(datapath) if lacking or gone else found

    def _found(self, datapath: str) -> dict[int, Zone]:
        said = control.call(self._rundir, "dpctl/ct-get-limits", datapath)
        return {int(zone): Zone(int(limit), int(count)) for zone, limit, count in _ZONE.findall(said)}


def _datapath(rundir: str) -> str:
    """The name of the datapath of br-int (ovs-vswitchd(8), DPCTL COMMANDS)."""
    name = ""
    for line in control.call(rundir, "dpif/show").splitlines():
        if not line.startswith(" "):
            name = line.partition(": ")[0]
        elif line.strip() == f"{BRIDGE}:":
            return name
    raise SwitchError(f"the switch has no datapath for {BRIDGE}")


def _batches(all: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(all)
    while some := list(islice(rest, AT_ONCE)):
        yield some
