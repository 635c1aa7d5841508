"""The program that runs beside each switch: it follows the region's store and keeps the host's ``br-int`` in step.

``python -m sdnctl.agent.app --store unix:PATH --ovs-db unix:PATH`` starts it; it is an os-ken app, so os-ken's app
manager can load it too (``sdnctl.agent.app``, with SDNCTL_STORE and SDNCTL_OVS_DB set).  It dials the bridge's
management socket itself; the switch's controller setting stays empty (docs/decisions/003-management-socket.md).
"""

import argparse
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import DEAD_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.lib import hub

from sdnctl.agent import metrics
from sdnctl.agent.agent import HostRenamed
from sdnctl.agent.events import Connected, Disconnected, Event
from sdnctl.agent.keeper import SwitchKeeper
from sdnctl.agent.loop import Loop
from sdnctl.agent.questions import Questions
from sdnctl.base.log import to_stderr
from sdnctl.base.paths import BRIDGE, management_of, rundir_of
from sdnctl.base.problem import Problem
from sdnctl.bridge import starts
from sdnctl.bridge.claim import SwitchClaim
from sdnctl.bridge.vswitch import Vswitch
from sdnctl.program import feature
from sdnctl.program.feature import Program
from sdnctl.store import Store
from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.switch import connection
from sdnctl.trace import switch

DIAL_MIN_S, DIAL_MAX_S = 0.05, 1.0
log = structlog.get_logger("controller")
connection.repair()


class Controller(app_manager.OSKenApp):  # type: ignore[misc]
    """The os-ken app: brings the loop, the store, the switch's database and the switch together."""

    OFP_VERSIONS = [connection.OFP_VERSION]

    def __init__(
        self,
        *args: Any,
        store: Callable[[], Store] | None = None,
        ovs_db: str = "",
        program: Program | None = None,
        audit_s: float = 60.0,
        **kwargs: Any,
    ) -> None:
        """Take what is not given from the environment: SDNCTL_STORE, SDNCTL_OVS_DB, and every feature in apps/."""
        super().__init__(*args, **kwargs)
        remote = os.environ.get("SDNCTL_STORE", "")
        self._ovs_db = ovs_db or os.environ.get("SDNCTL_OVS_DB", "")
        if not self._ovs_db or not (remote or store):
            raise SystemExit("sdnctl.agent.app: set SDNCTL_STORE and SDNCTL_OVS_DB (unix:PATH)")
        owner = os.environ.get("SDNCTL_OWNER") or f"an sdnctl agent (pid {os.getpid()})"
        self._claim = SwitchClaim(self._ovs_db, owner, bool(os.environ.get("SDNCTL_TAKE_OVER")))
        program = program or feature.discover()
        pki = os.environ.get("SDNCTL_PKI")
        # Nothing is followed before the loop knows which ports are here.
        self._make_store = store or (lambda: OvsdbStore(remote, interest={}, pki=Path(pki) if pki else None))
        self._audit_s = audit_s
        self._program = program
        self._stopping = threading.Event()
        self._link: connection.Datapath | None = None
        self._greeting = threading.Lock()
        self._store: Store | None = None
        self._vswitch: Vswitch | None = None
        self._keeper: SwitchKeeper | None = None
        self._questions: Questions | None = None
        self.loop: Loop | None = None

    def start(self) -> threading.Thread:
        """Begin; nothing here waits for the store or the switch.  Returns a thread that lasts until ``close``."""
        super().start()
        self._spawn(self._open, "store")
        return self._spawn(self._stopping.wait, "controller")

    def close(self) -> None:
        """End in order: first what brings news, then the loop, then the store; the switch keeps its flows."""
        self._stopping.set()
        self._claim.close()
        if self._vswitch is not None:
            self._vswitch.close()
        if self._keeper is not None:
            self._keeper.close()
        if self._link is not None:
            self._link.hang_up()
        if self._questions is not None:
            self._questions.close()
        if self.loop is not None:
            self.loop.close()
        if self._store is not None:
            self._store.close()

    def _open(self) -> None:
        """Follow the store and the switch's database; the loop waits for both."""
        store = self._store = self._make_store()
        dial = partial(self._spawn, self._dial, "dialler")
        self._vswitch = vswitch = Vswitch(self._ovs_db, self._put)
        self._keeper = SwitchKeeper(self._ovs_db, vswitch, self._put)
        loop = self.loop = Loop(store, self._program, dial, self._keeper, self._audit_s)
        loop.start()
        self._claim.hold()
        vswitch.start()
        store.subscribe(loop.put)
        self._questions = Questions(store, loop, partial(switch.ask, rundir_of(self._ovs_db), BRIDGE))
        self._questions.start()

    def _put(self, event: Event) -> None:
        if self.loop is not None:
            self.loop.put(event)

    def _dial(self) -> None:
        """Keep a connection to the bridge, for as long as this program runs."""
        path = management_of(self._ovs_db)
        wait = DIAL_MIN_S
        while not self._stopping.is_set():
            started = time.monotonic()
            hub.spawn(connection.dial, path, self._received).join()
            lived = time.monotonic() - started
            wait = DIAL_MIN_S if lived > DIAL_MAX_S else min(wait * 2, DIAL_MAX_S)
            self._stopping.wait(wait)

    def _received(self, link: connection.Datapath, messages: list[bytes]) -> None:
        if self.loop is not None:
            self.loop.received(link, messages)

    @set_ev_cls(ofp_event.EventOFPStateChange, [MAIN_DISPATCHER, DEAD_DISPATCHER])  # type: ignore[untyped-decorator]
    def _state_changed(self, event: Any) -> None:
        """A handshake is over, or a connection is."""
        link = event.datapath
        up = event.state == MAIN_DISPATCHER
        log.info("switch connected" if up else "switch disconnected", datapath=link.id)
        if up:
            self._link = link
            # A new connection may be to an ovs-vswitchd that has started anew.
            self._spawn(partial(self._greet, link), "greeting")
            return
        with self._greeting:
            if link is self._link:
                self._link = None
            self._put(Disconnected(link))

    def _greet(self, link: connection.Datapath) -> None:
        """Hand a connection over, once the switch has back what it loses with a start, unless it is gone by then."""
        grace = starts.grace(self._ovs_db, link.process)
        if self._keeper is not None:
            self._keeper.restore()
        with self._greeting:
            if link is self._link:
                self._put(Connected(link, grace))

    def _spawn(self, work: Callable[[], object], name: str) -> threading.Thread:
        made = threading.Thread(target=work, name=name, daemon=True)
        made.start()
        return made


def main(arguments: list[str] | None = None) -> None:
    """Run until SIGTERM or SIGINT; a fault in any thread ends the process, and who watches it starts it again."""
    parser = argparse.ArgumentParser(prog="sdnctl.agent.app", description="Keep this host's br-int in step.")
    parser.add_argument(
        "--store",
        required=True,
        help="the region's store: unix:PATH, tcp:HOST:PORT, ssl:HOST:PORT,...",
    )
    parser.add_argument("--ovs-db", required=True, help="this host's switch: unix:PATH of its ovsdb-server")
    parser.add_argument("--pki", type=Path, help="directory of ca.pem, cert.pem and key.pem, for ssl: remotes")
    parser.add_argument("--metrics", metavar="HOST:PORT", help="serve figures for Prometheus there; port 0 picks one")
    parser.add_argument("--metrics-file", type=Path, help="the JSON file that says where, and where it was last time")
    parser.add_argument("--owner", help="who keeps this switch, for those who want it too")
    parser.add_argument("--take-over", action="store_true", help="take the switch from whoever keeps it")
    given = parser.parse_args(arguments)
    if given.owner:
        os.environ["SDNCTL_OWNER"] = given.owner
    if given.take_over:
        os.environ["SDNCTL_TAKE_OVER"] = "1"
    os.environ["SDNCTL_STORE"], os.environ["SDNCTL_OVS_DB"] = given.store, given.ovs_db
    if given.pki is not None:
        os.environ["SDNCTL_PKI"] = str(given.pki)
    to_stderr()
    gc.disable()  # nearly all that is loaded now stays; the agent lets the collector in when it has it
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # in every thread; a handler misses what comes just before a wait
    threading.excepthook = _die
    app = connection.run(Controller)
    if given.metrics:
        metrics.serve(lambda: app.loop, given.metrics, given.metrics_file)
    signal.sigwait(ends)
    app.close()
    log.info("ended")
    sys.stderr.flush()
    os._exit(0)  # os-ken's threads are not daemons and cannot be told to end


def _die(fault: threading.ExceptHookArgs) -> None:
    """A thread that thinks has failed: better no controller for a moment than half of one."""
    if isinstance(fault.exc_value, HostRenamed):
        log.warning("starting anew", because=str(fault.exc_value))
        os._exit(1)
    if isinstance(fault.exc_value, Problem):
        log.error(str(fault.exc_value))
        os._exit(Problem.code)
    sys.excepthook(fault.exc_type, fault.exc_value or fault.exc_type(), fault.exc_traceback)
    sys.stderr.flush()
    os._exit(1)


if __name__ == "__main__":
    main()
