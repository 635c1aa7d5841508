"""The work on a switch beside its flows: ways that are watched, zones and their limits, waiting for the data path.

All of it goes through the switch's database or its control socket, by threads that may wait; answers come as events.
"""

import queue
import threading
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Protocol

import structlog

from sdnctl.agent.events import Recalled, Revalidated, SwitchLink, Tracked
from sdnctl.base.addresses import Ip4
from sdnctl.base.errors import SwitchError
from sdnctl.base.paths import management_of, rundir_of
from sdnctl.bridge import datapath
from sdnctl.bridge.conntrack import Conntrack
from sdnctl.bridge.flush import forget
from sdnctl.bridge.vswitch import Vswitch
from sdnctl.program.connections import Census
from sdnctl.program.zones import Times

AGAIN_S, END_S = 1.0, 5.0
Told = Revalidated | Tracked | Recalled
log = structlog.get_logger("keeper")


class Keeper(Protocol):
    """The hands of an agent beside its connection; no method blocks."""

    def watch(self, peers: Mapping[str, Ip4]) -> None:
        """Watch the ways to these hosts, by name and tunnel address, and no others."""

    def let_go(self, turn: int, zones: Collection[int]) -> None:
        """The switch has no flow of ports that are not in this snapshot: have it forget what it knew in their zones."""

    def limit(self, zones: Mapping[int, int]) -> None:
        """Let these zones have so many connections each; events ``Tracked`` tell how many they have."""

    def pace(self, zones: Mapping[int, Times]) -> None:
        """Let connections in these zones be forgotten after so long a silence, in others as the switch has it."""

    def look(self, census: Census) -> None:
        """Tell by an event ``Recalled`` which connections a zone has."""

    def revalidate(self, link: SwitchLink, number: int) -> None:
        """Tell by an event ``Revalidated`` when the data path obeys all that is committed now."""


class SwitchKeeper:
    """The keeper of a real switch, whose database is at ``remote``; ``deliver`` takes its events."""

    def __init__(self, remote: str, vswitch: Vswitch, deliver: Callable[[Told], None]) -> None:
        self._rundir = rundir_of(remote)
        self._vswitch = vswitch
        self._deliver = deliver
        self._management = management_of(remote)
        self._conntrack = Conntrack(
            self._rundir,
            lambda zones: deliver(Tracked(zones)),
            lambda census, connections: deliver(Recalled(census, connections)),
        )
        self._asked: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="revalidation", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait for nothing any more."""
        self._stopping.set()
        self._asked.put(None)
        self._conntrack.close()
        self._thread.join(END_S)

    def watch(self, peers: Mapping[str, Ip4]) -> None:
        """See ``Keeper``."""
        self._vswitch.watch(peers)

    def let_go(self, turn: int, zones: Collection[int]) -> None:
        """See ``Keeper``."""
        self._asked.put(partial(self._forget, turn, zones))

    def limit(self, zones: Mapping[int, int]) -> None:
        """See ``Keeper``."""
        self._conntrack.want(zones)

    def pace(self, zones: Mapping[int, Times]) -> None:
        """See ``Keeper``."""
        self._vswitch.pace(zones)

    def look(self, census: Census) -> None:
        """See ``Keeper``."""
        self._conntrack.look(census)

    def restore(self) -> None:
        """Give a switch that may have started anew back what it has lost, before the first flow; waits for it."""
        self._conntrack.restore()

    def revalidate(self, link: SwitchLink, number: int) -> None:
        """See ``Keeper``."""
        self._asked.put(partial(self._deliver, Revalidated(link, number)))

    def _run(self) -> None:
        while (then := self._asked.get()) is not None:
            if self._obeys():
                then()

    def _forget(self, turn: int, zones: Collection[int]) -> None:
        try:
            for zone in zones:
                forget(self._management, zone)
        except SwitchError as refused:  # each is forgotten once more before it is given again
            log.warning("zones are not forgotten yet", zones=sorted(zones), because=str(refused))
        self._vswitch.zones.settled(turn)

    def _obeys(self) -> bool:
        """Wait until the data path obeys, however long that takes; False when told to end."""
        fault = ""
        while not self._stopping.is_set():
            try:
                datapath.obeyed(self._rundir)
            except SwitchError as refused:
                if not fault:
                    log.warning("the data path does not say that it obeys: changes stay unconfirmed", why=str(refused))
                fault = str(refused)
                self._stopping.wait(AGAIN_S)
            else:
                return True
        return False
