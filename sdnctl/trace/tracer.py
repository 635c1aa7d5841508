"""Asks a switch what would become of a packet, and has the answer told in words; no packet is sent.

``run`` asks the switch itself (ovs-vswitchd's control socket, JSON-RPC of ovs-appctl(8)): the part that a host's agent
does for others when hosts are many.  ``Tracer`` knows whose flow is whose, from a copy of the host's engine that is
brought up to date when somebody asks and forgotten when nobody does.
"""

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sdnctl.base.errors import IntentError
from sdnctl.bridge.local import local_changes
from sdnctl.bridge.setup import BRIDGE
from sdnctl.bridge.snapshot import Snapshot
from sdnctl.bridge.vswitch import rundir_of
from sdnctl.engine.engine import Engine
from sdnctl.model.resource import meta, resources
from sdnctl.of.fields import IN_PORT
from sdnctl.program.feature import Program
from sdnctl.program.step import Packet
from sdnctl.store import Change, State, Store
from sdnctl.trace.explain import look
from sdnctl.trace.ofproto import flow_text, read
from sdnctl.trace.words import Question, Story, tell

PATIENCE_S = 5.0
IDLE_S = 600.0
LONGEST = 4 << 20


class Tracer:
    """The traces of one region whose host is this machine; safe to call from any thread, one trace at a time."""

    def __init__(self, store: Store, program: Program, ovs_db: str) -> None:
        """``ovs_db`` is the OVSDB remote of the switch."""
        self._store = store
        self._program = program
        self._ovs_db = ovs_db
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._forget: threading.Timer | None = None

    def __call__(self, question: Question) -> Story:
        """The answer; raises IntentError when the packet's host is not this one or its switch does not answer."""
        with self._lock:
            seen = look(self._ovs_db)
            if seen is None:
                raise _unavailable("the switch's database does not answer")
            if seen.host != question.host:
                raise IntentError.precondition("from", f"its host, {question.host}, cannot be asked from {seen.host}")
            packet = {IN_PORT: _port(seen, question.port), **question.packet}
            said = run(rundir_of(self._ovs_db), BRIDGE, packet)
            return tell(read(said, packet), self._twin(seen))

    def _twin(self, seen: Snapshot) -> Engine:
        """An engine that wants what the host's own does, as of now."""
        engine = self._engine
        if engine is None or engine.here != seen.host:
            engine = self._engine = Engine(self._program, seen.host)
        with self._store.read() as state:
            changes = list(differences(engine.state, state))
        engine.apply([*changes, *local_changes(engine.state, seen)])
        if self._forget is not None:
            self._forget.cancel()
        self._forget = threading.Timer(IDLE_S, self.close)
        self._forget.daemon = True
        self._forget.start()
        return engine

    def close(self) -> None:
        """Forget the copy; the next question makes another."""
        with self._lock:
            self._engine = None
            if self._forget is not None:
                self._forget.cancel()


def differences(known: State, wanted: State) -> Iterator[Change]:
    """What makes one state of the other, leaving alone what lives in a controller's memory only."""
    for cls in resources().values():
        if meta(cls).local:
            continue
        old: Mapping[str, Any] = known.all(cls)
        new: Mapping[str, Any] = wanted.all(cls)
        for id in [id for id in old if id not in new]:
            yield Change(cls, id, old[id], None)
        for id, record in new.items():
            before = old.get(id)
            if before is not record:
                yield Change(cls, id, before, record)


def _port(seen: Snapshot, port: str) -> int:
    """The number of a switch port: of a network interface, or of the uplink for ""."""
    row = seen.ports.get(port) if port else seen.uplink
    if row is None:
        what = f"{port} is not plugged in" if port else "there is no uplink"
        raise IntentError.precondition("from", f"{what} on {seen.host}")
    return row.ofport


def run(rundir: str, bridge: str, packet: Packet) -> str:
    """What the switch says of this packet (``ofproto/trace``); IntentError 503 when it says nothing."""
    request = {"method": "ofproto/trace", "params": [bridge, flow_text(packet)], "id": 0}
    for path in _controls(Path(rundir)):
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.settimeout(PATIENCE_S)
                line.connect(str(path))
                line.sendall(json.dumps(request).encode())
                reply = _reply(line)
        except OSError:
            continue  # a socket that a killed process left behind
        if reply.get("error") is not None:
            raise _unavailable(f"the switch cannot trace this: {reply['error']}")
        return str(reply.get("result"))
    raise _unavailable(f"no ovs-vswitchd answers in {rundir}")


def _controls(rundir: Path) -> list[Path]:
    """Control sockets of ovs-vswitchd in a directory: the running one's by its pid file, then others by name."""
    found = sorted({*rundir.glob("ovs-vswitchd*.ctl"), *rundir.glob("vswitchd*.ctl")})
    try:
        mine = rundir / f"ovs-vswitchd.{int((rundir / 'ovs-vswitchd.pid').read_text())}.ctl"
    except (OSError, ValueError):
        return found
    return [mine, *(path for path in found if path != mine)]


def _reply(line: socket.socket) -> dict[str, Any]:
    """One JSON document; OSError when the other side ends first or goes on for ever."""
    data = b""
    while len(data) < LONGEST:
        got = line.recv(65536)
        if not got:
            break
        data += got
        try:
            reply = json.loads(data)
        except ValueError:
            continue
        return reply if isinstance(reply, dict) else {}
    raise OSError("no answer")


def _unavailable(message: str) -> IntentError:
    return IntentError(None, message, 503, "UNAVAILABLE")
